"""Instrumented steps: no scaler, feature or sampler ever sees a validation or test row."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin

from thymos.evaluation.catalogue import PROTOCOLS
from thymos.evaluation.fit import fit_fold
from thymos.training.pipeline import make_pipeline


class SpyScaler(TransformerMixin, BaseEstimator):
    """Remembers which rows it was fitted on and which it transformed."""

    def __init__(self, diary):
        self.diary = diary

    def __sklearn_clone__(self):
        return self

    def fit(self, X, y=None):
        self.diary.append(("fit", rows(X)))
        return self

    def transform(self, X):
        self.diary.append(("transform", rows(X)))
        return X


class SpySampler(BaseEstimator):
    def __init__(self, diary):
        self.diary = diary

    def __sklearn_clone__(self):
        return self

    def fit_resample(self, X, y, meta=None):
        self.diary.append(("resample", rows(X)))
        assert len(meta) == len(X)
        return X, y, meta


class SpyClassifier(ClassifierMixin, BaseEstimator):
    def __init__(self, diary):
        self.diary = diary

    def __sklearn_clone__(self):
        return self

    def fit(self, X, y, validation=None):
        self.diary.append(("train", rows(X)))
        if validation is not None:
            self.diary.append(("validate", rows(validation.X)))
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        self.diary.append(("predict", rows(X)))
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


def rows(X):
    return set(X[:, 0, 0].astype(int).tolist())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_scaler_and_no_sampler_sees_a_validation_or_test_row(name, make_samples):
    samples = make_samples(subjects=4, trials=12)
    samples.X[:, 0, 0] = np.arange(len(samples))  # each row carries its number
    for fold in PROTOCOLS[name].load()().folds(samples.meta, samples.y):
        diary = []
        pipe = make_pipeline(SpyScaler(diary), SpySampler(diary), SpyScaler(diary), SpyClassifier(diary))
        fit_fold(pipe, samples, fold, ["calm", "tense"])
        train, validation, test = (set(p.tolist()) for p in (fold.train, fold.validation, fold.test))
        seen = {what: set.union(*(r for w, r in diary if w == what)) for what, _ in diary}
        assert seen["fit"] == seen["resample"] == seen["train"] == train
        assert seen["validate"] == validation
        assert seen["predict"] == test
        assert [r for w, r in diary if w == "predict"] == [test], "the test part was touched more than once"
        order = [w for w, _ in diary]
        assert order.index("predict") > order.index("validate") > order.index("train")
        # whatever was transformed before training ended was training or validation
        before = [r for w, r in diary[: order.index("train")] if w == "transform"]
        assert all(not r & test for r in before)
