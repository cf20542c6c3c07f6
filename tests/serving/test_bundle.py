"""A bundle predicts as the pipeline it was made of, says what it did, and is refused when it is not what it was."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import DataError, InputError
from thymos.base.probabilities import Calibration, log_loss, trial_probabilities
from thymos.models import EEGNetClassifier
from thymos.serving.bundle import FILES, FORMAT, Bundle
from thymos.serving.several import recipe_of
from thymos.signals.processing import signal_digest, signal_spread
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.signals.spectral import DifferentialEntropy
from thymos.sources import SimulatedEEG
from thymos.training.pipeline import make_pipeline

BANDS = {"slow": [1.0, 8.0], "fast": [13.0, 30.0]}


@pytest.fixture(scope="module")
def source():
    return SimulatedEEG(subjects=2, trials=6, seconds=6.0, effect=6.0, artifacts=False)


def samples_of(source, features):
    recordings = source.load().process("resample", to=64.0)
    if features:
        return recordings.features(DifferentialEntropy(bands=BANDS, window=1.0), seconds=2.0)
    return recordings.windows(2.0)


def bundle_of(source, features=(), classes=True):
    """Train on a source and return the bundle, the samples and their labels."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import Ridge

    samples = samples_of(source, features)
    ratings = samples.meta["valence"].to_numpy(float)
    y = np.where(ratings > 5, "high", "low") if classes else ratings
    last = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto") if classes else Ridge()
    steps = (
        [ChannelScaler(), Flatten(), last]
        if features
        else [ChannelScaler(), EEGNetClassifier(max_epochs=2, random_state=0)]
    )
    pipeline = make_pipeline(*steps).fit(samples.X, y)
    raw = [recording.signal("eeg") for recording in source.load()]
    recipe = recipe_of(
        {
            "modality": "eeg",
            "channels": list(raw[0].ch_names),
            "unit": "V",
            "rates": [raw[0].sfreq],
            "spread": float(np.median([signal_spread(signal) for signal in raw])),
            "process": [{"name": "resample", "parameters": {"to": 64.0}}],
            "processed": {"channels": list(raw[0].ch_names), "sfreq": 64.0, "unit": "V"},
            "features": list(features),
            "seconds": 2.0,
        }
    )
    known = {signal_digest(raw[0]): "training"}
    found = Bundle(
        pipeline, recipe, ("high", "low") if classes else (), known=known, card={"title": "made", "n": np.int64(3)}
    )
    return found, samples, y


DE = [{"name": "differential_entropy", "parameters": {"bands": BANDS, "window": 1.0}}]


@pytest.fixture(scope="module")
def made(source):
    return bundle_of(source, DE)


@pytest.mark.parametrize("features", [(), DE], ids=["windows", "features"])
def test_it_predicts_what_the_pipeline_predicts_for_the_samples_of_training(source, tmp_path, features):
    bundle, samples, _ = bundle_of(source, features)
    bundle = bundle.replace(calibration=Calibration(2.0, (0.3, -0.3)))
    bundle.save(tmp_path / "b")
    again = Bundle.load(tmp_path / "b")
    assert again.notes == ()
    assert (again.recipe, again.classes, again.calibration) == (bundle.recipe, bundle.classes, bundle.calibration)
    assert again.card == {"title": "made", "n": "3"}
    wanted = bundle.calibration.apply(bundle.pipeline.predict_proba(samples.X))
    table = again.predict(source.load())
    assert table.equals(bundle.predict(source.load()))
    # float32: a sum's last digit depends on how many samples are predicted at once
    assert np.allclose(table[["p_high", "p_low"]], wanted, rtol=1e-4)
    assert table["trial"].tolist() == samples.meta["trial"].tolist()
    assert np.array_equal(table[["start", "stop"]], samples.meta[["start", "stop"]])
    assert table["predicted"].tolist() == np.array(["high", "low"])[wanted.argmax(axis=1)].tolist()
    by_trial = again.by_trial(table.iloc[::-1])
    assert by_trial["trial"].tolist() == samples.meta["trial"].drop_duplicates().tolist()[::-1]
    combined = trial_probabilities(samples.meta["trial"].to_numpy(str), wanted)[1]
    assert np.allclose(by_trial.sort_values("trial")[["p_high", "p_low"]], combined)
    assert by_trial["start"].eq(0.0).all()
    assert by_trial["stop"].eq(6.0).all()


