"""The corpora Thymos reads and the data it can make."""

from __future__ import annotations

from thymos.base.catalogue import Catalogue
from thymos.sources.base import SourceRow

__all__ = ["SOURCES"]

SOURCES = Catalogue(
    "source",
    {
        "muse-mental-state": SourceRow(
            "thymos.sources.muse:MuseMentalState",
            "4-electrode EEG (Muse headband) of four people in three mental states",
            citation=(
                "J. J. Bird, L. J. Manso, E. P. Ribeiro, A. Ekart, D. R. Faria: A Study on Mental State "
                "Classification using EEG-based Brain-Machine Interface. Intelligent Systems (IS), 2018, 795-800"
            ),
            licence="none stated by the publisher; research use with citation",
            obtain="the authors publish the csv files as example data beside their EEG feature generator",
            modalities=("eeg",),
            labels=("state",),
            folder="muse-mental-state",
            cautions=(
                "The states are relaxed, neutral and concentrating: mental states, not emotions.",
                "The state is confounded with the recording day and with the contact of electrode AF8: for subjects "
                "a, b and d every 'concentrating' file was recorded two days later, with a bad contact at AF8. A "
                "model can score well without recognising any mental state.",
                "The subject letters are doubtful: some files of different letters follow each other within about "
                "ten seconds. Leaving one letter out may therefore not leave one person out.",
            ),
        ),
        "simulated-eeg": SourceRow(
            "thymos.sources.simulate.eeg:SimulatedEEG",
            "EEG with a known emotional effect, trial fingerprints and a null mode",
            citation="the embedded simulator; signs of the effects after the literature, sizes are parameters",
            licence="BSD-3-Clause, as Thymos",
            obtain="made on use, nothing to download",
            modalities=("eeg",),
            labels=("valence", "arousal"),
            cautions=(
                "Simulated: spherical head, radial sources, linear effects, no event-related structure. A good "
                "result shows that code and protocol work, never that a method recognises emotions in people.",
            ),
        ),
    },
)
