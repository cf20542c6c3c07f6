"""The layouts of corpora in which simulated data can be written."""

from __future__ import annotations

from thymos.base.catalogue import Catalogue, Row

__all__ = ["LAYOUTS"]

#: Functions that take a data folder, ``random_state`` and ``null``, and return the folder they wrote; named after
#: the source that reads it.
LAYOUTS = Catalogue(
    "layout",
    {
        "emotions-csv": Row(
            "thymos.sources.simulate.muse:write_emotions_csv", "the public table of Muse features, rows shuffled"
        ),
        "muse-mental-state": Row("thymos.sources.simulate.muse:write_muse_csv", "raw Muse recordings as csv files"),
    },
)
