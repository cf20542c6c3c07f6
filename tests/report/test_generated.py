import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from thymos.augmentation.quality import gan_report
from thymos.base.errors import InputError
from thymos.evaluation.generated import Generated, GeneratedStudy
from thymos.evaluation.study_files import parse_study
from thymos.report.generated import FILES, _photos, draw_generated, maps_figure, write_generated

CLASSES = ["calm & <low>", "tense"]
CAP = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2")
BANDS = ("theta", "alpha")

STUDY = parse_study(
    {
        "name": "shown",
        "title": "Shown & <seen>",
        "source": "simulated-eeg",
        "windows": {"seconds": 1.0},
        "target": {"label": "valence", "above": 5.0},
        "protocols": {"trial": {}},
        "methods": {"made": {"steps": ["flatten", "smote", "lda"]}, "none": {"steps": ["flatten", "smote", "lda"]}},
    }
)


def part(n, shape, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    y = np.tile(CLASSES, n // 2)
    X = rng.standard_normal((n, *shape)).astype(np.float32)
    X[y == "tense"] += 0.5
    return X + np.float32(shift), y


def made_of(shape=(2, 10, 1), shift=0.0, **facts):
    """Return what a sampler made: alike to real samples, but for a shift of its alpha at F3."""
    parts = {"train": part(120, shape, 0), "held": part(60, shape, 1), "generated": part(80, shape, 2)}
    if shape == (2, 10, 1):
        parts["generated"][0][:, 1, 2] += shift
        facts = {"bands": BANDS, "ch_names": CAP, **facts}
    return Generated(
        "made",
        "Made & <shown>",
        "Maker",
        parts,
        gan_report(*parts.values(), permutations=20, draws=2),
        facts.pop("acceptance", pd.DataFrame(columns=["class", "rule", "share"])),
        facts.pop("history", pd.DataFrame()),
        **facts,
    )


@pytest.fixture(scope="module")
def shown():
    acceptance = pd.DataFrame(
        [(c, r, s) for c in CLASSES for r, s in (("class", 0.9), ("all", 0.5))], columns=["class", "rule", "share"]
    )
    history = pd.DataFrame({"step": [10, 20, 30], "loss": [3.0, 2.0, np.nan], "score": [0.3, np.inf, 0.1]})
    one = made_of(shift=3.0, acceptance=acceptance, history=history, notes=("Careful & <slow>.",))
    return GeneratedStudy(STUDY, "trial", "s01/1", "the validation part", 0, (one,), {"none": "It made <nothing>."})


def titles(one):
    return {drawn.title: drawn for drawn in draw_generated(one)}


def test_maps_have_a_row_for_real_generated_and_difference_and_one_scale(shown):
    (one,) = shown.methods
    figure = maps_figure(one, CLASSES)
    heads = figure.axes[:-1]
    assert len(heads) == 2 * 3 * 2
    assert [ax.get_title() for ax in heads[:2]] == ["theta", "alpha"]
    labels = [heads[k].texts[-1].get_text() for k in range(0, 12, 2)]
    assert labels == ["calm & <low>:\nreal", "generated", "difference", "tense: real", "generated", "difference"]
    limits = {ax.images[0].get_clim() for ax in heads}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == -high
    difference = (one.cells("generated") - one.cells("train").mean(axis=0)) / one.cells("train").std(axis=0)
    real = (one.cells("train") - one.cells("train").mean(axis=0)) / one.cells("train").std(axis=0)
    tense = [
        values[y == "tense"].mean(axis=0)
        for values, (_, y) in ((difference, one.parts["generated"]), (real, one.parts["train"]))
    ]
    assert high == pytest.approx(max(np.abs(tense[0]).max(), np.abs(tense[0] - tense[1]).max()))
    assert high > 2, "the shift is what is largest"


def test_noise_is_pale():
    rng = np.random.default_rng(0)
    parts = {name: (rng.standard_normal((400, 2, 10, 1)), np.tile(CLASSES, 200)) for name in ("train", "generated")}
    assert maps_figure(replace(made_of(), parts=parts), CLASSES).axes[0].images[0].get_clim() == (-0.5, 0.5)


def test_the_difference_is_that_of_generated_and_real_values():
    one = made_of((2, 4, 1), bands=BANDS, ch_names=("TP9", "AF7", "AF8", "TP10"))
    heads = maps_figure(one, CLASSES).axes[:-1]
    real, generated, difference = (np.array(heads[k].collections[0].get_array()) for k in (7, 9, 11))
    assert difference == pytest.approx(generated - real)
    train, y = one.parts["train"]
    alpha = train[:, 1, :, 0]
    assert real == pytest.approx((alpha[y == "tense"].mean(axis=0) - alpha.mean(axis=0)) / alpha.std(axis=0), rel=1e-4)


def test_the_page_is_self_contained_escaped_and_complete(shown, tmp_path):
    page = write_generated(tmp_path / "new" / "look", shown)
    assert {path.name for path in page.parent.iterdir()} == set(FILES)
    text = page.read_text()
    assert "Made &amp; &lt;shown&gt;" in text
    assert "Shown &amp; &lt;seen&gt;" in text
    assert "It made &lt;nothing&gt;." in text
    assert "Careful &amp; &lt;slow&gt;." in text
    assert "<low>" not in text
    outside = re.sub("<svg.*?</svg>", "", text, flags=re.S)
    assert not re.search(r"<script|@import|url\(http|(src|href)=\"(?!#)[^\"]", outside)
    for tag in ("section", "table", "figure", "p", "tr", "div", "details"):
        assert len(re.findall(rf"<{tag}[ >]", outside)) == outside.count(f"</{tag}>"), tag
    assert "nan" not in re.sub(r"[a-z]+nan|nan[a-z]+", "", outside).lower()
    (one,) = shown.methods
    assert text.index(one.quality.words[0]) < text.index("<table>") < text.index("<svg")
    for words in ("Maps of the scalp", "Bands", "Two dimensions", "Accepted", "Training of the generator", "s01/1"):
        assert words in text


def test_the_table_and_the_json_are_those_of_the_measures(shown, tmp_path, monkeypatch):
    monkeypatch.setattr("thymos.report.generated.draw_generated", lambda one: [])
    folder = write_generated(tmp_path / "look", shown).parent
    table = pd.read_csv(folder / "quality.csv")
    assert table["method"].unique().tolist() == ["made"]
    assert table["value"].to_numpy() == pytest.approx(shown.methods[0].quality.table["value"].to_numpy(), rel=1e-5)
    facts = json.loads((folder / "quality.json").read_text())
    assert facts["study"] == "shown"
    assert facts["methods"]["made"]["verdict"] == shown.methods[0].quality.verdict == "bad"
    assert facts["methods"]["made"]["history"][2] == {"step": 30, "loss": None, "score": 0.1}
    assert facts["methods"]["made"]["history"][1]["score"] is None, "a generator that diverged"
    assert facts["gaps"] == {"none": "It made <nothing>."}


def test_nothing_of_the_user_is_lost(shown, tmp_path, folder_state, monkeypatch):
    monkeypatch.setattr("thymos.report.generated.draw_generated", lambda one: [])
    place = tmp_path / "look"
    write_generated(place, shown)
    before = folder_state(place)
    with pytest.raises(InputError, match="already exists"):
        write_generated(place, shown)
    with monkeypatch.context() as broken:
        broken.setattr("thymos.report.generated.write_page", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_generated(place, shown, overwrite=True)
    assert folder_state(place) == before
    assert [path.name for path in tmp_path.iterdir()] == ["look"]
    (place / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        write_generated(place, shown, overwrite=True)
    (place / "notes.txt").unlink()
    write_generated(place, shown, overwrite=True)
    other = tmp_path / "other"
    other.mkdir()
    (other / "results.csv").write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        write_generated(other, shown, overwrite=True)


def test_what_cannot_be_drawn_says_why():
    table = titles(made_of((7,), unplaced="There are no bands."))
    assert not table["Maps of the scalp"].svg
    assert "There are no bands." in table["Maps of the scalp"].caption
    assert not table["Profile"].svg
    assert table["Mean and spread of every value"].svg
    body = titles(made_of(bands=BANDS, ch_names=tuple(f"finger {k}" for k in range(10))))
    assert "none of the channels" in body["Maps of the scalp"].caption
    assert body["Bands"].svg
    assert {"Accepted", "Training of the generator"}.isdisjoint(body)


def test_signals_have_a_spectrum_and_sequences_a_course():
    members = np.zeros((2, 33), dtype=bool)
    members[0, 4:8] = members[1, 8:13] = True
    signals = made_of((3, 64), bands=BANDS, ch_names=("Fz", "Cz", "Pz"), members=members, sfreq=64.0)
    drawn = titles(signals)
    assert "Hz" in drawn["Spectrum"].svg
    assert drawn["Maps of the scalp"].svg
    X = signals.parts["train"][0]
    power = np.square(np.abs(np.fft.rfft(X[0, 1])))[8:13].sum() / 64
    assert signals.cells("train")[0, 1, 1] == pytest.approx(np.log10(power), rel=1e-4)
    assert titles(made_of((3, 20), unplaced="None."))["Course over time"].svg


def test_many_classes_and_one_value_are_drawn():
    one = made_of((1,), unplaced="None.")
    assert titles(one)["Two dimensions"].svg
    names = np.array([f"class {k}" for k in range(6)])
    rng = np.random.default_rng(0)
    parts = {
        name: (rng.standard_normal((n, 2, 10, 1)).astype(np.float32), names[np.arange(n) % 6])
        for name, n in (("train", 120), ("held", 72), ("generated", 90))
    }
    many = replace(made_of(), parts=parts, quality=gan_report(*parts.values(), permutations=5, draws=1))
    drawn = titles(many)
    assert "3 more are not drawn" in drawn["Maps of the scalp"].caption
    assert drawn["Two dimensions"].svg


@pytest.mark.parametrize(("dtype", "colours"), [(np.uint8, 1), (np.float32, 3)])
def test_photographs_stand_side_by_side_from_both_parts(dtype, colours, monkeypatch):
    parts = {}
    for part, height in (("train", 0.2), ("held", 0.4), ("generated", 0.8)):
        y = np.repeat(CLASSES, [30, 30 if part == "train" else 3])
        X = np.full((len(y), colours, 8, 8), height) + np.where(y == "tense", 0.1, 0)[:, None, None, None]
        parts[part] = (np.round(255 * X) if dtype == np.uint8 else X).astype(dtype), y
    one = replace(made_of(), parts=parts, unplaced="pictures")
    figures = []
    monkeypatch.setattr("thymos.report.generated.svg", lambda fig: figures.append(fig) or "drawn")
    _photos(one)
    (figure,) = figures
    found = {ax.get_title(): np.asarray(ax.images[0].get_array()) for ax in figure.axes}
    assert list(found) == [f"{name}: {part}" for name in CLASSES for part in ("held-out", "generated")]
    for (title, shown), height in zip(found.items(), (0.4, 0.8, 0.5, 0.9), strict=True):
        first = shown[:, :8]
        assert first == pytest.approx(np.full(first.shape, height), abs=1 / 255), title
        assert shown.shape[:2] == found["tense: generated"].shape[:2]
        # three photographs of the rare class, then nothing
        assert (shown[:, 30:] == 1).all() == title.startswith("tense")


def test_sequences_of_the_body_are_shown_as_waveforms_and_spectra():
    one = made_of((2, 80), unplaced="hr is no electrode.", sfreq=4.0, ch_names=("hr", "hr_slope"))
    assert one.sequences
    drawn = titles(one)
    assert {"Sequences", "Spectrum", "Course over time"} <= set(drawn)
    assert all(drawn[name].svg for name in ("Sequences", "Spectrum"))
    # glyphs are drawn as paths, beside which a comment keeps the text
    shown = re.findall(r"<!-- (.*?) -->", drawn["Sequences"].svg)
    assert {"tense: held-out", "tense: generated", "seconds", "hr"} <= set(shown)
    table = made_of((2, 80), unplaced="Tables have no places.")
    assert not table.sequences
    assert "Sequences" not in titles(table)
