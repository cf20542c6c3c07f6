"""Names of the processes (recording by recording) and transformers (inside the fold) a study may use."""

from __future__ import annotations

from dataclasses import dataclass

from thymos.base.catalogue import Catalogue, Row

__all__ = ["OF_MODALITY", "PROCESSES", "TRANSFORMERS", "ProcessRow"]


@dataclass(frozen=True)
class ProcessRow(Row):
    """A process of the catalogue.

    Parameters
    ----------
    live : bool
        Whether it uses nothing that comes later, so that a stream can have it too. Filters that can be told to do so
        have a parameter ``causal``.
    """

    live: bool = False


#: Functions ``Signal -> Signal`` or ``Frames -> Frames``; they see one uninterrupted recording and learn nothing from
#: others. Those with a parameter ``baseline`` take the rest before the stimulus too, and return both.
PROCESSES = Catalogue(
    "process",
    {
        "band_pass": ProcessRow("thymos.signals.filters:band_pass_signal", "band-pass filter, zero-phase or causal"),
        "notch": ProcessRow(
            "thymos.signals.filters:notch_signal", "removal of one line such as mains, zero-phase or causal"
        ),
        "resample": ProcessRow("thymos.signals.filters:resample_signal", "polyphase change of the sampling rate"),
        "reference": ProcessRow(
            "thymos.signals.preprocessing:reference_signal", "refer EEG to the mean of all or some channels", live=True
        ),
        "interpolate_bad_channels": ProcessRow(
            "thymos.signals.preprocessing:interpolate_bad_channels_signal",
            "flat, loud and odd channels of EEG replaced by splines through the others",
            citation="Kumaravel et al. 2022; Bigdely-Shamlo et al. 2015; Perrin et al. 1989",
        ),
        "remove_ocular": ProcessRow(
            "thymos.signals.preprocessing:remove_ocular_signal",
            "independent components of EEG that go with the eyes removed",
            citation="Hyvarinen 1999, FastICA",
        ),
        "heart_rate": ProcessRow(
            "thymos.signals.heart:heart_rate_signal",
            "heart rate and its slope at 4 Hz from a pulse or an electrocardiogram",
            citation="Orphanidou et al. 2015 (likeness of beats)",
        ),
        "trim_silence": ProcessRow("thymos.signals.utterance:trim_silence", "cut off quiet ends of a sound"),
        "normalise_level": ProcessRow("thymos.signals.utterance:normalise_level", "bring a sound to one level"),
        "fit_length": ProcessRow(
            "thymos.signals.utterance:fit_length", "cut a sound, or lengthen it with silence or itself"
        ),
        "crop_faces": ProcessRow(
            "thymos.signals.faces:crop_faces", "grey square around the largest face, followed through films"
        ),
        "normalise_faces": ProcessRow(
            "thymos.signals.faces:normalise_faces",
            "whole pictures as grey squares, histogram equalised on demand",
            live=True,
        ),
        "subtract_baseline": ProcessRow(
            "thymos.signals.preprocessing:subtract_baseline_signal",
            "each channel less its mean over the rest before the stimulus",
            live=True,
        ),
    },
)

