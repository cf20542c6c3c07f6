"""Write a folder of EDF files such as one's own recordings might be, for docs/own-recordings.md.

    python examples/write_edf_files.py recordings

Six people, six recordings of 12 s of each of two feelings, 32 electrodes, from the embedded simulator with an effect
three times as large as the one that reproduces honest accuracies on real EEG. Needs edfio (``pip install edfio``).
"""

from __future__ import annotations

import sys
from pathlib import Path

import mne
import pandas as pd

from thymos.sources import SimulatedEEG

PEOPLE = ("anna", "ben", "carl", "dora", "emil", "fay")


def main(folder: Path) -> None:
    """Write the files."""
    folder.mkdir(parents=True, exist_ok=False)
    recordings = list(SimulatedEEG(subjects=len(PEOPLE), trials=12, seconds=12.0, effect=3.0).load())
    table = pd.DataFrame([r.meta for r in recordings])
    rank = table.groupby("subject")["felt_valence"].rank()  # half of each person's recordings are happy
    table["feeling"] = (rank > 6).map({True: "happy", False: "sad"})
    table["take"] = table.groupby(["subject", "feeling"]).cumcount() + 1
    table["person"] = table["subject"].map(dict(zip(sorted(table["subject"].unique()), PEOPLE, strict=True)))
    for recording, row in zip(recordings, table.itertuples(), strict=True):
        signal = recording.signal("eeg")
        raw = mne.io.RawArray(
            signal.data.astype(float), mne.create_info(list(signal.ch_names), signal.sfreq, "eeg"), verbose="error"
        )
        mne.export.export_raw(folder / f"{row.person}_{row.feeling}_{row.take}.edf", raw, fmt="edf", verbose="error")
    print(f"{len(recordings)} files in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
