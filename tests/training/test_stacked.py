"""Models trained as one stack are those of the loop, one by one."""

import numpy as np
import pandas as pd
import pytest
from torch import nn

from thymos.base.errors import InputError
from thymos.models import RecurrentClassifier
from thymos.models.catalogue import MODELS
from thymos.training import stacked
from thymos.training.estimator import TorchClassifier, TorchRegressor
from thymos.training.stacked import why_not


class Layers(TorchClassifier):
    stackable = True

    def __init__(self, norm=True, dropout=0.0, **training):
        super().__init__(**training)
        self.norm = norm
        self.dropout = dropout

    def build(self, shape, n_outputs):
        size = int(np.prod(shape))
        norm = [nn.BatchNorm1d(16)] if self.norm else []
        head = [nn.ReLU(), nn.Dropout(self.dropout), nn.Linear(16, n_outputs)]
        # a bias before a normalisation has no gradient but rounding, which Adam makes steps of
        return nn.Sequential(nn.Flatten(), nn.Linear(size, 16, bias=not self.norm), *norm, *head)


class Line(TorchRegressor):
    stackable = True

    def build(self, shape, n_outputs):
        return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), n_outputs))


def part(seed, n=96, held=40, size=10):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n + held, 1, size)).astype(np.float32)
    y = np.where(X[:, 0, :3].sum(axis=1) + rng.standard_normal(n + held) > 0, "calm", "tense")
    return X[:n], y[:n], (X[n:], y[n:])


ALIKE = [part(seed) for seed in range(4)]
UNLIKE = [part(seed, 60 + 13 * seed, 20 + 7 * seed) for seed in range(4)]


@pytest.mark.parametrize("parts", [ALIKE, UNLIKE], ids=["alike", "unlike"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"norm": False, "clip": None},
        {"dropout": 0.5},
        {"max_epochs": 25, "patience": 2, "lr": 3e-2},
        {"class_weight": "balanced", "label_smoothing": 0.1},
        {"decay": 3.0, "weight_decay": 0.1, "clip": 0.2},
        {"schedule": "cosine", "patience": None},
    ],
)
def test_a_stack_gives_the_models_of_the_loop(parts, options):
    options = {"max_epochs": 6, "lr": 5e-3, "batch_size": 32, **options}
    together = Layers(**options).fit_many(parts, range(4))
    alone = [Layers(**options, random_state=k).fit(*p[:2], validation=p[2]) for k, p in enumerate(parts)]
    for a, b, (X, _, held) in zip(together, alone, parts, strict=True):
        assert len(a.history_) == len(b.history_)
        for key in ("train_loss", "valid_loss", "lr"):
            assert [h[key] for h in a.history_] == pytest.approx([h[key] for h in b.history_], abs=2e-4)
        assert (a.best_epoch_, a.selection_, a.n_parameters_) == (b.best_epoch_, b.selection_, b.n_parameters_)
        for samples in (X, held[0]):
            assert np.allclose(a.predict_proba(samples), b.predict_proba(samples), atol=2e-3)
        assert a.classes_.tolist() == ["calm", "tense"]
    if options.get("patience") == 2:
        assert len({len(a.history_) for a in together}) > 1, "models leave the stack when they have finished"


