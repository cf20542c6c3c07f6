"""One difference measured on several sources: what they say together, and whether they agree."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import chi2, combine_pvalues, norm

from thymos.base.errors import InputError

__all__ = ["combine_sources"]


def combine_sources(table: pd.DataFrame) -> dict[str, float]:
    """Combine a paired difference over sources by a random-effects model.

    Parameters
    ----------
    table : DataFrame
        One row per source with ``difference``, its standard deviation over units ``sd``, ``n_units`` and the two-sided
        ``p``, as :func:`thymos.evaluation.comparison.compare_methods` has them.

    Returns
    -------
    dict
        ``difference`` with its 95 % interval ``low``, ``high``; ``p``; ``tau``, the standard deviation of the true
        difference between sources; ``i2``, the share of the spread between sources that is more than chance; ``p_same``
        of Cochran's test that all sources have one difference; ``p_stouffer``, one-sided p combined in the direction of
        ``difference``, sources weighted by the root of their units; ``n_sources``.

    Raises
    ------
    InputError
        If fewer than two sources have a difference with a spread, or one is over folds.

    Notes
    -----
    R. DerSimonian, N. Laird: Meta-analysis in clinical trials. Controlled Clinical Trials 7, 1986, 177-188. With two or
    three sources ``tau`` is hardly known, and the interval is too narrow.
    """
    if "unit" in table and (table["unit"] == "fold").any():
        raise InputError(
            "Differences over folds came, which share their training data.",
            fits="differences over people, or recordings",
        )
    known = table[(table["sd"] > 0) & np.isfinite(table["difference"]) & (table["n_units"] > 1)]
    if len(known) < 2:
        raise InputError(f"{len(known)} sources have a difference with a spread.", fits="two or more")
    d, n = known["difference"].to_numpy(float), known["n_units"].to_numpy(float)
    variance = known["sd"].to_numpy(float) ** 2 / n
    weight = 1 / variance
    fixed = np.sum(weight * d) / weight.sum()
    q, free = float(np.sum(weight * (d - fixed) ** 2)), len(d) - 1
    tau2 = max(0.0, (q - free) / (weight.sum() - np.sum(weight**2) / weight.sum()))
    weight = 1 / (variance + tau2)
    mean, error = float(np.sum(weight * d) / weight.sum()), float(weight.sum() ** -0.5)
    sided = np.where(np.sign(d) == np.sign(mean), known["p"] / 2, 1 - known["p"] / 2).clip(1e-12, 1 - 1e-12)
    return {
        "difference": mean,
        "low": mean - norm.ppf(0.975) * error,
        "high": mean + norm.ppf(0.975) * error,
        "p": float(2 * norm.sf(abs(mean) / error)),
        "tau": float(np.sqrt(tau2)),
        "i2": max(0.0, (q - free) / q) if q > 0 else 0.0,
        "p_same": float(chi2.sf(q, free)),
        "p_stouffer": float(combine_pvalues(sided, method="stouffer", weights=np.sqrt(n)).pvalue),
        "n_sources": len(d),
    }
