"""Search spaces and genotypes."""

import json

import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.models.genotype import EEGSearchSpace, Genotype, random_genotype


def test_edges_plan_and_size_of_thespace():
    space = EEGSearchSpace()
    assert space.edges == [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3), (0, 4), (1, 4), (2, 4), (3, 4)]
    assert space.plan() == [("normal", 16), ("reduce", 32), ("normal", 32), ("reduce", 64)]
    # ten operations on two of 2, 3 and 4 states for the three nodes, for two kinds of cell
    assert space.count() == (100 * 1 * 100 * 3 * 100 * 6) ** 2
    assert EEGSearchSpace(cells=1, nodes=1, operations=("skip", "zero")).count() == 1


def test_random_genotypes_cover_the_space_and_go_through_json():
    space, rng = EEGSearchSpace(nodes=2), np.random.default_rng(0)
    drawn = [random_genotype(space, rng) for _ in range(200)]
    assert {op for g in drawn for op in g.operations("reduce")} == set(space.choices)
    for node in (0, 1):
        states = [source for g in drawn for cell in (g.normal, g.reduce) for _, source in cell[node]]
        assert np.bincount(states) == pytest.approx(np.full(node + 2, len(states) / (node + 2)), rel=0.2)
    assert any(g.normal != g.reduce for g in drawn)
    for genotype in drawn[:20]:
        assert Genotype.of(json.loads(json.dumps(genotype.to_dict()))) == genotype
        assert all(len({source for _, source in node}) == 2 for node in (*genotype.normal, *genotype.reduce))
    assert random_genotype(space, np.random.default_rng(1)) == random_genotype(space, np.random.default_rng(1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"normal": [[["skip", 0]]]},
        {"normal": [[["zero", 0]]], "reduce": [[["skip", 0]]]},
        {"normal": [[["sep_t4", 0]]], "reduce": [[["skip", 0]]]},
        {"normal": [[["skip", 2]]], "reduce": [[["skip", 0]]]},
        {"normal": [[["skip", 0]]], "reduce": [[["skip", 0]], [["skip", 0]]]},
        {"normal": "skip", "reduce": "skip"},
        {"normal": [[]], "reduce": [[["skip", 0]]]},
    ],
)
def test_what_is_no_genotype_is_refused_in_words(wrong):
    with pytest.raises(InputError):
        Genotype.of(wrong)


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"nodes": 1.5}, {"operations": ("skip", "fly")}, {"operations": ("zero",)}]
)
def test_impossible_spaces_are_refused(wrong):
    with pytest.raises(InputError):
        EEGSearchSpace(**wrong)
