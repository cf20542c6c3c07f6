"""Names of the processes (recording by recording) and transformers (inside the fold) a study may use."""

from __future__ import annotations

from thymos.base.catalogue import Catalogue, Row

__all__ = ["PROCESSES", "TRANSFORMERS"]

#: Functions ``Signal -> Signal``; they see one uninterrupted recording and learn nothing.
PROCESSES = Catalogue(
    "process",
    {
        "band_pass": Row("thymos.signals.filters:band_pass_signal", "zero-phase Butterworth band-pass"),
        "notch": Row("thymos.signals.filters:notch_signal", "zero-phase removal of one line, such as mains"),
        "resample": Row("thymos.signals.filters:resample_signal", "polyphase change of the sampling rate"),
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
        "bird_features": Row(
            "thymos.signals.bird:BirdFeatures",
            "the feature generator of the public Muse tables, as published or corrected",
            citation="Bird et al. 2018, mental state classification; 2019, mental emotional sentiment classification",
        ),
        "channel_scaler": Row("thymos.signals.scaling:ChannelScaler", "z-score per channel from training samples"),
        "window_statistics": Row("thymos.signals.statistics:WindowStatistics", "moments and extremes over time"),
        "pick_columns": Row("thymos.signals.scaling:PickColumns", "some channels or columns, by number"),
        "flatten": Row("thymos.signals.scaling:Flatten", "all axes of a sample into one row"),
    },
)
