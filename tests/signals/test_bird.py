import numpy as np
import pytest
from scipy import stats
from scipy.linalg import expm, logm
from scipy.signal import resample

from thymos.base.errors import InputError
from thymos.signals.bird import BirdFeatures, bird_features, bird_names, lagged
from thymos.signals.windows import sliding_windows

SFREQ = 256
LEGACY = {
    "mean": 5, "mean_d": 5, "mean_q": 50, "stddev": 5, "stddev_d": 5, "moments": 20, "max": 5, "max_d": 5,
    "max_q": 50, "min": 5, "min_d": 5, "min_q": 50, "covmat": 144, "eigen": 12, "logm": 78, "entropy": 5,
    "correlate": 75, "fft": 750,
}  # fmt: skip


def volts(n=6, channels=5, size=SFREQ, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 2e-5, (n, channels, size)) + offset


def legacy(x, mode="legacy"):
    """Return the columns of each family, positive offsets aside without a warning."""
    values, names = bird_features(x, mode), np.array(bird_names(mode))
    family = np.array([name.rsplit("_", 1)[0] for name in names])
    return {name: values[..., family == name] for name in dict.fromkeys(family)}


def clean(x, **options):
    names = bird_names("clean", ch_names=tuple("ABCD")[: x.shape[-2]], **options)
    return dict(zip(names, np.moveaxis(bird_features(x, "clean", **options), -1, 0), strict=True))


def test_counts_of_the_published_table():
    table = legacy(volts(offset=1e-3))
    assert {name: part.shape[-1] for name, part in table.items()} == LEGACY
    assert sum(LEGACY.values()) == 1274
    dedup = legacy(volts(offset=1e-3), "legacy_dedup")
    assert {name: part.shape[-1] for name, part in dedup.items()} == {**LEGACY, "fft": 450}


