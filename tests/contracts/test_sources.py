"""Every corpus on its simulated twin: what is promised of a good copy, and what is said of a damaged one.

The twins are written by the simulator in the layout of the release and read by the reader of the release.
"""

import os
import pickle
import shutil
import signal
import struct
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from thymos.base.errors import ThymosError
from thymos.base.recording import META_COLUMNS, Frames, Lazy
from thymos.sources.catalogue import SOURCES
from thymos.sources.check import check_source
from thymos.sources.safe import MatFile
from thymos.sources.seed import SEED_SECONDS
from thymos.sources.simulate.catalogue import LAYOUTS
from thymos.sources.simulate.folder import write_mat

#: SI units that a modality may have; an empty one where the release does not say.
UNITS = {
    **{key: {"V"} for key in ("eeg", "eog", "ecg", "emg")},
    **{key: {"S", ""} for key in ("eda", "wrist_eda")},
    **{key: {"K", ""} for key in ("temp", "wrist_temp")},
    **{key: {"m/s2"} for key in ("acc", "wrist_acc")},
    **{key: {""} for key in ("bvp", "resp", "speech", "face", "features")},
    "hr": {"Hz"},
}
#: Readers that have no files of their own to be lazy about, or read tables as a whole.
EAGER = {"muse-mental-state", "emotions-csv"}


def read(source):
    """Read everything there is."""
    recordings = []
    for recording in source.recordings():
        for modality in recording.signals:
            recording.signals[modality]
        for modality in recording.baseline:
            recording.baseline[modality]
        recordings.append(recording)
    return recordings


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_twin_has_every_modality_metadata_and_units_and_is_lazy(name, twin):
    row, folder = SOURCES[name], twin(name)
    source = row.load()(root=folder)
    first = next(iter(source.recordings()))
    if name not in EAGER:
        assert isinstance(first.signals, Lazy)
        assert all(callable(made) for made in first.signals._makers.values()), "read before it was asked for"
    recordings = read(source)
    modalities = set().union(*(r.signals for r in recordings))
    assert modalities <= set(row.modalities)
    assert set(row.modalities) - modalities <= ({"face"} if name == "ravdess" else set())
    for recording in recordings:
        assert set(META_COLUMNS) - {"start", "stop"} <= set(recording.meta)
        assert recording.meta["source"] == name
        for modality, made in (*recording.signals.items(), *recording.baseline.items()):
            assert made.unit in UNITS[modality]
            assert made.data.dtype == (np.uint8 if isinstance(made, Frames) else np.float32)
            if not isinstance(made, Frames):
                assert len(made.ch_names) == len(set(made.ch_names)) == len(made.data)
        for made in recording.baseline.values():
            assert made.start == pytest.approx(-made.duration, abs=0.02)
        lengths = [s.start + s.duration for m, s in recording.signals.items() if m not in ("face", "speech")]
        assert np.ptp(lengths or [0]) < 1.01, "the modalities do not share a clock"
    trials = [r.meta["trial"] for r in recordings]
    assert len(set(trials)) == len(trials) or name in EAGER
    table = source.table()
    assert len(table) == len(recordings)
    assert {label.column for label in row.labels} <= set(table.columns)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_twin_is_checked_without_a_red_line(name, twin, folder_state):
    folder = twin(name)
    before = folder_state(folder)
    found = check_source(SOURCES[name].load()(root=folder), name, SOURCES[name])
    assert found.level == "yellow", [line for line in found.lines if line.level == "red"]
    assert any("simulated" in line.text for line in found.lines)
    assert set(found.labels) == {label.column for label in SOURCES[name].labels}
    for label in SOURCES[name].labels:
        ways = found.labels[label.column]["balance"]
        assert ("classes" in ways) == (label.scale is None)
        n = {sum(way.values()) for way in ways.values()}
        assert n == {found.counts["trials"] - found.labels[label.column]["missing"]}
    assert folder_state(folder) == before


