import json

import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import DataError, InputError
from thymos.base.samples import Samples, add_synthetic, source_trials


def same(a: Samples, b: Samples) -> bool:
    pd.testing.assert_frame_equal(a.meta, b.meta, check_dtype=False)
    return np.array_equal(a.X, b.X) and np.array_equal(a.y, b.y)


def test_slicing_keeps_arrays_labels_and_metadata_together(make_samples):
    samples = make_samples()
    mask = (samples.meta["subject"] == "s1").to_numpy()
    by_mask, by_index = samples[mask], samples[np.flatnonzero(mask)]
    assert same(by_mask, by_index)
    assert set(by_mask.meta["subject"]) == {"s1"}
    assert np.array_equal(by_mask.X, samples.X[mask])
    assert len(samples[2:5]) == 3
    assert len(samples[-1]) == 1
    assert same(samples[[5, 3]], Samples.concatenate([samples[[5]], samples[[3]]]))


def test_a_mask_of_the_wrong_length_is_refused(make_samples, words):
    with pytest.raises(InputError) as error:
        make_samples()[np.array([True, False])]
    words(error.value, "(2,)", "72 samples")


def test_only_masks_and_row_numbers_are_indices(make_samples):
    samples = make_samples()
    mask = (samples.meta["subject"] == "s1").astype(object).to_numpy()
    assert len(samples[mask]) == 24
    assert len(samples[[]]) == 0
    for wrong in ([0.7, 1.9], ["s1"], np.array([True, None], dtype=object)):
        with pytest.raises(InputError, match="boolean mask, row numbers or a slice"):
            samples[wrong]


def test_names_are_text_and_labels_are_never_missing(make_samples):
    samples = make_samples()
    numbers = samples.meta.assign(subject=samples.meta["subject"].str[1:].astype(int))
    assert set(Samples(samples.X, samples.y, numbers).meta["subject"]) == {"0", "1", "2"}
    for hole in (None, np.nan):
        with pytest.raises(InputError, match="1 of 72 labels are missing"):
            samples.replace(y=np.array([hole, *samples.y[1:]], dtype=object))


def test_modalities_may_have_any_plain_name_and_no_other(make_samples, tmp_path):
    samples = make_samples()
    both = samples.replace(X={"y": samples.X, "meta": samples.X[:, 0]}, info={"rate": np.float32(0.5)})
    loaded = Samples.load(both.save(tmp_path / "x"))
    assert np.array_equal(loaded.X["y"], samples.X)
    assert np.array_equal(loaded.y, samples.y)
    assert loaded.info == {"rate": 0.5}
    with pytest.raises(InputError, match="letters, digits and _"):
        samples.replace(X={"../eeg": samples.X})


def test_concatenation_of_parts_gives_the_whole(make_samples):
    samples = make_samples()
    assert same(Samples.concatenate([samples[:10], samples[10:]]), samples)


def test_one_of_several_modalities_keeps_what_is_known_of_it(make_samples):
    samples = make_samples()
    several = samples.replace(X={"eeg": samples.X, "bvp": samples.X[:, :1]}, info={"modalities": {"eeg": samples.info}})
    assert same(several.modality("eeg"), samples)
    assert several.modality("bvp").X.shape[1] == 1
    with pytest.raises(InputError, match="There is no modality 'ecg'"):
        several.modality("ecg")
    with pytest.raises(InputError, match="single"):
        samples.modality("eeg")


def test_concatenation_refuses_other_modalities_and_shapes(make_samples, words):
    samples = make_samples()
    other = samples.replace(X={"eeg": samples.X})
    with pytest.raises(InputError, match="modalities"):
        Samples.concatenate([samples, other])
    with pytest.raises(InputError, match="labels"):
        Samples.concatenate([samples, samples.replace(y=None)])
    with pytest.raises(InputError, match="sfreq 64"):
        Samples.concatenate([samples, samples.replace(info={**samples.info, "sfreq": 64.0})])
    with pytest.raises(InputError) as error:
        Samples.concatenate([samples, samples.replace(X=samples.X[..., :7])])
    words(error.value, "(2, 7)", "(2, 32)")


