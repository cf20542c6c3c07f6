"""What a check says of small sources made here, one flaw at a time."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import DataError, MissingExtraError, SourceNotFoundError
from thymos.base.labels import MEDIAN, Label, Rule
from thymos.base.recording import Frames, Lazy, Recording, Signal
from thymos.sources.base import Note, Source, SourceRow
from thymos.sources.check import Check, balance, check_source

EMOTION = Label("emotion", "stimulus", classes=("happy", "sad"))
VALENCE = Label("valence", "self-report", scale=(1, 9), rule=Rule(5))
ROW = SourceRow("nowhere:Fake", "fake", labels=(EMOTION, VALENCE), modalities=("eeg",))


def eeg(seed=0, n_times=500, scale=1e-5, sfreq=100.0, names=("Fz", "Cz"), unit="V"):
    data = np.random.default_rng(seed).normal(0, scale, (len(names), n_times)).astype(np.float32)
    return Signal(data, sfreq, names, unit)


class Fake(Source):
    """Two subjects with two trials each, unless a test says otherwise."""

    def __init__(self, change=None, subjects=("a", "b"), check=(), **signals):
        self.change, self.names, self.notes, self.signals = change, subjects, check, signals

    def subjects(self):
        if isinstance(self.names, Exception):
            raise self.names
        return list(self.names)

    def recordings(self, subjects=None):
        for s, subject in enumerate(self.names):
            if subjects is not None and subject not in subjects:
                continue
            for k in range(2):
                number = 2 * s + k
                meta = {"source": "fake", "subject": subject, "session": "1", "trial": f"{subject}{k}"}
                meta |= {"stimulus": f"k{k}", "emotion": ("happy", "sad")[k], "valence": 3.0 + 4 * k}
                made = {"eeg": partial(eeg, number)} | {m: partial(f, number) for m, f in self.signals.items()}
                recording = Recording(Lazy(made), meta)
                recording = self.change(number, recording) if self.change else recording
                if recording is not None:
                    yield recording

    def check(self):
        if isinstance(self.notes, Exception):
            raise self.notes
        return list(self.notes)


def lines(found, level):
    return [line.text for line in found.lines if line.level == level]


def one(found, level, *expected):
    """Return the only line of a level and see the words in it."""
    (text,) = lines(found, level)
    for words in expected:
        assert words in text, text
    return text


def with_eeg(number, signal):
    """Change the EEG of one recording."""
    return lambda n, r: r.map("eeg", signal) if n == number else r


def with_meta(number, **changes):
    return lambda n, r: Recording(r.signals, {**r.meta, **changes}) if n == number else r


def edit(channel, part, value):
    def apply(signal):
        data = signal.data.copy()
        data[channel, part] = value(data[channel]) if callable(value) else value
        return signal.replace(data=data)

    return apply


def test_a_good_source_is_green_and_everything_is_counted():
    told = []
    found = check_source(Fake(), "fake", ROW, told.append)
    assert found.level == "green", found.lines
    assert found.counts == {"subjects": 2, "sessions": 2, "trials": 4, "stimuli": 2, "recordings": 4}
    assert found.modalities["eeg"] == {
        "recordings": 4,
        "channels": ["Fz", "Cz"],
        "rates": {"100": 4},
        "unit": "V",
        "seconds": {"least": 5.0, "median": 5.0, "all": 20.0},
        "sizes": {},
        "windows": {"1 s": 20, "2 s": 8, "4 s": 4},
    }
    assert told == ["fake: subject a", "fake: subject b"]


def test_everything_is_plain_values():
    def faces(number):
        return Frames(np.full((1, 1, 4, 4 + number), 9, np.uint8))

    bad = Fake(with_eeg(1, edit(0, slice(None), 0)), check=[Note("x", "y")], face=faces)
    made = check_source(bad, "fake", ROW).to_dict()
    again = json.loads(json.dumps(made))
    assert again == made
    assert again["level"] == "yellow"
    assert {"source", "lines", "modalities", "labels", "counts"} <= set(again)


def test_the_level_is_the_worst_of_the_lines():
    check = Check("fake")
    assert check.level == "green"
    for level in ("green", "yellow", "green", "red", "yellow"):
        check.add(level, "files", "x")
    assert check.level == "red"


def test_a_channel_that_never_changes_is_named():
    found = check_source(Fake(with_eeg(2, edit(1, slice(None), 3e-6))), "fake", ROW)
    one(found, "yellow", "1 channels that never change their value: b0 Cz")


def test_a_channel_at_its_limits_for_runs_of_samples_is_named():
    def clip(row):
        return np.clip(row, -8e-6, 8e-6)

    def squared(row):
        return np.where(np.arange(500) % 100 < 5, row.max(), row)

    for made in (squared, lambda row: -squared(-row)):
        found = check_source(Fake(with_eeg(1, edit(0, slice(None), made))), "fake", ROW)
        one(found, "yellow", "1 channels stay at their highest or lowest value", "a1 Fz")
    found = check_source(Fake(with_eeg(1, edit(0, slice(0, 3), 1e-4))), "fake", ROW)
    assert found.level == "green", "three samples are a peak, no limit"


@pytest.mark.parametrize("factor", [1e6, 1e-3])
def test_a_wrong_unit_is_red(factor):
    found = check_source(Fake(lambda n, r: r.map("eeg", lambda s: s.replace(data=s.data * factor))), "fake", ROW)
    one(found, "red", "a typical standard deviation of", "V is not possible")
    assert any("2e-07 and 0.001 V" in line.do for line in found.lines)


def test_degrees_of_celsius_are_no_kelvin_and_the_wrist_is_seen_too():
    def temp(number, level=33.0):
        return eeg(number, names=("T",), scale=0.1, unit="K").replace(data=np.full((1, 9), level) + np.arange(9) / 100)

    one(check_source(Fake(wrist_temp=temp), "fake", ROW), "red", "a typical median of 33 K is not possible")
    good = check_source(Fake(wrist_temp=lambda n: temp(n, 306.0 + n)), "fake", ROW)
    assert good.level == "green"


def test_a_recording_that_cannot_be_read_is_red_and_the_others_count():
    def broken(signal):
        raise DataError("f.dat: 3 values are missing.", fits="finite numbers", do="repair it")

    found = check_source(Fake(with_eeg(1, broken)), "fake", ROW)
    one(found, "red", "f.dat: 3 values are missing. Expected: finite numbers.")
    assert found.counts["recordings"] == 4
    assert found.modalities["eeg"]["recordings"] == 3
    assert lines(found, "yellow") == ["of 1 of 4 recordings it cannot be read"]
    assert {line.do for line in found.lines if line.level == "red"} == {"repair it"}


def test_recordings_that_do_not_have_a_signal_are_counted_apart_from_those_where_it_is_damaged():
    def broken(signal):
        raise DataError("f.dat: 3 values are missing.")

    def change(number, recording):
        bare = Recording({"pulse": eeg(number)}, recording.meta)
        return {0: bare, 1: recording.map("eeg", broken)}.get(number, recording)

    found = check_source(Fake(change, pulse=eeg), "fake", ROW)
    assert {"1 of 4 recordings do not have it", "of 1 of 4 recordings it cannot be read"} <= {*lines(found, "yellow")}
    damaged = check_source(Fake(lambda n, r: r.map("pulse", broken), pulse=eeg), "fake", ROW)
    assert "pulse" not in damaged.modalities
    assert lines(damaged, "yellow") == []


def test_a_file_that_cannot_be_read_costs_its_subject_only():
    def broken(number, recording):
        if number == 1:
            raise DataError("a.dat is truncated.")
        return recording

    source = Fake(broken, check=AssertionError("not asked for"))
    found = check_source(source, "fake", ROW)
    one(found, "red", "a.dat is truncated.")
    assert found.counts["trials"] == 3
    assert found.counts["subjects"] == 2


def test_a_damaged_rest_before_the_trial_is_red():
    def broken(number):
        raise DataError(f"the rest of {number} is damaged")

    def change(number, recording):
        return Recording(recording.signals, recording.meta, baseline=Lazy({"eeg": partial(broken, number)}))

    red = lines(check_source(Fake(change), "fake", ROW), "red")
    assert red == [f"the rest of {number} is damaged" for number in range(4)]


def test_of_many_errors_the_first_are_told_and_the_rest_counted():
    def broken(number, signal):
        raise DataError(f"{number} is damaged")

    source = Fake(lambda n, r: r.map("eeg", partial(broken, n)), subjects=[f"s{k}" for k in range(15)])
    red = lines(check_source(source, "fake", ROW), "red")
    told = [f"{number} is damaged" for number in range(25)]
    assert red == [*told, "and 5 more files or recordings that cannot be read"]


def test_one_fault_on_many_lines_is_told_once():
    def broken(number, signal):
        raise DataError(f"m.csv, line {number + 2}: the unit is not given.", do="give it")

    source = Fake(lambda n, r: r.map("eeg", partial(broken, n)))
    one(check_source(source, "fake", ROW), "red", "line 2: the unit is not given. (and the same on 3 further lines)")


def test_what_could_not_be_read_is_not_counted_as_all_there_is():
    def change(number, recording):
        if number == 1:
            raise DataError("a.dat is truncated.")
        return recording

    found = check_source(Fake(change), "fake", SourceRow("nowhere:Fake", "fake"))
    assert "3 trials of 2 stimuli in 3 recordings; what is named as wrong is not counted" in lines(found, "yellow")
    assert not any("trials of" in text for text in lines(found, "green"))


def test_stretches_of_one_recording_are_one_recording():
    source = Fake(lambda n, r: Recording(r.signals, {**r.meta, "recording": r.meta["subject"]}))
    found = check_source(source, "fake", ROW)
    assert "4 trials of 2 stimuli in 4 stretches of 2 recordings" in lines(found, "green")
    assert found.counts["recordings"] == 2


@pytest.mark.parametrize("error", [DataError("damaged", do="repair"), SourceNotFoundError("no folder", do="repair")])
def test_nothing_is_raised_where_there_is_nothing_to_read(error):
    found = check_source(Fake(subjects=error), "fake", ROW)
    assert [(line.level, line.text, line.do) for line in found.lines] == [("red", error.came, "repair")]
    found = check_source(Fake(check=error), "fake", ROW)
    one(found, "red", error.came)
    assert found.counts["trials"] == 4
    one(check_source(Fake(lambda n, r: None), "fake", ROW), "red", "no recording was found")


def test_subjects_of_the_full_release_that_are_not_here_are_named():
    row = SourceRow("nowhere:Fake", "fake", subjects=("a", "b", "c", "d"), trials=8)
    one(check_source(Fake(), "fake", row), "yellow", "2 of 4 subjects of the full release are not here: c, d")
    row = SourceRow("nowhere:Fake", "fake", subjects=("a", "b"), trials=8)
    one(check_source(Fake(), "fake", row), "yellow", "4 trials of 2 stimuli", "the full release has 8 trials")
    row = SourceRow("nowhere:Fake", "fake", subjects=("a", "b"), trials=4)
    assert check_source(Fake(), "fake", row).level == "green"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"subject": "b"}, "1 groups of different subjects"),
        ({"part": "test"}, "1 groups in different parts"),
        ({"emotion": "sad"}, "1 groups with different labels (emotion)"),
    ],
)
def test_equal_recordings_are_found_where_they_do_harm(changes, expected):
    def change(number, recording):
        meta = {**recording.meta, "subject": "a", "part": "train", "emotion": "happy"}
        if number == 3:
            return Recording({"eeg": eeg(0)}, meta | changes)
        return Recording(recording.signals, meta)

    found = check_source(Fake(change), "fake", SourceRow("nowhere:Fake", "fake"))
    text = one(found, "yellow", "eeg: 2 recordings in 1 groups are equal", expected, "for example a0, b1")
    assert text.count("groups") == 2, "nothing else differs"


def test_where_no_two_recordings_are_equal_it_is_said():
    assert "no two recordings are equal in eeg" in lines(check_source(Fake(), "fake", ROW), "green")


def test_rates_and_channels_that_differ_are_counted():
    found = check_source(Fake(with_eeg(3, lambda s: s.replace(sfreq=50.0))), "fake", ROW)
    one(found, "yellow", "2 different rates: 100 Hz (3), 50 Hz (1)")
    found = check_source(Fake(with_eeg(3, lambda s: s.replace(ch_names=("Fz", "Pz")))), "fake", ROW)
    one(found, "yellow", "2 different sets of channels: Fz, Cz (3), Fz, Pz (1)")


def test_unknown_classes_and_ratings_off_the_scale_are_red():
    changed = Fake(lambda n, r: Recording(r.signals, {**r.meta, "emotion": "angry"}))
    one(check_source(changed, "fake", ROW), "red", "emotion has the unknown classes angry")
    one(check_source(Fake(with_meta(0, valence=9.5)), "fake", ROW), "red", "valence leaves its scale: 3 to 9.5")
    one(check_source(Fake(with_meta(0, valence=0.5)), "fake", ROW), "red", "valence leaves its scale: 0.5 to 7")


def test_missing_labels_are_counted_and_those_that_no_trial_has_are_named():
    found = check_source(Fake(with_meta(1, emotion="", valence=np.nan)), "fake", ROW)
    assert lines(found, "yellow") == ["1 of 4 trials have no emotion", "1 of 4 trials have no valence"]
    assert not lines(found, "red"), "a missing label is not another label"
    assert found.labels["emotion"] == {
        "kind": "stimulus",
        "missing": 1,
        "balance": {"classes": {"happy": 2, "sad": 1}},
        "by_stimulus": {"k0": "happy", "k1": "sad"},
    }
    row = SourceRow("nowhere:Fake", "fake", labels=(Label("arousal", "self-report"),))
    one(check_source(Fake(), "fake", row), "yellow", "arousal: not in this copy")


def test_a_stimulus_with_two_labels_is_red():
    found = check_source(Fake(with_meta(0, emotion="sad")), "fake", ROW)
    one(found, "red", "emotion differs between people for the stimuli k0")
    assert "by_stimulus" not in found.labels["emotion"]


def test_trials_are_counted_under_every_way_of_splitting_a_rating_that_makes_a_difference():
    values = pd.Series([1, 4, 5, 5, 5, 6, 7, 8, 9, np.nan])
    median = "high above the median of all trials here (a study takes that of its training part)"
    assert balance(Label("v", "self-report", scale=(1, 9), rule=Rule(4)), values) == {
        "default: high above 4": {"low": 2, "high": 7},
        "high at or above 4": {"low": 1, "high": 8},
        "high above 5": {"low": 5, "high": 4},
        median: {"low": 5, "high": 4},
    }
    ways = balance(VALENCE, values)
    assert list(ways) == ["default: high above 5", "high at or above 5", median]
    assert ways["high at or above 5"] == {"low": 2, "high": 7}
    assert list(balance(VALENCE, values + 0.5)) == ["default: high above 5", median]
    assert next(iter(balance(Label("v", "self-report", scale=(0, 7)), values))) == "default: high above 3.5"
    made = balance(Label("v", "self-report", scale=(1, 9), rule=Rule(MEDIAN, names=("down", "up"))), values)
    assert made[median.replace("high", "up")] == {"down": 5, "up": 4}


def test_a_split_that_leaves_a_class_empty_is_yellow():
    found = check_source(Fake(lambda n, r: Recording(r.signals, {**r.meta, "valence": 5.0})), "fake", ROW)
    yellow = lines(found, "yellow")
    assert yellow[0] == "  default: high above 5: low 4 (100.0%), high 0 (0.0%)"
    assert yellow[1] == "  high at or above 5: low 0 (0.0%), high 4 (100.0%)"


def test_notes_of_the_source_and_cautions_are_yellow_and_a_faint_voice_too():
    row = SourceRow("nowhere:Fake", "fake", labels=(EMOTION,), cautions=("Everyone saw the same films.",))
    found = check_source(Fake(check=[Note("a.dat", "short")]), "fake", row)
    assert lines(found, "yellow") == ["a.dat: short", "Everyone saw the same films."]
    faint = Fake(speech=lambda n: eeg(n, scale=1e-4, names=("voice",), unit=""))
    one(check_source(faint, "fake", ROW), "yellow", "very quiet")


def test_a_simulated_source_is_called_so(tmp_path):
    source = Fake()
    source.root = tmp_path
    assert check_source(source, "fake", ROW).level == "green"
    (tmp_path / "SIMULATED.json").write_text("{}")
    one(check_source(source, "fake", ROW), "yellow", "these data were simulated")


@pytest.mark.parametrize("place", ["signals", "baseline", "check"])
def test_a_missing_library_is_no_fault_of_the_files(place):
    error = MissingExtraError("This needs 'soundfile'.", do="pip install 'thymos[speech]'")

    def missing():
        raise error

    def change(number, recording):
        parts = {"signals": recording.signals, "baseline": {}} | {place: Lazy({"eeg": missing})}
        return Recording(parts["signals"], recording.meta, baseline=parts["baseline"])

    source = Fake(check=error) if place == "check" else Fake(change)
    with pytest.raises(MissingExtraError, match="soundfile"):
        check_source(source, "fake", ROW)
