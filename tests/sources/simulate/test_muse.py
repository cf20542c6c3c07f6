import json

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import InputError
from thymos.evaluation import RandomWindowSplit, RecordingSplit, cross_validate
from thymos.models.catalogue import MODELS
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.sources import MuseMentalState
from thymos.sources.emotions import FILE, EmotionsCSV
from thymos.sources.simulate.folder import TRUTH
from thymos.sources.simulate.muse import write_emotions_csv, write_muse_csv
from thymos.training.pipeline import make_pipeline

SHORT = {"seconds": (3.0, 6.0)}


def truth(folder):
    return json.loads((folder / TRUTH).read_text())


def test_what_is_written_is_rebuilt_exactly(tmp_path):
    folder = write_emotions_csv(tmp_path, random_state=1, **SHORT)
    table = pd.read_csv(folder / FILE)
    recordings = list(EmotionsCSV(folder).recordings())
    columns = table.drop(columns="label").to_numpy(np.float32)
    found = {r.signal("features").data.tobytes(): r.meta["emotion"] for r in recordings}
    expected = truth(folder)["recordings"]
    assert len(found) == len(expected) == 14
    for known in expected:
        rows = np.ascontiguousarray(columns[known["rows"]].T)
        assert found[rows.tobytes()] == known["label"].lower()
    assert sorted(row for known in expected for row in known["rows"]) == list(range(len(table)))
    assert any(np.diff(known["rows"]).min() < 0 for known in expected), "the rows are not shuffled"


def test_the_layout_is_the_published_one(tmp_path):
    folder = write_emotions_csv(tmp_path, random_state=1, **SHORT)
    head, first = (folder / FILE).read_text().splitlines()[:2]
    assert head.startswith("# mean_0_a,")
    assert head.endswith(",fft_749_b,label")
    cells = first.split(",")
    assert len(cells) == 2549
    assert all(len(cell.strip("-").split("e")[0].replace(".", "").lstrip("0")) <= 3 for cell in cells[:-1])
    last = np.array(cells[-6:-1], float)  # sum over channels, then two pairs
    assert (last[1], last[2]) == (last[4], last[3])


def test_default_lengths_give_the_published_number_of_rows():
    lengths = [*(60,) * 12, *(180,) * 2]
    assert sum(2 * t - 2 for t in lengths) == 2132


def test_equal_seeds_give_equal_bytes_and_others_do_not(tmp_path):
    folders = [write_emotions_csv(tmp_path / str(k), random_state=seed, **SHORT) for k, seed in enumerate((5, 5, 6))]
    files = [(folder / FILE).read_bytes() for folder in folders]
    assert files[0] == files[1] != files[2]
    assert (folders[0] / TRUTH).read_bytes() == (folders[1] / TRUTH).read_bytes()
    raw = [write_muse_csv(tmp_path / f"raw{k}", random_state=2, subjects=1, takes=1, seconds=2.0) for k in range(2)]
    for name in truth(raw[0])["files"]:
        assert (raw[0] / name).read_bytes() == (raw[1] / name).read_bytes()


def test_null_changes_the_signal_and_neither_labels_nor_offsets(tmp_path):
    folders = [write_emotions_csv(tmp_path / str(null), null=null, effect=3.0, **SHORT) for null in (False, True)]
    real, null = (pd.read_csv(folder / FILE) for folder in folders)
    assert real["label"].equals(null["label"])
    assert [r["rows"] for r in truth(folders[0])["recordings"]] == [r["rows"] for r in truth(folders[1])["recordings"]]
    assert not np.allclose(real["stddev_0_a"], null["stddev_0_a"])
    assert np.abs(real["mean_4_a"] - null["mean_4_a"]).max() < 1e-6, "the open input knows of emotions"
    assert np.corrcoef(real["mean_1_a"], null["mean_1_a"])[0, 1] > 0.9


def test_offsets_tell_recordings_apart_and_can_be_switched_off(tmp_path):
    def spread(folder):
        table = pd.read_csv(folder / FILE)
        means = [table["mean_1_a"][known["rows"]] for known in truth(folder)["recordings"]]
        return np.std([m.mean() for m in means]), np.mean([m.std() for m in means])

    between, within = spread(write_emotions_csv(tmp_path / "on", **SHORT))
    assert between > 4 * within
    between, within = spread(write_emotions_csv(tmp_path / "off", offset=0.0, wander=0.0, **SHORT))
    assert between < 2 * within + 5