# damage ------------------------------------------------------------------------------------------------------------

#: Where the first file of a twin's signals lies.
MAIN = {
    "amigos": "Data_Preprocessed_P01.mat",
    "deap": "data_preprocessed_python/s01.dat",
    "dreamer": "DREAMER.mat",
    "eav": "subject1/EEG/subject1_eeg.mat",
    "faced": "Processed_data/sub000.pkl",
    "faced-features": "EEG_Features/DE/sub000.pkl.pkl",
    "hku956": "1. physiological_signals/*/BVP/*.csv",
    "mahnob": "Sessions/2/*.bdf",
    "muse-mental-state": "subjecta-*.csv",
    "ravdess": "Actor_01/*.wav",
    "seed": "Preprocessed_EEG/1_*.mat",
    "seed-features": "ExtractedFeatures/1_*.mat",
    "seed-iv": "eeg_raw_data/1/1_*.mat",
    "seed-iv-features": "eeg_feature_smooth/1/1_*.mat",
    "wesad": "S2/S2.pkl",
}
PICKLES = [name for name, path in MAIN.items() if path.endswith((".dat", ".pkl"))]
MATLAB = [name for name, path in MAIN.items() if path.endswith(".mat")]
ARRAYS = ["seed", "seed-features", "seed-iv", "seed-iv-features", "eav", "amigos"]


def main_file(name, folder) -> Path:
    return sorted(folder.glob(MAIN[name]))[0]


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def keep(path, n):
    path.write_bytes(path.read_bytes()[:n] if n > 0 else path.read_bytes()[: max(1, len(path.read_bytes()) + n)])


def pickled(change):
    """Return a damage that changes what a pickle holds."""

    def damage(path):
        content = pickle.loads(path.read_bytes(), encoding="latin1")
        path.write_bytes(pickle.dumps(change(content), protocol=2))

    return damage


def array_of(content):
    """Return the array of a pickle and a function that puts another into its place."""
    if isinstance(content, np.ndarray):
        return content, lambda made: made
    if "data" in content:
        return content["data"], lambda made: {**content, "data": made}
    chest = content["signal"]["chest"]
    return chest["ECG"], lambda made: {
        **content,
        "signal": {**content["signal"], "chest": {**chest, "ECG": made}},
    }


def with_array(change):
    def damage(content):
        array, put = array_of(content)
        return put(change(array))

    return pickled(damage)


def with_variable(change, number=0):
    """Return a damage that changes one variable of a MATLAB file."""

    def damage(path):
        content = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
        name = sorted(set(content) - {"VideoIDs"})[number]
        made = change(content.pop(name))
        if made is not None:
            content[name] = made
        savemat(path, content, do_compression=True)

    return damage


def first_cell(change):
    """Return a change of the array in a variable, or of the first array in a cell of them."""

    def apply(value):
        if value.dtype != object:
            return change(value)
        value = value.copy()
        value.flat[0] = change(np.asarray(value.flat[0]))
        return value

    return apply


