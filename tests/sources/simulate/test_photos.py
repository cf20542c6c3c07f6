import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.sources.simulate.photos import SimulatedFaces


def test_people_and_domains_are_told_and_seeds_decide():
    source = SimulatedFaces(photos=20, people=5, domains=["plain", "eyes"], size=24)
    samples = source.load().images()
    assert samples.X.shape == (40, 1, 24, 24)
    assert samples.X.dtype == np.uint8
    assert samples.meta.groupby("domain")["identity"].nunique().to_dict() == {"plain": 5, "eyes": 5}
    assert (samples.meta["subject"] == samples.meta["identity"]).all()
    assert samples.meta["trial"].is_unique
    again = SimulatedFaces(photos=20, people=5, domains=["eyes"], size=24).load().images()
    assert np.array_equal(again.X, samples.X[20:]), "a domain does not depend on the others"
    other = SimulatedFaces(photos=20, people=5, size=24, random_state=1).load().images()
    assert not np.array_equal(other.X, samples.X[:20])


def test_one_subject_can_be_asked_for_and_nothing_is_remarkable():
    source = SimulatedFaces(photos=12, people=4, size=24)
    assert source.subjects() == ["plain-p01", "plain-p02", "plain-p03", "plain-p04"]
    assert len(source.load("plain-p02").images()) == 3
    assert source.check() == []


@pytest.mark.parametrize("wrong", [{"domains": ["nowhere"]}, {"domains": []}, {"domains": ["eyes", "eyes"]}])
def test_impossible_domains_are_said(wrong):
    with pytest.raises(InputError):
        SimulatedFaces(**wrong)


def test_domains_may_have_numbers_of_their_own():
    table = SimulatedFaces(photos=[12, 6], people=3, domains=["plain", "eyes"], size=24).table()
    assert table["domain"].value_counts().to_dict() == {"plain": 12, "eyes": 6}
    table = SimulatedFaces(photos=[12, 6], people=[4, 2], domains=["plain", "eyes"], size=24).table()
    assert table.groupby("domain")["identity"].nunique().to_dict() == {"plain": 4, "eyes": 2}
    assert (table["identity"].value_counts() == 3).all()
    for numbers in ({"photos": [12]}, {"people": [4, 2, 2]}):
        with pytest.raises(InputError, match="a number for each"):
            SimulatedFaces(**numbers, domains=["plain", "eyes"])
