"""A trained model as a folder: what it was trained on, how samples are made, the pipeline, and what to expect of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

import thymos
from thymos.base.catalogue import near
from thymos.base.code import code_digest
from thymos.base.errors import DataError, InputError, named
from thymos.base.folders import whole_folder
from thymos.base.probabilities import (
    Calibration,
    fit_calibration,
    log_loss,
    predict_all,
    trial_means,
    trial_probabilities,
)
from thymos.base.recording import Frames, Recording, Signal
from thymos.base.samples import Samples
from thymos.base.writer import Block
from thymos.serving.adapt import Recipe, adapt
from thymos.serving.pictures import PictureRecipe, adapt_picture
from thymos.serving.several import SeveralRecipe, recipe_of, samples_of, side_by_side
from thymos.serving.store import decode, encode
from thymos.signals.frames import frame_times, frames_digest
from thymos.signals.processing import signal_digest
from thymos.signals.stream import feature_blocks
from thymos.signals.windows import IncompleteError, joined, window_blocks

__all__ = ["FILES", "FORMAT", "KIND", "Bundle", "key_of"]

FORMAT = "thymos-bundle-1"

_HEAD, _PIPELINE, _WEIGHTS = "bundle.json", "pipeline.skops", "weights.safetensors"

#: The files of a bundle, and what a folder of these holds, in words.
FILES, KIND = (_HEAD, _PIPELINE, _WEIGHTS), "a bundle"

_ROOMS = ("base", "signals", "nn", "training", "models", "serving")  # whose code decides on a prediction
_PLACES = ("recording", "trial", "start", "stop")


@dataclass(frozen=True)
class Bundle:
    """A trained model with everything that a prediction needs.

    Parameters
    ----------
    pipeline : fitted scikit-learn estimator
    recipe : Recipe, PictureRecipe or SeveralRecipe
        What recordings must be, and how samples are made of them.
    classes : tuple of str
        In the order of the probabilities; none for ratings.
    level : {'window', 'trial'}
        What is decided about, and calibrated.
    calibration : Calibration
    card : mapping
        Where the model comes from and what to expect of it: plain values, for people.
    known : mapping of str to str
        :func:`~thymos.signals.processing.signal_digest` of each recording that the model has seen, and what for; a
        prediction for it says nothing about new ones.
    notes : tuple of str
        What is remarkable about this copy; set by :meth:`load`.
    digest : str
        Hash of the folder that it was read from; set by :meth:`load`.
    """

    pipeline: Any
    recipe: Recipe | PictureRecipe | SeveralRecipe
    classes: tuple[str, ...] = ()
    level: str = "trial"
    calibration: Calibration = field(default_factory=Calibration)
    card: Mapping[str, Any] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    digest: str = ""

    @classmethod
    def of(cls, trained: Any) -> Bundle:
        """Return the bundle of a trained method.

        Parameters
        ----------
        trained : Trained
            Of :func:`thymos.evaluation.train_method`.
        """
        return cls(
            trained.estimator,
            recipe_of(trained.recipe),
            tuple(trained.classes),
            trained.level,
            trained.calibration,
            trained.card,
            trained.known,
        )

    def replace(self, **changes: Any) -> Bundle:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def predict(self, recordings: Iterable[Recording], notes: list[tuple[str, str]] | None = None) -> pd.DataFrame:
        """Predict every window of some recordings.

        Parameters
        ----------
        recordings : iterable of Recording
            Read once, one at a time.
        notes : list of (str, str), optional
            Trials are added to it with what was done to them so that they fit, or why they have no window.

        Returns
        -------
        DataFrame
            One row per window: ``recording``, ``trial``, ``start`` and ``stop`` in seconds on the recording's clock,
            ``predicted``, and the calibrated probability ``p_<class>`` of each class. For ratings ``predicted`` alone.

        Raises
        ------
        InputError
            If a recording does not fit; see :func:`thymos.serving.adapt.adapt`.
        """
        tables = [self._table(np.empty((0, len(self.classes))))]
        processes, features = self.recipe.processes(), self.recipe.transformers()
        for recording in recordings:
            words: list[str] = []
            tables += self._windows(recording, processes, features, words)
            if notes is not None:
                notes += [(str(recording.meta["trial"]), text) for text in words]
        return pd.concat(tables[1:] if len(tables) > 1 else tables, ignore_index=True)

    def samples(self, recordings: Iterable[Recording], notes: list[tuple[str, str]] | None = None) -> Samples:
        """Return what the pipeline is given of some recordings, without labels; parameters as :meth:`predict`.

        Raises
        ------
        InputError
            If a recording does not fit, or none has a window in which everything has a value.
        """
        processes, features, blocks = self.recipe.processes(), self.recipe.transformers(), []
        said: list[str] = []
        for recording in recordings:
            words: list[str] = []
            blocks += self._blocks(recording, processes, features, words)
            said += words
            if notes is not None:
                notes += [(str(recording.meta["trial"]), text) for text in words]
        if not blocks:
            long = "" if self.recipe.seconds is None else f"of {self.recipe.seconds:g} s or more "
            fits = "pictures" if isinstance(self.recipe, PictureRecipe) else f"recordings {long}that have all values"
            raise InputError(f"No recording has a window{f': {said[-1]}' if said else ''}.", fits)
        return samples_of(blocks) if isinstance(self.recipe, SeveralRecipe) else joined(blocks)

    def by_trial(self, table: pd.DataFrame) -> pd.DataFrame:
        """Combine the windows of each trial.

        Parameters
        ----------
        table : DataFrame
            As :meth:`predict` returns it.

        Returns
        -------
        DataFrame
            One row per trial in the order of `table`, with the same columns: the normalised exponential of the mean
            log-probability (for ratings the mean), from the first ``start`` to the last ``stop``.
        """
        if not len(table):
            return table
        trials = table["trial"].to_numpy(str)
        if self.classes:
            first, combined = trial_probabilities(trials, table[self._columns()].to_numpy(float))
        else:
            first, combined = trial_means(trials, table["predicted"].to_numpy(float))
        groups = table.groupby("trial", sort=True)
        made = self._table(
            combined,
            recording=groups["recording"].agg(lambda names: " + ".join(dict.fromkeys(names))),
            trial=table["trial"].iloc[first],
            start=groups["start"].min(),
            stop=groups["stop"].max(),
        )
        return made.iloc[np.argsort(first)].reset_index(drop=True)

    def probabilities(self, X: Any) -> np.ndarray:
        """Return calibrated probabilities of samples, shape (n_samples, n_classes); without classes, ratings."""
        predicted = predict_all(self.pipeline, X, self.classes)
        return self.calibration.apply(predicted) if self.classes else predicted

    def calibrated(
        self,
        recordings: Iterable[Recording],
        labels: Mapping[str, str],
        shots: int | None = None,
        notes: list[tuple[str, str]] | None = None,
    ) -> Bundle:
        """Return a copy that is calibrated to one new user by a few labelled trials (see :func:`fit_calibration`).

        A temperature and a bias of each class are fitted on top of the present calibration; the pipeline stays as it
        is.

        Parameters
        ----------
        recordings : iterable of Recording
            Of one person, whom the model need not know.
        labels : mapping of str to str
            Class of each trial, by the name of the trial, or that of its recording, with or without its folder. Trials
            without a label are passed over.
        shots : int, optional
            How many trials of each class are used, the first ones that come; all by default. On the others it is
            measured what the calibration is worth.
        notes : list of (str, str), optional
            As :meth:`predict`.

        Returns
        -------
        Bundle
            Its card says under ``calibrated`` which trials were used, and what ``before`` and ``after`` is on the
            ``rest`` of the labelled trials.

        Raises
        ------
        InputError
            If ratings are predicted, a label is no class of the model, labels and recordings miss each other, the
            recordings are of several people (which a manifest tells, files by themselves do not), or the model has
            seen one of them.
        """
        self._check_labels(labels, shots)
        tables, people, found, bare = [], {}, set(), []
        matched: dict[str, str] = {}
        digests: dict[str, list[str]] = {}
        for recording in recordings:
            meta = recording.meta
            name, key = str(meta.get("recording", meta["trial"])), key_of(recording, labels)
            if key is None:
                bare.append(name)
                continue
            people[str(meta["subject"])] = name
            if key not in (str(meta["trial"]), name) and matched.setdefault(key, name) != name:
                raise InputError(f"The label of {key!r} fits {matched[key]} and {name}.", "names with their folders")
            table = self.predict([recording], notes)
            tables.append(table.assign(label=str(labels[key])))
            mine = self._digests(recording)
            seen = next((self.known[digest] for digest in mine if digest in self.known), None)
            if seen:
                raise InputError(
                    f"The model has seen {name} ({seen}), and is surer there than on anything new.",
                    fits="trials that it was neither trained nor calibrated on",
                )
            digests.setdefault(str(meta["trial"]), []).extend(mine)
            found.add(key)
        lost = [name for name in labels if name not in found]
        if tables and lost and bare:  # more labels than recordings are no mistake, nor are the other way round
            raise InputError(
                f"{len(lost)} labels belong to no recording that came ({', '.join(lost[:3])}), and {len(bare)} "
                f"recordings have no label ({', '.join(bare[:3])}).",
                fits="names of trials, or of their files",
                do="correct the names, or leave these recordings out",
            )
        if len(people) > 1:
            raise InputError(f"Recordings of {len(people)} people came: {', '.join(people)}.", "those of one person")
        table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"trial": []})
        if not len(table):
            raise InputError(
                f"None of the {len(labels)} labels belongs to a trial that can be predicted.",
                fits="names of trials, or of their files, as `thymos predict` shows them",
            )
        trials = table.drop_duplicates("trial").set_index("trial")["label"]
        place = trials.groupby(trials).cumcount()
        used = list(trials.index if shots is None else trials.index[place < shots])
        counts = trials[used].value_counts().reindex(self.classes, fill_value=0)
        if shots is not None and counts.min() < shots and notes is not None:
            few = ", ".join(f"{n} of {name}" for name, n in counts.items() if n < shots)
            notes.append(("calibration", f"fewer than {shots} labelled trials: {few}"))
        mine = table["trial"].isin(used).to_numpy()
        codes = np.array([self.classes.index(label) for label in table["label"]])
        predicted = table[self._columns()].to_numpy(float)
        fitted = fit_calibration(predicted[mine], codes[mine], table["trial"].to_numpy(str)[mine], bias=True)
        facts: dict[str, Any] = {
            "trials": used,
            "per_class": counts.to_dict(),
            "temperature": fitted.temperature,
            "bias": dict(zip(self.classes, fitted.bias or [0.0] * len(self.classes), strict=True)),
            "caution": "these trials decided on the calibration and must not be in a later test",
        }
        if not mine.all():
            rest = table["trial"].to_numpy(str)[~mine], codes[~mine], predicted[~mine]
            facts["rest"] = {"before": _by_trial(*rest), "after": _by_trial(*rest[:2], fitted.apply(rest[2]))}
        known = {digest: "calibration" for trial in used for digest in digests[trial]}
        return replace(
            self,
            calibration=self.calibration.then(fitted),
            card={**self.card, "calibrated": facts},
            known={**self.known, **known},
        )

    def _digests(self, recording: Recording) -> list[str]:
        """Return the hashes by which a recording is known."""
        if isinstance(self.recipe, PictureRecipe):
            return _of_each(adapt_picture(recording, self.recipe, self.recipe.processes())[0])
        recipes = self.recipe.modalities.values() if isinstance(self.recipe, SeveralRecipe) else [self.recipe]
        return [
            signal_digest(cast(Signal, adapt(recording, recipe)[0].signal(recipe.modality)))
            for recipe in recipes
            if isinstance(recipe, Recipe) and recipe.modality in recording.signals
        ]

    def _check_labels(self, labels: Mapping[str, str], shots: int | None) -> None:
        if not self.classes:
            raise InputError("The model predicts ratings, which have no calibration.", fits="a model of classes")
        if shots is not None and shots < 1:
            raise InputError(f"{shots} trials of each class were to be used.", fits="one or more")
        for name, label in labels.items():
            if str(label) not in self.classes:
                raise InputError(
                    f"The label of {name!r} is {str(label)!r}.{near(label, self.classes)}",
                    fits=f"one of {', '.join(self.classes)}",
                )

    def save(self, folder: str | os.PathLike, overwrite: bool = False, trust: Collection[str] = ()) -> Path:
        """Write a folder, which appears whole or not at all; it is read again before it appears.

        Parameters
        ----------
        folder : path
            A new one; with `overwrite` also one that holds a bundle.
        overwrite : bool
        trust : collection of str
            As :meth:`load`.

        Raises
        ------
        InputError
            If the folder exists and may not be replaced, or a part of the pipeline could not be loaded again.
        """
        files = dict(zip((_PIPELINE, _WEIGHTS), encode(self.pipeline, trust), strict=True))
        head = {
            "format": FORMAT,
            "thymos": thymos.__version__,
            "code": code_digest(*_ROOMS),
            "recipe": self.recipe.model_dump(mode="json"),
            "classes": list(self.classes),
            "level": self.level,
            "calibration": {"temperature": self.calibration.temperature, "bias": list(self.calibration.bias)},
            "card": dict(self.card),
            "known": dict(self.known),
            "checksums": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        }
        head = json.loads(json.dumps(head, default=str))  # as it will be read
        with whole_folder(folder, FILES, KIND, overwrite) as fresh:
            for name, content in files.items():
                (fresh / name).write_bytes(content)
            (fresh / _HEAD).write_text(json.dumps({**head, "checksum": _checksum(head)}, indent=1), encoding="utf-8")
            try:
                Bundle.load(fresh, trust)
            except DataError as error:
                raise InputError(f"The bundle could not be read again: {error.came}", error.fits, error.do) from None
        return Path(folder)

    @classmethod
    def load(cls, folder: str | os.PathLike, trust: Collection[str] = ()) -> Bundle:
        """Read what :meth:`save` wrote. No code of the folder is run, and none is imported that it alone names.

        Parameters
        ----------
        folder : path
        trust : collection of str
            Functions and classes of one's own, ``package.module.name``, that the pipeline needs.

        Raises
        ------
        DataError
            If it is no bundle, of a newer version, damaged, changed, or names what is not trusted.
        MissingExtraError
            If skops or safetensors is not installed.
        """
        folder = Path(folder)
        head = _head(folder)
        try:
            recipe = recipe_of(head["recipe"])
            calibration = Calibration(float(head["calibration"]["temperature"]), tuple(head["calibration"]["bias"]))
            classes, level, card, known = tuple(head["classes"]), head["level"], dict(head["card"]), dict(head["known"])
            checksums = {name: head["checksums"][name] for name in (_PIPELINE, _WEIGHTS)}
            if level not in ("window", "trial"):
                raise ValueError(f"its level is {level!r}")
        except (ValueError, KeyError, TypeError) as error:
            raise _refused(folder, _reason(error)) from None
        files: dict[str, bytes] = {}
        for name, checksum in checksums.items():
            try:
                files[name] = (folder / name).read_bytes()
            except OSError as error:
                raise _refused(folder, str(error)) from None
            if hashlib.sha256(files[name]).hexdigest() != checksum:
                raise _refused(folder, f"{name} is damaged or not the one it was written with")
        pipeline, notes = decode(files[_PIPELINE], files[_WEIGHTS], trust)
        if head.get("code") != code_digest(*_ROOMS):
            notes.append(
                f"the bundle was made by other code (Thymos {head.get('thymos')}) than this ({thymos.__version__}): "
                "predictions may differ"
            )
        return cls(pipeline, recipe, classes, level, calibration, card, known, tuple(notes), str(head["checksum"]))

    def _blocks(self, recording: Recording, processes: Any, features: Any, words: list[str]) -> list[Block]:
        """Return the samples of one recording; what there is to say about it is added to `words`."""
        if not isinstance(self.recipe, SeveralRecipe):
            return self._of_one(recording, self.recipe, processes, features, words)

        def blocks_of(name: str, recipe: Recipe | PictureRecipe, said: list[str]) -> list[Block]:
            return self._of_one(recording, recipe, processes[name], features[name], said)

        return side_by_side(recording, self.recipe, blocks_of, words)

    def _of_one(
        self, recording: Recording, recipe: Recipe | PictureRecipe, processes: list, features: list, words: list[str]
    ) -> list[Block]:
        """Return the samples of one modality of one recording."""
        trial = recording.meta["trial"]
        if isinstance(recipe, PictureRecipe):
            return [self._pictures(recording, recipe, processes, words)]
        fitted, notes = adapt(recording, recipe)
        words += notes
        seen = self.known.get(signal_digest(cast(Signal, fitted.signal(recipe.modality))))
        if seen:
            words.append(f"the model has seen this recording ({seen}): this prediction says nothing about new ones")
        for process in processes:
            fitted = process.apply(fitted)
        signal = cast(Signal, fitted.signal(recipe.modality))
        words += signal.notes
        found = {"channels": signal.ch_names, "sfreq": signal.sfreq, "unit": signal.unit}
        if found != recipe.processed.model_dump():
            raise InputError(f"After its processing {trial!r} is {found}.", fits=str(recipe.processed.model_dump()))
        if recipe.seconds is not None and signal.data.shape[1] < round(recipe.seconds * signal.sfreq):
            words.append(f"{signal.duration:.2f} s long, shorter than a window of {recipe.seconds:g} s: no prediction")
            return []
        cut: dict[str, Any] = {"seconds": recipe.seconds, "step": recipe.step, "modality": recipe.modality}
        cut |= {"drop": recipe.drop, "incomplete": "drop"}
        if features:
            made = feature_blocks([fitted], features, **cut, subtract_baseline=recipe.subtract_baseline)
        else:
            made = window_blocks([fitted], **cut)
        try:
            blocks = list(made)
        except IncompleteError as error:  # the others are predicted all the same
            why = error.came.rstrip(".")
            words[:] = [*(text for text in words if text not in why), f"{why}: no prediction"]
            return []
        left = blocks[-1].info["left_out"] if blocks else 0
        words += (
            [f"{left} windows have no value of some {'feature' if features else 'channel'}: no prediction for them"]
            if left
            else []
        )
        return blocks

    def _pictures(self, recording: Recording, recipe: PictureRecipe, processes: list, words: list[str]) -> Block:
        """Return the pictures of one recording as samples."""
        frames, notes = adapt_picture(recording, recipe, processes)
        words += notes
        seen = next((self.known[digest] for digest in _of_each(frames) if digest in self.known), None)
        if seen:
            words.append(f"the model has seen this picture ({seen}): this prediction says nothing about new ones")
        start, stop = frame_times(frames)
        meta = pd.DataFrame([recording.meta] * len(frames.data))
        return Block(frames.data, meta.assign(start=start, stop=stop), {"modality": recipe.modality})

    def _windows(self, recording: Recording, processes: Any, features: Any, words: list[str]) -> list[pd.DataFrame]:
        """Return the tables of one recording; what there is to say about it is added to `words`."""
        trial = recording.meta["trial"]
        name, tables = str(recording.meta.get("recording", trial)), []
        for block in self._blocks(recording, processes, features, words):
            with named(f"The model fails on {trial!r}"):
                predicted = self.probabilities(block.X)
            places = {column: block.meta[column] for column in ("trial", "start", "stop")}
            tables.append(self._table(predicted, recording=[name] * len(block.meta), **places))
        return tables

    def _table(self, predicted: np.ndarray, **places: Any) -> pd.DataFrame:
        """Return a table of probabilities or ratings with the places they belong to; empty without these."""
        chosen = predicted.reshape(-1)
        if self.classes:
            chosen = np.array(self.classes)[predicted.argmax(axis=1)] if len(predicted) else []
        columns = {name: np.asarray(places.get(name, ())) for name in _PLACES}
        return pd.DataFrame({**columns, "predicted": chosen, **dict(zip(self._columns(), predicted.T, strict=False))})

    def _columns(self) -> list[str]:
        return [f"p_{name}" for name in self.classes]


def key_of(recording: Recording, labels: Mapping[str, str]) -> str | None:
    """Return the name by which a recording has a label: its trial, or its own name with or without the folder."""
    name, trial = str(recording.meta.get("recording", recording.meta["trial"])), str(recording.meta["trial"])
    return next((key for key in (trial, name, Path(name).name) if key in labels), None)


def _of_each(frames: Frames) -> list[str]:
    """Return the hash of each picture; those of a film are known one by one."""
    return [frames_digest(frames.replace(data=picture[None])) for picture in frames.data]


def _by_trial(trials: np.ndarray, codes: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return accuracy and log-loss of trials, and how many there are."""
    first, predicted = trial_probabilities(trials, predicted)
    right = predicted.argmax(axis=1) == codes[first]
    return {"n": len(first), "accuracy": float(right.mean()), "log_loss": log_loss(codes[first], predicted)}