def nan(array):
    array = np.array(array, dtype=float)
    array.flat[array.size // 2] = np.nan
    return array


def absurd_pickle(path):
    """Declare an array of petabytes."""
    content = pickle.dumps({"data": np.zeros((2, 3))}, protocol=2)
    path.write_bytes(content.replace(b"K\x02K\x03\x86", b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"))


def memo_pickle(path):
    path.write_bytes(b"\x80\x02}r\xff\xff\xff\x7f.")


def deep_pickle(path):
    path.write_bytes(b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b".")


def laughing_pickle(path):
    """Lists of the same list twice, forty levels deep: a trillion entries if they were copied."""
    made = [1, 2]
    for _ in range(28):
        made = [made, made]
    path.write_bytes(pickle.dumps({"data": made, "labels": made, "signal": made, "label": made}, protocol=2))


def mat_bomb(path):
    """A small file whose variable would take eight gigabytes."""
    names = list(loadmat(path, variable_names=[]).keys()) and [n for n, *_ in __import__("scipy.io").io.whosmat(path)]
    packer = zlib.compressobj(9)
    element = packer.compress(struct.pack("<II", 14, 2**32 - 9))
    flags = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, 2**15, 2**15)
    name = names[0].encode()
    flags += struct.pack("<II", 1, len(name)) + name.ljust(-(-len(name) // 8) * 8, b"\0")
    element += packer.compress(flags + struct.pack("<II", 9, 2**32 - 200) + bytes(2**20)) + packer.flush()
    head = path.read_bytes()[:128]
    path.write_bytes(head + struct.pack("<II", 15, len(element)) + element)


def mat_four(path):
    savemat(path, {"a": np.ones(3)}, format="4")


def hdf_without(path):
    import h5py

    path.unlink()
    with h5py.File(path, "w") as file:
        file["other"] = np.ones((3, 3))


def rewrite(old, new, count=1):
    def damage(path):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, count))

    return damage


#: Kinds of damage: to which twins, to the first file of the signals, words that the message must hold.
KINDS = {
    "truncated to half": (
        [name for name in MAIN if name != "muse-mental-state"],
        lambda p: keep(p, len(p.read_bytes()) // 2 + 1),
        [],
    ),
    "truncated by its last bytes": (PICKLES + MATLAB + ["ravdess", "mahnob"], lambda p: keep(p, -7), []),
    "empty file": ([*MAIN], lambda p: p.write_bytes(b""), []),
    "a web page in its place": (
        [*MAIN],
        lambda p: p.write_bytes(b"<html><body>Please log in to download</body></html>\n" * 20),
        [],
    ),
    "random bytes": ([*MAIN], lambda p: p.write_bytes(np.random.default_rng(0).bytes(20_000)), []),
    "a link to nowhere": ([*MAIN], lambda p: (p.unlink(), p.symlink_to(p.parent / "gone")), []),
    "hostile pickle": (PICKLES, lambda p: p.write_bytes(pickle.dumps({"data": Bomb()}, protocol=2)), ["mkdir"]),
    "hostile pickle, newest protocol": (
        PICKLES,
        lambda p: p.write_bytes(pickle.dumps([Bomb()], protocol=5)),
        ["mkdir"],
    ),
    "hostile pickle in text": (PICKLES, lambda p: p.write_bytes(b"cposix\nmkdir\n(S'executed'\ntR."), ["mkdir"]),
    "pickle that changes a function": (PICKLES, lambda p: p.write_bytes(b"\x80\x02cnumpy\nndarray\n}b."), []),
    "pickle of something else": (PICKLES, pickled(lambda content: [1, "two", 3.0]), []),
    "pickle of objects": (PICKLES, with_array(lambda a: np.array([["a", None]], dtype=object)), []),
    "pickle of text": (PICKLES, with_array(lambda a: a.astype("U8")), []),
    "wrong number of channels": (PICKLES, with_array(lambda a: a[:, :-1] if a.ndim > 2 else a.T), []),
    "wrong number of axes": (PICKLES, with_array(lambda a: a.reshape(-1)[:97]), []),
    "missing value": (PICKLES, with_array(nan), ["missing"]),
    "infinite value": (
        PICKLES,
        with_array(lambda a: nan(a).clip(None, np.inf) + np.where(np.isnan(nan(a)), np.inf, 0)),
        [],
    ),
    "absurd size": (PICKLES, absurd_pickle, []),
    "memo bomb": (PICKLES, memo_pickle, ["memo"]),
    "deep nesting": (PICKLES, deep_pickle, []),
    "a billion laughs": (PICKLES, laughing_pickle, []),
    "missing variable": (MATLAB, with_variable(lambda v: None), []),
    "variable of text": (MATLAB, with_variable(lambda v: "nothing"), []),
    "wrong shape": (
        ARRAYS,
        with_variable(first_cell(lambda v: v[:, :-1] if v.shape[1] in (17, 30) else v[: len(v) // 2])),
        [],
    ),
    "wrong orientation": (ARRAYS, with_variable(first_cell(lambda v: v.T)), []),
    "empty variable": (ARRAYS[:5], with_variable(lambda v: v[:0]), []),
    "missing value in a variable": (
        ["seed", "seed-features", "seed-iv", "seed-iv-features", "eav"],
        with_variable(nan),
        ["missing"],
    ),
    "zip bomb in a variable": (MATLAB, mat_bomb, []),
    "version 4": (MATLAB, mat_four, []),
    "version 7.3 without the variable": (MATLAB, hdf_without, []),
}


def change_text(pattern, change):
    """Return a damage to another file of the twin."""

    def damage(folder):
        path = sorted(folder.glob(pattern))[0]
        change(path)

    return damage


def swap(a, b):
    def damage(folder):
        one, two = sorted(folder.glob(a))[0], sorted(folder.glob(b))[0]
        first, second = one.read_bytes(), two.read_bytes()
        one.write_bytes(second)
        two.write_bytes(first)

    return damage


def remarks(change):
    def damage(path):
        content = loadmat(path)["After_remark"]
        savemat(path, {"After_remark": change(content)})

    return damage


def first_vid(content):
    content["vid"][0, 0] = content["vid"][1, 0]
    return content


def high_score(content):
    content["score"][0, 0] = content["score"][0, 0] * 0 + 70
    return content


def bad_zip(folder):
    for path in folder.rglob("*.zip"):
        data = bytearray(path.read_bytes())
        data[len(data) // 3 : len(data) // 3 + 400] = bytes(400)
        path.write_bytes(bytes(data))


def zip_bomb(folder):
    path = next(folder.rglob("*.zip"))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train/happy/Training_99999.jpg", bytes(2**29))


def picture_bomb(folder):
    """A PNG that declares a hundred thousand pixels a side."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    picture = next(p for p in sorted(folder.rglob("*")) if p.suffix in (".jpg", ".png"))
    picture.with_suffix(".png").write_bytes(png)
    if picture.suffix != ".png":
        picture.unlink()


def twice(folder):
    """Unpack the archive into itself once more."""
    shutil.copytree(folder, folder.parent / "again")
    shutil.move(folder.parent / "again", folder / "again")


def unfielded(path):
    whole = MatFile(path).read("DREAMER")
    person = whole["Data"].flat[0]
    whole["Data"].flat[0] = {key: value for key, value in person.items() if key != "ScoreArousal"}
    write_mat(path, DREAMER=whole)


def swapped_for_copy(folder):
    one, two = (folder / "data_preprocessed_python" / f"s0{k}.dat" for k in (1, 2))
    content, labels = (pickle.loads(p.read_bytes(), encoding="latin1") for p in (one, two))
    two.write_bytes(pickle.dumps({"data": content["data"], "labels": labels["labels"]}, protocol=2))


def four_seconds(folder):
    """Features as the release has them, but of windows of 4 s, in a folder that does not say so."""
    path = sorted(folder.glob("ExtractedFeatures/1_*.mat"))[0]
    content = {f"de_LDS{k + 1}": np.ones((62, n // 4, 5)) for k, n in enumerate(SEED_SECONDS)}
    savemat(path, content)
    (folder / "SIMULATED.json").unlink()


TWICE = ("amigos", "deap", "dreamer", "eav", "faced", "mahnob", "seed", "seed-iv", "wesad")

#: Damage that only one corpus can have, or that is done to a folder.
OWN = {
    **{(name, "unpacked twice"): (twice, ["twice"]) for name in TWICE},
    ("deap", "ratings beyond the scale"): (
        change_text("**/s01.dat", pickled(lambda c: {**c, "labels": c["labels"] * 3})),
        ["1 to 9"],
    ),
    ("deap", "no labels"): (change_text("**/s01.dat", pickled(lambda c: {"data": c["data"]})), ["labels"]),
    ("deap", "rows of the ratings in another order"): (
        change_text("**/s01.dat", pickled(lambda c: {**c, "labels": c["labels"][::-1]})),
        ["another order"],
    ),
    ("deap", "table of ratings without a column"): (
        change_text("**/participant_ratings.csv", rewrite("Familiarity", "Fam")),
        ["no column Familiarity"],
    ),
    ("seed", "labels of another corpus"): (
        change_text("**/label.mat", lambda p: savemat(p, {"label": -loadmat(p)["label"]})),
        ["holds the labels"],
    ),
    ("seed", "no label variable"): (change_text("**/label.mat", lambda p: savemat(p, {"l": [[1]]})), ["label"]),
    ("faced", "a clip twice in the self-reports"): (
        change_text("**/After_remarks.mat", remarks(first_vid)),
        ["no row for the clips"],
    ),
    ("faced", "self-reports beyond the scale"): (change_text("**/After_remarks.mat", remarks(high_score)), ["0 to 7"]),
    ("faced", "self-reports cut short"): (
        change_text("**/After_remarks.mat", remarks(lambda c: c[:20])),
        ["has 20 rows"],
    ),
    ("eav", "labels that are not one-hot"): (
        change_text("**/*_label.mat", with_variable(lambda v: v * 0)),
        ["one-hot"],
    ),
    ("eav", "a sound of another emotion"): (
        lambda folder: [p.rename(str(p).replace("Anger", "Calmness")) for p in folder.rglob("*Anger*.wav")],
        ["calmness", "anger"],
    ),
    ("eav", "a truncated sound"): (change_text("**/*.wav", lambda p: keep(p, 30)), []),
    ("eav", "a truncated film"): (change_text("**/*.mp4", lambda p: keep(p, len(p.read_bytes()) // 2)), []),
    ("eav", "no labels"): (lambda folder: next(folder.rglob("*_label.mat")).unlink(), ["_label.mat"]),
    ("mahnob", "entities in the xml"): (
        change_text("Sessions/2/session.xml", lambda p: p.write_text('<!DOCTYPE a [<!ENTITY b "c">]>' + p.read_text())),
        ["defines entities"],
    ),
    ("mahnob", "xml cut short"): (change_text("Sessions/2/session.xml", lambda p: keep(p, 60)), []),
    ("mahnob", "rating beyond the scale"): (
        change_text("Sessions/2/session.xml", rewrite('feltVlnc="', 'feltVlnc="9')),
        ["not 1 to 9"],
    ),
    ("mahnob", "no channel Status"): (
        change_text("Sessions/2/*.bdf", lambda p: p.write_bytes(p.read_bytes().replace(b"Status", b"Marker", 1))),
        ["Status"],
    ),
    ("affectnet", "unpacked twice"): (twice, ["have the same part and number"]),
    ("affectnet", "objects in an annotation"): (
        change_text("**/*_exp.npy", lambda p: np.save(p, np.array([Bomb()], dtype=object), allow_pickle=True)),
        ["_exp.npy"],
    ),
    ("affectnet", "text in a rating"): (change_text("**/*_val.npy", lambda p: np.save(p, "happy")), ["_val.npy"]),
    ("deap", "one subject in volts"): (
        change_text("**/s01.dat", pickled(lambda c: {**c, "data": c["data"] * 1e-6})),
        ["of s01 is not possible"],
    ),
    ("deap", "the data of another subject"): (swapped_for_copy, ["s01 and s02 are the same"]),
    ("seed-features", "windows of another length"): (four_seconds, ["set window to 4"]),
    ("dreamer", "a person without a field"): (
        change_text("DREAMER.mat", unfielded),
        ["ScoreArousal"],
    ),
    ("fer2013", "a damaged archive"): (bad_zip, []),
    ("fer2013", "zip bomb"): (zip_bomb, ["larger than"]),
    ("images", "a picture of ten billion pixels"): (picture_bomb, ["100000"]),
    ("ravdess", "a name that means nothing"): (
        lambda folder: next(folder.rglob("*.wav")).rename(folder / "Actor_01" / "03-01-09-01-01-01-01.wav"),
        ["09"],
    ),
    ("hku956", "text among the numbers"): (
        change_text("1. physiological_signals/*/EDA/*.csv", lambda p: p.write_text("x\n" + p.read_text())),
        [],
    ),
    ("hku956", "no table of ratings"): (lambda folder: (folder / "3. AV_ratings.csv").unlink(), ["AV_ratings"]),
    ("muse-mental-state", "a missing column"): (change_text("subjecta-*.csv", rewrite("AF7", "XX7")), ["AF7"]),
    ("emotions-csv", "text among the numbers"): (change_text("emotions.csv", rewrite(",1", ",one", 5)), []),
    ("emotions-csv", "a missing column"): (change_text("emotions.csv", rewrite("mean_0_a,", "")), []),
}


#: What can be read without an error, and what only the check finds.
ONLY_CHECKED = {("deap", "one subject in volts"), ("deap", "the data of another subject")}


@contextmanager
def within(seconds):
    """Fail rather than hang."""

    def late(*_):
        raise AssertionError(f"no answer within {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def complain(twin, tmp_path, folder_state, monkeypatch):
    """Return a function that damages a twin and sees that one clear error, and nothing else, comes of it."""

    def run(name, damage, expected, readable_all_the_same=False):
        folder = tmp_path / "copy"
        shutil.copytree(twin(name), folder)
        damage(folder)
        before = folder_state(folder)
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        row = SOURCES[name]
        if readable_all_the_same:
            with within(20):
                read(row.load()(root=folder))
        else:
            with within(20), pytest.raises(ThymosError) as error:
                read(row.load()(root=folder))
            text = str(error.value)
            assert error.value.came
            assert error.value.fits or error.value.do, text
            assert len(text) < 1500
            assert str(folder) in text or any(p.name in text for p in folder.rglob("*")), f"no file is named:\n{text}"
            for words in expected:
                assert words in text
        with within(20):
            found = check_source(row.load()(root=folder), name, row)
        assert found.level == "red"
        if readable_all_the_same:
            red = " ".join(line.text for line in found.lines if line.level == "red")
            assert all(words in red for words in expected), red
        assert folder_state(folder) == before
        assert not list((tmp_path / "here").iterdir()), "something was executed"

    return run


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, (names, *_) in KINDS.items() for name in names])
def test_damage_ends_in_one_clear_error(kind, name, complain):
    _, damage, expected = KINDS[kind]
    complain(name, lambda folder: damage(main_file(name, folder)), expected)


@pytest.mark.parametrize(("name", "kind"), OWN)
def test_damage_of_one_corpus_ends_in_one_clear_error(name, kind, complain):
    complain(name, *OWN[name, kind], readable_all_the_same=(name, kind) in ONLY_CHECKED)


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_empty_folder_and_none_are_said_in_words(name, tmp_path, words):
    for place in (tmp_path / "gone", tmp_path):
        with pytest.raises(ThymosError) as error:
            read(SOURCES[name].load()(root=place))
        words(error.value, str(place))
        assert check_source(SOURCES[name].load()(root=place), name, SOURCES[name]).level == "red"
    assert not list(tmp_path.iterdir())


def test_every_layout_is_read_by_a_source_and_has_damage():
    assert set(LAYOUTS) <= set(SOURCES)
    made = {"simulated", "simulated-eeg", "simulated-faces", "digits", "waveforms", "manifest"}
    assert set(SOURCES) - set(LAYOUTS) == made, "a new corpus needs a writer of its layout"
    assert len(KINDS) + len({kind for _, kind in OWN}) >= 40
    assert {name for names, *_ in KINDS.values() for name in names} | {name for name, _ in OWN} >= set(LAYOUTS)
