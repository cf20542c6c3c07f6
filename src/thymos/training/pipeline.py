"""The pipeline: everything that learns, learns from the training part alone.

imbalanced-learn's pipeline already applies samplers in `fit` only. This one also carries the metadata of
:class:`~thymos.base.samples.Samples` through every step, passes a validation part through the fitted transformers
without resampling it, and hands it to the last step.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd
from imblearn.pipeline import Pipeline as ImblearnPipeline
from sklearn.pipeline import _name_estimators
from sklearn.utils.metaestimators import available_if

from thymos.base.errors import InputError
from thymos.base.samples import Samples, add_synthetic

__all__ = ["Pipeline", "arguments_of", "make_pipeline", "resample", "validation_pair"]


def _last_step_has(method: str) -> Any:
    return available_if(lambda self: hasattr(self._final_estimator, method))


class Pipeline(ImblearnPipeline):
    """Transformers and samplers, then a classifier; takes arrays or Samples.

    Parameters
    ----------
    steps : list of (str, estimator)
        Transformers (``transform``) and samplers (``fit_resample``), at last a classifier. A sampler whose
        ``fit_resample`` takes ``meta`` is handed the metadata table and returns it third; any other sampler gets a
        table ``(n_samples, n_features)``.
    transform_input, memory, verbose
        As :class:`imblearn.pipeline.Pipeline`.
    """

    #: Whether methods that predict take Samples, whose metadata some last steps want.
    takes_samples: ClassVar[bool] = True

    steps: list[tuple[str, Any]]

    def fit(self, X: Any, y: Any = None, validation: Any = None, groups: Any = None, **params: Any) -> Pipeline:
        """Fit all steps on the training part.

        Parameters
        ----------
        X : Samples or ndarray, shape (n_samples, ...)
            Training part.
        y : array-like, shape (n_samples,), optional
            Labels; those of `X` by default.
        validation : Samples or (X, y), optional
            Never fitted on and never resampled; handed to the last step if its `fit` takes ``validation``.
        groups : str or array-like, shape (n_samples,), optional
            Metadata column or keys for a split inside the last step, handed over if its `fit` takes ``groups``.
            Keys of rows that a sampler adds come from the column, so with samplers give a column.
            The metadata themselves are handed over too if its `fit` takes ``meta``; otherwise, if it takes
            ``sample_weight``, the column of that name.
        **params
            Further arguments of the steps, as in scikit-learn; with plain arrays only.

        Raises
        ------
        InputError
            If arguments of steps come with Samples, or a sampler returns rows that cannot be traced to a metadata row.
        """
        if not isinstance(X, Samples) and validation is None and groups is None:
            return super().fit(X, y, **params)
        if params:
            raise InputError(
                f"Arguments of single steps came with Samples: {', '.join(params)}.",
                fits="arguments of steps with plain arrays only",
                do="set them on the steps, or pass X and y as arrays without validation and groups",
            )
        data, y, held, keys, meta = self.prepare(X, y, validation, groups)
        if self._final_estimator in ("passthrough", None):
            return self
        fit = self._final_estimator.fit
        fit(data, y, **arguments_of(fit, validation=held, groups=keys, meta=meta))
        return self

    def prepare(self, X: Any, y: Any = None, validation: Any = None, groups: Any = None) -> tuple:
        """Fit all steps but the last, and return what the last one is to be fitted on; see :meth:`fit`.

        Returns
        -------
        X, y : ndarray
            Transformed and resampled training samples, and their labels.
        validation : Samples, (X, y) or None
            Transformed, in the form in which it came.
        groups : ndarray or None
        meta : DataFrame or None
            Of the training samples, those that samplers added included.
        """
        self._validate_steps()
        self.steps = list(self.steps)
        data, meta = (X.X, X.meta) if isinstance(X, Samples) else (X, None)
        y = X.y if y is None and isinstance(X, Samples) else y
        held = validation_pair(validation)
        for _, _, step in self._iter(with_final=False, filter_resample=False):
            if hasattr(step, "fit_resample"):
                if groups is not None and not isinstance(groups, str):
                    raise InputError(
                        "Groups came as keys, and a sampler changes the rows.", fits="the name of a metadata column"
                    )
                data, y, meta = resample(step, data, y, meta)
            else:
                data = step.fit_transform(data, y)
                if meta is not None and hasattr(step, "meta_of"):
                    meta = step.meta_of(meta)
                if held is not None:
                    held = step.transform(held[0]), held[1]
        if isinstance(groups, str):
            groups = cast("pd.DataFrame", meta)[groups].to_numpy()
        return data, y, _like(validation, held), groups, meta

    @_last_step_has("predict")
    def predict(self, X: Any, **params: Any) -> np.ndarray:
        """Return the predicted class of each sample; samplers are skipped, metadata are handed over if wanted."""
        return super().predict(_array(X), **self._known("predict", X), **params)

    @_last_step_has("predict_proba")
    def predict_proba(self, X: Any, **params: Any) -> np.ndarray:
        """Return class probabilities, shape (n_samples, n_classes); see :meth:`predict`."""
        return super().predict_proba(_array(X), **self._known("predict_proba", X), **params)

    @_last_step_has("score")
    def score(self, X: Any, y: Any = None, **params: Any) -> float:
        """Return the score of the last step; `y` defaults to the labels of Samples."""
        y = X.y if y is None and isinstance(X, Samples) else y
        return super().score(_array(X), y, **params)

    @_last_step_has("transform")
    def transform(self, X: Any, **params: Any) -> np.ndarray:
        """Return the samples after all steps; samplers are skipped."""
        return super().transform(_array(X), **params)

    @_last_step_has("decision_function")
    def decision_function(self, X: Any, **params: Any) -> np.ndarray:
        """Return decision values; samplers are skipped."""
        return super().decision_function(_array(X), **params)

    def _known(self, method: str, X: Any) -> dict[str, Any]:
        """Return the metadata of Samples as an argument if the last step's method takes them: it knows its users."""
        takes = inspect.signature(getattr(self._final_estimator, method)).parameters
        return {"meta": X.meta} if isinstance(X, Samples) and "meta" in takes else {}