def counted(parts):
    """Return parts with metadata: the first third of each counts less than 1, some of the others more."""
    made = []
    for number, (X, y, held) in enumerate(parts):
        weight = np.random.default_rng(number).choice([1.0, 1.0, 2.5], len(y))
        weight[: len(y) // 3] = 0.25
        made.append((X, y, held, pd.DataFrame({"sample_weight": weight})))
    return made


@pytest.mark.parametrize("parts", [ALIKE, UNLIKE], ids=["alike", "unlike"])
@pytest.mark.parametrize(
    "options",
    [
        {"class_weight": "balanced", "label_smoothing": 0.1, "patience": None},
        {"patience": 2, "max_epochs": 10, "lr": 3e-2},
    ],
)
def test_weighted_samples_count_in_a_stack_as_in_the_loop(parts, options):
    options = {"max_epochs": 5, "lr": 5e-3, "batch_size": 32, **options}
    weighted = counted(parts)
    together = Layers(**options).fit_many(weighted, range(4))
    for k, (a, (X, y, held, meta)) in enumerate(zip(together, weighted, strict=True)):
        alone = Layers(**options, random_state=k).fit(X, y, validation=held, meta=meta)
        for key in ("train_loss", "valid_loss"):
            assert [h[key] for h in a.history_] == pytest.approx([h[key] for h in alone.history_], abs=2e-4)
        assert np.allclose(a.predict_proba(X), alone.predict_proba(X), atol=2e-3)
    plain = Layers(**options, random_state=0).fit(*parts[0][:2], validation=parts[0][2])
    assert not np.allclose(together[0].predict_proba(X), plain.predict_proba(X), atol=1e-2)


def test_weighted_parts_and_others_form_stacks_of_their_own(monkeypatch):
    sizes, train = [], stacked._train
    monkeypatch.setattr(stacked, "_train", lambda made, ready: sizes.append(len(made)) or train(made, ready))
    ones = pd.DataFrame({"sample_weight": np.ones(len(ALIKE[0][1]))})
    parts = [*counted(ALIKE[:2]), ALIKE[2], (*ALIKE[3], ones)]
    made = Layers(max_epochs=5).fit_many(parts, range(4))
    assert sizes == [2, 2]
    for k, (one, (X, y, held, *meta)) in enumerate(zip(made, parts, strict=True)):
        alone = Layers(max_epochs=5, random_state=k).fit(X, y, held, None, *meta)
        assert np.allclose(one.predict_proba(X), alone.predict_proba(X), atol=2e-3)


def test_weighted_ratings_and_models_of_the_loop_take_metadata_too():
    parts = [(X, X[:, 0, 0] * (k + 1), None, meta) for k, (X, _, _, meta) in enumerate(counted(UNLIKE[:2]))]
    for estimator in (Line(lr=1e-2, max_epochs=5), Line(lr=1e-2, max_epochs=5, schedule="plateau")):
        for k, (one, (X, y, _, meta)) in enumerate(zip(estimator.fit_many(parts, range(2)), parts, strict=True)):
            alone = Line(**{**estimator.get_params(), "random_state": k}).fit(X, y, meta=meta)
            assert np.allclose(one.predict(X), alone.predict(X), atol=1e-3)
            assert not np.allclose(one.predict(X), type(alone)(**alone.get_params()).fit(X, y).predict(X), atol=1e-3)


def test_models_of_the_catalogue_that_declare_it_train_as_a_stack():
    declared = [row.load() for row in MODELS.values() if getattr(row.load(), "stackable", False)]
    assert declared
    for model in declared:
        options = {"dropout": 0.0, "max_epochs": 4}
        together = model(**options).fit_many(UNLIKE, range(4))
        for k, (one, (X, y, held)) in enumerate(zip(together, UNLIKE, strict=True)):
            alone = model(**options, random_state=k).fit(X, y, validation=held)
            assert np.allclose(one.predict_proba(X), alone.predict_proba(X), atol=5e-3)


def test_parts_without_validation_and_regressors_are_stacked_too():
    parts = [(X, X[:, 0, 0] * (k + 1) + 10 * k) for k, (X, _, _) in enumerate(UNLIKE)]
    together = Line(lr=1e-2, max_epochs=5, random_state=3).fit_many(parts)
    for (X, y), a in zip(parts, together, strict=True):
        alone = Line(lr=1e-2, max_epochs=5, random_state=3).fit(X, y)
        assert np.allclose(a.predict(X), alone.predict(X), atol=1e-3)
        assert a.selection_ == "fixed number of epochs"


def test_shapes_that_differ_form_stacks_of_their_own_and_the_order_stays(monkeypatch):
    sizes = []
    train = stacked._train
    monkeypatch.setattr(stacked, "_train", lambda made, ready: sizes.append(len(made)) or train(made, ready))
    parts = [part(0), part(1, size=7), part(2), part(3, size=7), part(4)[:2]]
    made = Layers(max_epochs=2, random_state=0).fit_many(parts)
    assert sorted(sizes) == [1, 2, 2]
    assert [one.shape_ for one in made] == [p[0].shape[1:] for p in parts]


def test_a_model_does_not_depend_on_its_neighbours():
    whole = Layers(max_epochs=3).fit_many(ALIKE, range(4))
    some = Layers(max_epochs=3).fit_many(ALIKE[1:3], [1, 2])
    for a, b in zip(whole[1:3], some, strict=True):
        assert np.allclose(a.predict_proba(ALIKE[0][0]), b.predict_proba(ALIKE[0][0]), atol=1e-4)


class Wild(Line):
    def build(self, shape, n_outputs):
        return nn.Sequential(nn.Flatten(), nn.AlphaDropout(0.5), nn.Linear(int(np.prod(shape)), n_outputs))


def test_a_layer_whose_draws_would_be_shared_is_refused(words):
    X, _, _ = ALIKE[0]
    with pytest.raises(InputError) as error:
        Wild(max_epochs=1).fit_many([(X, X[:, 0, 0])] * 2)
    words(error.value, "Wild", "draws", "torch.nn.Dropout")


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (RecurrentClassifier(hidden=2, max_epochs=1), "not declared to be faster"),
        (Layers(mixup=0.2, max_epochs=1), "mixup"),
        (Layers(schedule="plateau", max_epochs=1), "plateau"),
    ],
)
def test_where_a_stack_is_not_used_the_loop_is_and_says_why(estimator, reason):
    assert reason in why_not(estimator)
    made = estimator.fit_many(ALIKE[:2], [0, 1])
    alone = [type(estimator)(**{**estimator.get_params(), "random_state": k}) for k in (0, 1)]
    for model, one, (X, y, held) in zip(made, alone, ALIKE[:2], strict=True):
        assert np.array_equal(model.predict_proba(X), one.fit(X, y, validation=held).predict_proba(X))
    assert why_not(Layers()) == ""


def test_a_part_that_does_not_fit_is_said_in_words(words):
    X, y, held = part(0)
    with pytest.raises(InputError) as error:
        Layers().fit_many([(X, y, (held[0], np.full(len(held[1]), "bored")))])
    words(error.value, "'bored'", "training lacks")
