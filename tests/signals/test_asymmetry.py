import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.signals.asymmetry import Asymmetry, asymmetry, caudal_pairs, hemispheric_pairs
from thymos.signals.spectral import differential_entropy
from thymos.sources.seed import CHANNELS as SEED


def test_the_published_pairs_of_62_electrodes_are_found():
    left_right = {(SEED[a], SEED[b]) for a, b in hemispheric_pairs(SEED)}
    front_back = {(SEED[a], SEED[b]) for a, b in caudal_pairs(SEED)}
    assert len(left_right) == 27
    assert len(front_back) == 23
    assert {("Fp1", "Fp2"), ("C5", "C6"), ("CB1", "CB2")} <= left_right
    assert {("Fpz", "Oz"), ("AF3", "CB1"), ("FT7", "TP7"), ("FCz", "CPz"), ("F8", "P8")} <= front_back
    assert caudal_pairs(["AF3", "PO3", "T3", "Cz"]) == [(0, 1)]
    assert hemispheric_pairs(["T4", "left cheek", "T7", "Cz"]) == [(2, 0)], "older names are known"


def test_the_sign_says_which_side_is_stronger():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1e-5, (5, 4, 512))
    x[:, 1] *= 2  # F4
    x[:, 3] *= 3  # P3
    names = ["F3", "F4", "Fz", "P3"]
    de = differential_entropy(x, 128.0, "deap")
    dasm = asymmetry(de, names)
    assert dasm.shape == (5, 4, 1, 1)
    assert np.allclose(dasm.mean(), -np.log(2), atol=0.05), "left minus right: the right side is twice as strong"
    assert np.allclose(asymmetry(de, names, "dcau").mean(), -np.log(3), atol=0.1)
    ratio = asymmetry(de, names, "rasm", offset=np.log(1e6))
    microvolts = differential_entropy(x * 1e6, 128.0, "deap")
    assert np.allclose(ratio, microvolts[:, :, :1] / microvolts[:, :, 1:2])
    both = asymmetry(de, names, "asm", offset=np.log(1e6))
    assert np.array_equal(both, np.concatenate([dasm, ratio], axis=-2))


def test_the_transformer_takes_features_and_tables(words):
    de = np.random.default_rng(1).standard_normal((3, 2, 4, 5)).astype(np.float32)
    made = Asymmetry(["F3", "F4", "P3", "P4"]).fit(de).transform(de)
    assert (made.shape, made.dtype) == ((3, 2, 2, 5), np.float32)
    assert np.array_equal(Asymmetry().fit(de).transform(de), made), "without names neighbours are pairs"
    assert Asymmetry().fit_transform(de[:, 0, :, 0]).shape == (3, 1, 2, 1)
    with pytest.raises(InputError) as error:
        asymmetry(de, ["Fz", "Cz", "Pz", "Oz"])
    words(error.value, "Fz, Cz, Pz, Oz", "F3 and F4")
    with pytest.raises(InputError, match="3 channel names"):
        asymmetry(de, ["F3", "F4", "Cz"])
    with pytest.raises(InputError, match="Did you mean 'dasm'"):
        asymmetry(de, None, "damn")
