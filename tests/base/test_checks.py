import numpy as np
import pytest

from thymos.base.checks import as_type, check_number, check_whole
from thymos.base.errors import InputError


def test_bytes_are_made_of_whole_numbers_alone():
    assert as_type("Pictures", np.array([0.0, 255.0]), np.uint8).tolist() == [0, 255]
    assert as_type("Pictures", np.array([3], dtype=np.uint8), np.float32).dtype == np.float32
    for values in ([0.0, 0.5], [-1, 3], [0, 256], [np.nan, 1.0], np.array([300, 5], np.uint16)):
        with pytest.raises(InputError, match="Pictures with values from"):
            as_type("Pictures", np.array(values), np.uint8)


@pytest.mark.parametrize(("value", "low"), [(1, 1), (np.int64(3), 1), (0, 0), (-2, -2), (7, 7)])
def test_whole_numbers_pass(value, low):
    check_whole("folds", value, low)


@pytest.mark.parametrize(
    ("value", "low"), [(True, 1), (np.True_, 0), (1.0, 1), (np.float32(2), 1), ("2", 1), (None, 0), (0, 1), (4, 5)]
)
def test_what_is_no_whole_number_or_too_low_is_named(value, low):
    with pytest.raises(InputError) as info:
        check_whole("folds", value, low)
    assert str(info.value.came) == f"folds={value!r} came."
    assert info.value.fits == f"a whole number of at least {low}"


@pytest.mark.parametrize("value", [0, 0.5, 1, np.float32(0.25), np.int8(1)])
def test_numbers_in_a_range_pass(value):
    check_number("share", value, 0.0, 1.0)


@pytest.mark.parametrize(
    ("value", "high", "fits"),
    [
        (-0.1, 1.0, "from 0 to 1"),
        (True, 1.0, "from 0 to 1"),
        (np.nan, np.inf, "of at least 0"),
        (np.inf, np.inf, "of at least 0"),
        ("1", 1.0, "from 0 to 1"),
    ],
)
def test_what_is_no_finite_number_in_the_range_is_named(value, high, fits):
    with pytest.raises(InputError, match=f"share={value!r} came") as info:
        check_number("share", value, 0.0, high)
    assert info.value.fits == f"a number {fits}"
