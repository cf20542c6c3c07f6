"""Honest evaluation: protocols, metrics, audit, and the studies that use them."""

from __future__ import annotations

from typing import Any

_PUBLIC = {
    "BlockedSplit": "thymos.evaluation.splitters",
    "Fold": "thymos.evaluation.protocol",
    "GroupSplit": "thymos.evaluation.splitters",
    "LeaveOneSubjectOut": "thymos.evaluation.splitters",
    "OfficialSplit": "thymos.evaluation.splitters",
    "PairedAtRandom": "thymos.evaluation.pairing",
    "PairedByLabel": "thymos.evaluation.pairing",
    "PairedByTrial": "thymos.evaluation.pairing",
    "PairedSplit": "thymos.evaluation.splitters",
    "RandomWindowSplit": "thymos.evaluation.splitters",
    "RecordingSplit": "thymos.evaluation.splitters",
    "SubjectStimulusSplit": "thymos.evaluation.splitters",
    "TrialShares": "thymos.evaluation.splitters",
    "TrialSplit": "thymos.evaluation.splitters",
    "audit_fold": "thymos.evaluation.audit",
    "check_split": "thymos.evaluation.audit",
    "compare_methods": "thymos.evaluation.comparison",
    "cross_validate": "thymos.evaluation.fit",
    "independent_accuracy": "thymos.evaluation.pairing",
    "inflation_report": "thymos.evaluation.statistics",
    "load_study": "thymos.evaluation.study_files",
    "run_study": "thymos.evaluation.runner",
    "summarise": "thymos.evaluation.statistics",
    "train_method": "thymos.evaluation.final",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Import a public name on use."""
    if name in _PUBLIC:
        from thymos.base.catalogue import load_object

        return load_object(f"{_PUBLIC[name]}:{name}")
    raise AttributeError(f"thymos.evaluation has no {name!r}; known: {', '.join(__all__)}")
