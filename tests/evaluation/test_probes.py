import re

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from thymos.base.samples import Samples
from thymos.evaluation import RecordingSplit
from thymos.evaluation.probes import PROBES, evidence, probe_folds
from thymos.evaluation.statistics import summarise

SFREQ = 128


@pytest.fixture
def windows(make_samples):
    """Return windows of one second, a label for each trial, nothing in the signal; the first session has one label."""
    samples = make_samples(subjects=6, trials=8, shape=(3, SFREQ))
    calm = samples.y == "calm"
    late = samples.meta["trial"].str[-1].astype(int).to_numpy() > 3
    session = np.where(calm & ~late, "monday", "tuesday")
    marks = np.where(calm, "rail", "")
    meta = samples.meta.assign(session=session, marks=marks)
    return samples.replace(X=samples.X * 1e-5, meta=meta, info={**samples.info, "sfreq": float(SFREQ)})


def reached(samples, name):
    folds = {"recording": RecordingSplit(4).folds(samples.meta, samples.y)}
    made = probe_folds(samples, folds, ["calm", "tense"])
    table = summarise(made[made["method"] == name], ["calm", "tense"], ("accuracy",))
    return table[table["level"] == "trial"].iloc[0]


def planted(samples, name):
    calm = (samples.y == "calm")[:, None]
    X = samples.X.copy()
    if name == "channel scale":
        X[:, 2] *= np.where(calm, 3, 1)
    if name == "channel offset":
        X[:, 1] += np.where(calm, 2e-5, 0)
    if name == "mains hum":
        X[:, 0] += np.where(calm, 2e-5, 0) * np.sin(2 * np.pi * 50 * np.arange(SFREQ) / SFREQ)
    if name == "clipping":
        X[:, 0] = np.where(calm, np.minimum(X[:, 0], 1e-6), X[:, 0])
    if name == "place in recording":
        start = samples.meta["start"] + np.where(calm[:, 0], 100.0, 0.0)
        samples = samples.replace(meta=samples.meta.assign(start=start, stop=start + 1))
    return samples.replace(X=X.astype(np.float32))


@pytest.mark.parametrize("name", ["channel scale", "channel offset", "mains hum", "place in recording", "session"])
def test_a_planted_nuisance_is_found_by_its_probe(windows, name):
    found = reached(planted(windows, name), name)
    assert found["value"] > (0.7 if name == "session" else 0.95)
    assert found["p"] < 0.01


@pytest.mark.parametrize("name", ["channel scale", "channel offset", "mains hum", "place in recording", "subject"])
def test_where_nothing_is_planted_a_probe_finds_nothing(windows, name):
    assert reached(windows, name)["p"] > 0.01


def test_clipping_sees_marks_and_frozen_samples(windows):
    assert reached(windows, "clipping")["value"] > 0.95  # through the marks
    frozen = planted(windows, "clipping")
    frozen = frozen.replace(meta=frozen.meta.assign(marks=""))
    assert reached(frozen, "clipping")["value"] > 0.95


def test_evidence_names_the_channel_with_medians_in_its_unit_and_values_with_one_label(windows):
    (text,) = evidence(planted(windows, "channel scale"), PROBES["channel scale"])
    scales = re.fullmatch(r"c2: calm (\S+) uV, tense (\S+) uV \(medians\)", text)
    assert float(scales[1]) == pytest.approx(30, rel=0.1)
    assert float(scales[2]) == pytest.approx(10, rel=0.1)
    texts = evidence(windows, PROBES["session"])
    assert "1 of 2 have one label only" in texts
    assert "monday: only calm" in texts


def test_tables_of_features_have_no_scale_and_ratings_are_probed_by_their_mean(make_samples):
    samples = make_samples(subjects=9, trials=8, shape=(4,))
    rated = samples.replace(y=samples.meta["subject"].str[1:].astype(float).to_numpy())
    folds = {"recording": RecordingSplit(4).folds(rated.meta, rated.y)}
    made = probe_folds(rated, folds, [])
    assert set(made["method"]) == {"place in recording", "session of a subject", "subject", "stimulus"}
    told = made[made["method"] == "subject"]
    assert np.corrcoef(told["label"], told["predicted"])[0, 1] > 0.99


