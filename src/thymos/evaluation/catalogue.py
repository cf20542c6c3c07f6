"""The protocols and inspections a study may name."""

from __future__ import annotations

from thymos.base.catalogue import Catalogue, Row

__all__ = ["INSPECTIONS", "PROTOCOLS"]

_SPLITTERS = "thymos.evaluation.splitters"
_LOOKS = "thymos.evaluation.inspections"


def _group(column: str, summary: str, **parameters: str) -> Row:
    return Row(f"{_SPLITTERS}:GroupSplit", summary, parameters={"column": column, **parameters})


PROTOCOLS = Catalogue(
    "protocol",
    {
        "random_window": Row(f"{_SPLITTERS}:RandomWindowSplit", "LEAKY control: windows at random"),
        "blocked": Row(f"{_SPLITTERS}:BlockedSplit", "LEAKY control: contiguous thirds of each recording, 1 s apart"),
        "trial": Row(f"{_SPLITTERS}:TrialSplit", "new trials of a known subject"),
        "trial_shares": Row(f"{_SPLITTERS}:TrialShares", "new trials of a known subject, dealt at random 60 / 10 / 30"),
        "recording": Row(f"{_SPLITTERS}:RecordingSplit", "new recordings"),
        "session": _group("session", "new sessions (days) of a known subject", within="subject", n_splits="all"),
        "stimulus": _group("stimulus", "new stimuli; removes what a stimulus evokes by itself"),
        "loso": Row(f"{_SPLITTERS}:LeaveOneSubjectOut", "leave one subject out"),
        "subject_stimulus": Row(f"{_SPLITTERS}:SubjectStimulusSplit", "a new subject on new stimuli, the strictest"),
        "identity": _group("identity", "new persons, for faces"),
        "actor": _group("actor", "new actors, for speech"),
        "domain": _group("domain", "a new domain (culture, device, corpus)", n_splits="all"),
        "official": Row(
            f"{_SPLITTERS}:OfficialSplit", "the parts that the corpus came with, without copies across them"
        ),
        "official_with_copies": Row(
            f"{_SPLITTERS}:OfficialWithCopies", "LEAKY control: the official parts as they are, copies included"
        ),
        "paired": Row(f"{_SPLITTERS}:PairedSplit", "pairs of two sides, formed inside the parts of each"),
        "group": Row(f"{_SPLITTERS}:GroupSplit", "new values of any metadata column: give `column`"),
    },
)

INSPECTIONS = Catalogue(
    "inspection",
    {
        "robustness": Row(f"{_LOOKS}.robustness:Robustness", "noise, muscle bursts, lost electrodes, wrong gains"),
        "real_time": Row(f"{_LOOKS}.real_time:RealTime", "windows one by one: latency, and decisions on the way"),
        "embedding": Row(f"{_LOOKS}.embedding:Embedding", "t-SNE of what a model is given, and of what it learnt"),
        "breakdown": Row(f"{_LOOKS}.breakdown:Breakdown", "metrics for each value of a metadata column"),
        "branches": Row(f"{_LOOKS}.branches:Branches", "branches of an ensemble alone, combined, and how alike"),
        "missing_modality": Row(
            f"{_LOOKS}.missing_modality:MissingModality", "fusion without each of its modalities, and with each alone"
        ),
        "lipschitz": Row(f"{_LOOKS}.lipschitz:Lipschitz", "measured, declared and proven Lipschitz constants"),
        "regulation": Row(f"{_LOOKS}.regulation:Regulation", "units that a network lost while it learned"),
        "genotypes": Row(f"{_LOOKS}.genotypes:Genotypes", "networks that searches found, and how they went"),
        "relations": Row(f"{_LOOKS}.relations:Relations", "learnt weights between electrodes, by class"),
    },
)
