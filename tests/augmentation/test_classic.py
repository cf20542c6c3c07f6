import numpy as np
import pytest

from thymos.augmentation import (
    BandDropout,
    ElectrodeDropout,
    FourierSurrogate,
    Jitter,
    Mixup,
    Oversample,
    Smote,
)
from thymos.base.errors import InputError

N = 40  # samples of each of two classes
MANY = 4000


def data(*shape, seed=0, dtype=np.float32):
    """Return samples whose features have means and scales of their own, and labels in mixed order."""
    rng = np.random.default_rng(seed)
    X = rng.normal(rng.normal(size=shape) * 5, rng.uniform(0.5, 3, size=shape), size=(2 * N, *shape))
    return X.astype(dtype), rng.permutation(np.repeat(["calm", "tense"], N))


def drawn(sampler, X, y, count=MANY, label="tense", seed=1):
    """Return samples of one class and the rows they were made from."""
    rng = np.random.default_rng(seed)
    sampler.learn(X, y, None, rng)
    made, parents = sampler.draw(X, y, None, label, count, rng)
    assert made.shape == (count, *X.shape[1:])
    assert made.dtype == X.dtype
    assert (y[parents] == label).all()
    return made, parents


def test_oversampling_repeats_all_samples_of_the_class_equally_often():
    X, y = data(3, 4)
    made, parents = drawn(Oversample(), X, y)
    assert np.array_equal(made, X[parents])
    rows, times = np.unique(parents, return_counts=True)
    assert rows.tolist() == np.flatnonzero(y == "tense").tolist()
    assert times.max() < 1.6 * MANY / N


def test_jitter_is_a_share_of_each_features_deviation_over_all_classes():
    X, y = data(3, 4)
    X[y == "tense"] += 20  # the deviation over both classes is far above that within one
    X[:, 0, 0] = 7
    sampler = Jitter(scale=0.2)
    made, parents = drawn(sampler, X, y)
    noise = made - X[parents]
    assert np.allclose(sampler.deviation_, X.std(axis=0), rtol=1e-4)
    assert np.allclose(noise.std(axis=0), 0.2 * X.std(axis=0), rtol=0.06, atol=1e-6)
    assert np.abs(noise.mean(axis=0)).max() < 0.2
    assert (noise[:, 0, 0] == 0).all()
    correlations = np.corrcoef(noise.reshape(MANY, -1)[:, 1:].T)
    assert np.abs(correlations - np.eye(11)).max() < 0.08, "the noise of two features goes together"
    still, parents = drawn(Jitter(scale=0), X, y)
    assert np.array_equal(still, X[parents])


@pytest.mark.parametrize(("alpha", "mean"), [(1.0, 0.75), (1000.0, 0.509), (0.01, 0.993)])
def test_mixup_lies_between_two_samples_of_the_class_with_betas_share(alpha, mean):
    X, y = data(3, 4, dtype=np.float64)
    made, parents = drawn(Mixup(alpha=alpha), X, y)
    assert (parents[:, 0] != parents[:, 1]).all()
    a, b = X[parents[:, 0]].reshape(MANY, -1), X[parents[:, 1]].reshape(MANY, -1)
    share = ((made.reshape(MANY, -1) - b) * (a - b)).sum(axis=1) / ((a - b) ** 2).sum(axis=1)
    assert np.allclose(made.reshape(MANY, -1), share[:, None] * a + (1 - share[:, None]) * b)
    assert share.min() > 0.5 - 1e-9, "the first parent has the smaller share"
    assert share.max() < 1 + 1e-9
    assert share.mean() == pytest.approx(mean, abs=0.01)
    pairs = {tuple(sorted(pair)) for pair in parents.tolist()}
    assert len(pairs) > 0.95 * N * (N - 1) / 2