def test_real_data_are_never_overwritten_and_simulated_ones_are(tmp_path, words):
    folder = write_muse_csv(tmp_path, subjects=2, takes=1, seconds=2.0)
    assert len(list(folder.glob("*.csv"))) == 6
    (folder / "notes.txt").write_text("mine")
    write_muse_csv(tmp_path, subjects=1, takes=1, seconds=2.0)
    assert len(list(folder.glob("*.csv"))) == 3
    assert (folder / "notes.txt").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["muse-mental-state"]
    real = tmp_path / "emotions"
    real.mkdir()
    (real / FILE).write_text("real")
    for content in (None, "no json", '{"files": 3}'):
        if content is not None:
            (real / TRUTH).write_text(content)
        with pytest.raises(InputError) as error:
            write_emotions_csv(tmp_path, **SHORT)
        words(error.value, "was not simulated", TRUTH, "never overwritten")
    assert (real / FILE).read_text() == "real"


def test_a_truth_file_cannot_point_outside_its_folder(tmp_path):
    folder = write_muse_csv(tmp_path / "data", subjects=1, takes=1, seconds=2.0)
    (tmp_path / "data" / "precious.csv").write_text("mine")
    (folder / TRUTH).write_text(json.dumps({"files": ["../precious.csv"]}))
    with pytest.raises(InputError, match="was not simulated"):
        write_muse_csv(tmp_path / "data", subjects=1, takes=1, seconds=2.0)
    assert (tmp_path / "data" / "precious.csv").read_text() == "mine"


def test_raw_recordings_are_read_as_the_real_ones_are(tmp_path):
    folder = write_muse_csv(tmp_path, random_state=4, subjects=3, takes=2, seconds=4.0)
    recordings = list(MuseMentalState(folder, auxiliary=True).recordings())
    assert len(recordings) == 18
    meta = pd.DataFrame([r.meta for r in recordings])
    assert meta.groupby(["subject", "state"]).size().eq(2).all()
    for r in recordings:
        signal = r.signal("eeg")
        assert signal.data.shape == (5, 1024)
        assert np.abs(signal.data).max() <= 1e-3
        off = signal.data / (1e-3 / 2048)
        assert np.abs(off - np.round(off)).max() < 0.01, "not on the converter's grid"
    assert not [n for n in MuseMentalState(folder).check() if "converter's step" in n.text or "spaced" in n.text]
    assert {known["label"] for known in truth(folder)["recordings"]} == {"relaxed", "neutral", "concentrating"}


def test_parameters_that_do_not_fit_are_refused(tmp_path):
    for make in (
        lambda: write_emotions_csv(tmp_path, seconds=(1.0, 4.0)),
        lambda: write_emotions_csv(tmp_path, seconds=(4.0,)),
        lambda: write_emotions_csv(tmp_path, subjects=0),
        lambda: write_muse_csv(tmp_path, subjects=27),
        lambda: write_muse_csv(tmp_path, takes=0),
    ):
        with pytest.raises(InputError, match="came"):
            make()
    assert not list(tmp_path.iterdir())


def test_without_an_effect_the_nearest_neighbour_knows_recordings_and_no_emotions(tmp_path):
    folder = write_emotions_csv(tmp_path, null=True, seconds=(10.0, 30.0))
    samples = EmotionsCSV(folder).load().windows(0.5, modality="features").target("emotion")
    row = MODELS["nearest_neighbour"]
    pipe = make_pipeline(ChannelScaler(), Flatten(), row.load()(**row.parameters))

    def accuracy(protocol):
        table = cross_validate(pipe, samples, protocol).query("level == 'window' and subject == 'all'")
        return table.groupby("fold")["balanced_accuracy"].mean()

    assert accuracy(RandomWindowSplit(n_splits=5)).mean() > 0.9
    honest = accuracy(RecordingSplit(n_splits=2, repeats=12, validation=0))
    assert abs(honest.mean() - 1 / 3) < 0.12
