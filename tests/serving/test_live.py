"""Decisions on a stream: those of the whole recording where processing is causal, and none that are made up."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from thymos.base.errors import InputError
from thymos.base.recording import Recording
from thymos.serving.bundle import Bundle
from thymos.serving.live import LivePredictor
from thymos.serving.several import recipe_of
from thymos.signals.processing import signal_spread
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.sources import SimulatedEEG
from thymos.training.pipeline import make_pipeline

DE = [
    {"name": "differential_entropy", "parameters": {"bands": {"slow": [1.0, 8.0], "fast": [13.0, 30.0]}, "window": 1.0}}
]
CAUSAL = [
    {"name": "band_pass", "parameters": {"low": 1.0, "high": 30.0, "causal": True}},
    {"name": "resample", "parameters": {"to": 64.0, "causal": True}},
]


@pytest.fixture(scope="module")
def source():
    return SimulatedEEG(subjects=1, trials=4, seconds=20.0, effect=6.0, artifacts=False)


@pytest.fixture(scope="module")
def signal(source):
    return next(iter(source.load())).signal("eeg")


def bundle_of(source, process=CAUSAL, features=DE, classes=True, **recipe):
    """Train on a source by the recipe itself, so that samples are those that a bundle makes."""
    recordings = list(source.load())
    raw = [recording.signal("eeg") for recording in recordings]
    made = recipe_of(
        {
            "modality": "eeg",
            "channels": list(raw[0].ch_names),
            "unit": "V",
            "rates": [raw[0].sfreq],
            "spread": float(np.median([signal_spread(one) for one in raw])),
            "process": process,
            "processed": {"channels": list(raw[0].ch_names), "sfreq": 64.0 if process else raw[0].sfreq, "unit": "V"},
            "features": features,
            "seconds": 2.0,
            **recipe,
        }
    )
    samples = Bundle(None, made).samples(recordings)
    ratings = samples.meta["valence"].to_numpy(float)
    last = LogisticRegression(C=0.1) if classes else Ridge()
    y = np.where(ratings > np.median(ratings), "high", "low") if classes else ratings
    pipeline = make_pipeline(ChannelScaler(), Flatten(), last).fit(samples.X, y)
    return Bundle(pipeline, made, ("high", "low") if classes else (), "window")


@pytest.fixture(scope="module")
def made(source):
    return bundle_of(source)


def live(bundle, signal, **options):
    return LivePredictor(bundle, signal.ch_names, signal.sfreq, signal.unit, **options)


def pushed(predictor, data, size=37, times=None):
    """Return all decisions about a signal that comes in pieces of so many samples."""
    parts = [slice(k, k + size) for k in range(0, data.shape[1], size)]
    return [d for part in parts for d in predictor.push(data[:, part], None if times is None else times[part])]


def whole(bundle, signal, **changes):
    """Return what the bundle says of the recording at once."""
    meta = {"source": "x", "subject": "x", "session": "", "trial": "x", "stimulus": "x"}
    recipe = bundle.recipe.model_copy(update=changes)
    return bundle.replace(recipe=recipe).predict([Recording({"eeg": signal}, meta)])


@pytest.mark.parametrize("size", [1, 37, 10_000])
def test_pieces_of_any_size_are_decided_as_the_whole_recording(made, signal, size):
    short = signal.data[:, : round(6 * signal.sfreq)] if size == 1 else signal.data
    decisions = pushed(live(made, signal), short, size)
    table = whole(made, signal.replace(data=short))
    assert [d.stop for d in decisions] == table["stop"].tolist()
    assert [d.start for d in decisions] == table["start"].tolist()
    assert [d.predicted for d in decisions] == table["predicted"].tolist()
    assert np.allclose([d.probabilities["high"] for d in decisions], table["p_high"], atol=1e-6)
    assert all(np.isnan(d.time) and not d.reason for d in decisions)


@pytest.mark.parametrize(("process", "features"), [([], DE), (CAUSAL, []), ([], [])], ids=["raw", "windows", "neither"])
def test_with_and_without_processing_and_features(source, signal, process, features):
    bundle = bundle_of(source, process, features)
    decisions = pushed(live(bundle, signal, every=1.0), signal.data)
    table = whole(bundle, signal, step=1.0)
    assert [d.stop for d in decisions] == table["stop"].tolist()
    assert np.allclose([d.probabilities["high"] for d in decisions], table["p_high"], atol=1e-6)


def test_filters_remember_no_further_back_than_the_context(made, signal):
    table = whole(made, signal)
    far = {}
    for context in (0.0, 4.0, 30.0):
        decisions = pushed(live(made, signal, context=context), signal.data)
        far[context] = np.abs(np.array([d.probabilities["high"] for d in decisions]) - table["p_high"]).max()
    assert far[30.0] < 1e-6 < far[4.0] < 0.02 < far[0.0]


def test_seldom_decisions_know_the_context_too(made, signal):
    every = whole(made, signal)
    (_, last) = pushed(live(made, signal, every=14.0, context=4.0), signal.data)
    assert last.stop == 16.0
    assert last.probabilities["high"] == pytest.approx(every.set_index("stop")["p_high"][16.0], abs=1e-4)


def test_ratings_have_no_probabilities(source, signal):
    bundle = bundle_of(source, classes=False)
    decisions = pushed(live(bundle, signal), signal.data)
    assert np.allclose([d.predicted for d in decisions], whole(bundle, signal)["predicted"], rtol=1e-5)
    assert not decisions[0].probabilities


def test_windows_of_some_seconds_are_decided_together_as_those_of_a_trial(made, signal):
    table = whole(made, signal, step=1.0).assign(trial="x")
    decisions = pushed(live(made, signal, every=1.0, over=5.0), signal.data)
    for k in (0, 2, 10):
        mine = table[(table["stop"] <= decisions[k].stop) & (table["start"] >= decisions[k].stop - 5.0)]
        (wanted,) = made.by_trial(mine)["p_high"]
        assert decisions[k].probabilities["high"] == pytest.approx(wanted, abs=1e-6)
        assert decisions[k].start == mine["start"].min()
    assert len(mine) == 4


def test_no_window_reaches_over_a_jump_of_the_time_stamps(made, signal):
    times = 1000.0 + np.arange(signal.data.shape[1]) / signal.sfreq
    cut = round(7 * signal.sfreq)
    times[cut:] += 5.0
    predictor = live(made, signal)
    decisions = pushed(predictor, signal.data, times=times)
    assert [d.stop for d in decisions] == pytest.approx([2, 4, 6, 14, 16, 18, 20, 22, 24])
    assert decisions[3].time == pytest.approx(1014.0, abs=0.01)
    after = whole(made, signal.replace(data=signal.data[:, cut:]))
    assert np.allclose([d.probabilities["high"] for d in decisions[3:]], after["p_high"], atol=1e-6)
    assert "time stamps jump at 12.0 s: no window reaches over" in predictor.notes
    jitter = np.random.default_rng(0).uniform(-0.05, 0.05, len(times))
    same = pushed(live(made, signal), signal.data[:, :cut], times=(times + jitter)[:cut])
    assert len(same) == 3


def test_no_window_reaches_over_missing_values(made, signal):
    data = signal.data.copy()
    lost = round(5 * signal.sfreq)
    data[3, lost : lost + 64] = np.nan
    predictor = live(made, signal)
    decisions = pushed(predictor, data)
    begin = (lost + 64) / signal.sfreq
    assert [d.stop for d in decisions] == pytest.approx([2, 4, *np.arange(begin + 2, 20.001, 2)])
    assert all(d.predicted for d in decisions)
    assert any("values were missing" in text for text in predictor.notes)


def test_what_cannot_be_decided_has_a_reason_and_stops_nothing(made, signal):
    data = signal.data.copy()
    data[:, : round(4 * signal.sfreq)] = 0.0
    decisions = pushed(live(made, signal, context=0.0), data)
    assert [d.predicted is None for d in decisions] == [True, True, *[False] * 8]
    assert "does not change" in decisions[0].reason
    assert not decisions[0].probabilities


def test_a_slow_machine_decides_about_the_last_window(made, signal):
    predictor = live(made, signal)
    (decision,) = predictor.push(signal.data, latest=True)
    assert (decision.stop, predictor.skipped) == (20.0, 9)
    assert decision.probabilities["high"] == pytest.approx(whole(made, signal)["p_high"].iloc[-1], abs=1e-6)
    data = signal.data.copy()
    data[:, round(9 * signal.sfreq)] = np.nan
    predictor = live(made, signal)
    (decision,) = predictor.push(data, latest=True)
    assert predictor.skipped == 8


def test_rest_at_the_beginning_is_subtracted(source, signal):
    bundle = bundle_of(source)
    bundle = bundle.replace(recipe=bundle.recipe.model_copy(update={"subtract_baseline": True}))
    with pytest.raises(InputError, match="rest before the stimulus"):
        live(bundle, signal)
    n = round(4 * signal.sfreq)
    decisions = pushed(live(bundle, signal, rest=4.0), signal.data)
    rest = signal.replace(data=signal.data[:, :n], start=-4.0)
    meta = {"source": "x", "subject": "x", "session": "", "trial": "x", "stimulus": "x"}
    rest_and_rest = Recording({"eeg": signal.replace(data=signal.data[:, n:])}, meta, (), {"eeg": rest})
    table = bundle.predict([rest_and_rest])
    assert [d.stop for d in decisions] == (table["stop"] + 4.0).tolist()
    assert np.allclose([d.probabilities["high"] for d in decisions], table["p_high"], atol=1e-6)


def test_memory_does_not_grow(made, signal):
    predictor = live(made, signal, context=6.0)
    for _ in range(20):
        pushed(predictor, signal.data)
    kept = [value for value in vars(predictor).values() if isinstance(value, np.ndarray)]
    assert max(value.shape[-1] for value in kept) <= (6 + 2 + 2) * signal.sfreq + 37


def test_notes_name_what_training_knew_and_a_stream_does_not(source, signal):
    zero_phase = [{"name": "band_pass", "parameters": {"low": 1.0, "high": 30.0}}, CAUSAL[1]]
    smooth = [*DE, {"name": "smooth", "parameters": {}}]
    predictor = live(bundle_of(source, zero_phase, smooth), signal)
    assert [text.split(";")[0] for text in predictor.notes] == ["not causal: band_pass, smooth"]
    assert live(bundle_of(source), signal).notes == []
    trial = live(bundle_of(source).replace(level="trial"), signal)
    assert "about whole trials" in trial.notes[0]
    assert live(bundle_of(source).replace(level="trial"), signal, over=6.0).notes == []


def test_a_rate_that_is_another_than_the_stream_says_is_noted(made, signal):
    times = np.arange(signal.data.shape[1]) / (1.1 * signal.sfreq)
    predictor = live(made, signal)
    pushed(predictor, signal.data, times=times)
    assert "another rate than 128 Hz" in predictor.notes[0]


def test_other_caps_are_fitted_and_named(made, signal):
    order = list(range(len(signal.ch_names)))[::-1]
    names = [f"EEG {signal.ch_names[k]}-REF" for k in order]
    predictor = LivePredictor(made, names, signal.sfreq)
    decisions = pushed(predictor, signal.data[order])
    assert np.allclose([d.probabilities["high"] for d in decisions], whole(made, signal)["p_high"], atol=1e-6)
    assert any("order of training" in text for text in predictor.notes)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"sfreq": 64.0}, {}, "Its rate is 64 Hz"),
        ({"ch_names": ["A", "B"]}, {}, "It lacks"),
        ({"unit": "S"}, {}, "Its unit is 'S'"),
        ({}, {"every": 0.3}, "samples every|Samples of"),
        ({}, {"every": 0.0}, "every=0.0"),
        ({}, {"every": float("nan")}, "every=nan"),
        ({}, {"context": -1.0}, "context=-1.0"),
        ({}, {"over": 1.0}, "over=1.0"),
        ({}, {"gap": 0.0}, "gap=0.0"),
        ({}, {"rest": float("inf")}, "rest=inf"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_comes(made, signal, change, options, words):
    given = {"ch_names": signal.ch_names, "sfreq": signal.sfreq, "unit": "V", **change}
    with pytest.raises(InputError, match=words):
        LivePredictor(made, **given, **options)


def test_pieces_that_are_none_are_refused(made, signal):
    predictor = live(made, signal)
    for data, times in ((signal.data[:3], None), (signal.data[0], None), (signal.data, np.arange(3.0))):
        with pytest.raises(InputError, match="came"):
            predictor.push(data, times)
    assert predictor.push(signal.data[:, :0]) == []


def test_models_of_whole_recordings_or_of_pictures_are_refused(made, signal):
    of_all = made.replace(recipe=made.recipe.model_copy(update={"seconds": None, "step": None}))
    with pytest.raises(InputError, match="whole recordings"):
        live(of_all, signal)
    pictures = recipe_of({"modality": "face", "shape": [1, 48, 48]})
    with pytest.raises(InputError, match="pictures"):
        live(made.replace(recipe=pictures), signal)


def test_whole_numbers_come_as_well(made, signal):
    predictor = live(made, signal)
    counts = np.round(signal.data / np.abs(signal.data).max() * 3).astype(np.int16)
    decisions = pushed(predictor, counts)
    assert all("perhaps microvolts" in d.reason for d in decisions)
    assert pd.Series([d.stop for d in decisions]).is_monotonic_increasing