def test_smote_lies_between_a_sample_and_a_nearest_neighbour():
    places = np.array([0.0, 1.0, 10.0, 11.0, 30.0, 30.0])
    X = np.concatenate([places, places + 0.5]).reshape(-1, 1, 1)
    y = np.repeat(["tense", "calm"], 6)
    made, parents = drawn(Smote(neighbours=1), X, y)
    pairs = {tuple(sorted(pair)) for pair in parents.tolist()}
    assert pairs == {(0, 1), (2, 3), (4, 5)}, "a sample is no neighbour of itself, nor is one of another class"
    between = np.array([0 <= v <= 1 or 10 <= v <= 11 or v == 30 for v in made.ravel()])
    assert between.all()
    low = made.ravel()[made.ravel() <= 1]
    assert abs(low.mean() - 0.5) < 0.03
    assert low.std() == pytest.approx(1 / np.sqrt(12), abs=0.02)
    assert {tuple(sorted(p)) for p in drawn(Smote(neighbours=2), X, y)[1].tolist()} > pairs


def test_smote_takes_all_others_where_the_class_has_few():
    X, y = data(2, 3)
    rows = np.concatenate([np.flatnonzero(y == "calm"), np.flatnonzero(y == "tense")[:3]])
    _, parents = drawn(Smote(neighbours=5), X[rows], y[rows])
    assert {tuple(sorted(pair)) for pair in parents.tolist()} == {(N, N + 1), (N, N + 2), (N + 1, N + 2)}


@pytest.mark.parametrize("sampler", [Mixup, Smote])
def test_one_sample_has_no_neighbour(sampler, words):
    X, y = data(2, 3)
    rows = np.append(np.flatnonzero(y == "calm"), np.flatnonzero(y == "tense")[0])
    with pytest.raises(InputError) as error:
        sampler(sampling_strategy={"calm": N + 5, "tense": 2}).fit_resample(X[rows], y[rows])
    words(error.value, "class 'tense' has one sample", "two samples", "sampling_strategy")
    made, _ = sampler(sampling_strategy={"calm": N + 5}).fit_resample(X[rows], y[rows])
    assert len(made) == len(rows) + 5


@pytest.mark.parametrize(
    ("sampler", "shape", "axis"),
    [
        (ElectrodeDropout, (3, 10, 2), 2),
        (ElectrodeDropout, (10, 6), 1),
        (ElectrodeDropout, (10,), 1),
        (BandDropout, (10, 3, 2), 1),
        (BandDropout, (10,), 1),
    ],
)
def test_dropout_sets_a_share_of_one_axis_to_the_training_mean(sampler, shape, axis):
    X, y = data(*shape)
    made, parents = drawn(sampler(low=0.2, high=0.6), X, y)
    others = tuple(k for k in range(1, X.ndim) if k != axis)
    lost = (made == X.mean(axis=0, dtype=np.float64).astype(np.float32)).all(axis=others)
    kept = (made == X[parents]).all(axis=others)
    assert (lost ^ kept).all(), "each entry is either lost in all its values or kept in all"
    numbers = np.bincount(lost.sum(axis=1), minlength=11)
    assert np.flatnonzero(numbers).tolist() == [2, 3, 4, 5, 6]
    assert numbers[[3, 4, 5]].min() > 0.2 * MANY, "the share is not uniform"
    assert np.abs(lost.mean(axis=0) - lost.mean()).max() < 0.04, "some entries are lost more often than others"


def test_dropout_loses_one_and_leaves_one_at_least():
    X, y = data(4, 5)
    for share, number in ((0.0, 1), (1.0, 3)):
        made, parents = drawn(ElectrodeDropout(low=share, high=share), X, y)
        assert ((made != X[parents]).any(axis=2).sum(axis=1) == number).all()


@pytest.mark.parametrize(
    ("sampler", "shape", "expected"),
    [
        (BandDropout, (4, 32), ["BandDropout", "(4, 32)", "bands", "1 or 3 axes"]),
        (BandDropout, (1, 4, 2), ["two bands"]),
        (ElectrodeDropout, (1, 32), ["two electrodes"]),
        (ElectrodeDropout, (2, 2, 2, 2), ["(2, 2, 2, 2)", "1 or 2 or 3 axes"]),
        (FourierSurrogate, (5, 4, 1), ["three points of time", "before the features"]),
    ],
)
def test_samples_that_have_no_such_axis_are_refused(sampler, shape, expected, words):
    with pytest.raises(InputError) as error:
        sampler().fit_resample(*data(*shape))
    words(error.value, *expected)


