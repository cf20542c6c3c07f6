"""Fits that are walked side by side: what reaches the training of a stack, and of what is trained alone."""

import numpy as np
import pytest

from thymos.augmentation.classic import Jitter
from thymos.evaluation.many import Request, Walk, walk_together
from thymos.models.mlp import MLPClassifier
from thymos.models.per_subject import PerSubject
from thymos.signals.scaling import ChannelScaler
from thymos.training.pipeline import make_pipeline

SMALL = {"hidden": (4,), "max_epochs": 5, "random_state": 0}


def walk(estimator, samples, train, validation=()):
    def steps():
        (fitted,) = yield [Request(estimator, samples, np.asarray(train), np.asarray(validation, dtype=int))]
        return fitted

    return Walk(steps())


@pytest.fixture
def samples(make_samples):
    made = make_samples(subjects=2, trials=10, shape=(2, 4), effect=1.0)
    return made.replace(meta=made.meta.assign(sample_weight=np.tile([0.2, 1.0, 1.0, 3.0], len(made) // 4)))


def trained(walks):
    walk_together(walks)
    for one in walks:
        if one.error:
            raise one.error
    return [one.result for one in walks]


def test_a_stack_is_given_the_metadata_of_its_samples_rows_of_samplers_included(samples, monkeypatch):
    given, original = [], MLPClassifier.fit_many
    monkeypatch.setattr(
        MLPClassifier, "fit_many", lambda self, parts, seeds: given.append(parts) or original(self, parts, seeds)
    )
    pipe = make_pipeline(ChannelScaler(), Jitter(weight=0.5, random_state=0), MLPClassifier(**SMALL))
    parts = [np.arange(0, 40), np.arange(20, 60)]
    walks = [walk(pipe, samples, rows, np.arange(60, 80)) for rows in parts]
    found = trained(walks)
    assert [one.together for one in walks] == [2, 2]
    for (X, y, held, meta), rows, one in zip(given[0], parts, found, strict=True):
        assert len(X) == len(y) == len(meta) == 60
        assert meta["sample_weight"].tolist() == [*samples.meta["sample_weight"].iloc[rows], *[0.5] * 20]
        assert meta["trial"].iloc[:40].tolist() == samples.meta["trial"].iloc[rows].tolist()
        assert held.meta.equals(samples[np.arange(60, 80)].meta)
        alone = pipe.fit(samples[rows], validation=samples[np.arange(60, 80)])
        assert np.allclose(one.predict_proba(samples), alone.predict_proba(samples), atol=1e-3)


def test_bare_estimators_are_given_the_metadata_too(samples):
    rows = np.arange(60)
    plain = samples.replace(meta=samples.meta.drop(columns="sample_weight"))
    weighted, other = trained([walk(MLPClassifier(**SMALL), one, rows) for one in (samples, plain)])
    alone = MLPClassifier(**SMALL).fit(samples.X[rows], samples.y[rows], meta=samples.meta.iloc[rows])
    assert np.array_equal(weighted.predict_proba(samples.X), alone.predict_proba(samples.X))
    assert not np.allclose(weighted.predict_proba(samples.X), other.predict_proba(samples.X), atol=1e-3)
    (apart,) = trained([walk(PerSubject(MLPClassifier(**SMALL)), samples, np.arange(80))])
    assert list(apart.estimators_) == ["s0", "s1"]
