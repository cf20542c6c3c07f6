"""The simulated EEG is what it says: reproducible, plausible, with the effects of its table and none in null mode."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from thymos.base.errors import InputError
from thymos.base.recording import META_COLUMNS
from thymos.sources.simulate.eeg import (
    AXES,
    BANDS,
    EFFECTS,
    MONTAGES,
    PRESETS,
    REGIONS,
    SimulatedEEG,
    bursts,
    forward,
    head,
    patch,
    shaped_noise,
    stimuli,
)

CAP = MONTAGES["deap32"]
SMALL = {"subjects": 3, "trials": 4, "seconds": 4.0}


def signals(source, subjects=None):
    """Return all trials, shape (n_trials, n_channels, n_times), in V."""
    return np.stack([recording.signal("eeg").data for recording in source.recordings(subjects)])


def metas(source, *keys):
    return np.array([[recording.meta[key] for key in keys] for recording in source.recordings()])


def log_power(x):
    """Return log band power at 128 Hz, shape (..., n_bands, n_channels)."""
    power = np.square(np.abs(np.fft.rfft(x * np.hanning(x.shape[-1]), axis=-1)))
    freqs = np.fft.rfftfreq(x.shape[-1], 1 / 128)
    return np.stack([np.log(power[..., (freqs >= low) & (freqs < high)].mean(-1)) for low, high in BANDS.values()], -2)


def at(*names):
    return [CAP.index(name) for name in names]


# --- randomness ---------------------------------------------------------------------------------------------------


def test_same_seed_gives_identical_bytes():
    assert signals(SimulatedEEG(**SMALL)).tobytes() == signals(SimulatedEEG(**SMALL)).tobytes()


def test_some_subjects_come_out_as_in_the_full_set():
    source = SimulatedEEG(**SMALL)
    full = {r.meta["trial"]: r for r in source.recordings()}
    some = list(source.recordings(["s03", "s01"]))
    assert [r.meta["subject"] for r in some] == ["s01"] * 4 + ["s03"] * 4
    for recording in some:
        twin = full[recording.meta["trial"]]
        assert recording.meta == twin.meta
        assert recording.signal("eeg").data.tobytes() == twin.signal("eeg").data.tobytes()
    larger = signals(SimulatedEEG(**{**SMALL, "subjects": 120}), ["s002"])
    np.testing.assert_array_equal(larger, signals(source, ["s02"]))


def test_other_seeds_differ():
    a, b = (SimulatedEEG(2, 4, 20.0, artifacts=False, random_state=seed) for seed in (0, 1))
    for x, y in zip(signals(a), signals(b), strict=True):
        assert np.abs(np.corrcoef(x[CAP.index("Cz")], y[CAP.index("Cz")])[0, 1]) < 0.15
    assert not np.array_equal(metas(a, "valence"), metas(b, "valence"))


def test_trials_and_subjects_are_uncorrelated():
    x = signals(SimulatedEEG(subjects=4, trials=3, seconds=30.0, artifacts=False))
    for channel in at("Cz", "F3", "O1"):
        r = np.corrcoef(x[:, channel])
        assert np.abs(r[~np.eye(len(r), dtype=bool)]).max() < 0.12


# --- metadata and labels ------------------------------------------------------------------------------------------


def test_metadata_are_complete():
    source = SimulatedEEG(subjects=2, trials=6, seconds=2.0)
    recordings = list(source.recordings())
    trials = [r.meta["trial"] for r in recordings]
    assert trials == [f"s{s:02d}-t{t:02d}" for s in (1, 2) for t in range(1, 7)]
    assert source.subjects() == ["s01", "s02"]
    for recording in recordings:
        assert set(META_COLUMNS) - {"start", "stop"} <= recording.meta.keys()
        assert (recording.meta["source"], recording.meta["session"]) == ("simulated-eeg", "1")
        assert recording.meta["recording"] == recording.meta["trial"]
        assert all(isinstance(recording.meta[key], float) for key in ("valence", "arousal", "felt_valence"))
        assert recording.spans == ()
        eeg = recording.signal("eeg")
        assert (eeg.unit, eeg.sfreq, eeg.ch_names) == ("V", 128.0, CAP)
        assert (eeg.data.dtype, eeg.data.shape) == (np.float32, (32, 256))


def test_every_subject_meets_every_stimulus_in_an_order_of_their_own():
    order = metas(SimulatedEEG(subjects=3, trials=10, seconds=1.0), "stimulus").reshape(3, 10)
    assert all(set(row) == {f"k{k:02d}" for k in range(1, 11)} for row in order)
    assert len({tuple(row) for row in order}) == 3


def test_ratings_follow_what_was_felt():
    source = SimulatedEEG(subjects=8, trials=20, seconds=1.0)
    values = metas(source, "valence", "arousal", "felt_valence", "felt_arousal")
    assert values[:, :2].min() >= 1
    assert values[:, :2].max() <= 9
    assert np.abs(values[:, 2:]).max() <= 1
    for axis in (0, 1):
        assert np.corrcoef(values[:, axis], values[:, 2 + axis])[0, 1] > 0.85


def test_a_stimulus_is_felt_alike_by_all():
    rows = metas(SimulatedEEG(subjects=10, trials=12, seconds=1.0), "stimulus", "felt_valence")
    felt = np.array([rows[rows[:, 0] == k, 1].astype(float) for k in np.unique(rows[:, 0])])
    assert felt.std(axis=1).mean() < 0.25
    assert felt.mean(axis=1).std() > 0.4


@pytest.mark.parametrize("n", [2, 4, 15, 16, 40])
def test_stimuli_are_balanced_and_spread(n):
    for seed in (0, 1):
        points = stimuli(n, seed)
        assert ((points > 0).sum(axis=0) == n // 2).all()
        assert len(np.unique(points, axis=0)) == n
        if n >= 15:
            assert abs(np.corrcoef(points.T)[0, 1]) < 0.05
            assert abs(np.corrcoef(np.abs(points).T)[0, 1]) < 0.15
            assert abs((np.prod(points, axis=1) > 0).sum() - n / 2) <= 1.5


# --- head model ---------------------------------------------------------------------------------------------------


def test_patches_below_f3_and_f4_are_apart():
    gain, dipoles, directions = forward(CAP)
    gain = gain - gain.mean(axis=0)
    left = patch(gain, dipoles, directions[at("F3", "AF3")])[at("F3", "F4")]
    right = patch(gain, dipoles, directions[at("F4", "AF4")])[at("F4", "F3")]
    for near, far in (left, right):
        assert near == pytest.approx(0.157, rel=0.05)
        assert near > 20 * abs(far)
    np.testing.assert_allclose(head(CAP).regions[at("F3", "F4"), 0], left, rtol=1e-5)


def test_each_region_is_strongest_near_its_electrodes():
    regions = head(CAP).regions
    for column, below in zip(regions.T, REGIONS.values(), strict=True):
        assert column[at(*below)].max() > 0.8 * column.max()
        assert 0.1 < column.max() < 0.4
        assert column.sum() == pytest.approx(0, abs=1e-5)


def test_topographies_of_artifacts():
    model = head(CAP)
    assert model.blink[at("Fp1", "Fp2")].mean() == pytest.approx(1)
    assert model.blink[at("F3")] < 0.5 * model.blink[at("Fp1")]
    assert model.saccade[at("F8")] == pytest.approx(1, abs=0.05)
    assert model.saccade[at("F7")] == pytest.approx(-1, abs=0.05)
    assert [CAP[i] for i in model.muscle.argmax(axis=0)] == ["T7", "T8", "F7", "F8"]


def test_headband_is_as_sensitive_as_the_cap_at_its_places():
    electrodes = (*CAP, *MONTAGES["muse4"])
    wide, band = head(electrodes), head(MONTAGES["muse4"])
    expected = wide.regions[-4:] - wide.regions[-4:].mean(axis=0)
    np.testing.assert_allclose(band.regions, expected, atol=1e-6)
    left, right = list(REGIONS).index("PFL"), list(REGIONS).index("PFR")
    assert band.regions[1, left] == pytest.approx(0.094, abs=0.02)  # AF7, uV/nAm
    assert band.regions[2, right] == pytest.approx(0.094, abs=0.02)
    rms = signals(SimulatedEEG(montage="muse4", artifacts=False)).std(axis=(0, 2)) * 1e6
    assert rms.shape == (4,)
    assert ((rms > 3) & (rms < 20)).all()


def test_any_electrodes_of_the_system():
    source = SimulatedEEG(1, 2, 2.0, montage=["Fz", "CB1", "TP10"])
    assert source.ch_names == ("Fz", "CB1", "TP10")
    assert signals(source).shape == (2, 3, 256)
    np.testing.assert_array_equal(head(("Fz", "CB1")).regions, head(("Fz", "PO9")).regions)


# --- signal -------------------------------------------------------------------------------------------------------


def test_amplitudes_are_plausible():
    for parameters in ({}, {"artifacts": False}, {"sfreq": 250.0, "montage": "muse4"}, {"effect": 3.0}):
        rms = signals(SimulatedEEG(trials=8, **parameters)).astype(float).std(axis=(0, 2)) * 1e6
        assert ((rms > 5) & (rms < 100)).all(), rms
    assert np.abs(signals(SimulatedEEG())).max() < 1e-3


def test_background_has_the_promised_size():
    assert np.sqrt(np.square(head(CAP).background).sum(axis=1).mean()) == pytest.approx(8, rel=1e-3)


def test_alpha_peak_at_pz_over_one_over_f():
    x = signals(SimulatedEEG(artifacts=False, null=True)).astype(float)[:, CAP.index("Pz")]
    power = np.square(np.abs(np.fft.rfft(x * np.hanning(x.shape[-1])))).mean(axis=0)
    freqs = np.fft.rfftfreq(x.shape[-1], 1 / 128)

    def level(low, high):
        return power[(freqs >= low) & (freqs < high)].mean()

    def over_one_over_f(low, high):
        return level(low, high) * (low + high) / 2 / (level(2, 3) * 2.5)

    assert level(10, 12) > 3 * level(6, 7)
    assert level(10, 12) > 5 * level(15, 16)
    assert over_one_over_f(10, 12) > 3
    assert over_one_over_f(48, 60) < 2.5  # background and the noise of the channel


def test_blinks_hit_the_forehead_and_line_noise_its_frequency():
    parameters = {"subjects": 2, "trials": 4, "seconds": 20.0}
    added = signals(SimulatedEEG(**parameters)) - signals(SimulatedEEG(**parameters, artifacts=False))
    top = np.abs(added).max(axis=(0, 2)) * 1e6
    assert top[at("Fp1", "Fp2")].min() > 60
    assert np.median(top) < 60

    def line(frequency):
        x = signals(SimulatedEEG(**parameters, line_freq=frequency)).astype(float)
        power = np.square(np.abs(np.fft.rfft(x * np.hanning(x.shape[-1])))).mean(axis=(0, 1))
        freqs = np.fft.rfftfreq(x.shape[-1], 1 / 128)
        return power[np.abs(freqs - 50) < 0.3].max() / power[(freqs > 46) & (freqs < 49)].mean()

    assert line(50) > 10 * line(60)
    assert line(128 - 50) < 5  # above half the sampling rate there is none, and no image of it at 50 Hz


def test_one_channel_of_a_subject_is_noisy():
    parameters = {"subjects": 6, "trials": 6, "seconds": 4.0, "line_freq": 64.0}
    noise = signals(SimulatedEEG(**parameters)).astype(float) - signals(SimulatedEEG(**parameters, artifacts=False))
    fast = np.abs(np.fft.rfft(noise, axis=-1))[..., -12:].mean(axis=-1).reshape(6, 6, 32)  # 61 Hz and more: no muscle
    worst = fast.argmax(axis=-1)
    assert (worst == worst[:, :1]).all()
    assert len(set(worst[:, 0])) > 1


def test_shaped_noise_and_bursts_have_unit_power():
    rng = np.random.default_rng(0)
    pink = shaped_noise(rng, (200,), 1000, 128.0, lambda f: np.maximum(f, 1) ** -0.5)
    assert np.square(pink).mean() == pytest.approx(1, abs=0.05)
    assert pink.dtype == np.float32
    both = shaped_noise(rng, (50, 2), 1000, 128.0, lambda f: np.array([(f > 8) & (f < 12), (f > 30) & (f < 40)]))
    power = np.square(np.abs(np.fft.rfft(both * np.hanning(1000)))).mean(axis=0)
    assert (np.fft.rfftfreq(1000, 1 / 128)[power.argmax(axis=-1)] // 10).tolist() in ([0, 3], [1, 3])
    envelope = bursts(rng, (500,), 2000, 128.0)
    assert envelope.min() > 0
    assert np.square(envelope).mean() == pytest.approx(1, abs=0.1)
    level = np.log(envelope[:, :: 32 * 4])  # once a second
    lagged = np.corrcoef(level[:, :-1].ravel(), level[:, 1:].ravel())[0, 1]
    assert lagged == pytest.approx(0.9**4, abs=0.06)


# --- effects ------------------------------------------------------------------------------------------------------

STRONG = {"subjects": 12, "trials": 40, "seconds": 6.0, "effect": 3.0, "artifacts": False, "random_state": 1}


@pytest.fixture(scope="module")
def experiment():
    """Log power, shape (n_subjects, n_trials, n_bands, n_channels), with effect and without, and the felt axes."""
    by_subject = (STRONG["subjects"], STRONG["trials"])
    power = [log_power(signals(SimulatedEEG(**STRONG, null=null))) for null in (False, True)]
    felt = metas(SimulatedEEG(**STRONG), "felt_valence", "felt_arousal")
    axes = np.c_[felt, np.prod(1 - np.abs(felt), axis=1)]
    return *(p.reshape(*by_subject, *p.shape[1:]) for p in power), axes.reshape(*by_subject, 3)


@pytest.mark.parametrize(("band", "regions", "axis", "size"), EFFECTS)
def test_every_effect_has_its_sign_in_each_region(experiment, band, regions, axis, size):
    strong, null, axes = experiment  # the difference of the two is what emotion did
    slopes = []
    for power, felt in zip((strong - null)[:, :, list(BANDS).index(band)], axes, strict=True):
        design = np.c_[felt, np.ones(len(felt))]
        slopes.append(np.linalg.lstsq(design, power, rcond=None)[0][AXES.index(axis)])
    for region in regions:
        slope = np.array(slopes)[:, at(*REGIONS[region])].mean(axis=1) * np.sign(size)
        assert stats.ttest_1samp(slope, 0, alternative="greater").pvalue < 0.01, region


CONTRASTS = {
    "asymmetry": ("alpha", ("F4",), ("F3",), "valence", 1),
    "parietal alpha": ("alpha", ("Pz",), (), "arousal", -1),
    "occipital alpha": ("alpha", ("O1", "O2"), (), "arousal", -1),
    "occipital alpha, neutral": ("alpha", ("O1", "O2"), (), "neutral", 1),
    "central alpha": ("alpha", ("C3", "C4"), (), "arousal", -1),
    "temporal beta": ("beta", ("T7", "T8"), (), "valence", 1),
    "temporal gamma": ("gamma", ("T7", "T8"), (), "valence", 1),
    "temporal gamma, arousal": ("gamma", ("T7", "T8"), (), "arousal", 1),
    "prefrontal gamma": ("gamma", ("Fp1", "Fp2"), (), "valence", -1),
    "frontal gamma": ("gamma", ("F3", "Fz", "F4"), (), "arousal", 1),
    "frontal beta": ("beta", ("F3", "Fz", "F4"), (), "arousal", 1),
    "central beta": ("beta", ("C3", "C4"), (), "arousal", 1),
    "midline theta": ("theta", ("Fz",), (), "valence", 1),
}


def p_value(power, axes, band, plus, minus, axis, sign):
    """One-sided p of the correlation within subjects."""
    x = power[:, :, list(BANDS).index(band)]
    x = x[..., at(*plus)].mean(axis=-1) - (x[..., at(*minus)].mean(axis=-1) if minus else 0)
    felt = axes[..., AXES.index(axis)]
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(x, felt, strict=True)]
    return stats.ttest_1samp(np.multiply(r, sign), 0, alternative="greater").pvalue


@pytest.mark.parametrize("name", CONTRASTS)
def test_effects_show_at_the_electrodes_and_vanish_in_null_mode(experiment, name):
    strong, null, axes = experiment
    assert p_value(strong, axes, *CONTRASTS[name]) < 0.01
    assert p_value(null, axes, *CONTRASTS[name]) > 0.01


def test_null_mode_leaves_everything_else_unchanged():
    null, zero = SimulatedEEG(**SMALL, effect=3.0, null=True), SimulatedEEG(**SMALL, effect=0.0)
    assert signals(null).tobytes() == signals(zero).tobytes()
    strong = SimulatedEEG(**SMALL, effect=3.0)
    assert [r.meta for r in strong.recordings()] == [r.meta for r in null.recordings()]
    a, b = signals(strong).ravel(), signals(null).ravel()
    assert not np.array_equal(a, b)
    assert np.corrcoef(a, b)[0, 1] > 0.8  # the same random numbers


def test_null_artifacts_know_no_emotion():
    """With an effect, strong valence brings more muscle and arousal fewer blinks; in null mode neither."""
    parameters = {"subjects": 4, "trials": 40, "seconds": 10.0, "emg_confound": 0.6, "line_freq": 64.0}

    def related(**effect):
        source = SimulatedEEG(**parameters, **effect)
        added = signals(source) - signals(SimulatedEEG(**parameters, **effect, artifacts=False))
        felt = metas(source, "felt_valence", "felt_arousal").reshape(4, 40, 2)
        muscle = np.abs(np.diff(added[:, at("T7", "T8")].sum(axis=1), axis=-1)).mean(axis=-1).reshape(4, 40)
        blink = np.maximum(added[:, at("Fp1", "Fp2")].mean(axis=1), 0).mean(axis=-1).reshape(4, 40)
        return [
            np.mean([stats.spearmanr(a, b)[0] for a, b in zip(emotion, trace, strict=True)])
            for emotion, trace in ((np.abs(felt[..., 0]), muscle), (felt[..., 1], blink))
        ]

    muscle, blink = related(effect=3.0)
    assert muscle > 0.3
    assert blink < -0.3
    muscle, blink = related(null=True)
    assert abs(muscle) < 0.2
    assert abs(blink) < 0.2
    coupled, free = (SimulatedEEG(**SMALL, null=True, emg_confound=c) for c in (1.0, 0.0))
    assert signals(coupled).tobytes() == signals(free).tobytes()


def nearest_is_same_trial(source):
    """Share of windows of 1 s whose nearest neighbour, of all other seconds, is of the same trial (chance: 1/16)."""
    x = signals(source)[..., : int(source.seconds) * 128]
    features = np.stack([log_power(second) for second in np.split(x, int(source.seconds), axis=-1)], axis=1)
    features = features.reshape(len(x), int(source.seconds), -1)
    hits = []
    for part in np.split(features, source.n_subjects):
        flat = part.reshape(-1, part.shape[-1])
        flat = (flat - flat.mean(axis=0)) / flat.std(axis=0)
        trial = np.repeat(np.arange(part.shape[0]), part.shape[1])
        distance = np.square(flat[:, None] - flat).sum(axis=-1)
        np.fill_diagonal(distance, np.inf)
        hits.append(trial[distance.argmin(axis=1)] == trial)
    return np.mean(hits)


def test_windows_of_a_trial_are_alike_even_without_emotion():
    by_fingerprint = [nearest_is_same_trial(SimulatedEEG(null=True, fingerprint=f)) for f in (0.0, 0.25, 0.5)]
    assert by_fingerprint[0] < 0.2
    assert by_fingerprint[1] > 0.35
    assert by_fingerprint[2] > 0.8


def test_fingerprint_is_in_the_bands_and_not_in_the_gain_alone():
    parameters = {"subjects": 4, "trials": 8, "seconds": 6.0, "artifacts": False, "null": True}
    without, marked = (log_power(signals(SimulatedEEG(**parameters, fingerprint=f))) for f in (0.0, 1.0))
    change = (marked - without)[..., CAP.index("Oz")]
    between_bands = (change[:, 1] - change[:, 0]).reshape(4, 8)  # a gain is the same in all bands
    assert between_bands.std(axis=1).mean() > 0.3


def test_drift_grows_over_the_trials():
    parameters = {"subjects": 8, "trials": 24, "seconds": 2.0, "artifacts": False, "null": True, "fingerprint": 0.0}
    still, drifting = (log_power(signals(SimulatedEEG(**parameters, drift=d))) for d in (0.0, 2.0))
    alpha = (drifting - still)[:, 1].reshape(8, 24, 32)
    assert np.abs(alpha[:, :4]).mean() < 0.6 * np.abs(alpha[:, -4:]).mean()


def test_subjects_differ_by_what_stays_in_all_their_trials():
    parameters = {"subjects": 8, "trials": 6, "seconds": 6.0, "artifacts": False, "null": True}
    alike, apart = (log_power(signals(SimulatedEEG(**parameters, subject_sd=sd))) for sd in (0.0, 1.0))
    change = (apart - alike)[:, 1, CAP.index("Oz")].reshape(8, 6)
    assert change.mean(axis=1).std() > 0.3
    assert change.mean(axis=1).std() > 2 * change.std(axis=1).mean()


# --- interface ----------------------------------------------------------------------------------------------------


def test_presets():
    assert SimulatedEEG.preset("teaching", trials=2).effect == 3
    assert SimulatedEEG.preset("realistic").effect == 1
    assert SimulatedEEG.preset("null").null
    assert PRESETS.keys() == {"realistic", "teaching", "null"}
    with pytest.raises(InputError, match=r"no preset 'teach'[^\n]*'teaching'"):
        SimulatedEEG.preset("teach")


def test_loads_as_any_source():
    samples = SimulatedEEG(2, 4, 3.0).load(["s02"]).windows(1.0)
    assert samples.X.shape == (12, 32, 128)
    assert set(samples.meta["subject"]) == {"s02"}
    with pytest.raises(InputError, match="no subject s03"):
        SimulatedEEG(2).load(["s03"])


@pytest.mark.parametrize(
    ("parameters", "came", "fits"),
    [
        ({"subjects": 0}, "subjects=0", "a whole number, 1 or more"),
        ({"trials": -3}, "trials=-3", "a whole number, 1 or more"),
        ({"trials": 2.5}, "trials=2.5", "a whole number, 1 or more"),
        ({"seconds": 0.5}, "seconds=0.5", "a number, 1 s or more"),
        ({"sfreq": 64}, "sfreq=64", "a number, 100 Hz or more"),
        ({"effect": -1}, "effect=-1", "a number, 0 or more"),
        ({"effect": float("nan")}, "effect=nan", "a number, 0 or more"),
        ({"fingerprint": "much"}, "fingerprint='much'", "a number, 0 or more"),
        ({"random_state": -1}, "random_state=-1", "a whole number, 0 or more"),
        ({"montage": "deap"}, "no montage 'deap'. Did you mean 'deap32'", "muse4"),
        ({"montage": ["Fz", "Cx"]}, "no electrode 'Cx'", "10-05 system"),
        ({"montage": ["Fz"]}, "The montage Fz came", "at least two electrodes"),
        ({"montage": ["Fz", "Cz", "Fz"]}, "The montage Fz, Cz, Fz came", "each once"),
        ({"montage": []}, "without electrodes", "at least two electrodes"),
    ],
)
def test_wrong_input_is_answered(parameters, came, fits):
    with pytest.raises(InputError) as caught:
        SimulatedEEG(**parameters)
    assert came in caught.value.came
    assert fits in caught.value.fits
    assert caught.value.do


def test_import_stays_cheap():
    code = "import sys; from thymos.sources.simulate.eeg import *; SimulatedEEG(); print('mne' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
