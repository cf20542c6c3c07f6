"""The command that lets a model decide while a signal comes."""

from __future__ import annotations

import sys
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from thymos.cli.models import Trust, expected_words
from thymos.cli.recordings import one_thread, print_notes, recordings_of
from thymos.cli.shared import Overwrite, screen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    import numpy as np

    from thymos.base.recording import Recording, Signal
    from thymos.serving.bundle import Bundle
    from thymos.serving.live import Decision, LivePredictor

    Pieces: TypeAlias = Iterator[tuple[np.ndarray, np.ndarray | None]]

_PIECE = 0.1  # seconds of a recording that come at once when it is replayed


def live(
    bundle: Annotated[Path, typer.Argument(help="Folder of a model.", metavar="DIR")],
    stream: Annotated[
        str | None, typer.Option("--stream", help="Name or source id of a stream of the Lab Streaming Layer.")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", help="A recording instead, as fast as can be; says what a stream changes."),
    ] = None,
    every: Annotated[
        float | None, typer.Option("--every", help="Seconds between decisions; those of training by default.")
    ] = None,
    over: Annotated[
        float | None, typer.Option("--over", help="Decide about the windows of so many seconds together.")
    ] = None,
    context: Annotated[
        float, typer.Option("--context", min=0, help="Seconds before a window that its filters may know.")
    ] = 30.0,
    rest: Annotated[
        float, typer.Option("--rest", min=0, help="Seconds of rest at the beginning, for models that subtract it.")
    ] = 0.0,
    unit: Annotated[str | None, typer.Option("--unit", help="Of the stream, if it says none, such as uV.")] = None,
    channels: Annotated[
        str | None, typer.Option("--channels", help="Names of its channels, if it says none: TP9,AF7,...")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0, help="End after so many; by default with Ctrl-C.")
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds that the stream is looked for, and may be silent.")
    ] = 10.0,
    out: Annotated[Path | None, typer.Option("--out", help="Table (.csv) to which decisions are added.")] = None,
    outlet: Annotated[
        str | None, typer.Option("--outlet", help="Name of a stream that decisions are sent to: a channel each class.")
    ] = None,
    onnx: Annotated[
        Path | None, typer.Option("--onnx", help="Predict with this exported model of DIR (thymos export).")
    ] = None,
    overwrite: Overwrite = False,
    trust: Trust = None,
) -> None:
    """Let a model decide while a signal comes. Status 1: the stream ended by itself, or nothing could be decided."""
    from thymos.base.errors import InputError
    from thymos.serving.bundle import Bundle
    from thymos.serving.live import LivePredictor, of_one_signal

    if (stream is None) == (replay is None):
        raise InputError(
            "A --stream and a --replay came." if stream else "No signal came.", "--stream NAME, or --replay"
        )
    if out is not None and (out.suffix != ".csv" or (out.exists() and not overwrite)):
        raise InputError(
            f"{out} is {'there already' if out.suffix == '.csv' else 'no table'}.",
            fits="a new file that ends in .csv",
            do="give another --out, or --overwrite",
        )
    model = Bundle.load(bundle, trust or ())
    recipe = of_one_signal(model)
    if onnx is not None:
        from thymos.serving.exported import on_onnx

        model = on_onnx(model, onnx)
    options: dict[str, Any] = {"every": every, "context": context, "rest": rest, "over": over}
    with one_thread(), ExitStack() as stack:
        if replay is not None:
            recording = _replayed(model, replay)
            signal = cast("Signal", recording.signal(recipe.modality))
            predictor = LivePredictor(model, signal.ch_names, signal.sfreq, signal.unit, **options)
            pieces: Pieces = _pieces_of(signal)
        else:
            from thymos.sources.lsl import LSLStream

            source = LSLStream(str(stream), recipe.unit, unit, channels.split(",") if channels else None, wait)
            stack.callback(source.close)
            if source.left_out:
                print_notes([(str(stream), f"channels in other units, not read: {', '.join(source.left_out)}")])
            predictor = LivePredictor(model, source.ch_names, source.sfreq, recipe.unit, **options)
            pieces = source.pieces(wait)
        shown = _Shown(predictor, out, outlet, stack)
        lost = shown.run(pieces, seconds, latest=replay is None, keep=replay is not None)
        shown.summary()
        if replay is not None:
            _compare(model, recording, shown)
    for line in expected_words(model.card):
        print(f"thymos: {line.strip()}", file=sys.stderr)
    if lost is not None:
        print(f"thymos: {lost}", file=sys.stderr)
    if lost is not None or not shown.decided:
        raise typer.Exit(1)


