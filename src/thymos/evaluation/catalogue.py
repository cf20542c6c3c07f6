"""The protocols a study may name."""

from __future__ import annotations

from thymos.base.catalogue import Catalogue, Row

__all__ = ["PROTOCOLS"]

PROTOCOLS = Catalogue(
    "protocol",
    {
        "random_window": Row("thymos.evaluation.splitters:RandomWindowSplit", "LEAKY control: windows at random"),
        "trial": Row("thymos.evaluation.splitters:TrialSplit", "new trials of a known subject"),
        "recording": Row("thymos.evaluation.splitters:RecordingSplit", "new recordings"),
        "loso": Row("thymos.evaluation.splitters:LeaveOneSubjectOut", "leave one subject out"),
    },
)
