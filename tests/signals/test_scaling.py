import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from thymos.base.errors import InputError
from thymos.base.samples import Samples
from thymos.signals.scaling import ChannelScaler, Flatten, PickColumns, PickModality
from thymos.signals.statistics import STATISTICS, window_statistics
from thymos.training.pipeline import make_pipeline

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(30, 5), (30, 4, 16), (30, 3, 4, 6)])
def test_each_channel_is_scaled_over_samples_and_time(shape):
    size = np.arange(1, int(np.prod(shape[1:-1])) + 1).reshape(*shape[1:-1], 1) if len(shape) > 2 else 1.0
    x = RNG.normal(3, 2, shape) * size
    z = ChannelScaler().fit_transform(x)
    axes = (0,) if len(shape) == 2 else (0, -1)
    assert z.shape == shape
    assert np.allclose(z.mean(axis=axes), 0, atol=1e-9)
    assert np.allclose(z.std(axis=axes), 1)
    by_hand = (x - x.mean(axis=axes, keepdims=True)) / x.std(axis=axes, keepdims=True)
    assert np.allclose(z, by_hand)


def test_new_samples_are_scaled_with_what_training_taught():
    train, new = RNG.normal(0, 1, (50, 2, 8)), RNG.normal(5, 3, (10, 2, 8))
    scaler = ChannelScaler().fit(train)
    alone, among = scaler.transform(new[:1]), scaler.transform(new)[:1]
    assert np.allclose(alone, among)
    assert scaler.transform(new).mean() > 3


def test_float32_stays_float32():
    assert ChannelScaler().fit_transform(RNG.normal(size=(9, 2, 4)).astype(np.float32)).dtype == np.float32


def test_other_shapes_than_in_training_are_refused(words):
    x = RNG.normal(size=(9, 2, 3, 4))
    with pytest.raises(InputError) as error:
        ChannelScaler().fit(x).transform(x[:, :, :2])
    words(error.value, "4 channels in all", "6, as in fit")
    with pytest.raises(InputError) as error:
        Flatten().fit(x).transform(x[..., :2])
    words(error.value, "(2, 3, 2)", "(2, 3, 4)")


def test_statistics_have_their_textbook_values():
    x = RNG.gamma(2.0, 1.0, (4, 3, 500))
    found = dict(zip(STATISTICS, np.moveaxis(window_statistics(x)[..., 0], -2, 0), strict=True))
    known = {
        "mean": x.mean(-1),
        "sd": x.std(-1),
        "skewness": stats.skew(x, axis=-1),
        "kurtosis": stats.kurtosis(x, axis=-1),
        "min": x.min(-1),
        "max": x.max(-1),
    }
    for name, value in known.items():
        assert np.allclose(found[name], value), name
    flat = window_statistics(np.full((1, 10), 7.0))[:, 0, 0]
    assert flat.tolist() == [7.0, 0.0, 0.0, 0.0, 7.0, 7.0]


def test_columns_are_picked_in_their_order_and_wrong_ranges_refused(words):
    X = np.arange(2 * 10 * 3, dtype=np.float32).reshape(2, 10, 3)
    made = PickColumns([[1, 3], [7, 10]]).fit_transform(X)
    assert np.array_equal(made, X[:, [1, 2, 7, 8, 9]])
    assert np.array_equal(PickColumns([[4, 5]]).fit_transform(X[..., 0]), X[:, 4:5, 0])
    assert np.array_equal(PickColumns().fit_transform(X), X)
    for wrong in ([[3, 3]], [[0, 11]], [[-1, 2]], [[1, 2, 3]]):
        with pytest.raises(InputError) as error:
            PickColumns(wrong).fit(X)
        words(error.value, str(wrong[0]), "10 entries", "between 0 and 10")


def test_what_follows_a_picked_modality_knows_the_trials_of_its_samples(make_samples):
    samples = make_samples(subjects=2, trials=6, windows=1)
    meta = samples.meta.assign(**{"trial of a": "x", "trial of b": [f"b{k // 2}" for k in range(len(samples.y))]})
    seen = []

    class Spy(LogisticRegression):
        def fit(self, X, y, meta=None):
            seen.append(meta)
            return super().fit(X.reshape(len(X), -1), y)

    pairs = Samples({"a": samples.X, "b": samples.X}, samples.y, meta)
    make_pipeline(PickModality("b"), Spy()).fit(pairs)
    assert seen[0]["trial"].tolist() == meta["trial of b"].tolist()
    assert not [name for name in seen[0] if name.startswith("trial of")]


def test_one_modality_of_several_is_picked_and_an_array_is_passed_on():
    X = {"features": np.ones((4, 3)), "signals": np.zeros((4, 2, 8), dtype=np.float32)}
    picked = PickModality("signals").fit(X).transform(X)
    assert np.array_equal(picked, X["signals"])
    assert np.array_equal(PickModality().fit(X["features"]).transform(X["features"]), X["features"])
    with pytest.raises(InputError, match=r"no modality 'signal'.*'signals'"):
        PickModality("signal").fit(X)


def test_samples_that_lack_the_picked_modality_are_refused_in_words():
    X = {"a": np.ones((5, 3), np.float32), "b": np.ones((5, 3), np.float32)}
    X["a"][1:3] = np.nan
    PickModality("b").fit(X)
    with pytest.raises(InputError, match="2 of 5 samples lack the modality 'a'"):
        PickModality("a").fit(X)
    filled = PickModality("a", "zeros").fit_transform(X)
    assert filled.dtype == np.float32
    assert filled.tolist() == [[1.0] * 3, [0.0] * 3, [0.0] * 3, [1.0] * 3, [1.0] * 3]
    with pytest.raises(InputError, match="error or zeros"):
        PickModality("a", "mean").fit(X)
