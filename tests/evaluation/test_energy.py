"""Time and energy of a block, from counters as Linux shows them."""

import pytest

from thymos.evaluation.energy import Meter


def _counter(folder, name, value, largest=1000):
    folder.mkdir()
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{value}\n")
    (folder / "max_energy_range_uj").write_text(f"{largest}\n")
    return folder / "energy_uj"


def test_packages_are_summed_and_a_counter_that_began_again_counts_on(tmp_path):
    first = _counter(tmp_path / "intel-rapl:0", "package-0", 100)
    second = _counter(tmp_path / "intel-rapl:1", "package-1", 900)
    part = _counter(tmp_path / "intel-rapl:0:0", "core", 5)
    with Meter(tmp_path) as meter:
        for path, value in ((first, 350), (second, 50), (part, 500)):
            path.write_text(str(value))
    assert meter.joules == pytest.approx((250 + 150) * 1e-6)
    assert meter.seconds > 0


def test_readings_in_between_catch_every_new_beginning(tmp_path):
    file = _counter(tmp_path / "intel-rapl:0", "package-0", 0)
    with Meter(tmp_path, every=0.01) as meter:
        for value in (800, 100, 900, 200):
            file.write_text(str(value))
            meter._add()  # as the thread does
    assert meter.joules == pytest.approx(2200e-6)


def test_without_a_counter_that_may_be_read_there_is_time_alone(tmp_path):
    with Meter(tmp_path) as meter:
        pass
    assert meter.joules is None
    file = _counter(tmp_path / "intel-rapl:0", "package-0", 0)
    file.write_text("not a number")
    with Meter(tmp_path) as meter:
        pass
    assert meter.joules is None
    assert meter.seconds > 0


def test_an_error_inside_is_passed_on(tmp_path):
    file = _counter(tmp_path / "intel-rapl:0", "package-0", 0)
    meter = Meter(tmp_path)

    def fail():
        with meter:
            file.write_text("7")
            raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        fail()
    assert meter.joules == pytest.approx(7e-6)