#: scikit-learn transformers; those that learn do so on the training part of a fold.
TRANSFORMERS = Catalogue(
    "transformer",
    {
        "differential_entropy": Row(
            "thymos.signals.spectral:DifferentialEntropy",
            "differential entropy per band, channel and window",
            citation="Shi et al. 2013; Duan, Zhu & Lu 2013",
        ),
        "band_power": Row("thymos.signals.spectral:BandPower", "power per band, channel and window"),
        "power_spectral_density": Row("thymos.signals.spectral:PowerSpectralDensity", "periodogram of each window"),
        "hjorth": Row(
            "thymos.signals.statistics:Hjorth", "activity, mobility and complexity of each window", "Hjorth 1970"
        ),
        "asymmetry": Row(
            "thymos.signals.asymmetry:Asymmetry",
            "features compared between electrodes that mirror each other",
            citation="Duan, Zhu & Lu 2013; Zheng & Lu 2015",
        ),
        "smooth": Row(
            "thymos.signals.smoothing:Smooth",
            "features smoothed over the windows of a trial; not causal",
            citation="Shi & Lu 2010",
        ),
        "heart_features": Row(
            "thymos.signals.heart:HeartFeatures",
            "heart rate, its variability and the size of beats, from a pulse or an electrocardiogram",
            citation="Task Force 1996; Brennan et al. 2001; Zechmeister & Kürster 2009; Orphanidou et al. 2015",
        ),
        "rate_features": Row(
            "thymos.signals.heart_sequence:RateFeatures", "level, spread and rhythm of a heart-rate curve"
        ),
        "electrodermal_features": Row(
            "thymos.signals.electrodermal:ElectrodermalFeatures",
            "level and responses of the skin conductance",
            citation="Boucsein 2012; Eilers & Boelens 2005",
        ),
        "respiration_features": Row(
            "thymos.signals.respiration:RespirationFeatures",
            "rate, depth and regularity of breathing",
            citation="Boiten et al. 1994",
        ),
        "temperature_features": Row(
            "thymos.signals.temperature:TemperatureFeatures", "level, spread and trend of the skin temperature"
        ),
        "log_mel": Row(
            "thymos.signals.speech:LogMel", "log-mel spectrogram in dB", citation="Davis & Mermelstein 1980"
        ),
        "mfcc": Row(
            "thymos.signals.speech:MFCC",
            "mel-frequency cepstral coefficients, with derivatives on demand",
            citation="Davis & Mermelstein 1980",
        ),
        "prosody": Row(
            "thymos.signals.speech:Prosody",
            "pitch, loudness, pauses and pace of an utterance",
            citation="Mauch & Dixon 2014; de Jong & Wempe 2009",
        ),
        "egemaps": Row(
            "thymos.signals.speech:EGeMAPS",
            "88 voice parameters by openSMILE, whose licence is for research",
            citation="Eyben et al. 2016",
        ),
        "connectivity": Row(
            "thymos.signals.connectivity:Connectivity",
            "coherence or phase locking of channels in each band",
            citation="Lachaux et al. 1999; Nolte et al. 2004; Vinck et al. 2011",
        ),
        "topographic_grid": Row(
            "thymos.signals.topography:TopographicGrid", "channels as a picture of the scalp, 9 x 9 cells"
        ),
        "bird_features": Row(
            "thymos.signals.bird:BirdFeatures",
            "the feature generator of the public Muse tables, as published or corrected",
            citation="Bird et al. 2018, mental state classification; 2019, mental emotional sentiment classification",
        ),
        "channel_scaler": Row("thymos.signals.scaling:ChannelScaler", "z-score per channel from training samples"),
        "window_statistics": Row("thymos.signals.statistics:WindowStatistics", "moments and extremes over time"),
        "pick_columns": Row("thymos.signals.scaling:PickColumns", "some channels or columns, by number"),
        "pick": Row("thymos.signals.scaling:PickModality", "one modality of several, by name"),
        "flatten": Row("thymos.signals.scaling:Flatten", "all axes of a sample into one row"),
    },
)

#: What `thymos features` computes of a modality: name and parameters.
OF_MODALITY: dict[str, tuple[str, dict]] = {
    "eeg": ("differential_entropy", {}),
    "ecg": ("heart_features", {"kind": "ecg"}),
    "bvp": ("heart_features", {"kind": "bvp"}),
    "eda": ("electrodermal_features", {}),
    "resp": ("respiration_features", {}),
    "temp": ("temperature_features", {}),
    "wrist_eda": ("electrodermal_features", {}),
    "wrist_temp": ("temperature_features", {}),
    "speech": ("prosody", {}),
}