def test_ratings_are_numbers_and_have_no_calibration(source):
    bundle, samples, _ = bundle_of(source, DE, classes=False)
    table = bundle.predict(source.load())
    assert np.allclose(table["predicted"], bundle.pipeline.predict(samples.X), rtol=1e-5)
    assert list(table.columns) == ["recording", "trial", "start", "stop", "predicted"]
    means = table.groupby("trial")["predicted"].mean()
    assert np.allclose(bundle.by_trial(table).set_index("trial")["predicted"].sort_index(), means)
    with pytest.raises(InputError, match="ratings"):
        bundle.calibrated(source.load(), {"s01-t01": "high"})


def test_what_a_recording_is_says_itself_and_short_ones_do_not_stop_the_others(source, made):
    bundle, _, _ = made
    first, second, *_ = source.load()
    signal = second.signal("eeg")
    short = signal.replace(data=signal.data[:, :100])
    notes = []
    table = bundle.predict([first, type(second)({"eeg": short}, {**second.meta, "trial": "short"}), second], notes)
    assert table["trial"].drop_duplicates().tolist() == [first.meta["trial"], second.meta["trial"]]
    told = dict(notes)
    assert "shorter than a window of 2 s" in told["short"]
    assert "has seen this recording (training)" in told[first.meta["trial"]]
    assert second.meta["trial"] not in told
    assert bundle.predict([]).columns.tolist() == table.columns.tolist()
    assert len(bundle.by_trial(bundle.predict([]))) == 0


def test_a_recording_of_another_cap_is_fitted_and_the_words_name_it(source, made, words):
    bundle, _, _ = made
    recording = list(source.load())[1]
    signal = recording.signal("eeg")
    turned = signal.replace(data=signal.data[::-1], ch_names=signal.ch_names[::-1])
    notes = []
    table = bundle.predict([type(recording)({"eeg": turned}, recording.meta)], notes)
    assert np.array_equal(table["p_high"], bundle.predict([recording])["p_high"])
    assert notes == [(recording.meta["trial"], "channels put into the order of training")]
    with pytest.raises(InputError) as error:
        bundle.predict([type(recording)({"eeg": signal.replace(data=1e6 * signal.data)}, recording.meta)])
    words(error.value, recording.meta["trial"], "microvolts")


def test_few_labelled_trials_draw_it_towards_a_new_person(source, made):
    bundle, samples, y = made
    mine = [recording for recording in source.load() if recording.meta["subject"] == "s01"]
    off = bundle.replace(calibration=Calibration(1.0, (4.0, -4.0)), known={})  # a person for whom it always says `high`
    labels = dict(zip(samples.meta["trial"], y, strict=True))
    found = off.calibrated(mine, labels)
    facts = found.card["calibrated"]
    assert sorted(facts["trials"]) == sorted(recording.meta["trial"] for recording in mine)
    assert sum(facts["per_class"].values()) == len(mine)
    assert "rest" not in facts
    assert "must not be in a later test" in facts["caution"]
    assert facts["bias"]["low"] > facts["bias"]["high"]
    fitted = Calibration(facts["temperature"], tuple(facts["bias"][name] for name in off.classes))
    columns = ["p_high", "p_low"]
    assert np.allclose(found.predict(mine)[columns], fitted.apply(off.predict(mine)[columns]), atol=1e-4)

    def loss(model):
        table = model.by_trial(model.predict(mine))
        return log_loss(
            np.array([model.classes.index(labels[t]) for t in table["trial"]]), table[["p_high", "p_low"]].to_numpy()
        )

    assert loss(found) < 0.8 * loss(off)
    assert found.card["title"] == "made"
    notes = []
    found.predict(mine, notes)
    assert sum("(calibration)" in text for _, text in notes) == len(mine)
    one = off.calibrated(mine, labels, shots=1)
    assert len(one.card["calibrated"]["trials"]) == 2
    rest = one.card["calibrated"]["rest"]
    assert rest["before"]["n"] == len(mine) - 2
    assert rest["after"]["log_loss"] < rest["before"]["log_loss"]


def test_labels_that_do_not_fit_are_refused(source, made, words):
    bundle, _, _ = made
    bundle = bundle.replace(known={})
    for labels, expected in (
        ({"s01-t01": "hihg"}, ["label of 's01-t01'", "Did you mean 'high'?"]),
        ({"elsewhere": "high"}, ["None of the 1 labels"]),
        ({"s01-t01": "high", "s02-t01": "low"}, ["2 people"]),
        ({"s01-t01": "high", "s01-t99": "low"}, ["1 labels belong to no recording", "s01-t99", "have no label"]),
    ):
        with pytest.raises(InputError) as error:
            bundle.calibrated(source.load(), labels)
        words(error.value, *expected)
    with pytest.raises(InputError, match="0 trials"):
        bundle.calibrated(source.load(), {}, shots=0)


