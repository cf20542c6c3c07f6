"""Searched classifiers: what reaches the search, what comes out of it, and that each part can be switched off."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, clone

import thymos.models.nas as nas
from thymos.augmentation.base import Augmenter
from thymos.base.checkpoints import kept_in
from thymos.base.errors import InputError
from thymos.base.samples import Samples, source_trials
from thymos.evaluation import GroupSplit
from thymos.evaluation.fit import fit_fold
from thymos.models.genotype import EEGSearchSpace, Genotype
from thymos.models.nas import EEGNASClassifier, PersonalisedSearch, _perturb, _priced
from thymos.models.supernet import Architecture
from thymos.nn.graph import nearness
from thymos.nn.mixed_ops import OPERATIONS
from thymos.training.estimator import shared_trainings
from thymos.training.pipeline import make_pipeline
from thymos.training.search import Part

SMALL = {
    **{"width": 4, "cells": 2, "nodes": 1, "operations": ["skip", "sep_t3", "se"], "search_epochs": 2, "warmup": 1},
    **{"guard_every": 0, "max_epochs": 2, "search_batch": 16, "batch_size": 16, "random_state": 0},
}
SHAPE = (2, 4, 6)


@pytest.fixture
def samples(make_samples):
    return make_samples(subjects=2, trials=10, windows=3, shape=SHAPE, effect=1.0)


@pytest.fixture
def searched(monkeypatch):
    """Return a list of all that searches are given and find."""
    calls, own = [], nas.search

    def watched(network, architecture, parts, schedule, *rest):
        found = own(network, architecture, parts, schedule, *rest)
        calls.append((parts, schedule, found))
        return found

    monkeypatch.setattr(nas, "search", watched)
    return calls


class Copies(Augmenter):
    """Copies of real samples, shifted by 100, so that they can be found again."""

    def draw(self, X, y, meta, label, count, rng):
        parents = rng.choice(np.flatnonzero(y == label), count)
        return X[parents] + 100, parents

    def learn(self, X, y, meta, rng):
        type(self).seen = None if meta is None else meta.copy()


def test_a_genotype_is_found_trained_and_reported(samples, searched):
    model = EEGNASClassifier(**SMALL).fit(samples.X, samples.y, meta=samples.meta)
    genotype = Genotype.of(json.loads(json.dumps(model.genotype_)))
    assert genotype.nodes == 1
    assert model.module_.genotype == genotype
    assert [h["epoch"] for h in model.search_history_] == [1, 2]
    assert len(searched) == 1
    again = EEGNASClassifier(**{**SMALL, "genotype": model.genotype_}).fit(samples.X, samples.y, meta=samples.meta)
    assert again.genotype_ == model.genotype_
    assert len(searched) == 1, "a given genotype needs no search"


def test_weights_and_architecture_are_learnt_on_different_trials_of_every_class_and_subject(samples, searched):
    EEGNASClassifier(**{**SMALL, "held": 0.4}).fit(samples.X, samples.y, meta=samples.meta)
    ((part,), _, _) = searched[0]
    assert len(part.X) + len(part.held_X) == len(samples)
    assert len(part.held_X) == 24  # two of five trials of two classes of two subjects, three windows each
    for seed in range(5):
        model = EEGNASClassifier(**{**SMALL, "random_state": seed})
        trained = model._divided(samples.X, samples.y, None, None, samples.meta)
        held = samples.meta.iloc[trained.held].assign(label=samples.y[trained.held])
        assert held.groupby(["subject", "label"])["trial"].nunique().tolist() == [2] * 4
    flat = {row.tobytes() for row in np.round(part.held_X, 3)}
    assert not flat & {row.tobytes() for row in np.round(part.X, 3)}
    # standardised by the part for weights
    assert np.allclose(part.X.mean(axis=(0, 3)), 0, atol=1e-5)
    assert np.allclose(part.X.std(axis=(0, 3)), 1, atol=1e-4)
    assert not np.allclose(part.held_X.mean(axis=(0, 3)), 0, atol=1e-3)


def test_personal_searches_begin_with_that_of_all_in_one_pass(samples, searched):
    model = PersonalisedSearch(personal_epochs=2, **SMALL).fit(samples.X, samples.y, meta=samples.meta)
    (all_parts, _, (population,)), (parts, schedule, found) = searched
    assert len(all_parts) == 1
    assert len(parts) == 2
    assert schedule.prior == 0.01
    assert schedule.epochs == 2
    assert sum(len(p.X) for p in parts) == len(all_parts[0].X)
    for name, one in zip(("s0", "s1"), found, strict=True):
        distance = sum(float((one.architecture[k] - population.architecture[k]).abs().max()) for k in one.architecture)
        assert 0 < distance < 0.1, "it began elsewhere"
        assert model.searches_[name] == one.history
    assert list(model.genotypes_) == ["s0", "s1", ""]
    assert model.subjects_ == ["s0", "s1"]
    assert {h["subject"] for h in model.history_} == {"s0", "s1", ""}


def test_every_search_and_every_network_has_a_seed_of_its_own(samples, searched, monkeypatch):
    seeds, train = [], nas._OfOne.train
    monkeypatch.setattr(
        nas._OfOne, "train", lambda self, *given: seeds.append(self.random_state) or train(self, *given)
    )
    short = {**SMALL, "search_epochs": 1, "max_epochs": 1, "batch_size": 64}
    for seed in (0, 1):
        model = PersonalisedSearch(personal_epochs=1, **{**short, "random_state": seed})
        model.fit(samples.X, samples.y, meta=samples.meta)
    of_searches = [p.seed for parts, *_ in searched for p in parts]
    for found in (of_searches, seeds):
        assert len(set(found)) == len(found) == 6


def test_the_personal_stage_starts_where_that_of_all_ended(samples, monkeypatch):
    begun, found, own = [], [], nas.search

    def watched(network, architecture, *rest):
        begun.append({k: v.clone() for k, v in (network.state_dict() | architecture.state_dict()).items()})
        found.append(own(network, architecture, *rest))
        return found[-1]

    monkeypatch.setattr(nas, "search", watched)
    model = PersonalisedSearch(personal_epochs=1, **SMALL).fit(samples.X, samples.y, meta=samples.meta)
    for name, value in (found[0][0].weights | found[0][0].architecture).items():
        assert torch.equal(begun[1][name], torch.cat([value, value])), name
    assert any(not torch.equal(begun[0][name], value) for name, value in found[0][0].architecture.items())
    assert model.searches_[""] == found[0][0].history


def test_a_network_learns_the_scales_of_all_that_it_is_trained_on(samples):
    X = samples.X * 5 + 3
    short = {**SMALL, "genotype": "random", "max_epochs": 1}
    model = EEGNASClassifier(**short).fit(X, samples.y, meta=samples.meta)
    assert np.allclose(model.module_.mean[..., 0], X.mean(axis=(0, 3)), atol=1e-3)
    assert np.allclose(model.module_.scale[..., 0], X.std(axis=(0, 3)), atol=1e-3)
    apart = PersonalisedSearch("random", **short).fit(X, samples.y, meta=samples.meta)
    for name, net in zip(("s0", "s1", ""), apart.module_.networks, strict=True):
        mine = (samples.meta["subject"].isin([name] if name else ["s0", "s1"])).to_numpy()
        assert np.allclose(net.mean[..., 0], X[mine].mean(axis=(0, 3)), atol=1e-3)


def test_each_network_is_given_what_is_its_subjects_and_the_weights_of_its_search(samples, searched, monkeypatch):
    seen, train = [], nas._OfOne.train

    def watched(self, X, y, validation, meta):
        seen.append((len(X), set(meta["subject"]), set(validation.meta["subject"]), self.begun))
        train(self, X, y, validation, meta)

    monkeypatch.setattr(nas._OfOne, "train", watched)
    model = PersonalisedSearch(personal_epochs=1, inherit=True, **SMALL)
    model.fit(samples.X, samples.y, validation=samples, meta=samples.meta)
    (_, _, (population,)), (_, _, own) = searched
    both = {"s0", "s1"}
    assert [one[:3] for one in seen] == [(30, {"s0"}, {"s0"}), (30, {"s1"}, {"s1"}), (60, both, both)]
    assert [one[3] for one in seen] == [own[0].weights, own[1].weights, population.weights]


def test_a_subject_that_lacks_a_class_has_a_network_for_all_classes(samples):
    y = np.where((samples.meta["subject"] == "s1") & (samples.y == "tense"), "happy", samples.y)
    model = PersonalisedSearch("random", others=False, **SMALL).fit(samples.X, y, meta=samples.meta)
    assert model.predict_proba(samples.X, samples.meta).shape == (len(y), 3)
    assert model.classes_.tolist() == ["calm", "happy", "tense"]


def test_the_operation_whose_removal_costs_most_is_kept():
    space = EEGSearchSpace(width=4, cells=1, nodes=1, operations=("zero", "skip", "se"))

    class Needing(torch.nn.Module):
        """Is right as long as the first edge has `se` and the second `skip`."""

        def __init__(self):
            super().__init__()
            self.space, self.any = space, torch.nn.Parameter(torch.zeros(1))

        def forward(self, x, architecture):
            operations, _ = architecture.weights("normal")
            right = operations[0, 0, 2] + operations[0, 1, 1] - 0.32
            return torch.stack([right.expand(x.shape[1]), 0 * x[0, :, 0, 0, 0]], dim=1)[None]

    table, x = Architecture(space), np.ones((9, 1, 2, 3), dtype=np.float32)
    with torch.no_grad():
        table.alpha["normal"].copy_(torch.tensor([[[2.0, 1.0, 0.0], [2.0, 0.0, 1.0]]]))
    learnt = table.alpha["normal"].detach().clone()
    assert table.genotypes()[0].operations() == ["skip", "se"]
    y = np.zeros(9, dtype=int)
    _perturb(Needing(), table, Part(x, y, x, y, 0), 4)
    assert table.genotypes()[0].operations() == ["se", "skip"]
    changed = table.alpha["normal"] != learnt
    assert changed.nonzero().tolist() == [[0, 0, 2], [0, 1, 1]]


def test_operations_that_cost_more_are_dearer_for_each_model_alone():
    model = EEGNASClassifier(cost=0.1, **SMALL)
    price = model._price(SHAPE, torch.zeros(4, 4))
    assert list(price) == ["reduce", "normal"]
    assert price["normal"].tolist() == pytest.approx([0.0, 1.0, 8 / 36], rel=0.4)
    assert max(price["reduce"].tolist()) == 1
    free = EEGNASClassifier(cost=0.1, **{**SMALL, "operations": ["skip", "avg_t3"]})._price(SHAPE, torch.zeros(4, 4))
    assert free["normal"].tolist() == [0.0, 0.0], "pools and skip connections have no parameters"
    table = Architecture(model.space(), 2)
    with torch.no_grad():
        for kind in table.alpha:
            table.alpha[kind][0, :, 1] = 20.0
            table.alpha[kind][1, :, 0] = 20.0
    assert _priced(table, price).tolist() == pytest.approx([4.0, 0.0], abs=1e-4), "two edges in each kind of cell"


def test_electrodes_that_are_near_are_joined_and_costs_reach_the_search(samples, monkeypatch):
    given, own = [], nas.search

    def watched(network, architecture, parts, schedule, collapsed, costs, *rest):
        given.append((network, costs))
        return own(network, architecture, parts, schedule, collapsed, costs, *rest)

    monkeypatch.setattr(nas, "search", watched)
    positions = [[0.0, 0.0, 1.0], [0.1, 0.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.1, 0.0]]
    short = {**SMALL, "operations": ["graph", "se"], "search_epochs": 1, "max_epochs": 1}
    model = EEGNASClassifier(positions, cost=0.1, **short).fit(samples.X, samples.y, meta=samples.meta)
    known = nearness(torch.tensor(positions))
    assert known[0, 1] > 0.5
    for net in (given[0][0], model.module_):
        graphs = [module.adjacency for module in net.modules() if hasattr(module, "adjacency")]
        assert all(torch.equal(one, known) for one in graphs)
    assert [module for module in given[0][0].modules() if hasattr(module, "adjacency")]
    assert given[0][1](Architecture(model.space())).shape == (1,)


@pytest.mark.parametrize(("personal", "searches"), [("population", 1), ("random", 0)])
def test_what_it_is_compared_with_shares_everything_but_the_search(personal, searches, samples, searched):
    model = PersonalisedSearch(personal, others=False, **SMALL).fit(samples.X, samples.y, meta=samples.meta)
    assert len(searched) == searches
    assert list(model.genotypes_) == ["s0", "s1"]
    other = PersonalisedSearch(personal, others=False, **{**SMALL, "random_state": 1})
    other.fit(samples.X, samples.y, meta=samples.meta)
    drawn = {json.dumps(g) for g in [*model.genotypes_.values(), *other.genotypes_.values()]}
    if personal == "random":
        assert len(drawn) > 2, "each subject and each seed draws its own"
    else:
        assert model.genotypes_["s0"] == model.genotypes_["s1"]


def test_each_subject_is_predicted_by_its_network_and_others_by_that_of_all(samples):
    model = PersonalisedSearch("population", **SMALL).fit(samples.X, samples.y, meta=samples.meta)
    made = model.predict_proba(samples.X, samples.meta)
    nets = [net.eval() for net in model.module_.networks]
    for number, name in enumerate(("s0", "s1")):
        mine = (samples.meta["subject"] == name).to_numpy()
        with torch.inference_mode():
            known = nets[number](torch.from_numpy(samples.X[mine])).softmax(dim=1).numpy()
        assert np.allclose(made[mine], known, atol=1e-6)
    new = model.predict_proba(samples.X, samples.meta.assign(subject="x"))
    assert np.allclose(new, model.predict_proba(samples.X), atol=1e-7)
    assert not np.allclose(new, made, atol=1e-4)
    alone = PersonalisedSearch("population", others=False, **SMALL).fit(samples.X, samples.y, meta=samples.meta)
    with pytest.raises(InputError, match="x was not in training"):
        alone.predict(samples.X, samples.meta.assign(subject="x"))


@pytest.mark.parametrize("kind", [EEGNASClassifier, PersonalisedSearch])
def test_a_sampler_sees_the_part_for_weights_and_joins_it_alone(kind, samples, searched):
    validation = Samples(samples.X + 1000, samples.y, samples.meta)
    model = kind(sampler=Copies(ratio=1.0, weight=0.5, random_state=0), **SMALL)
    model.fit(samples.X, samples.y, validation=validation, meta=samples.meta)
    parts = searched[0][0]
    seen = set(Copies.seen["trial"])
    assert len(seen) == 12, "two of five trials of each class and subject are for the architecture"
    made = np.concatenate([p.X[p.weight == 0.5] for p in parts])
    assert len(made) == model.n_made_ == 36
    assert all((p.weight[: len(p.X) // 2] == 1).all() for p in parts)
    for p in parts:
        assert np.abs(p.held_X).max() < 20, "an added sample is among those for the architecture"
    held = set(samples.meta["trial"]) - seen
    assert len(held) == 8


def test_what_a_sampler_adds_joins_the_training_of_the_network_with_its_weight(samples, monkeypatch):
    seen, own = [], EEGNASClassifier.prepare

    def watched(self, *given):
        seen.append(own(self, *given))
        return seen[-1]

    monkeypatch.setattr(EEGNASClassifier, "prepare", watched)
    model = EEGNASClassifier(sampler=Copies(ratio=1.0, weight=0.5, random_state=0), **{**SMALL, "genotype": "random"})
    model.fit(samples.X, samples.y, meta=samples.meta)
    first, last = seen
    assert (len(first.X), first.weight) == (60, None)
    assert last.weight.tolist() == [1.0] * 60 + [0.5] * model.n_made_
    assert np.abs(last.X[:60]).max() < 20
    assert last.X[60:].min() > 80
    assert sorted(last.y[60:]) == [0] * 18 + [1] * 18


def test_no_synthetic_sample_comes_from_outside_the_part_for_weights(samples):
    """Over many divisions, with the metadata that a pipeline hands on."""
    for seed in range(20):
        model = EEGNASClassifier(sampler=Copies(ratio=0.5, random_state=seed), **{**SMALL, "random_state": seed})
        trained = model._divided(samples.X, samples.y, None, None, samples.meta)
        inside = set(samples.meta["trial"].iloc[trained.rows])
        sources = {t for text in trained.more_meta["source_trial"] for t in source_trials(text)}
        assert sources <= inside
        assert not sources & set(samples.meta["trial"].iloc[trained.held])


def test_the_test_clip_never_reaches_the_population(samples, searched):
    """Folds by stimulus: no row of anybody's response to a test clip is in any search or sampler."""
    marked = samples.replace(X=samples.X.copy())
    fold = GroupSplit("stimulus", 5).folds(samples.meta, samples.y)[0]
    marked.X[fold.test] = 1e6
    marked.X[fold.validation] = 1e5
    pipeline = make_pipeline(PersonalisedSearch(sampler=Copies(), others=False, **SMALL))
    result = fit_fold(pipeline, marked, fold, ["calm", "tense"])
    clips = set(samples.meta["stimulus"].iloc[fold.test])
    assert not clips & set(Copies.seen["stimulus"])
    for parts, _, _ in searched:
        assert all(np.abs(values).max() < 1e3 for p in parts for values in (p.X, p.held_X))
    assert len(result.predictions) == len(fold.test)