@pytest.mark.parametrize("mmap", [None, True, False])
@pytest.mark.parametrize("modalities", [False, True])
def test_saving_and_loading_changes_nothing(make_samples, tmp_path, mmap, modalities):
    samples = make_samples()
    if modalities:
        samples = samples.replace(X={"eeg": samples.X, "bvp": samples.X[:, :1]})
    loaded = Samples.load(samples.save(tmp_path / "x"), mmap=mmap)
    assert loaded.fingerprint() == samples.fingerprint()
    assert loaded.info == samples.info
    pd.testing.assert_frame_equal(loaded.meta, samples.meta, check_dtype=False)
    array = loaded.X["eeg"] if modalities else loaded.X
    assert isinstance(array, np.memmap) == (mmap is True)


def test_large_arrays_are_mapped_by_default(make_samples, tmp_path, monkeypatch):
    monkeypatch.setattr("thymos.base.samples._MMAP_BYTES", 1000)
    assert isinstance(Samples.load(make_samples().save(tmp_path / "x")).X, np.memmap)


def test_nothing_saved_is_a_pickle_and_pickles_are_not_read(make_samples, tmp_path, words):
    folder = make_samples().save(tmp_path / "x")
    np.save(folder / "X.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError) as error:
        Samples.load(folder)
    words(error.value, "cannot be read as samples", "Samples.save")


def test_saving_never_replaces_anything_but_saved_samples(make_samples, tmp_path, words):
    samples = make_samples()
    precious = tmp_path / "mine"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(InputError) as error:
            samples.save(precious, overwrite=overwrite)
        words(error.value, "already exists")
    assert (precious / "thesis.txt").read_text() == "years of work"
    samples.save(tmp_path / "x")
    with pytest.raises(InputError, match="overwrite=True"):
        samples.save(tmp_path / "x")
    samples[:4].save(tmp_path / "x", overwrite=True)
    assert len(Samples.load(tmp_path / "x")) == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "x"], "temporary folders were left behind"


def test_samples_of_several_modalities_replace_each_other_and_nothing_beside_them(make_samples, tmp_path, words):
    samples = make_samples()
    several = samples.replace(X={"eeg": samples.X, "bvp": samples.X[:, :1]})
    several.save(tmp_path / "x")
    several[:4].save(tmp_path / "x", overwrite=True)
    assert len(Samples.load(tmp_path / "x")) == 4
    samples.save(tmp_path / "x", overwrite=True)
    several.save(tmp_path / "x", overwrite=True)
    for strange in ("X/thesis.txt", "X/more/a.npy", "more/a.npy"):
        place = tmp_path / "x" / strange
        place.parent.mkdir(exist_ok=True)
        place.write_text("years of work")
        with pytest.raises(InputError) as error:
            several.save(tmp_path / "x", overwrite=True)
        words(error.value, "beside saved samples")
        place.unlink()
        if place.parent.name == "more":
            place.parent.rmdir()


