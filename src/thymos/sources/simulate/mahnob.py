"""Simulated experiments in the layout of MAHNOB-HCI."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from thymos.base.optional import require
from thymos.sources.mahnob import EMOTIONS, SESSIONS
from thymos.sources.simulate.eeg import MONTAGES
from thymos.sources.simulate.folder import simulated
from thymos.sources.simulate.latent import Felt
from thymos.sources.simulate.meanings import MEANINGS, nearest_of
from thymos.sources.simulate.multimodal import Simulated

__all__ = ["write_mahnob"]

_SFREQ = 256.0
_EVENT, _LENGTH = 16, 8  # code of the status channel, and samples for which it stays
_STATUS = 2**23


def write_mahnob(
    folder: str | Path,
    random_state: int = 0,
    subjects: int = 4,
    trials: int = SESSIONS,
    seconds: float = 60.0,
    rest: float = 30.0,
    effect: float = 1.0,
    null: bool = False,
    fingerprint: float = 0.25,
    artifacts: bool = True,
) -> Path:
    """Write ``mahnob/Sessions/<number>`` with a BDF file and ``session.xml`` each.

    Before and after each clip there is rest; two events of the status channel bracket it. One session in ten belongs
    to the tagging experiment and has no ratings.

    Parameters
    ----------
    subjects, trials : int
        People, and clips.
    seconds, rest : float
        Length of a clip and of the rest on either side, in whole seconds.

    Notes
    -----
    The other parameters, the result and the errors are those of :func:`~thymos.sources.simulate.deap.write_deap`.
    """
    emotion: dict[str, Any] = {"effect": effect, "null": null, "fingerprint": fingerprint, "artifacts": artifacts}
    settings = {"subjects": subjects, "seconds": round(seconds), "random_state": random_state, **emotion}
    source = Simulated(trials=trials, sfreq=_SFREQ, **settings)
    codes = {name: code for code, name in EMOTIONS.items()}
    with simulated(Path(folder) / "mahnob", "mahnob", {**settings, "trials": trials, "rest": rest}) as made:
        made.truth["felt"] = {}
        number = 0
        for index, subject in enumerate(source.subjects()):
            felt = source.experiment.subject(index)
            names = nearest_of(felt.felt, [name for name in codes if name in MEANINGS])
            for k in range(trials):
                number += 2  # as in the release numbers are not consecutive
                tagging = number % 20 == 0
                about = {"sessionId": number, "isStim": 1, "cutLenSec": f"{seconds:g}"}
                about["mediaFile"] = f"{felt.order[k] + 1}.avi"
                if not tagging:
                    scores = {"feltVlnc": "valence", "feltArsl": "arousal", "feltCtrl": "dominance"}
                    about |= {field: round(felt.ratings[name][k]) for field, name in scores.items()}
                    about |= {"feltPred": round(felt.ratings["familiarity"][k]), "feltEmo": codes[names[k]]}
                words = " ".join(f"{name}={quoteattr(str(value))}" for name, value in about.items())
                text = f'<session {words}>\n  <subject id="{index + 1}"/>\n</session>\n'
                made.file(f"Sessions/{number}/session.xml").write_text(text)
                name = f"Part_{index + 1}_S_Trial{k + 1}_{'tagging' if tagging else 'emotion'}.bdf"
                _write(made.file(f"Sessions/{number}/{name}"), source, index, k, felt, round(rest))
            made.truth["felt"][subject] = felt.felt
    return made.path


def _write(path: Path, source: Simulated, index: int, k: int, felt: Felt, rest: int) -> None:
    """Write one recording: rest, clip, rest, and the status channel."""
    edfio = require("edfio", "simulate")
    eeg, seconds = source.eeg, int(source.eeg.length(felt.order[k]))
    parts = [eeg.signal(index, k, felt).data]
    if rest:
        parts = [eeg.baseline(index, k, rest).data, *parts, eeg.baseline(index, k, rest).data[:, ::-1]]
    body = source.physiology.trial(index, k, seconds + rest, felt.felt[k], felt.intensity[k], rest)
    ecg = body.signal("ecg", _SFREQ).data[0]
    rows = [
        (label, row * 1e6, "uV") for label, row in zip(MONTAGES["deap32"], np.concatenate(parts, axis=1), strict=True)
    ]
    rows += [(f"EXG{n + 1}", ecg * gain * 1e6, "uV") for n, gain in enumerate((1.0, 0.8, 0.6))]
    rows += [
        ("GSR1", body.signal("eda", _SFREQ).data[0] * 1e6, "uS"),
        ("Resp", body.signal("resp", _SFREQ).data[0], ""),
        ("Temp", body.signal("temp", _SFREQ).data[0] - 273.15, "degC"),
    ]
    status = np.zeros(round((seconds + 2 * rest) * _SFREQ))
    for second in (rest, rest + seconds):
        at = round(second * _SFREQ)
        status[at : at + _LENGTH] = _EVENT
    signals = [
        edfio.BdfSignal(row.astype(float), _SFREQ, label=label, physical_dimension=unit) for label, row, unit in rows
    ]
    limits = (-_STATUS, _STATUS - 1)
    signals.append(
        edfio.BdfSignal(
            status, _SFREQ, label="Status", physical_range=limits, digital_range=limits, physical_dimension="Boolean"
        )
    )
    edfio.Bdf(signals).write(path)
