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
def test_no_scaler_and_no_sampler_sees_a_validation_or_test_row(name, make_rich, make_protocol):
    samples = make_rich(windows=9)
    samples.X[:, 0, 0] = np.arange(len(samples))  # each row carries its number
    for fold in make_protocol(name).folds(samples.meta, samples.y):
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


@pytest.mark.parametrize("inner", [0, 3])
def test_a_choice_of_parameters_never_touches_the_test_part(inner, make_rich, make_protocol):
    samples = make_rich()
    samples.X[:, 0, 0] = np.arange(len(samples))
    for fold in make_protocol("loso", inner=inner).folds(samples.meta, samples.y):
        diary = []
        pipe = make_pipeline(SpyScaler(diary), SpyClassifier(diary))
        fit_fold(pipe, samples, fold, ["calm", "tense"], [{"spyclassifier__diary": diary}] * 2)
        test = set(fold.test.tolist())
        touched = [k for k, (_, seen) in enumerate(diary) if seen & test]
        predicted = [k for k, (what, _) in enumerate(diary) if what == "predict"]
        assert touched == [k for k in touched if k >= predicted[-1] - 1], "the test part was seen before the last fit"
        assert diary[predicted[-1]][1] == test
        assert len(predicted) == 2 * (inner or 1) + 1
