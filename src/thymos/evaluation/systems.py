"""The five published systems, and the studies that say what of each holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from thymos.base.catalogue import near
from thymos.base.errors import InputError

__all__ = ["SYSTEMS", "System", "systems_named"]


@dataclass(frozen=True)
class System:
    """A published system.

    Parameters
    ----------
    title, source, claim : str
        What it is, who published it, and what was claimed, in words.
    studies : mapping of str to str
        Studies of corpora, and in each the method that is the system.
    demo : (str, str)
        The same on the embedded simulator.
    """

    title: str
    source: str
    claim: str
    demo: tuple[str, str]
    studies: Mapping[str, str] = field(default_factory=dict)


#: By the names that `thymos reproduce` takes.
SYSTEMS: dict[str, System] = {
    "masked-gan": System(
        "Masked-electrode GAN and personal architectures",
        "Zhu et al. 2026",
        "98.6 % on DEAP, protocol not stated",
        ("mgan-nas-demo", "personal_gan"),
        {"mgan-nas-deap": "personal_gan"},
    ),
    "hybrid": System(
        "Face, heart rate and their fusion, with generated samples of rare classes",
        "Hegh et al. 2025",
        "62 % from faces, 76 % from physiology, 90 % from both, 93 % with generated samples; pairs not described",
        ("hybrid-demo", "concat"),
        {"fer2013": "face_cnn", "hku956-physio": "lstm", "deap-physio": "lstm", "hybrid-fer-physio": "concat"},
    ),
    "lel": System(
        "LEL, four branches with bounded layers",
        "Gong et al. 2025",
        "74.3 % on EAV, 81.2 % on FACED, 86.8 % on SEED, trials dealt 60 / 10 / 30; on the page of the code, which "
        "splits windows at random and keeps the best test epoch, 76.4, 83.0 and 89.2 %",
        ("lel-demo", "lel"),
        {"lel-eav": "lel", "lel-faced": "lel", "lel-seed": "lel", "lel-muse": "lel"},
    ),
    "gene-pruning": System(
        "Pruning and rewiring regulated like genes",
        "Arato 2025, declared by its author to be fiction",
        "92 % on FER-2013 and 90 % on RAVDESS with half of the size and 35 % less time",
        ("gene-pruning-demo", "gene"),
        {"gene-pruning-fer": "gene", "gene-pruning-ravdess": "gene"},
    ),
    "lstm-gru": System(
        "LSTM against GRU on Muse EEG",
        "Storholt et al. 2024",
        "96.2 and 93.2 % on rows of a table split at random, the LSTM stopped on test rows",
        ("lstm-gru-demo", "lstm_time"),
        {"lstm-gru-muse": "lstm_single", "lstm-gru-emotions": "lstm_single"},
    ),
}


def systems_named(name: str) -> dict[str, System]:
    """Return the system of a name, or all.

    Raises
    ------
    InputError
        If there is no such system.
    """
    if name == "all":
        return dict(SYSTEMS)
    if name not in SYSTEMS:
        raise InputError(
            f"There is no system {name!r}.{near(name, SYSTEMS)}", fits=f"all, or one of {', '.join(SYSTEMS)}"
        )
    return {name: SYSTEMS[name]}
