"""Voice parameters against openSMILE, and face detection on real and simulated pictures.

Run: OMP_NUM_THREADS=1 python benchmarks/voice_and_face.py [--data ../shared/data]

Voices: the mean pitch of random RAVDESS utterances, and CPU time for each. Faces: share of random training pictures of
FER-2013 in which each of OpenCV's cascades finds one (all of them are meant to be faces), of simulated photographs with
a face at a known place, and false finds in textures without any. One thread, one run, seeds below.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from thymos.signals.faces import CASCADES, detect_faces
from thymos.signals.speech import PROSODY, EGeMAPS, log_mel, mfcc, prosody
from thymos.sources.simulate.faces import draw_emotions, identities, simulate_faces

SEED, UTTERANCES, PICTURES, SCENES = 0, 48, 300, 60
SFREQ = 16000.0


def each(function, signals: list) -> tuple[list, float]:
    """Return what a function gives for each, and milliseconds for each."""
    function(signals[0])  # imports and compilation
    begin = time.process_time()
    made = [function(x) for x in signals]
    return made, 1e3 * (time.process_time() - begin) / len(signals)


def real_voices(folder: Path) -> dict:
    """Return times for each utterance and agreement of the mean pitch with openSMILE."""
    from thymos.sources.ravdess import RAVDESS

    recordings = list(RAVDESS(folder).recordings())
    chosen = np.random.default_rng(SEED).choice(len(recordings), UTTERANCES, replace=False)
    signals = [recordings[k].signal("speech").data for k in sorted(chosen)]
    smile = EGeMAPS(SFREQ).fit(signals[0][None])
    _, mel = each(lambda x: log_mel(x, SFREQ), signals)
    _, cepstral = each(lambda x: mfcc(x, SFREQ, deltas=2), signals)
    ours, own = each(lambda x: prosody(x, SFREQ), signals)
    theirs, other = each(lambda x: smile.transform(x[None]), signals)
    pitch = 12 * np.log2(np.stack(ours)[:, PROSODY.index("f0_mean"), 0] / 27.5)
    reference = np.stack(theirs)[:, 0, smile.names().index("F0semitoneFrom27.5Hz_sma3nz_amean"), 0, 0]
    return {
        "utterances": UTTERANCES,
        "ms": {"log_mel": mel, "mfcc": cepstral, "prosody": own, "egemaps": other},
        "within_a_semitone_of_opensmile": np.mean(np.abs(pitch - reference) < 1),
        "correlation_with_opensmile": np.corrcoef(pitch, reference)[0, 1],
    }


def scene(number: int, face: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return a photograph of a texture, 320 x 240, and the place of the face in it (x, y, side)."""
    from PIL import Image

    rng = np.random.default_rng([SEED, number])
    coarse = Image.fromarray(rng.normal(0, 1, (12, 16)).astype(np.float32)).resize((320, 240), Image.Resampling.BICUBIC)
    picture = np.clip(np.asarray(coarse) * 40 + 128 + rng.normal(0, 12, (240, 320)), 0, 255).astype(np.uint8)
    side = int(rng.integers(80, 160))
    x, y = int(rng.integers(0, 320 - side)), int(rng.integers(0, 240 - side))
    if face:
        seed = SEED + number
        picture[y : y + side, x : x + side] = simulate_faces(
            draw_emotions(1, seed), identities(1, seed), random_state=seed, size=side
        )[0]
    return picture, np.array([x, y, side])


def overlap(box: np.ndarray, place: np.ndarray) -> float:
    """Return the intersection of two boxes over their union."""
    (x, y, w, h), (left, top, side) = box, place
    both = max(0, min(x + w, left + side) - max(x, left)) * max(0, min(y + h, top + side) - max(y, top))
    return both / (w * h + side**2 - both)


def faces(folder: Path | None) -> dict:
    """Return, for each cascade, shares of pictures in which a face is found, and false finds."""
    pictures = []
    if folder is not None:
        from thymos.sources.fer2013 import FER2013

        recordings = [r for r in FER2013(folder).recordings() if r.meta["part"] == "training"]
        chosen = np.random.default_rng(SEED).choice(len(recordings), PICTURES, replace=False)
        pictures = [recordings[k].signal("face").data[0] for k in chosen]
    result = {}
    for cascade in CASCADES:
        found = [detect_faces(picture, cascade) for picture in pictures]
        scenes = [scene(k, True) for k in range(SCENES)]
        seen = [(detect_faces(picture[None], cascade), place) for picture, place in scenes]
        empty = [len(detect_faces(scene(k, False)[0][None], cascade)) for k in range(SCENES)]
        result[cascade] = {
            "fer2013": np.mean([len(boxes) > 0 for boxes in found]) if found else None,
            "scenes": np.mean([len(boxes) > 0 and overlap(boxes[0], place) > 0.3 for boxes, place in seen]),
            "false_finds": int(sum(empty)),
        }
    return {"pictures": len(pictures), "scenes": SCENES, "cascades": result}


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("results/voice_and_face.json"))
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    result = {"command": "python benchmarks/voice_and_face.py", "seed": SEED}
    if (options.data / "ravdess").is_dir():
        result["ravdess"] = real_voices(options.data / "ravdess")
    result["faces"] = faces(options.data / "fer2013" if (options.data / "fer2013").is_dir() else None)
    text = json.dumps(result, indent=1, default=float)
    print(text)
    options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
