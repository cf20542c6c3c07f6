"""What searches found, as figures."""

import json
import re

import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.evaluation.inspections.base import Inspected
from thymos.evaluation.inspections.genotypes import Genotypes
from thymos.models.genotype import EEGSearchSpace, random_genotype
from thymos.models.mlp import MLPClassifier
from thymos.models.nas import EEGNASClassifier, PersonalisedSearch
from thymos.report.genotypes import _frequencies, _graphs

SMALL = {
    **{"width": 4, "cells": 2, "nodes": 2, "search_epochs": 2, "warmup": 1, "operations": ["skip", "sep_t3", "se"]},
    **{"max_epochs": 1, "random_state": 0, "guard_every": 1},
}


def looked(model, samples):
    rows = np.arange(len(samples))
    return Genotypes()(Inspected(model, samples, rows, rows[:0], rows, ["calm", "tense"], 0))


@pytest.fixture
def samples(make_samples):
    return make_samples(subjects=2, trials=8, windows=2, shape=(2, 4, 4))


def test_edges_epochs_and_stops_of_every_search_are_told(samples):
    model = PersonalisedSearch(personal_epochs=1, others=False, **SMALL).fit(samples.X, samples.y, meta=samples.meta)
    table = looked(model, samples)
    edges = table[table["kind"] == "edge"]
    assert edges.groupby(["subject", "cell"]).size().tolist() == [4] * 6  # of all and of two people, two cells each
    for subject, genotype in {"": model.genotype_, **model.genotypes_}.items():
        mine = edges[(edges["subject"] == subject) & (edges["cell"] == "reduce")]
        assert [[o, int(s)] for o, s in zip(mine["operation"], mine["source"], strict=True)] == [
            edge for node in json.loads(json.dumps(genotype))["reduce"] for edge in node
        ]
    epochs = table[table["kind"] == "epoch"]
    assert epochs.groupby("subject")["epoch"].count().to_dict() == {"": 2, "s0": 1, "s1": 1}
    assert epochs["eigenvalue"].notna().any()
    searches = table[table["kind"] == "search"].set_index("subject")
    assert searches["moved"].drop("").to_dict() == model.moved_
    assert np.isnan(searches.loc["", "moved"])


def test_one_network_for_all_and_one_without_a_search_are_told(samples):
    model = EEGNASClassifier(**{**SMALL, "genotype": "random"}).fit(samples.X, samples.y, meta=samples.meta)
    table = looked(model, samples)
    assert set(table["kind"]) == {"edge"}
    with pytest.raises(InputError, match="no genotype"):
        looked(MLPClassifier(max_epochs=1).fit(samples.X, samples.y), samples)


def test_figures_name_every_operation_and_count_what_is_alike(samples):
    model = PersonalisedSearch("population", others=False, **SMALL).fit(samples.X, samples.y, meta=samples.meta)
    table = looked(model, samples).assign(fold="1", seed=0)
    edges = table[table["kind"] == "edge"]
    text = _graphs(edges)
    shown = set(re.findall(r"<!-- (\w+) -->", text))
    assert set(edges["operation"]) <= shown
    assert {"before", "last", "1", "2"} <= shown
    words = _frequencies(edges)[1]
    assert "Over 2 genotypes, 1 of which are different" in words
    assert "each of the 3 operations" in words
    assert "2 of 2 personal ones are that of all" in words
    other = random_genotype(EEGSearchSpace(nodes=2), np.random.default_rng(3)).to_dict()
    model.genotypes_["s1"] = other
    mixed = looked(model, samples).assign(fold="1", seed=0)
    assert "1 of 2 personal ones are that of all" in _frequencies(mixed[mixed["kind"] == "edge"])[1]
