import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thymos.base.errors import InputError
from thymos.signals.montage import standard_montage
from thymos.signals.topography import (
    DEAP_GRID,
    LOBES,
    TopographicGrid,
    azimuthal,
    directions,
    grid_places,
    lobes,
    to_grid,
    validity_map,
)
from thymos.sources.deap import CHANNELS as DEAP
from thymos.sources.eav import CHANNELS as EAV
from thymos.sources.faced import ORDERS
from thymos.sources.seed import CHANNELS as SEED

MUSE = ("TP9", "AF7", "AF8", "TP10")
EPOC = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
CAPS = {"deap": DEAP, "eav": EAV, "faced": ORDERS["last"], "seed": SEED, "muse": MUSE, "epoc": EPOC}

#: Electrodes that mirror each other have neighbouring numbers, the odd one on the left.
MIRROR = {str(k): str(k + 1 if k % 2 else k - 1) for k in range(1, 11)}


def mirrored(name):
    stem = name.rstrip("0123456789")
    return name if stem == name else stem + MIRROR[name[len(stem) :]]


def test_the_projection_has_the_vertex_in_the_middle_and_the_equator_at_one():
    names = ("Cz", "T7", "T8", "Fpz", "Oz")
    expected = [(0, 0), (-1, 0), (1, 0), (0, 1), (0, -1)]
    assert np.abs(azimuthal(names) - expected).max() < 0.07
    half = azimuthal(("C3", "Fz", "C4", "Pz"))
    assert np.abs(half - [(-0.5, 0), (0, 0.5), (0.5, 0), (0, -0.5)]).max() < 0.05
    assert np.hypot(*azimuthal(["TP9"])[0]) > 1.2


def test_electrodes_that_mirror_each_other_do_so_in_the_plane():
    left = [name for name in SEED if name[-1] in "13579"]
    assert np.allclose(azimuthal(left) * (-1, 1), azimuthal([mirrored(name) for name in left]))
    assert (azimuthal([name for name in SEED if name.endswith("z")])[:, 0] == 0).all()


def test_deap_has_its_own_grid_in_any_order_and_in_part():
    rows = [line.split() for line in DEAP_GRID.strip().splitlines()]
    for names in (DEAP, DEAP[::-1], EPOC, ("t3", "EEG Fp1-REF")):
        for name, (row, column) in zip(names, grid_places(names), strict=True):
            assert rows[row][column] == {"t3": "T7", "EEG Fp1-REF": "Fp1"}.get(name, name)
    assert (validity_map(grid_places(DEAP)) == [[cell != "." for cell in row] for row in rows]).all()
    assert len(rows) == 9


@pytest.mark.parametrize("size", [9, 11])
@pytest.mark.parametrize("cap", CAPS)
def test_every_cap_fits_with_left_at_the_left_and_front_at_the_front(cap, size):
    names = CAPS[cap]
    places, xy = grid_places(names, size), azimuthal(names)
    middle = (size - 1) // 2
    assert len({tuple(p) for p in places.tolist()}) == len(names)
    assert np.array_equal(np.sign(places[:, 1] - middle), np.sign(xy[:, 0]))
    ahead = xy[:, None, 1] - xy[None, :, 1] > 0.25
    assert (places[:, None, 0] < places[None, :, 0])[ahead].all()
    beside = xy[:, None, 0] - xy[None, :, 0] > 0.4
    assert (places[:, None, 1] > places[None, :, 1])[beside].all()
    cells = dict(zip(names, places.tolist(), strict=True))
    for name, (row, column) in cells.items():
        if mirrored(name) in cells:
            assert cells[mirrored(name)] == [row, 2 * middle - column]


def test_the_62_electrodes_of_seed_lie_row_by_row():
    places = dict(zip(SEED, grid_places(SEED).tolist(), strict=True))
    for row, prefix, first in ((3, "FC", "FT"), (4, "C", "T"), (5, "CP", "TP")):
        names = [f"{first}7", *(f"{prefix}{k}" for k in "531z246"), f"{first}8"]
        assert [places[name] for name in names] == [[row, column] for column in range(9)]
    assert places["CB1"][0] == places["Oz"][0] == 8
    assert places["CB1"][1] < places["O1"][1] < 4 < places["O2"][1] < places["CB2"][1]


@settings(max_examples=10, deadline=None)
@given(st.permutations(EAV))
def test_places_do_not_depend_on_the_order_of_the_names(names):
    found = dict(zip(names, grid_places(names).tolist(), strict=True))
    assert found == dict(zip(EAV, grid_places(EAV).tolist(), strict=True))


def test_crowded_electrodes_stay_on_their_side_as_long_as_there_is_room():
    left = [f"{row}{k}" for row in ("F", "FC", "C", "CP", "P") for k in (1, 3)]
    assert (grid_places(left, 5)[:, 1] < 2).all()
    assert grid_places([*left, "C5"], 5)[:, 1].max() == 2


def test_equally_good_places_do_not_depend_on_the_order_either():
    names = ["Fz", "AFz", "Pz"]  # between the two columns
    assert np.array_equal(grid_places(names[::-1], 2)[::-1], grid_places(names, 2))