def test_values_never_seen_get_the_share_of_all(make_samples):
    samples = make_samples(subjects=3, classes=("calm", "calm", "tense"))
    from thymos.evaluation import LeaveOneSubjectOut

    folds = {"loso": LeaveOneSubjectOut(validation=0).folds(samples.meta, samples.y)}
    made = probe_folds(samples, folds, ["calm", "tense"])
    unseen = made[made["method"] == "subject"]
    assert np.allclose(unseen["p0"], 2 / 3)


def test_features_that_tell_loudness_and_length_are_probed_by_their_names():
    rng = np.random.default_rng(0)
    names = ["f0_mean", "level_mean", "seconds"]
    X = rng.standard_normal((20, 3, 1, 1)).astype(np.float32)
    X[:, 2] = 3.0
    meta = pd.DataFrame({"trial": [f"t{k}" for k in range(20)]}).assign(start=0.0, stop=1.0)
    meta = meta.assign(**dict.fromkeys(("source", "subject", "session", "stimulus"), "s"))
    info = {"features": ["Prosody()"], "feature_names": names}
    alone = Samples(X, np.array(["a", "b"] * 10), meta, info)
    several = alone.replace(
        X={"tune": X, "mel": X[:, :1]}, info={"modalities": {"mel": {"feature_names": ["f0_mean"]}, "tune": info}}
    )
    for samples in (alone, several):
        assert np.array_equal(PROBES["loudness"].features(samples), X[:, 1].reshape(20, 1))
        assert PROBES["duration"].features(samples) is None, "all are of one length"
    assert PROBES["loudness"].features(alone.replace(info={})) is None


@pytest.mark.parametrize(("name", "other"), [("light", "sharpness"), ("sharpness", "light")])
@pytest.mark.parametrize("modalities", [False, True])
def test_light_and_sharpness_of_pictures_are_probed_each_by_itself(make_samples, name, other, modalities):
    samples = make_samples(subjects=6, trials=8)
    calm = samples.y == "calm"
    X = gaussian_filter(np.random.default_rng(0).normal(128, 400, (len(samples), 1, 24, 24)), (0, 0, 1.5, 1.5))
    spread = X.std(axis=(2, 3), keepdims=True)
    if name == "light":
        X[calm] += 40
    else:
        X[calm] = gaussian_filter(X[calm], (0, 0, 1, 1))
        X = (X - X.mean(axis=(2, 3), keepdims=True)) / X.std(axis=(2, 3), keepdims=True) * spread + 128
    faces = X.clip(0, 255).astype(np.uint8)
    samples = samples.replace(X={"eeg": samples.X, "face": faces} if modalities else faces)
    assert reached(samples, name)["value"] > 0.95
    assert reached(samples, other)["p"] > 0.01
    assert PROBES[name].features(samples.replace(X=faces.astype(np.float32))) is None


def test_codes_and_clocks_among_features_are_probed(make_samples):
    samples = make_samples(subjects=6, trials=8, windows=5, shape=(9,))
    calm = samples.y == "calm"
    rng = np.random.default_rng(0)
    assert PROBES["few values"].features(samples) is None
    assert PROBES["clock"].features(samples) is None
    trial = np.unique(samples.meta["trial"], return_inverse=True)[1]
    wrong = rng.random(trial.max() + 1) < 0.15
    code = np.where(calm ^ wrong[trial], 1.0, -1.0)
    minute = rng.uniform(0, 20, trial.max() + 1)[trial] + np.where(calm, 25, 0) + samples.meta["start"] / 60
    planted = samples.replace(X=np.column_stack([samples.X, code, minute]).astype(np.float32))
    assert PROBES["few values"].features(planted).tolist() == planted.X[:, [9]].tolist()
    assert PROBES["clock"].features(planted).tolist() == planted.X[:, [10]].tolist()
    for name in ("few values", "clock"):
        row = reached(planted, name)
        assert row["value"] > 0.8
        assert row["p"] < 0.01


def test_coarse_tables_have_no_codes(make_samples):
    samples = make_samples(subjects=4, trials=8, shape=(6,))
    assert PROBES["few values"].features(samples.replace(X=np.round(samples.X))) is None