def test_searches_are_not_repeated_by_methods_that_share_them(samples, searched, tmp_path):
    with kept_in(tmp_path):
        first = PersonalisedSearch("population", others=False, **SMALL).fit(samples.X, samples.y, meta=samples.meta)
        files = sorted(p.name for p in tmp_path.iterdir())
        assert [name.split("-")[1] for name in files] == ["all"]
        begin = (tmp_path / files[0]).stat().st_mtime_ns
        second = PersonalisedSearch(personal_epochs=1, others=False, **SMALL)
        second.fit(samples.X, samples.y, meta=samples.meta)
        assert (tmp_path / files[0]).stat().st_mtime_ns == begin
        assert len(list(tmp_path.iterdir())) == 2
    assert first.genotype_ == second.genotype_
    alone = PersonalisedSearch(personal_epochs=1, others=False, **SMALL).fit(samples.X, samples.y, meta=samples.meta)
    assert alone.genotypes_ == second.genotypes_
    assert np.array_equal(alone.predict_proba(samples.X, samples.meta), second.predict_proba(samples.X, samples.meta))


def test_a_personal_search_from_other_weights_is_another_search(samples, tmp_path):
    with kept_in(tmp_path):
        for epochs in (1, 2):  # of warm-up alone, so that the architectures are alike
            given = {**SMALL, "search_epochs": epochs, "warmup": 5, "max_epochs": 1}
            PersonalisedSearch(personal_epochs=1, others=False, **given).fit(samples.X, samples.y, meta=samples.meta)
    kinds = [path.name.split("-")[1] for path in tmp_path.iterdir()]
    assert sorted(kinds) == ["all", "all", "each", "each"]


