import os
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from thymos.base.errors import InputError, UnfitError
from thymos.evaluation.saliency import integrated_gradients, permutation_importance
from thymos.models.mlp import MLPClassifier
from thymos.report.saliency import explain, margins_figure, saliency_figure, write_saliency
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.training.pipeline import make_pipeline

CLASSES = ["calm & <low>", "tense"]
CAP = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2"]
FEW = ["TP9", "AF7", "AF8", "TP10"]
BODY = ["bvp", "eda", "resp"]


def made(make_samples, names, classes=CLASSES):
    samples = make_samples(shape=(2, len(names), 3), classes=classes)
    rng = np.random.default_rng(1)
    samples.X[:, 1, 2] += (samples.y == classes[1])[:, None] + 0.1 * rng.standard_normal(samples.X[:, 1, 2].shape)
    return samples.replace(info={"ch_names": names, "features": ["made"]})


@pytest.fixture
def importance(make_samples):
    """Return a maker of importances of channels with these names; what counts is alpha of the third."""

    def make(names):
        samples = made(make_samples, names)
        pipe = make_pipeline(Flatten(), LogisticRegression()).fit(samples)
        return permutation_importance(pipe, samples, CLASSES, ["theta", "alpha"], repeats=2)

    return make


@pytest.fixture
def network(make_samples):
    """Return a network and samples of a cap."""
    samples = made(make_samples, CAP)
    model = MLPClassifier(hidden=(8,), max_epochs=3, lr=0.01, random_state=0, device="cpu")
    return make_pipeline(ChannelScaler(), model).fit(samples), samples


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def shown(figure):
    """Return the limits of the colours of every head, the last axes being the colour bar."""
    return {ax.images[0].get_clim() if ax.images else ax.collections[0].get_clim() for ax in figure.axes[:-1]}


def test_a_row_for_each_class_a_column_for_each_band_and_one_scale(importance):
    saliency = importance(CAP)
    figure = saliency_figure(saliency)
    assert len(figure.axes) == 3 * 2 + 1
    assert [ax.get_title() for ax in figure.axes[:2]] == ["theta", "alpha"]
    assert [texts(figure.axes[k])[-1] for k in (0, 2, 4)] == ["all", "calm & <low>", "tense"]
    assert shown(figure) == {(0.0, saliency.cells.max())}
    assert figure.axes[-1].get_ylabel() == "increase of log-loss (nats)"
    assert "F3" in texts(figure.axes[1])
    assert texts(figure.axes[3])[:1] == ["F3"]
    assert len(texts(figure.axes[2])) == 1, "only the strong are named"
    with pytest.raises(InputError, match="no sign"):
        saliency_figure(saliency, signed=True)


def test_signs_have_a_scale_around_zero(network):
    saliency = integrated_gradients(*network)
    most = np.abs(saliency.signed[:, :-1, :-1]).max()
    figure = saliency_figure(saliency, signed=True)
    assert shown(figure) == {(-most, most)}
    assert figure.axes[-1].get_ylabel() == "attribution (logit)"


def test_few_electrodes_are_discs_with_names_and_nothing_between_them(importance):
    figure = saliency_figure(importance(FEW))
    for ax in figure.axes[:-1]:
        assert not ax.images
        assert len(ax.collections[0].get_offsets()) == 4
        assert set(FEW) <= set(texts(ax))


def test_channels_without_a_place_are_bars(importance):
    saliency = importance(BODY)
    figure = saliency_figure(saliency)
    assert [ax.get_title() for ax in figure.axes] == ["all", "calm & <low>", "tense"]
    assert figure.axes[0].get_yticklabels()[0].get_text() == "alpha resp"
    assert figure.axes[0].patches[0].get_width() == pytest.approx(saliency.cells[0].max())
    margins = margins_figure(saliency)
    assert margins.axes[0].get_yticklabels()[0].get_text() == "resp"


def test_an_electrode_without_a_place_is_left_out_of_the_head_and_not_of_the_table(importance):
    saliency = importance([*CAP, "EOG"])
    figure = saliency_figure(saliency)
    assert len(figure.axes[0].collections[0].get_offsets()) == len(CAP)
    assert "EOG" in set(saliency.table()["channel"])


