import pickle

import numpy as np
import pytest

from thymos.base.errors import DataError, InputError, SourceNotFoundError
from thymos.signals.statistics import WindowStatistics
from thymos.signals.table import feature_table
from thymos.signals.together import together
from thymos.sources.wesad import SIGNALS, WESAD

SECONDS = 12
#: Condition and its seconds, in order; 5 is to be ignored, two stretches of meditation are two trials, and most edges
#: lie between two samples of the wrist.
LABEL = [(0, 1.1), (1, 2), (0, 0.93), (2, 1.5), (5, 1), (4, 1.1), (0, 0.4), (4, 2), (3, 0.5), (0, 1.47)]


def made(subject="S2", seed=0):
    rng = np.random.default_rng(seed)
    signal = {"chest": {}, "wrist": {}}
    for place, name, rate, ch_names, *_ in SIGNALS.values():
        signal[place][name] = rng.uniform(1, 30, (round(SECONDS * rate), len(ch_names)))
    label = np.concatenate([np.full(round(700 * s), code) for code, s in LABEL]).astype(np.int32)
    return {"subject": subject, "signal": signal, "label": label}


def put(folder, content, name="S2"):
    path = folder / name / f"{name}.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path


@pytest.fixture
def folder(tmp_path):
    for name in ("S2", "S10"):
        put(tmp_path / "WESAD", made(name, int(name[1:])), name)
    return tmp_path / "WESAD"


def test_blocks_of_conditions_are_trials_on_one_clock(folder):
    recordings = list(WESAD(folder).load(["S2"]))
    assert [r.meta["trial"] for r in recordings] == [
        "S2-baseline-1",
        "S2-stress-1",
        "S2-meditation-1",
        "S2-meditation-2",
    ]
    assert [r.meta["condition"] for r in recordings] == ["baseline", "stress", "meditation", "meditation"]
    assert [round(r.meta["onset"], 3) for r in recordings] == [1.1, 4.03, 6.53, 8.03]
    raw = made("S2", 2)["signal"]
    for recording, (begin, end) in zip(
        recordings, [(1.1, 3.1), (4.03, 5.53), (6.53, 7.63), (8.03, 10.03)], strict=True
    ):
        for modality, (place, name, rate, ch_names, unit, *_) in SIGNALS.items():
            signal = recording.signal(modality)
            assert (signal.sfreq, signal.ch_names, signal.unit) == (rate, ch_names, unit)
            assert signal.data.dtype == np.float32
            first = int(np.ceil(begin * rate - 1e-9))
            assert signal.start == pytest.approx(first / rate - begin)
            assert 0 <= signal.start < 1 / rate
            assert signal.data.shape[1] == np.ceil(end * rate - 1e-9) - first
            here = raw[place][name][first : first + signal.data.shape[1]].T
            assert np.corrcoef(here.ravel(), signal.data.ravel())[0, 1] > 0.9999


def test_modalities_of_a_block_are_of_one_moment_whatever_their_rate(folder):
    """Chest, pulse and wrist have their first samples of a block at different times."""
    recordings = WESAD(folder).load(["S2"])
    table, _ = feature_table(recordings, {name: WindowStatistics() for name in ("ecg", "bvp", "wrist_temp")})
    assert table["trial"].tolist() == ["S2-baseline-1", "S2-stress-1", "S2-meditation-1", "S2-meditation-2"]
    assert table.notna().all(axis=None)
    made = together({name: recordings.windows(1.0, modality=name) for name in ("ecg", "bvp", "wrist_temp")})
    assert made.meta["trial"].str.removeprefix("S2-").tolist() == [
        *["baseline-1"] * 2,
        "stress-1",
        "meditation-1",
        *["meditation-2"] * 2,
    ]


def test_units_are_those_of_physics(folder):
    raw = made("S2", 2)["signal"]
    recording = next(iter(WESAD(folder).recordings(["S2"])))
    for modality, (place, name, factor, offset) in {
        "ecg": ("chest", "ECG", 1e-3, 0),
        "emg": ("chest", "EMG", 1e-3, 0),
        "eda": ("chest", "EDA", 1e-6, 0),
        "resp": ("chest", "Resp", 1, 0),
        "temp": ("chest", "Temp", 1, 273.15),
        "acc": ("chest", "ACC", 9.80665, 0),
        "bvp": ("wrist", "BVP", 1, 0),
        "wrist_eda": ("wrist", "EDA", 1e-6, 0),
        "wrist_temp": ("wrist", "TEMP", 1, 273.15),
        "wrist_acc": ("wrist", "ACC", 9.80665 / 64, 0),
    }.items():
        rate = SIGNALS[modality][2]
        here = slice(*(int(np.ceil(edge * rate - 1e-9)) for edge in (1.1, 3.1)))
        expected = raw[place][name][here].T * factor + offset
        assert np.allclose(recording.signal(modality).data, expected, rtol=1e-6, atol=0), modality