def _checksum(head: Mapping[str, Any]) -> str:
    """Return a hash of everything in the head of a bundle but the hash itself."""
    content = {key: value for key, value in head.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _head(folder: Path) -> dict[str, Any]:
    """Return the head of a bundle of this format, as it was written."""
    try:
        head = json.loads((folder / _HEAD).read_text(encoding="utf-8"))
        version = str(head["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _refused(folder, _reason(error)) from None
    if version != FORMAT:
        newer = version.rpartition("-")[0] == FORMAT.rpartition("-")[0]
        raise DataError(
            f"{folder} is a bundle of the format {version!r}." if newer else f"{folder} is no bundle: {version!r}.",
            fits=FORMAT,
            do=f"install a newer version of Thymos (it was made by {head.get('thymos', 'an unknown one')})"
            if newer
            else "give a folder written by `thymos train`",
        )
    if head.get("checksum") != _checksum(head):
        raise _refused(folder, f"{_HEAD} is damaged, or was changed after it was written")
    return head


def _refused(folder: Path, reason: str) -> DataError:
    return DataError(
        f"{folder} cannot be used as a bundle: {reason}.",
        fits=f"an undamaged folder written by `thymos train` ({FORMAT})",
        do="copy it again, or train it anew",
    )


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{_HEAD} lacks {error}"
    return str(getattr(error, "came", error)).rstrip(".")