def test_whole_electrodes_and_bands_are_drawn_with_their_errors(importance):
    saliency = importance(CAP)
    figure = margins_figure(saliency)
    right = figure.axes[1]
    assert [label.get_text() for label in right.get_yticklabels()] == ["theta", "alpha", "all"]
    assert [bar.get_width() for bar in right.patches] == pytest.approx(saliency.values[0, :, -1].tolist())
    (lines,) = [c for c in right.collections if hasattr(c, "get_segments")]
    ends = np.array(lines.get_segments())[:, :, 0]
    assert np.diff(ends, axis=1)[:, 0] == pytest.approx(2 * saliency.error[0, :, -1])


def test_the_page_is_self_contained_and_escaped_and_the_table_beside_it(importance, tmp_path):
    saliency = importance(CAP)
    page = write_saliency(tmp_path / "new" / "maps", saliency, title="Maps & <more>", predictions=[3])
    folder = page.parent
    assert {path.name for path in folder.iterdir()} == {
        *("saliency.html", "saliency.csv", "saliency.png", "margins.png", "predictions.csv"),
        *("prediction-3.html", "prediction-3.png"),
    }
    text = page.read_text()
    assert "Maps &amp; &lt;more&gt;" in text
    assert "<low>" not in text
    assert not re.search(
        r"<script|@import|url\(http|(src|href)=\"(?!prediction-3|#)[^\"]", re.sub("<svg.*?</svg>", "", text, flags=re.S)
    )
    for tag in ("section", "table", "figure", "svg", "p", "tr", "div"):
        assert len(re.findall(rf"<{tag}[ >]", text)) == text.count(f"</{tag}>"), tag
    for words in ("alpha F3", "where in the brain", "Standard", "2 permutations of trials within each subject"):
        assert words.lower() in text.lower(), words
    assert "nan" not in re.sub(r"<svg.*?</svg>|[a-z]+nan|nan[a-z]+", "", text, flags=re.S).lower()
    table = pd.read_csv(folder / "saliency.csv")
    assert table["value"].to_numpy() == pytest.approx(saliency.values.ravel(), rel=1e-5)
    assert len(pd.read_csv(folder / "predictions.csv")) == len(saliency.predictions)
    assert (folder / "saliency.png").read_bytes()[:4] == b"\x89PNG"


def test_the_page_of_a_prediction_has_its_probabilities_and_its_map(network, tmp_path):
    pipe, samples = network
    saliency = explain(pipe, samples, CLASSES, tmp_path, predictions=[4])
    assert saliency.method == "integrated gradients"
    assert (tmp_path / "signed.png").is_file()
    assert "prediction-4.html" in (tmp_path / "saliency.html").read_text()
    text = (tmp_path / "prediction-4.html").read_text()
    for value in pipe.predict_proba(samples.X[4:5])[0]:
        assert f"<td>{value:.3f}</td>" in text
    for words in (
        samples.meta["trial"][4],
        "speaks for",
        "with sign",
        "one prediction",
        "<!-- attribution (logit) -->",
    ):
        assert words in text
    strongest = saliency.per_prediction(4).strongest(n=1).iloc[0]
    assert f'<td>{strongest["band"]}</td><th scope="row">{strongest["channel"]}</th>' in text


def test_the_way_follows_from_the_method(network, make_samples, tmp_path):
    pipe, samples = network
    other = make_pipeline(Flatten(), LogisticRegression()).fit(samples)
    assert explain(other, samples, CLASSES, tmp_path).quantity == "change of probability"
    found = explain(other, samples, CLASSES, tmp_path, labels=samples.y, repeats=1)
    assert found.quantity == "increase of log-loss"
    assert explain(pipe, samples, CLASSES, tmp_path, method="permutation", repeats=1).signed is None
    with pytest.raises(UnfitError, match="no trained network"):
        explain(other, samples, CLASSES, tmp_path, method="gradients")
    with pytest.raises(InputError, match="permutation"):
        explain(pipe, samples, CLASSES, tmp_path, method="permute")
    with pytest.raises(InputError, match="no option 'step'"):
        explain(pipe, samples, CLASSES, tmp_path, step=3)
    with pytest.raises(InputError, match="no option 'repeats'"):
        explain(pipe, samples, CLASSES, tmp_path, method="gradients", repeats=3)


def test_nothing_of_the_user_is_lost(importance, tmp_path, monkeypatch, folder_state):
    saliency = importance(CAP)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        write_saliency(tmp_path / "notes.txt", saliency)
    write_saliency(tmp_path, saliency)
    before = folder_state(tmp_path)
    with pytest.raises(InputError, match="0 to 71"):
        write_saliency(tmp_path, saliency, title="other", predictions=[72])

    def fails(*paths):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(InputError, match="no space"):
        write_saliency(tmp_path, saliency, title="other")
    assert folder_state(tmp_path) == before