@pytest.mark.parametrize(("mode", "n"), [("legacy", 2548), ("legacy_dedup", 1948), ("clean", 808)])
def test_names_are_unique_and_name_the_block(mode, n):
    names = bird_names(mode, lag=True)
    assert len(names) == len(set(names)) == n
    assert [name[-2:] for name in names] == ["_a"] * (n // 2) + ["_b"] * (n // 2)


def test_legacy_statistics_are_in_microvolts_of_150_points():
    x = volts(offset=1e-3)
    y = resample(x * 1e6, 150, axis=-1)
    table = legacy(x)
    assert np.allclose(table["mean"], x.mean(axis=-1) * 1e6)
    assert np.allclose(table["mean_d"], y[..., 75:].mean(axis=-1) - y[..., :75].mean(axis=-1))
    quarters = np.stack([part.max(axis=-1) for part in np.split(y, [37, 75, 112], axis=-1)], axis=1)
    assert np.allclose(table["max_q"][:, :20], quarters.reshape(6, 20))
    assert np.allclose(table["max_q"][:, 20:25], quarters[:, 0] - quarters[:, 1])
    assert np.allclose(table["max_q"][:, -5:], quarters[:, 2] - quarters[:, 3])
    assert np.allclose(table["stddev"], y.std(axis=-1))
    assert np.allclose(table["moments"], np.concatenate([stats.moment(y, k, axis=-1) for k in (3, 4, 5, 6)], axis=1))
    assert np.allclose(table["correlate"][:, 7], (y[..., 7] * y[..., 82]).sum(axis=1))
    assert np.allclose(table["entropy"], stats.entropy(y, axis=-1))


def test_covmat_is_folded_from_quarters_and_no_covariance_of_channels():
    table = legacy(volts(offset=1e-3))
    folded = np.concatenate([table["mean_q"][:, :44], table["max_q"], table["min_q"]], axis=1).reshape(-1, 12, 12)
    covmat = table["covmat"].reshape(-1, 12, 12)
    assert np.allclose(covmat, [np.cov(m) for m in folded])
    assert np.allclose(table["eigen"], np.linalg.eigvalsh(covmat)[:, ::-1])
    assert (table["eigen"][:, 0] > table["eigen"][:, 1]).all()


def test_logm_is_a_logarithm_wherever_there_is_one_and_finite_elsewhere():
    table = legacy(volts(offset=1e-3))
    covmat = table["covmat"].reshape(-1, 12, 12)
    diagonals = np.cumsum([0, *range(12, 0, -1)])
    logs = np.zeros_like(covmat)
    for k in range(12):
        rows = np.arange(12 - k)
        logs[:, rows, rows + k] = logs[:, rows + k, rows] = table["logm"][:, diagonals[k] : diagonals[k + 1]]
    assert np.allclose([expm(m) for m in logs], covmat, rtol=1e-6, atol=1e-6 * covmat.max())
    values, vectors = np.linalg.eigh(covmat)
    assert np.allclose(values[:, 0] / values[:, -1], 0, atol=1e-12), "the matrix is regular after all"
    kept = vectors[..., 1:]  # on the regular part it agrees with SciPy
    inside = kept.swapaxes(1, 2) @ logs @ kept
    assert np.allclose(inside, [logm(np.diag(v)) for v in values[:, 1:]], atol=1e-6)
    flat = legacy(np.full((1, 5, SFREQ), 1e-4))
    assert all(np.isfinite(part).all() for part in flat.values())


def test_fft_is_a_transform_across_channels_with_copies():
    x = volts(offset=1e-3)
    y = resample(x * 1e6, 150, axis=-1)
    columns = legacy(x)["fft"].reshape(-1, 150, 5)
    assert np.allclose(columns, np.fft.fft(y, axis=1).real.swapaxes(1, 2))
    assert np.allclose(columns[..., 0], y.sum(axis=1))
    assert np.array_equal(columns[..., 1], columns[..., 4])
    assert np.array_equal(columns[..., 2], columns[..., 3])
    dedup = legacy(x, "legacy_dedup")["fft"]
    assert np.array_equal(dedup.reshape(-1, 150, 3), columns[..., :3])
    assert len(np.unique(np.round(columns[0], 9))) == 450
    kept = [name for name in bird_names("legacy_dedup", lag=True) if name.startswith("fft")]
    assert len(kept) == 900
    assert set(kept) < set(bird_names("legacy", lag=True))


def test_entropies_that_do_not_exist_are_said_and_zero():
    x = volts(offset=1e-3)
    x[2] -= 1e-3
    with pytest.warns(RuntimeWarning, match="5 of 30 entropies do not exist"):
        table = legacy(x)
    assert (table["entropy"][2] == 0).all()
    assert (table["entropy"][[0, 1, 3, 4, 5]] > 4).all()


@pytest.mark.parametrize("mode", ["clean", "legacy", "legacy_dedup"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_earlier_block_of_a_row_is_the_later_block_of_the_row_before(mode, dtype):
    signal = volts(1, 5, 10 * SFREQ, offset=1e-3)[0].astype(dtype)
    rows = np.moveaxis(sliding_windows(signal, 3 * SFREQ // 2, SFREQ // 2), -2, 0)
    made = BirdFeatures(SFREQ, mode, lag=True).fit_transform(rows)
    half = len(bird_names(mode, ch_names=signal if mode == "clean" else ()))
    assert made.shape == (len(rows), 2 * half, 1)
    assert made.dtype == dtype
    assert np.array_equal(made[1:, :half], made[:-1, half:])
    blocks = BirdFeatures(SFREQ, mode).fit_transform(signal[None])  # windows of 1 s every 0.5 s
    assert blocks.shape == (1, half, 19)
    assert np.allclose(made[..., 0], lagged(blocks[0].T), rtol=1e-4, atol=1e-6)


def test_clean_statistics_of_a_known_window():
    t = np.arange(SFREQ) / SFREQ
    x = np.stack([5e-6 * np.cos(2 * np.pi * 10 * t), 1e-6 * t, 3e-6 * np.cos(2 * np.pi * 20 * t)])[None]
    table = clean(x)
    assert table["fft_10Hz_A"] == pytest.approx(5e-6, rel=1e-3)
    assert table["fft_20Hz_C"] == pytest.approx(3e-6, rel=1e-3)
    assert table["fft_1Hz_B"] == pytest.approx(0, abs=1e-12), "the trend is still in"
    assert table["fft_30Hz_A"] == pytest.approx(0, abs=1e-9)
    assert table["mean_d_B"] == pytest.approx(0.5e-6)
    assert table["mean_q1q4_B"] == pytest.approx(-0.75e-6)
    assert table["max_q2_B"] == pytest.approx(1e-6 * 127 / 256)
    assert table["kurtosis_A"] == pytest.approx(-1.5)
    assert table["covariance_A-A"] == pytest.approx(12.5e-12)
    assert table["covariance_A-C"] == pytest.approx(0, abs=1e-16)
    assert table["entropy_8-14Hz_A"] == pytest.approx(0.5 * np.log(2 * np.pi * np.e * 12.5e-12), rel=1e-3)
    assert table["log_share_8-14Hz_A"] == pytest.approx(0, abs=1e-6)
    assert not [name for name in table if "50Hz" in name]


def test_clean_covariances_agree_with_numpy_and_their_logarithm_with_scipy():
    x = volts(1, 3)
    table = clean(x)
    matrix = np.cov(x[0], ddof=0)
    assert np.allclose([table["eigen_0"], table["eigen_2"]], np.linalg.eigvalsh(matrix)[[0, 2]])
    expected = logm(matrix + 1e-14 * np.eye(3))
    assert table["log_covariance_A-C"] == pytest.approx(expected[0, 2])
    assert table["log_covariance_B-B"] == pytest.approx(expected[1, 1])


def test_clean_features_that_ought_not_to_change_do_not():
    x = volts(2, 4)
    same, moved, louder = clean(x), clean(x + 1e-4), clean(3 * x)
    order = [2, 0, 3, 1]
    permuted = clean(x[:, order])
    for name, value in same.items():
        family = name.split("_")[0]
        if family in {"stddev", "skewness", "kurtosis", "fft", "entropy", "log", "eigen", "covariance"}:
            assert np.allclose(moved[name], value, rtol=1e-6, atol=1e-10), f"{name} depends on the offset"
        if family in {"skewness", "kurtosis"} or name.startswith("log_share"):
            assert np.allclose(louder[name], value), f"{name} depends on the gain"
        if family == "entropy":
            assert np.allclose(louder[name], value + np.log(3)), name
        if family == "eigen":
            assert np.allclose(permuted[name], value), f"{name} depends on the order of channels"
        if family == "kurtosis":
            assert np.allclose(permuted[f"kurtosis_{'ABCD'[order.index('ABCD'.index(name[-1]))]}"], value)


def test_a_flat_channel_gives_finite_numbers():
    x = volts(1, 4)
    x[0, 1] = 0
    assert np.isfinite(bird_features(x)).all()
    assert np.isfinite(bird_features(np.zeros((1, 4, SFREQ)))).all()


def test_windows_are_taken_inside_a_sample_and_the_auxiliary_channel_is_left_out():
    x = volts(3, 5, 2 * SFREQ)
    made = BirdFeatures(SFREQ, auxiliary=-1).fit_transform(x)
    assert made.shape == (3, 404, 3)
    assert np.allclose(made[..., 1], bird_features(x[:, :4, SFREQ // 2 : 3 * SFREQ // 2]))
    whole = BirdFeatures(SFREQ, window=None).fit_transform(x[:, :4])
    assert whole.shape == (3, len(bird_names(window=2.0)), 1)
    assert BirdFeatures(SFREQ).fit_transform(x[..., :SFREQ]).shape[-1] == 1


def test_what_does_not_fit_is_said_in_words(words):
    x = volts(2, 4)
    for make, expected in (
        (lambda: bird_features(x, "legacy"), ("4 channels", "auxiliary input", "mode='clean'")),
        (lambda: bird_features(x, "legcy"), ("'legcy'", "'legacy'")),
        (lambda: BirdFeatures(SFREQ, lag=True).fit_transform(x), ("hold 1 windows", "two windows")),
        (lambda: BirdFeatures(SFREQ, window=2.0).fit_transform(x), ("256 points", "one window")),
        (lambda: BirdFeatures(SFREQ, auxiliary=4).fit_transform(x), ("auxiliary=4", "4 channels")),
        (lambda: BirdFeatures(SFREQ, mode="x").fit(x), ("'x'",)),
        (lambda: BirdFeatures(50.0).fit(x), ("50 Hz",)),
        (lambda: bird_features(x[..., :1]), ("(2, 4, 1)",)),
    ):
        with pytest.raises(InputError) as error:
            make()
        words(error.value, *expected)
