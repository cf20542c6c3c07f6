"""Parameters that have to be numbers, and samples that have to be of a type."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from thymos.base.errors import InputError

__all__ = ["as_type", "check_number", "check_whole"]


def as_type(what: str, X: np.ndarray, dtype: Any) -> np.ndarray:
    """Return samples as another type, of the same shape; pictures in bytes only if none of their values is lost.

    Raises
    ------
    InputError
        If values are no bytes.
    """
    wanted = np.dtype(dtype)
    if wanted.kind == "u" and X.dtype != wanted and not (np.rint(X).clip(0, np.iinfo(wanted).max) == X).all():
        raise InputError(
            f"{what} with values from {X.min():.3g} to {X.max():.3g} came.",
            fits=f"whole numbers from 0 to {np.iinfo(wanted).max}, as in training",
        )
    return X.astype(wanted, copy=False)


def check_number(name: str, value: Any, low: float = 0.0, high: float = np.inf) -> None:
    """Refuse a parameter that is no finite number from `low` to `high`.

    Raises
    ------
    InputError
    """
    real = isinstance(value, Real) and not isinstance(value, bool)
    if not (real and np.isfinite(value) and low <= value <= high):
        fits = f"a number from {low:g} to {high:g}" if np.isfinite(high) else f"a number of at least {low:g}"
        raise InputError(f"{name}={value!r} came.", fits=fits)


def check_whole(name: str, value: Any, low: int = 1) -> None:
    """Refuse a parameter that is no whole number, or one below `low`; ``True`` and ``1.0`` are none.

    Raises
    ------
    InputError
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
        raise InputError(f"{name}={value!r} came.", fits=f"a whole number of at least {low}")
