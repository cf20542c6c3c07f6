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
        "manifest": SourceRow(
            "thymos.sources.manifest:Manifest",
            "your own recordings, listed in a csv file; `thymos init FOLDER` writes a first version",
            citation="your own recordings",
            licence="your own",
            obtain="list your EDF, BDF, FIF, BrainVision, EEGLAB or csv files in a manifest: thymos init FOLDER",
            modalities=("eeg",),
            file="path",
            cautions=(
                "Own recordings: nobody but their owner has checked that labels, subjects and trials are what the "
                "manifest says. Whether a label goes with the day, the order of trials, the person or the stimulus is "
                "a question of the design; ask it before believing a number.",
            ),
        ),
        "emotions-csv": SourceRow(
            "thymos.sources.emotions:EmotionsCSV",
            "table of Muse features of two people watching film clips, its recordings rebuilt",
            citation=(
                "J. J. Bird, A. Ekart, C. D. Buckingham, D. R. Faria: Mental Emotional Sentiment Classification with "
                "an EEG-based Brain-machine Interface. Digital Image and Signal Processing (DISP), 2019"
            ),
            licence="none stated by the publisher; research use with citation",
            obtain="the authors publish emotions.csv on a platform for data sets; put it into a folder emotions/",
            modalities=("features",),
            labels=("emotion",),
            folder="emotions",
            cautions=(
                "Two people were recorded and the table does not tell them apart: nothing measured on it says how "
                "well a new person is recognised.",
                "The table was published shuffled. Recordings are rebuilt from the halves that neighbouring rows "
                "share; a random split puts such neighbours on both sides.",
                "Emotion and recording are confounded: every clip is one recording of each person, neutral was "
                "recorded apart and without a clip, and the offset of an electrode is enough to know a recording. "
                "With fourteen recordings every interval is wide.",
                "The columns called 'fft' are no spectrum but sums over channels, sample by sample; 'covmat' is no "
                "covariance of channels. No statement about frequencies follows from them.",
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