def arguments_of(fit: Any, meta: pd.DataFrame | None = None, **others: Any) -> dict[str, Any]:
    """Return what a method that fits is handed beside samples and labels: what it takes of what there is.

    Parameters
    ----------
    fit : callable
    meta : DataFrame, optional
        Metadata of the samples. A method that takes ``sample_weight`` and no ``meta`` is handed that column.
    **others
        Further arguments; None for what there is not.

    Returns
    -------
    dict of str to object
        By name; without what is None or not taken.
    """
    takes, given = inspect.signature(fit).parameters, {**others, "meta": meta}
    if "meta" not in takes and meta is not None and "sample_weight" in meta:
        given["sample_weight"] = meta["sample_weight"].to_numpy(float)
    return {name: value for name, value in given.items() if value is not None and name in takes}


def make_pipeline(*steps: Any, **options: Any) -> Pipeline:
    """Build a :class:`Pipeline` and name its steps after their classes."""
    return Pipeline(_name_estimators(steps), **options)


def resample(sampler: Any, X: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None = None) -> tuple:
    """Apply a sampler and keep the metadata in step.

    Parameters
    ----------
    sampler : estimator with ``fit_resample``
    X : ndarray, shape (n_samples, ...)
    y : ndarray, shape (n_samples,)
    meta : DataFrame, optional
        One row per sample.

    Returns
    -------
    X, y, meta
        ``meta`` has ``synthetic=True`` for rows that were added, and ``source_trial`` where it is known.

    Raises
    ------
    InputError
        If the sampler neither takes metadata, nor names the rows it chose, nor appends to the rows it was given.
    """
    if "meta" in inspect.signature(sampler.fit_resample).parameters:
        made = sampler.fit_resample(X, y, meta=meta)
        return made if len(made) == 3 else (*made, meta)
    table, labels = sampler.fit_resample(np.asarray(X).reshape(len(X), -1), y)
    if meta is not None:
        if hasattr(sampler, "sample_indices_"):
            rows = np.asarray(sampler.sample_indices_)
            repeated = pd.Series(rows).duplicated().to_numpy()
            meta = meta.iloc[rows].reset_index(drop=True)
            meta["source_trial"] = meta["source_trial"].where(~repeated, meta["trial"])
            meta["synthetic"] = meta["synthetic"].to_numpy(bool) | repeated
        elif len(table) >= len(X) and np.array_equal(table[: len(X)], np.asarray(X).reshape(len(X), -1)):
            meta = add_synthetic(meta, np.full(len(table) - len(X), -1))
        else:
            raise InputError(
                f"The rows that {type(sampler).__name__} returned cannot be traced to the samples it was given.",
                fits="a sampler with sample_indices_, one that appends to its input, or one that takes `meta`",
            )
    return table.reshape(len(table), *np.asarray(X).shape[1:]), labels, meta


def _array(X: Any) -> Any:
    return X.X if isinstance(X, Samples) else X


def validation_pair(validation: Any) -> Any:
    """Return samples and labels of a validation part, which may come as Samples or as such a pair."""
    return (validation.X, validation.y) if isinstance(validation, Samples) else validation


def _like(validation: Any, held: tuple | None) -> Any:
    """Return the transformed validation part in the form in which it came."""
    return validation.replace(X=held[0], y=held[1]) if isinstance(validation, Samples) and held else held