@pytest.mark.parametrize("n_times", [64, 65])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_surrogates_keep_spectra_and_cross_spectra_and_lose_phases(n_times, dtype):
    X, y = data(3, n_times, dtype=dtype)
    X[:, 1] += 2 * X[:, 0]
    X *= dtype(1e-5)  # volts
    made, parents = drawn(FourierSurrogate(), X, y)
    new, old = np.fft.rfft(made.astype(float)), np.fft.rfft(X[parents].astype(float))
    size = np.abs(old).max()
    near = 1e-6 if dtype is np.float32 else 1e-12
    assert np.allclose(np.abs(new), np.abs(old), atol=near * size)
    assert np.allclose(new[:, 0].conj() * new[:, 1], old[:, 0].conj() * old[:, 1], atol=near * size**2)
    assert np.allclose(made.mean(axis=-1), X[parents].mean(axis=-1), atol=near * size)
    covariances = [a - a.mean(axis=-1, keepdims=True) for a in (made, X[parents])]
    a, b = (c @ c.swapaxes(1, 2) for c in covariances)
    assert np.allclose(a, b, atol=1e-4 * np.abs(b).max())
    turned = (new * old.conj())[:, 0, 1 : (n_times + 1) // 2]
    turned /= np.abs(turned)
    assert np.abs(turned.mean(axis=0)).max() < 0.07, "the phases are not uniform"
    assert np.abs((turned[:, 1:] * turned[:, :-1].conj()).mean(axis=0)).max() < 0.07, "phases go together"


def test_a_surrogate_of_a_pulse_is_spread_over_time():
    X = np.zeros((20, 2, 128), dtype=np.float32)
    X[:, :, 40] = 1
    y = np.repeat(["calm", "tense"], 10)
    made, _ = drawn(FourierSurrogate(), X, y, count=10)
    assert np.abs(made).max() < 0.6
    assert np.allclose((made**2).sum(axis=2), 1, atol=1e-4)
    assert np.allclose(made[:, 0], made[:, 1], atol=1e-6), "channels have phases of their own"


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        (Jitter(scale=-1), ["scale=-1", "at least 0"]),
        (Jitter(scale="a"), ["scale='a'"]),
        (Mixup(alpha=0), ["alpha=0"]),
        (Mixup(alpha=np.inf), ["alpha=inf"]),
        (Smote(neighbours=0), ["neighbours=0", "at least 1"]),
        (Smote(neighbours=1.5), ["neighbours=1.5"]),
        (ElectrodeDropout(low=-0.1), ["low=-0.1", "from 0 to 1"]),
        (ElectrodeDropout(low=0.6), ["high=0.5", "from 0.6 to 1"]),
        (BandDropout(high=1.1), ["high=1.1"]),
    ],
)
def test_impossible_parameters_are_refused_in_words(sampler, expected, words):
    with pytest.raises(InputError) as error:
        sampler.fit_resample(*data(4, 3, 2))
    words(error.value, *expected)
    with pytest.raises(InputError):
        sampler.fit(*data(4, 3, 2))


def test_grey_values_stay_grey_values():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(20, 1, 4, 4)).astype(np.uint8)
    X[0] = 255
    y = np.repeat(["calm", "tense"], 10)
    made, _ = Jitter(scale=0.5, ratio=1, random_state=0).fit_resample(X, y)
    assert made.dtype == np.uint8
    assert np.array_equal(made[:20], X)
    assert {0, 255} <= set(made[20:].ravel().tolist()), "values beyond the range were not cut"
    parents = X.astype(int)[:, None] - made[None, 20:].astype(int)
    assert np.abs(parents).reshape(20, 20, -1).mean(axis=2).min(axis=0).max() < 60, "values wrapped round"