class _Shown:
    """What becomes of decisions: lines on the terminal, rows of a table, samples of a stream."""

    def __init__(self, predictor: LivePredictor, out: Path | None, outlet: str | None, stack: ExitStack):
        import csv

        from thymos.base.errors import InputError

        self.predictor, self.classes = predictor, predictor.bundle.classes
        self.decided = self.without = 0
        self.kept: list[Decision] = []
        self._seconds: deque[float] = deque(maxlen=10_000)
        self._reason = ""
        self._told = 0
        self._table = self._outlet = self._file = None
        if out is not None:
            try:
                out.parent.mkdir(parents=True, exist_ok=True)
                self._file = stack.enter_context(out.open("w", newline="", encoding="utf-8"))
            except OSError as error:
                raise InputError(f"{out} cannot be written: {error}.", fits="a place that can be written to") from None
            self._table = csv.writer(self._file)
            self._table.writerow(["time", "start", "stop", "predicted", *(f"p_{c}" for c in self.classes), "reason"])
        if outlet is not None:
            from thymos.sources.lsl import open_outlet

            self._outlet = open_outlet(outlet, self.classes or ("rating",))

    def run(
        self,
        pieces: Pieces,
        seconds: float | None,
        latest: bool,
        keep: bool,
    ) -> Exception | None:
        """Decide until the signal ends, is long enough or is stopped; return how it was lost, if it was."""
        from thymos.base.errors import DataError

        heard = 0.0
        try:
            self._tell()
            for data, times in pieces:
                begin = time.perf_counter()
                decisions = self.predictor.push(data, times, latest)
                if decisions:
                    self._seconds.append((time.perf_counter() - begin) / len(decisions))
                for decision in decisions:
                    self._show(decision)
                self.kept += decisions if keep else []
                self._tell()
                heard += data.shape[1] / self.predictor.sfreq
                if seconds is not None and heard >= seconds:
                    break
        except KeyboardInterrupt:
            pass
        except DataError as error:
            return error
        return None

    def _show(self, decision: Decision) -> None:
        shares = [decision.probabilities.get(name, float("nan")) for name in self.classes]
        if decision.predicted is None:
            self.without += 1
            words = f"no decision: {decision.reason}"
        else:
            self.decided += 1
            first = decision.predicted if self.classes else f"{decision.predicted:.3f}"
            words = f"{first:<12}" + "  ".join(f"{c} {p:.2f}" for c, p in zip(self.classes, shares, strict=True))
        if not decision.reason or decision.reason != self._reason:  # that it is still so need not be said each time
            screen().print(f"{decision.stop:9.2f} s  {words}", highlight=False, soft_wrap=True)
        self._reason = decision.reason
        if self._table is not None and self._file is not None:
            cells = [
                "" if value != value else f"{value:.9g}" for value in (decision.time, decision.start, decision.stop)
            ]
            said = "" if decision.predicted is None else decision.predicted
            self._table.writerow([*cells, said, *("" if p != p else f"{p:.9g}" for p in shares), decision.reason])
            self._file.flush()  # what is decided stays, however this ends
        if self._outlet is not None and decision.predicted is not None:
            self._outlet(shares or [float(decision.predicted)], decision.time)

    def _tell(self) -> None:
        """Print what has been noted since."""
        for text in self.predictor.notes[self._told :]:
            print(f"thymos: {text}", file=sys.stderr)
        self._told = len(self.predictor.notes)

    def summary(self) -> None:
        """Say how many decisions there were, and how long they took."""
        words = f"{self.decided} decisions"
        words += f", {self.without} windows without one" if self.without else ""
        skipped = self.predictor.skipped
        words += f", {skipped} passed over to keep up" if skipped else ""
        if self._seconds:
            taken = sorted(1e3 * seconds for seconds in self._seconds)
            words += f"; one takes {taken[len(taken) // 2]:.3g} ms (99 %: {taken[int(0.99 * (len(taken) - 1))]:.3g})"
        screen().print(words, highlight=False, soft_wrap=True)


def _replayed(model: Bundle, path: Path) -> Recording:
    """Return the one recording of a file."""
    from thymos.base.errors import DataError, InputError

    notes: list[tuple[str, str]] = []
    failures: dict[str, str] = {}
    found = list(recordings_of(model, [path], None, None, None, notes, failures))
    print_notes(notes)
    if failures:
        raise DataError(next(iter(failures.values())))
    if len(found) != 1:
        raise InputError(f"{path} holds {len(found)} recordings.", fits="one without gaps, which could be a stream")
    return found[0]


def _pieces_of(signal: Signal) -> Pieces:
    size = max(1, round(_PIECE * signal.sfreq))
    for begin in range(0, signal.data.shape[1], size):
        yield signal.data[:, begin : begin + size], None


def _compare(model: Bundle, recording: Recording, shown: _Shown) -> None:
    """Say what the stream has changed, beside the whole recording at once."""
    import numpy as np

    from thymos.base.errors import ThymosError
    from thymos.serving.live import of_one_signal

    predictor = shown.predictor
    signal = recording.signal(of_one_signal(model).modality)
    try:
        whole = model.predict([recording])
    except ThymosError as error:
        print(f"thymos: the whole recording at once: {error.came}", file=sys.stderr)
        return
    made = [d for d in shown.kept if d.predicted is not None]
    if predictor.over is not None or not made or not len(whole):
        return
    stops = np.array([d.stop for d in made]) + signal.start
    nearest = np.abs(whole["stop"].to_numpy()[:, None] - stops).argmin(axis=1)
    same = np.abs(whole["stop"].to_numpy() - stops[nearest]) < 1 / predictor.sfreq
    if not same.any():
        return
    pairs = [(row, made[k]) for (_, row), k in zip(whole[same].iterrows(), nearest[same], strict=True)]
    if model.classes:
        alike = f", {sum(row['predicted'] == d.predicted for row, d in pairs)} decided alike"
        far = max(abs(row[f"p_{name}"] - d.probabilities[name]) for row, d in pairs for name in model.classes)
    else:
        alike, far = "", max(abs(row["predicted"] - float(d.predicted)) for row, d in pairs if d.predicted is not None)
    what = "a probability" if model.classes else "a rating"
    words = f"beside the whole recording at once: {len(pairs)} windows{alike}, largest difference of {what} {far:.2g}"
    screen().print(words, highlight=False, soft_wrap=True)
