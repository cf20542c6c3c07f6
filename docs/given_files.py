"""Write files that the documentation takes for granted: python docs/given_files.py KIND PATH.

A study of one's own, photographs, a voice as FLAC, a table of volts without its unit. Used by ``run_commands.py``.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np

STUDY = """name: my-study
title: A study of one's own
source: muse-mental-state
features: [{differential_entropy: {}}]
windows: {seconds: 2.0}
target: {label: state}
level: trial
metric: balanced_accuracy
protocols:
  trial: {}
  random_window: {twin_of: trial}
methods:
  majority: {title: majority, steps: [majority]}
  lda: {title: LDA, steps: [flatten, channel_scaler, lda]}
budgets:
  tiny: {reduces: nothing}
  quick: {reduces: nothing}
"""


def study(path: Path) -> None:
    """Write a study of the Muse recordings."""
    path.write_text(STUDY)


def photographs(path: Path) -> None:
    """Write a photograph, a folder and an archive of them, as large as those of FER-2013."""
    from PIL import Image

    rng = np.random.default_rng(0)
    (path / "holiday").mkdir(exist_ok=True)
    for name in ("me.jpg", "holiday/beach.png", "boat.png"):
        Image.fromarray(rng.integers(0, 256, (48, 48), dtype=np.uint8)).save(path / name)
    with zipfile.ZipFile(path / "album.zip", "w") as album:
        album.write(path / "boat.png", "boat.png")


def flac(path: Path) -> None:
    """Write ``interview.flac`` beside a wav file, with the same sound."""
    import soundfile

    soundfile.write(path.with_name("interview.flac"), *soundfile.read(path))


def volts(path: Path) -> None:
    """Write a recording of a new person in volts, with no word of it."""
    import mne

    raw = mne.io.read_raw_edf(min(path.parent.glob("new/*.edf")), verbose="error")
    table = raw.to_data_frame(scalings={"eeg": 1.0})
    table.to_csv(path, index=False)


if __name__ == "__main__":
    {f.__name__: f for f in (study, photographs, flac, volts)}[sys.argv[1]](Path(sys.argv[2]))
