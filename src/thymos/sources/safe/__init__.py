"""Reading files that came from somewhere else: nothing in them is run, and nothing is allocated on their word alone."""

from __future__ import annotations

from thymos.sources.safe.files import Tree, bounded, numbers, read_csv, readable
from thymos.sources.safe.mat import MatFile
from thymos.sources.safe.media import audio_facts, read_audio, read_image, read_npy, read_video
from thymos.sources.safe.pickles import read_pickle

__all__ = [
    "MatFile",
    "Tree",
    "audio_facts",
    "bounded",
    "numbers",
    "read_audio",
    "read_csv",
    "read_image",
    "read_npy",
    "read_pickle",
    "read_video",
    "readable",
]