def test_a_failure_while_saving_leaves_the_old_samples(make_samples, tmp_path, monkeypatch):
    samples = make_samples()
    samples.save(tmp_path / "x")
    monkeypatch.setattr(json, "dumps", lambda *a, **k: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        samples[:4].save(tmp_path / "x", overwrite=True)
    monkeypatch.undo()
    assert len(Samples.load(tmp_path / "x")) == len(samples)
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_required_columns_and_equal_lengths(make_samples, words):
    samples = make_samples()
    with pytest.raises(InputError) as error:
        Samples(samples.X, samples.y, samples.meta.drop(columns=["trial", "stop"]))
    words(error.value, "trial, stop")
    with pytest.raises(InputError) as error:
        Samples(samples.X[:3], samples.y, samples.meta)
    words(error.value, "X 3", "meta 72")
    with pytest.raises(InputError, match="without metadata"):
        Samples(samples.X)


def test_synthetic_columns_are_always_there(make_samples):
    samples = make_samples()
    assert not samples.meta["synthetic"].any()
    assert (samples.meta["source_trial"] == "").all()


def test_rows_of_synthetic_samples_name_all_trials_that_they_come_from(make_samples):
    meta = make_samples(subjects=1).meta
    table = add_synthetic(meta, [[0, 9], [9, 0], [4, 5], [8, -1], [-1, -1]])
    pd.testing.assert_frame_equal(table[: len(meta)], meta)
    made = table[len(meta) :]
    assert made["source_trial"].tolist() == ["s0-t0 & s0-t2", "s0-t2 & s0-t0", "s0-t1", "s0-t2", ""]
    assert made["trial"].tolist() == ["s0-t0", "s0-t2", "s0-t1", "s0-t2", ""]
    assert made["start"].iloc[:4].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert np.isnan(made["start"].iloc[4])
    assert made["synthetic"].all()
    again = add_synthetic(table, [[24, 26], [28, 28], [28, 3]])  # of synthetic samples, and of one made of nothing
    assert again["source_trial"].tolist()[-3:] == ["s0-t0 & s0-t2 & s0-t1", "", "s0-t0"]
    pd.testing.assert_frame_equal(add_synthetic(meta, []), meta)
    with_holes = meta.assign(comment=pd.Series(["a", None] * 12, dtype="str"))
    assert add_synthetic(with_holes, [1, -1])["comment"].isna().sum() == 13, "missing text of others was filled in"


def test_a_table_without_trials_gets_no_origin(make_samples):
    meta = make_samples().meta.drop(columns=["trial", "source_trial", "synthetic"])
    made = add_synthetic(meta, [3, 4]).iloc[-2:]
    assert made["subject"].tolist() == ["s0", "s0"]
    assert made["synthetic"].tolist() == [True, True]
    assert made["source_trial"].tolist() == ["", ""]


@pytest.mark.parametrize("names", [("a", "b"), ("R & D", "R", "D"), ("&", "a&", "& b", " "), ("a && b", "x &", "& x")])
def test_trials_are_read_from_an_origin_whatever_their_names(make_samples, names):
    meta = make_samples(subjects=1, trials=len(names), windows=1).meta.assign(trial=names)
    origin = add_synthetic(meta, [range(len(names))])["source_trial"].iloc[-1]
    assert source_trials(origin) == list(names)
    for name, origin in zip(names, add_synthetic(meta, range(len(names)))["source_trial"][len(names) :], strict=True):
        assert source_trials(origin) == [name]


def test_target_takes_a_column_and_names_near_ones(make_samples, words):
    samples = make_samples()
    assert np.array_equal(samples.target("feeling").y, samples.meta["feeling"].to_numpy().astype(str))
    with pytest.raises(InputError) as error:
        samples.target("feelings")
    words(error.value, "'feelings'", "Did you mean 'feeling'?")
    holes = samples.replace(meta=samples.meta.assign(feeling=samples.meta["feeling"].where(samples.meta.index > 3)))
    with pytest.raises(InputError) as error:
        holes.target("feeling")
    words(error.value, "4 of 72", "drop them")


def test_fingerprint_sees_every_part(make_samples):
    samples = make_samples()
    changed = samples.X.copy()
    changed[3, 1, 4] += 1e-6
    prints = {
        samples.fingerprint(),
        samples.replace(X=changed).fingerprint(),
        samples.replace(y=samples.y[::-1]).fingerprint(),
        samples.replace(meta=samples.meta.assign(start=samples.meta["start"] + 0.1)).fingerprint(),
    }
    assert len(prints) == 4
    other = samples.meta.assign(subject="another")
    assert samples.replace(meta=other).fingerprint() not in prints
    assert make_samples().fingerprint() == samples.fingerprint()


def test_windows_of_signals_are_told_from_features(make_samples):
    samples = make_samples()
    assert samples.X.shape[2] >= 16
    assert samples.raw
    assert not samples.replace(X=samples.X[:, :, :15]).raw
    for info in ({"features": ["band_power"]}, {"modality": "features"}):
        assert not samples.replace(info={**samples.info, **info}).raw, "as long, but no signal"
