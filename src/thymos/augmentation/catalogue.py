"""The samplers a study may name. A preset is a row with parameters of its own."""

from __future__ import annotations

from thymos.base.catalogue import Catalogue, Row

__all__ = ["SAMPLERS"]

_CLASSIC = "thymos.augmentation.classic:"

SAMPLERS = Catalogue(
    "sampler",
    {
        "oversample": Row(f"{_CLASSIC}Oversample", "real samples repeated at random; a control for all others"),
        "jitter": Row(f"{_CLASSIC}Jitter", "Gaussian noise, a share of each feature's standard deviation"),
        "mixup": Row(
            f"{_CLASSIC}Mixup",
            "weighted means of two samples of one class",
            citation="Zhang et al. 2018, mixup: Beyond Empirical Risk Minimization, ICLR",
        ),
        "smote": Row(
            f"{_CLASSIC}Smote",
            "points between a sample and one of its nearest neighbours of the class",
            citation="Chawla et al. 2002, SMOTE, Journal of Artificial Intelligence Research 16, 321-357",
        ),
        "electrode_dropout": Row(
            f"{_CLASSIC}ElectrodeDropout", "a random share of electrodes at their means over the training samples"
        ),
        "band_dropout": Row(
            f"{_CLASSIC}BandDropout", "a random share of frequency bands at their means over the training samples"
        ),
        "fourier_surrogate": Row(
            f"{_CLASSIC}FourierSurrogate",
            "signals with the same spectra and cross-spectra and random phases",
            citation="Theiler et al. 1992, Testing for nonlinearity in time series, Physica D 58, 77-94",
        ),
        "face_dcgan": Row(
            "thymos.augmentation.images:FaceDCGAN",
            "photographs of faces from noise, a generator for each class that has few",
            parameters={"amp": True},
            citation="Radford et al. 2016, DCGAN, ICLR; Hegh et al. 2025",
        ),
        "sequence_rcgan": Row(
            "thymos.augmentation.sequences:SequenceRCGAN",
            "heart rates and other sequences from noise, by a recurrent generator",
            citation="Esteban et al. 2017, arXiv:1706.02633; Hegh et al. 2025",
        ),
        "masked_electrode_gan": Row(
            "thymos.augmentation.generative:MaskedElectrodeGAN",
            "electrodes hidden at random and filled in by a generator that a critic taught",
            citation="Zhu et al. 2026, preprint; Zhang et al. 2022, GANSER, IEEE Transactions on Affective Computing",
        ),
    },
)
