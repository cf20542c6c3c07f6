"""The layouts of corpora in which simulated data can be written."""

from __future__ import annotations

from thymos.base.catalogue import Catalogue, Row

__all__ = ["LAYOUTS"]

#: Functions that take a data folder, ``random_state`` and ``null``, and return the folder they wrote; named after
#: the source that reads it.
LAYOUTS = Catalogue(
    "layout",
    {
        "affectnet": Row(
            "thymos.sources.simulate.affectnet:write_affectnet", "simulated faces as AffectNet, older or newer release"
        ),
        "amigos": Row("thymos.sources.simulate.dreamer:write_amigos", "AMIGOS, with missing films and values"),
        "deap": Row("thymos.sources.simulate.deap:write_deap", "DEAP, preprocessed Python release"),
        "dreamer": Row("thymos.sources.simulate.dreamer:write_dreamer", "DREAMER, one MATLAB file"),
        "eav": Row("thymos.sources.simulate.eav:write_eav", "EAV: EEG, sounds and films of one latent trial"),
        "emotions-csv": Row(
            "thymos.sources.simulate.muse:write_emotions_csv", "the public table of Muse features, rows shuffled"
        ),
        "faced": Row("thymos.sources.simulate.faced:write_faced", "FACED, processed signals and self-reports"),
        "faced-features": Row(
            "thymos.sources.simulate.faced:write_faced",
            "FACED, entropies and powers and self-reports",
            parameters={"features": True},
        ),
        "fer2013": Row(
            "thymos.sources.simulate.fer2013:write_fer2013", "simulated faces as FER-2013: csv, folders or zip archive"
        ),
        "hku956": Row("thymos.sources.simulate.hku956:write_hku956", "simulated wrist physiology as HKU956"),
        "images": Row("thymos.sources.simulate.images:write_images", "simulated faces as <part>/<class>/<file>"),
        "mahnob": Row("thymos.sources.simulate.mahnob:write_mahnob", "MAHNOB-HCI, a BDF file per session"),
        "muse-mental-state": Row("thymos.sources.simulate.muse:write_muse_csv", "raw Muse recordings as csv files"),
        "ravdess": Row("thymos.sources.simulate.ravdess:write_ravdess", "simulated speech as RAVDESS, wav or flac"),
        "seed": Row("thymos.sources.simulate.seed:write_seed", "SEED, signals"),
        "seed-features": Row(
            "thymos.sources.simulate.seed:write_seed", "SEED, features", parameters={"layout": "seed-features"}
        ),
        "seed-iv": Row("thymos.sources.simulate.seed:write_seed", "SEED-IV, signals", parameters={"layout": "seed-iv"}),
        "seed-iv-features": Row(
            "thymos.sources.simulate.seed:write_seed", "SEED-IV, features", parameters={"layout": "seed-iv-features"}
        ),
        "wesad": Row("thymos.sources.simulate.wesad:write_wesad", "simulated chest and wrist physiology as WESAD"),
    },
)