def test_values_go_into_their_cells_and_nowhere_else():
    places, x = grid_places(SEED), np.arange(1, 125, dtype=np.float32).reshape(2, 62)
    made, valid = to_grid(x, places), validity_map(places)
    assert made.shape == (2, 9, 9)
    assert made.dtype == np.float32
    assert valid.sum() == 62
    assert (made[:, ~valid] == 0).all()
    assert np.array_equal(made[:, places[:, 0], places[:, 1]], x)


def test_the_transformer_puts_bands_before_windows():
    x = np.random.default_rng(0).normal(size=(5, 3, 32, 4)).astype(np.float32)
    made = TopographicGrid(DEAP).fit(x)
    grid = made.transform(x)
    assert grid.shape == (5, 12, 9, 9)
    assert grid.dtype == np.float32
    row, column = made.places_[DEAP.index("Cz")]
    assert (row, column) == (4, 4)
    assert np.array_equal(grid[:, 2 * 4 + 1, 4, 4], x[:, 2, DEAP.index("Cz"), 1])
    assert made.validity_.sum() == 32
    assert (grid[:, :, ~made.validity_] == 0).all()
    assert np.array_equal(made.fit(x[:, 0]).transform(x[:, 0]), grid[:, :4])
    assert np.array_equal(made.fit(x[:, 0, :, 0]).transform(x[:, 0, :, 0]), grid[:, :1])


def test_without_names_cells_are_filled_row_by_row():
    x = np.arange(10.0)[None]
    made = TopographicGrid(size=4).fit(x)
    assert np.array_equal(made.transform(x).ravel(), [*range(10), *[0] * 6])


def test_what_does_not_fit_is_said_in_words(words):
    with pytest.raises(InputError) as error:
        grid_places(["Fp1", "EOG"])
    words(error.value, "'EOG'", "10-05", "leave out")
    with pytest.raises(InputError, match="T7 came twice"):
        azimuthal(["T3", "T7"])
    with pytest.raises(InputError) as error:
        grid_places(SEED, 7)
    words(error.value, "62 channels", "7 x 7", "1 to 49")
    with pytest.raises(InputError, match="32 channel names"):
        TopographicGrid(DEAP).fit(np.zeros((2, 1, 33, 1)))
    with pytest.raises(InputError, match="4 places"):
        to_grid(np.zeros(3), grid_places(MUSE))
    with pytest.raises(InputError, match="from 0 to 4"):
        to_grid(np.zeros(4), grid_places(MUSE), 5)
    with pytest.raises(InputError, match="the same cell"):
        validity_map(np.zeros((2, 2), int))


def test_directions_have_length_one_right_front_and_up():
    names = ("Cz", "T8", "T7", "Fpz", "Oz")
    known = [(0, 0, 1), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)]
    assert np.abs(directions(names) - known).max() < 0.12
    assert np.abs(directions(["C4"])[0] - (np.sqrt(0.5), 0, np.sqrt(0.5))).max() < 0.08
    assert directions(["TP9"])[0, 2] < -0.1, "below the equator"
    every = directions(SEED)
    assert every.shape == (62, 3)
    assert np.allclose(np.linalg.norm(every, axis=1), 1)
    assert np.allclose(directions([mirrored(name) for name in SEED]), every * (-1, 1, 1))
    # the projection keeps the angle from the vertex as a distance, and the direction around it
    assert np.allclose(np.arccos(every[:, 2]) / (np.pi / 2), np.hypot(*azimuthal(SEED).T))
    assert np.allclose(np.arctan2(*every[:, :2].T), np.arctan2(*azimuthal(SEED).T))


@pytest.mark.parametrize(
    ("lobe", "names"),
    [
        ("frontal", "Fp1 Fpz AF7 AFz F8 Fz AFF1h AFp2 FFC1h FFT7h"),
        ("central", "FC1 FCz C3 Cz CP6 CPz FCC1h CCP3h CPP1h"),
        ("temporal", "FT7 T7 TP10 FTT9h TTP7h TPP8h A1 M2 t4"),
        ("parietal", "P7 Pz P10 PPO5h t6"),
        ("occipital", "PO3 POz O1 Oz Iz I1 OI2h POO1 CB1 CB2"),
    ],
)
def test_lobes_are_those_of_the_names(lobe, names):
    assert lobes(names.split()) == [lobe] * len(names.split())


def test_every_electrode_of_the_system_lies_over_a_lobe_as_its_mirror_does():
    every = [name for name in standard_montage().ch_names if name not in {"T3", "T4", "T5", "T6", "M1", "M2"}]
    found = dict(zip(every, lobes(every), strict=True))
    assert set(found.values()) == set(LOBES)
    y = azimuthal(every)[:, 1]
    mean = {lobe: y[[one == lobe for one in found.values()]].mean() for lobe in LOBES}
    assert mean["frontal"] > mean["central"] > mean["parietal"] > mean["occipital"]
    assert lobes(SEED) == lobes([mirrored(name) for name in SEED])
    assert lobes(["Oz", "Fp1"]) == ["occipital", "frontal"]


@pytest.mark.parametrize("function", [lobes, directions])
def test_what_is_no_electrode_has_neither_lobe_nor_direction(function, words):
    for names, expected in ((["Cz", "GSR"], "'GSR' has no place"), (["Cz", "CZ"], "Cz came twice")):
        with pytest.raises(InputError) as error:
            function(names)
        words(error.value, expected)