def test_capital_names_and_flat_columns_are_accepted(folder):
    before = next(iter(WESAD(folder).recordings(["S2"])))
    content = made("S2", 2)
    chest = content["signal"]["chest"]
    chest["RESP"], chest["TEMP"], chest["ECG"] = chest.pop("Resp"), chest.pop("Temp"), chest["ECG"][:, 0]
    put(folder, content)
    after = next(iter(WESAD(folder).recordings(["S2"])))
    assert all(np.array_equal(before.signal(m).data, after.signal(m).data) for m in SIGNALS)


def test_subjects_and_what_is_not_there(folder):
    source = WESAD(folder)
    assert source.subjects() == ["S10", "S2"]
    with pytest.raises(InputError, match="no subject S12"):
        source.load(["S12"])
    notes = [str(note) for note in source.check()]
    assert "no files of S3, S4, S5" in notes[0]
    assert "S10.pkl: no block of amusement" in notes
    assert "S2.pkl: 1 blocks of less than 1 s left out, 0.50 s together" in notes


class Hostile:
    def __reduce__(self):
        import os

        return os.system, ("touch hostile",)


def change(*keys, value=None, lose=False):
    def apply(content):
        inner = content
        for key in keys[:-1]:
            inner = inner[key]
        if lose:
            del inner[keys[-1]]
        else:
            inner[keys[-1]] = value(inner[keys[-1]]) if callable(value) else value
        return content

    return apply


def spoil(array):
    array = array.copy()
    array[2000] = np.nan
    return array


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (change("signal", "chest", "ECG", lose=True), ["no ECG of the chest", "it has eda, emg"]),
        (change("signal", "wrist", lose=True), ["signal has no wrist"]),
        (change("label", lose=True), ["the file has no label"]),
        (change("signal", value=[1, 2]), ["signal has no chest, wrist"]),
        (change("signal", "chest", "ACC", value=lambda a: a[:, :2]), ["ACC of the chest", "(8400, 2)", "n_times x 3"]),
        (change("signal", "chest", "ACC", value=lambda a: a.T), ["ACC of the chest", "(3, 8400)"]),
        (change("signal", "wrist", "BVP", value=lambda a: a[::2]), ["BVP of the wrist is 6.00 s", "64 Hz", "12.00 s"]),
        (change("signal", "chest", "EDA", value=lambda a: a.astype("S8")), ["EDA of the chest is of type |S8"]),
        (change("signal", "chest", "EDA", value=spoil), ["S2-baseline-1, eda", "1 of 1400 values are missing"]),
        (
            change("signal", "wrist", "EDA", value=lambda a: a * 1e300),
            ["S2-baseline-1, wrist_eda", "missing or infinite"],
        ),
        (change("label", value=lambda a: a[:700]), ["the label 1.00 s"]),
        (change("label", value=lambda a: a + 9), ["the label 9 at 0", "0 to 7"]),
        (change("label", value=lambda a: a[:, None]), ["the label has the shape (8400, 1)"]),
        (change("label", value=lambda a: a[:0]), ["the label has the shape (0,)"]),
        (change("subject", value="S3"), ["of 'S3'", "expected: S2"]),
        (change("signal", "chest", "ECG", value=Hostile()), ["posix.system", "Nothing of it was executed"]),
        (lambda content: [content], ["the file has no subject, signal, label"]),
    ],
)
def test_damage_is_said_in_words(folder, words, folder_state, monkeypatch, damage, expected):
    monkeypatch.chdir(folder)
    put(folder, damage(made("S2", 2)))
    before = folder_state(folder)
    with pytest.raises(DataError) as error:
        WESAD(folder).check()
    words(error.value, "S2.pkl", *expected, "expected:")
    assert folder_state(folder) == before, "something was written, or run"


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_said_in_words(folder, words, share):
    path = folder / "S2" / "S2.pkl"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError) as error:
        WESAD(folder).check()
    words(error.value, "S2.pkl", "expected: a pickle of NumPy arrays")


def test_missing_and_doubled_files_are_said_in_words(folder, tmp_path, words):
    with pytest.raises(SourceNotFoundError, match="no folder"):
        WESAD(tmp_path / "nowhere").subjects()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as error:
        WESAD(tmp_path / "empty").subjects()
    words(error.value, "empty", "S<number>/S<number>.pkl")
    put(folder / "WESAD", made("S2", 2))
    with pytest.raises(DataError) as error:
        WESAD(folder).subjects()
    words(error.value, "S2.pkl is there twice", "remove the copy")
