"""Parameters are chosen inside the training part, by every sampler."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from thymos.base.errors import InputError, StudyError
from thymos.evaluation import LeaveOneSubjectOut
from thymos.evaluation.fit import fit_fold
from thymos.evaluation.make import make_estimator, make_grid
from thymos.evaluation.search import SAMPLERS, Range, Search
from thymos.evaluation.study_files import parse_study
from thymos.signals.scaling import Flatten
from thymos.training.pipeline import make_pipeline

SPACE = {"C": Range(1e-3, 1e3, log=True), "hidden": [[4], [8, 8]], "layers": Range(1, 3), "share": Range(0.0, 0.5)}


def walked(search, loss):
    proposals, tried = search.proposals(), []
    parameters = next(proposals)
    while True:
        tried.append(parameters)
        try:
            parameters = proposals.send(loss(parameters))
        except StopIteration:
            return tried


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_proposals_lie_in_the_space_and_depend_on_the_seed_alone(sampler):
    def loss(parameters):
        return abs(np.log10(parameters["C"]) - 2)

    tried = walked(Search(SPACE, 30, sampler, seed=1), loss)
    assert len(tried) == 30
    assert tried == walked(Search(SPACE, 30, sampler, seed=1), loss)
    assert tried != walked(Search(SPACE, 30, sampler, seed=2), loss)
    values = {name: [one[name] for one in tried] for name in SPACE}
    assert min(values["C"]) >= 1e-3
    assert max(values["C"]) <= 1e3
    assert set(values["layers"]) == {1, 2, 3}
    assert {tuple(h) for h in values["hidden"]} == {(4,), (8, 8)}
    assert all(0 <= share <= 0.5 for share in values["share"])
    if sampler == "random":
        assert np.mean(np.array(values["C"]) < 1) == pytest.approx(0.5, abs=0.25), "log: as many below 1 as above"
    else:  # it learns where the loss is low
        late = np.abs(np.log10(values["C"][15:]) - 2)
        assert np.median(late) < 1.0 < np.median(np.abs(np.random.default_rng(0).uniform(-3, 3, 1000) - 2))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_diverges_is_survived(sampler):
    tried = walked(Search({"C": Range(0.0, 1.0)}, 5, sampler), lambda p: np.nan)
    assert len(tried) == 5


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_chooses_on_the_inner_folds_and_never_sees_the_test_part(make_rich, sampler):
    samples = make_rich(effect=0.15, shape=(6,))  # noise: many neighbours have the lower log-loss
    (fold, *_) = LeaveOneSubjectOut(inner=3).folds(samples.meta, samples.y)
    method = make_pipeline(Flatten(), KNeighborsClassifier())
    search = Search({"kneighborsclassifier__n_neighbors": Range(1, 30)}, 8, sampler, seed=3)
    result = fit_fold(method, samples, fold, ["calm", "tense"], search)
    name, _, number = result.facts["chosen"].split(" by ")[0].partition("=")
    assert name == "kneighborsclassifier__n_neighbors"
    assert int(number) > 5
    assert f"3 inner folds, 8 sets tried ({sampler})" in result.facts["chosen"]
    turned = samples.replace(y=samples.y.copy())
    turned.y[fold.test] = np.where(samples.y[fold.test] == "calm", "tense", "calm")
    assert fit_fold(method, turned, fold, ["calm", "tense"], search).facts["chosen"] == result.facts["chosen"]


class Fragile(KNeighborsClassifier):
    """Refuses what nobody can train."""

    def fit(self, X, y):
        if self.n_neighbors > 20:
            raise InputError(f"n_neighbors={self.n_neighbors} came.", fits="fewer")
        return super().fit(X, y)


def test_sets_that_cannot_be_trained_lose_and_the_others_are_used(make_rich, words):
    samples = make_rich(effect=0.15, shape=(6,))
    (fold, *_) = LeaveOneSubjectOut(inner=3).folds(samples.meta, samples.y)
    method = make_pipeline(Flatten(), Fragile())
    grid = [{"fragile__n_neighbors": k} for k in (30, 3, 40)]
    assert "n_neighbors=3 by" in fit_fold(method, samples, fold, ["calm", "tense"], grid).facts["chosen"]
    with pytest.raises(InputError) as error:
        fit_fold(method, samples, fold, ["calm", "tense"], grid[::2])
    words(error.value, "n_neighbors=40", "fewer")


@pytest.mark.parametrize("ends", [(1.0, 1.0), (0.0, 1.0), (np.nan, 1.0)])
def test_a_range_that_is_none_is_refused(ends, words):
    with pytest.raises(InputError) as error:
        Range(*ends, log=True)
    words(error.value, "A range from", "low below high")


@pytest.mark.parametrize(
    "options", [{"trials": 0}, {"sampler": "bayes"}, {"space": {}}, {"space": {"svm__random_state": [0, 1]}}]
)
def test_a_search_that_cannot_be_is_refused(options):
    with pytest.raises(InputError):
        Search(**{"space": SPACE, **options})


STUDY = {
    "name": "searched",
    "title": "Searched",
    "source": {"simulated-eeg": {"subjects": 2}},
    "windows": {"seconds": 1.0},
    "target": {"label": "valence", "above": 5.0},
    "protocols": {"loso": {"parameters": {"inner": 2}}},
}


def plan(search, **more):
    return parse_study({**STUDY, "methods": {"svm": {"steps": ["flatten", "svm"], "search": search, **more}}})


def test_a_study_says_what_is_searched():
    study = plan({"trials": 7, "space": {"svm.C": {"low": 0.1, "high": 10, "log": True}, "svm.kernel": ["rbf"]}})
    search = make_grid(study, "svm", make_estimator(study, "svm", {}))
    assert (search.trials, search.sampler) == (7, "random")
    assert {name.split("__")[-1] for name in search.space} == {"C", "kernel"}
    assert Range(0.1, 10, True) in search.space.values()


@pytest.mark.parametrize(
    ("search", "more", "expected"),
    [
        ({"space": {"svm.c": [1]}}, {}, ["svm has no parameter 'c'"]),
        ({"space": {"svm.C": {"low": 2, "high": 1}}}, {}, ["search.space.svm.C", "A range from 2"]),
        ({"space": {"lda.C": [1]}}, {}, ["methods.svm.search.space", "'lda.C'"]),
        ({"space": {"svm.C": [1]}}, {"grid": {"svm.C": [1]}}, ["grid and search exclude each other"]),
        ({"space": {"svm.C": [1]}, "sampler": "bayes"}, {}, ["sampler", "optuna"]),
    ],
)
def test_a_wrong_search_is_refused_in_words(search, more, expected, words):
    def make():
        study = plan(search, **more)
        return make_grid(study, "svm", make_estimator(study, "svm", {}))

    with pytest.raises(StudyError) as error:
        make()
    words(error.value, *expected)