def edited(folder, **changes):
    head = json.loads((folder / FILES[0]).read_text())
    (folder / FILES[0]).write_text(json.dumps({**head, **changes}))


DAMAGES = {
    "a byte of the pipeline": (lambda f: flip(f / "pipeline.skops"), "pipeline.skops is damaged"),
    "weights cut off": (lambda f: (f / "weights.safetensors").write_bytes(b""), "weights.safetensors is damaged"),
    "weights gone": (lambda f: (f / "weights.safetensors").unlink(), "weights.safetensors"),
    "head gone": (lambda f: (f / FILES[0]).unlink(), "cannot be used as a bundle"),
    "head cut off": (
        lambda f: (f / FILES[0]).write_text((f / FILES[0]).read_text()[:500]),
        "cannot be used as a bundle",
    ),
    "head a list": (lambda f: (f / FILES[0]).write_text("[1]"), "cannot be used as a bundle"),
    "a number edited": (lambda f: edited(f, calibration={"temperature": 9.0, "bias": []}), "was changed after it"),
    "foreign": (lambda f: edited(f, format="somebody-else-3"), "is no bundle: 'somebody-else-3'"),
    "newer": (lambda f: edited(f, format="thymos-bundle-7"), "newer version of Thymos"),
}


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_what_was_written_is_refused_in_words(made, tmp_path, damage, words):
    folder = made[0].save(tmp_path / "b")
    change, expected = DAMAGES[damage]
    change(folder)
    with pytest.raises(DataError) as error:
        Bundle.load(folder)
    words(error.value, expected, "what to do")


def test_a_head_that_is_well_formed_and_makes_no_sense_is_refused(made, tmp_path, monkeypatch, words):
    monkeypatch.setattr("thymos.serving.bundle._checksum", lambda head: "same")
    folder = made[0].save(tmp_path / "b")
    for changes, expected in (
        ({"level": "planet"}, "planet"),
        ({"calibration": {"temperature": -1.0, "bias": []}}, "temperature"),
        ({"recipe": {"modality": "eeg"}}, "channels: Field required"),
        ({"classes": None}, "cannot be used"),
    ):
        shutil.copytree(folder, tmp_path / "c")
        edited(tmp_path / "c", **changes)
        with pytest.raises(DataError) as error:
            Bundle.load(tmp_path / "c")
        words(error.value, expected)
        shutil.rmtree(tmp_path / "c")


def test_it_appears_whole_and_replaces_bundles_only(made, tmp_path, monkeypatch, words):
    bundle = made[0]
    precious = tmp_path / "thesis"
    precious.mkdir()
    with pytest.raises(InputError, match="already exists"):
        bundle.save(precious, overwrite=True)
    folder = bundle.save(tmp_path / "b")
    assert json.loads((folder / FILES[0]).read_text())["format"] == FORMAT
    with pytest.raises(InputError, match="already exists"):
        bundle.save(folder)
    bundle.replace(level="window").save(folder, overwrite=True)
    assert Bundle.load(folder).level == "window"

    def broken(*arguments):
        raise DataError("The weights do not fit.")

    monkeypatch.setattr("thymos.serving.bundle.decode", broken)
    with pytest.raises(InputError, match=r"could not be read again: The weights do not fit\."):
        bundle.save(folder, overwrite=True)
    monkeypatch.undo()
    assert Bundle.load(folder).level == "window"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "thesis"]


def test_other_code_is_noted(made, tmp_path, monkeypatch):
    folder = made[0].save(tmp_path / "b")
    monkeypatch.setattr("thymos.serving.bundle.code_digest", lambda *rooms: "other")
    (note,) = Bundle.load(folder).notes
    assert "predictions may differ" in note


def test_processing_that_gives_something_else_is_refused(source, made, words):
    bundle, _, _ = made
    recipe = bundle.recipe.model_copy(update={"process": ()})
    with pytest.raises(InputError) as error:
        bundle.replace(recipe=recipe).predict(source.load())
    words(error.value, "After its processing", "128", "64")


def test_windows_on_marked_stretches_are_left_out(source, made):
    from thymos.base.recording import Span

    bundle, _, _ = made
    recording = next(iter(source.load()))
    marked = type(recording)(recording.signals, recording.meta, spans=(Span(2.5, 3.0, "rail"),))
    recipe = bundle.recipe.model_copy(update={"drop": ("rail",)})
    table = bundle.replace(recipe=recipe).predict([marked])
    assert table["start"].tolist() == [0.0, 4.0]
    assert isinstance(table, pd.DataFrame)