@pytest.mark.parametrize(
    "change",
    [
        {"select": "perturb"},
        {"inherit": True},
        {"cost": 0.1},
        {"cost": 0.1, "cost_of": "latency"},
        {"genotype": "random"},
    ],
)
def test_options_run_and_matter_where_they_should(change, samples):
    model = EEGNASClassifier(**{**SMALL, **change}).fit(samples.X, samples.y, meta=samples.meta)
    assert model.predict_proba(samples.X).shape == (len(samples), 2)
    if change == {"inherit": True}:
        plain = EEGNASClassifier(**SMALL).fit(samples.X, samples.y, meta=samples.meta)
        assert plain.genotype_ == model.genotype_
        assert plain.history_[0]["train_loss"] != model.history_[0]["train_loss"]


@pytest.mark.parametrize("genotype", ["search", "random"])
def test_networks_are_trained_in_bfloat16_where_it_is_fast(genotype, samples, monkeypatch):
    monkeypatch.setattr("thymos.training.estimator.fast_in_half", lambda device: True)
    given = {**SMALL, "genotype": genotype, "operations": list(OPERATIONS)}
    half, full = (EEGNASClassifier(amp=amp, **given) for amp in (True, False))
    for model in (half, full):
        model.fit(samples.X, samples.y, meta=samples.meta)
    assert half.genotype_ == full.genotype_
    losses = [[h["train_loss"] for h in one.history_] for one in (half, full)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


def test_bare_arrays_groups_and_every_layout_are_taken(samples):
    for X in (samples.X, samples.X[:, 0], samples.X[:, 0, 0]):
        model = EEGNASClassifier(**SMALL).fit(X, samples.y)
        assert model.predict(X).shape == (len(X),)
    grouped = EEGNASClassifier(**SMALL).fit(samples.X, samples.y, groups=samples.meta["trial"].to_numpy())
    meta = pd.DataFrame({"trial": samples.meta["trial"]})
    assert grouped.genotype_ == EEGNASClassifier(**SMALL).fit(samples.X, samples.y, meta=meta).genotype_


def test_one_trial_of_a_class_cannot_be_divided(samples):
    y = np.where(samples.meta["trial"] == "s0-t0", "rare", samples.y)
    with pytest.raises(InputError, match="cannot be divided"):
        EEGNASClassifier(**SMALL).fit(samples.X, y, meta=samples.meta)


@pytest.mark.parametrize(
    "wrong",
    [
        {"genotype": "best"},
        {"genotype": {"normal": []}},
        {"held": 1.0},
        {"select": "luck"},
        {"cost_of": "money"},
        {"operations": ["fly"]},
        {"positions": [[0.0, 0.0]]},
        {"search_epochs": 0},
        {"dropout": 1.0},
    ],
)
def test_impossible_parameters_are_refused_in_words(wrong, samples):
    with pytest.raises(InputError):
        EEGNASClassifier(**{**SMALL, **wrong}).fit(samples.X, samples.y, meta=samples.meta)


def test_clones_keep_a_sampler_as_a_parameter():
    model = clone(PersonalisedSearch(sampler=Copies(ratio=0.3), **SMALL))
    assert isinstance(model.sampler, BaseEstimator)
    assert model.get_params()["sampler__ratio"] == 0.3


@pytest.fixture
def divided(monkeypatch):
    """Return a list of how training parts were divided."""
    calls, own = [], EEGNASClassifier._divided
    monkeypatch.setattr(EEGNASClassifier, "_divided", lambda *given: calls.append(own(*given)) or calls[-1])
    return calls


@pytest.mark.parametrize("kind", [EEGNASClassifier, PersonalisedSearch])
def test_what_the_protocol_keeps_apart_is_kept_apart_inside(kind, samples, divided):
    clips = samples.meta["stimulus"].to_numpy()
    kind(**SMALL).fit(samples.X, samples.y, groups=clips, meta=samples.meta)
    (made,) = divided
    assert not set(clips[made.rows]) & set(clips[made.held])
    assert len(np.unique(clips[made.held])) == 4
    assert set(samples.y[made.held]) == set(samples.y)


@pytest.mark.parametrize("protocol", ["stimulus", "subject"])
def test_a_study_says_what_that_is(protocol, make_samples, divided):
    samples = make_samples(subjects=6, trials=12, windows=1, shape=SHAPE, effect=1.0)
    fold = GroupSplit(protocol, 6).folds(samples.meta, samples.y)[0]
    fit_fold(make_pipeline(EEGNASClassifier(**SMALL)), samples, fold, ["calm", "tense"])
    kept = samples.meta[protocol].to_numpy()[fold.train]
    assert not set(kept[divided[0].rows]) & set(kept[divided[0].held])


def test_whole_people_are_not_kept_apart_where_each_is_searched_for(samples, divided):
    people = samples.meta["subject"].to_numpy()
    PersonalisedSearch(**SMALL).fit(samples.X, samples.y, groups=people, meta=samples.meta)
    assert set(people[divided[0].rows]) == set(people[divided[0].held]) == set(people)


def test_where_too_few_groups_are_left_trials_are_dealt_with_a_warning(samples, divided):
    same = np.zeros(len(samples), dtype=int)
    with pytest.warns(UserWarning, match="Too few groups"):
        EEGNASClassifier(**SMALL).fit(samples.X, samples.y, groups=same, meta=samples.meta)
    trials = samples.meta["trial"].to_numpy()
    assert not set(trials[divided[0].rows]) & set(trials[divided[0].held])


@pytest.mark.parametrize("others", [True, False])
@pytest.mark.parametrize("personal", ["search", "population", "random"])
def test_bare_arrays_are_of_one_person_who_is_everybody(personal, others, samples, searched):
    model = PersonalisedSearch(personal=personal, others=others, **SMALL).fit(samples.X, samples.y)
    assert list(model.genotypes_) == [""]
    assert model.genotypes_[""] == model.genotype_
    assert len(searched) == len(model.searches_) == int(personal != "random" or others)
    assert model.predict_proba(samples.X).shape == (len(samples), 2)


@pytest.mark.parametrize(("changed", "far"), [({}, True), ({"personal_lr": 1e-6}, False), ({"prior": 1e6}, False)])
def test_a_personal_architecture_moves_as_far_as_rate_and_prior_let_it(changed, far, samples):
    given = {"personal_lr": 0.05, "prior": 0.0, "personal_epochs": 4, **SMALL, **changed}
    model = PersonalisedSearch(**given).fit(samples.X, samples.y, meta=samples.meta)
    assert set(model.moved_) == {"s0", "s1"}
    assert all((moved > 0.1) == far for moved in model.moved_.values())


@pytest.mark.parametrize("warmup", [1, 2, 9])
def test_a_personal_warmup_leaves_an_epoch_for_the_architecture(warmup, samples):
    model = PersonalisedSearch(personal_epochs=1, personal_warmup=warmup, others=False, **SMALL)
    model.fit(samples.X, samples.y, meta=samples.meta)
    assert min(model.moved_.values()) > 0


def test_trainings_of_other_architectures_are_never_shared(samples, tmp_path):
    other = {**SMALL, "genotype": "random"}
    y = samples.y
    alone = EEGNASClassifier(**other).fit(samples.X, y)
    with kept_in(tmp_path), shared_trainings():
        for groups in (None, samples.meta["trial"].to_numpy()):
            EEGNASClassifier(**SMALL).fit(samples.X, y, groups=groups)
        again = EEGNASClassifier(**other).fit(samples.X, y)
    assert not list(tmp_path.rglob("dense-*"))
    assert np.array_equal(again.predict_proba(samples.X), alone.predict_proba(samples.X))


def test_a_sampler_adds_to_bare_arrays_too(samples):
    model = PersonalisedSearch(sampler=Copies(ratio=0.3), **SMALL).fit(samples.X, samples.y)
    assert model.n_made_ > 0
    assert model.predict_proba(samples.X).shape == (len(samples), 2)
