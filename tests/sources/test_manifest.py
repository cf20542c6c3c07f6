import builtins
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from thymos.base.errors import DataError, InputError, MissingExtraError, ProtocolError
from thymos.evaluation import TrialSplit
from thymos.evaluation.make import make_samples
from thymos.evaluation.runner import run_study
from thymos.evaluation.study_files import load_study
from thymos.sources import Manifest, SimulatedEEG
from thymos.sources.catalogue import SOURCES
from thymos.sources.check import check_source
from thymos.sources.signal_files import FORMATS, read_header
from thymos.sources.simulate.eeg import MONTAGES

LABELS = ("EEG FP1-REF", "CZ", "T3", "Oz.")
NAMES = ("Fp1", "Cz", "T7", "Oz")
SFREQ = 128.0


def noise(seed=0, seconds=4.0, channels=4, sfreq=SFREQ):
    return np.random.default_rng(seed).normal(0, 1e-5, (channels, round(seconds * sfreq)))


@pytest.fixture
def corpus(tmp_path, write_signals):
    """Write EDF files of two people with four trials each and return (path of the manifest, its table)."""
    rows = []
    for number, subject in enumerate(("anna", "ben")):
        for trial in range(4):
            name = f"{subject}/{trial}.edf"
            write_signals(tmp_path / name, noise(10 * number + trial), SFREQ, LABELS)
            rows.append({"path": name, "subject": subject, "feeling": ("calm", "tense")[trial % 2], "valence": trial})
    table = pd.DataFrame(rows)
    table.to_csv(tmp_path / "manifest.csv", index=False)
    return tmp_path / "manifest.csv", table


def write(path, *rows, **columns):
    """Write a manifest of rows given as text or of changed columns of the one there."""
    if rows:
        path.write_text("\n".join(rows) + "\n")
    else:
        pd.read_csv(path, dtype=str).assign(**columns).to_csv(path, index=False)
    return path


def one(path, **parameters):
    (recording,) = Manifest(path, **parameters).load()
    return recording


def refuse(words, path, *expected, error=DataError, **parameters):
    with pytest.raises(error) as caught:
        Manifest(path, **parameters).check()
    words(caught.value, *expected, "expected:")
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("suffix", FORMATS)
def test_all_formats_give_equal_data_and_metadata(tmp_path, write_signals, suffix):
    volts = noise()
    write_signals(tmp_path / f"a_raw{suffix}", volts, SFREQ, LABELS)
    head, row = "path,subject,session,trial,stimulus,feeling,valence", f"a_raw{suffix},anna,2,t1,clip,calm,3.5"
    if suffix in (".csv", ".tsv", ".txt"):
        head, row = f"{head},sfreq,unit", f"{row},128,uV"
    recording = one(write(tmp_path / "m.csv", head, row))
    signal = recording.signal("eeg")
    assert (signal.ch_names, signal.sfreq, signal.unit, signal.start) == (NAMES, SFREQ, "V", 0.0)
    assert signal.data.dtype == np.float32
    assert signal.data.shape == volts.shape
    assert np.abs(signal.data - volts).max() < 1e-8
    assert recording.meta == {
        "source": "manifest",
        "subject": "anna",
        "session": "2",
        "trial": "anna-2-t1",
        "stimulus": "clip",
        "recording": f"a_raw{suffix}",
        "feeling": "calm",
        "valence": 3.5,
    }


def test_defaults_and_types(corpus):
    path, table = corpus
    meta = pd.DataFrame([r.meta for r in Manifest(path).load()])
    assert meta["trial"].tolist() == [f"{s}-1-{k}" for s in ("anna", "ben") for k in range(4)]
    assert meta["recording"].tolist() == table["path"].tolist()
    assert meta["session"].eq("1").all()
    assert meta["stimulus"].eq("none").all()
    assert meta["valence"].dtype == np.int64
    write(path, valence=["1", "2", "?", "4", "5", "6", "7", "8"])
    assert [r.meta["valence"] for r in Manifest(path).load()][:3] == ["1", "2", "?"]
    assert Manifest(path).subjects() == ["anna", "ben"]
    assert {r.meta["subject"] for r in Manifest(path).load(["ben"])} == {"ben"}
    with pytest.raises(InputError, match="no subject carl"):
        Manifest(path).load(["carl"])


@pytest.mark.parametrize("suffix", [".edf", ".bdf", ".fif", ".vhdr", ".set", ".csv"])
def test_stretches_are_cut_by_onset_and_duration_on_the_files_clock(tmp_path, write_signals, suffix):
    volts = noise(seconds=10)
    write_signals(tmp_path / f"a_raw{suffix}", volts, SFREQ, LABELS)
    more = (",sfreq,unit", ",128,uV") if suffix == ".csv" else ("", "")
    rows = [f"a_raw{suffix},anna,1.5,2,calm{more[1]}", f"a_raw{suffix},anna,6,,tense{more[1]}"]
    path = write(tmp_path / "m.csv", f"path,subject,onset,duration,feeling{more[0]}", *rows)
    first, second = Manifest(path).load()
    assert np.abs(first.signal("eeg").data - volts[:, 192:448]).max() < 1e-8
    assert np.abs(second.signal("eeg").data - volts[:, 768:]).max() < 1e-8
    assert (first.signal("eeg").start, second.signal("eeg").start) == (1.5, 6.0)
    assert first.meta["recording"] == second.meta["recording"] == f"a_raw{suffix}"
    assert [r.meta["trial"] for r in (first, second)] == ["anna-1-a_raw-1", "anna-1-a_raw-2"]
    starts = Manifest(path).load().windows(1.0).meta["start"].tolist()
    assert starts == [1.5, 2.5, 6.0, 7.0, 8.0, 9.0]


def test_a_trial_in_pieces_keeps_its_name(tmp_path, write_signals):
    write_signals(tmp_path / "a.edf", noise(seconds=10), SFREQ, LABELS)
    rows = ["a.edf,anna,t1,0,3,calm", "a.edf,anna,t1,4,3,calm"]
    path = write(tmp_path / "m.csv", "path,subject,trial,onset,duration,feeling", *rows)
    assert [r.meta["trial"] for r in Manifest(path).load()] == ["anna-1-t1"] * 2


def test_modalities_of_one_trial_are_one_recording(tmp_path, write_signals):
    labels = (*LABELS[:3], "GSR")
    skin = np.linspace(1, 5, 4 * 32)
    write_signals(tmp_path / "a.edf", noise(), SFREQ, labels, header={3: (skin, 32, "uS")})
    pd.DataFrame({"left": np.full(40, 31.5), "right": np.full(40, 32.0)}).to_csv(tmp_path / "skin.csv", index=False)
    rows = ["a.edf,anna,t1,,,,", "a.edf,anna,t1,GSR,,,", "skin.csv,anna,t1,temp,degC,10,"]
    path = write(tmp_path / "m.csv", "path,subject,trial,modality,unit,sfreq,stimulus", *rows)
    recording = one(path)
    assert set(recording.signals) == {"eeg", "eda", "temp"}
    eda, temp = recording.signal("eda"), recording.signal("temp")
    assert (eda.sfreq, eda.unit, eda.ch_names) == (32.0, "S", ("GSR",))
    assert np.allclose(eda.data[0], skin * 1e-6, atol=1e-9)
    assert (temp.sfreq, temp.unit, temp.ch_names) == (10.0, "K", ("left", "right"))
    assert np.allclose(temp.data[0], 304.65)
    assert recording.signal("eeg").data.shape == (3, 512), "the slow channel changed the rate of the EEG"
    assert len(Manifest(path).load().windows(1.0, modality="eda")) == 4
    rows.append("a.edf,anna,t2,,,,")
    write(path, "path,subject,trial,modality,unit,sfreq,stimulus,onset,duration", *(f"{r},0,2" for r in rows[:2]))
    path.write_text(path.read_text() + "a.edf,anna,t1,,,,,2,2\n")
    with pytest.raises(DataError, match="has 2 of eeg, 1 of eda"):
        list(Manifest(path).load())


def test_channels_that_are_no_eeg_are_left_aside_and_named(tmp_path, write_signals):
    labels = ("Fp1", "HEOG", "EKG", "Resp", "Status", "Photic", "Cz")
    write_signals(tmp_path / "a.edf", noise(channels=7), SFREQ, labels, events=[(0, 1, "x")])
    path = write(tmp_path / "m.csv", "path,subject", "a.edf,anna")
    assert one(path).signal("eeg").ch_names == ("Fp1", "Cz")
    note = next(str(n) for n in Manifest(path).check() if "not used" in str(n))
    for words in ("HEOG (eog)", "EKG (ecg)", "Resp (resp)", "Status (stim)", "Photic (no name of an electrode)"):
        assert words in note


def test_bad_channels_and_electrodes_without_a_position_are_noticed(tmp_path):
    import mne

    raw = mne.io.RawArray(noise(), mne.create_info(["Fp1", "CB1", "Cz", "Fp2"], SFREQ, ["eeg"] * 3 + ["eog"]))
    raw.info["bads"] = ["Cz"]
    raw.save(tmp_path / "a_raw.fif", verbose="ERROR")
    path = write(tmp_path / "m.csv", "path,subject", "a_raw.fif,anna")
    assert one(path).signal("eeg").ch_names == ("Fp1", "CB1", "Cz")
    notes = "\n".join(map(str, Manifest(path).check()))
    for words in ("marked bad in the file and used as they are: Cz", "CB1: outside the 10-05 system", "Fp2 (eog)"):
        assert words in notes


def test_montages_meet_in_their_common_channels(tmp_path, write_signals, words):
    a, b = noise(0), noise(1)
    write_signals(tmp_path / "a.edf", a, SFREQ, ("T3", "Cz", "Oz", "Fz"))
    write_signals(tmp_path / "b.edf", b, SFREQ, ("EEG Oz-LE", "EEG CZ-LE", "EEG T7-LE", "EEG P3-LE"))
    path = write(tmp_path / "m.csv", "path,subject", "a.edf,anna", "b.edf,ben")
    first, second = Manifest(path).load()
    assert first.signal("eeg").ch_names == second.signal("eeg").ch_names == ("T7", "Cz", "Oz")
    assert np.abs(second.signal("eeg").data - b[[2, 1, 0]]).max() < 1e-8
    assert any("Fz (not in all files" in str(n) for n in Manifest(path).check())
    refuse(words, path, "2 of 2 files lack channels", "a.edf lacks P3; b.edf lacks Fz", "common", channels="all")
    refuse(words, path, "1 of 2 files", "b.edf lacks Fz", "interpolate: true", channels=["Fz", "Cz"])
    first, second = Manifest(path, channels=["Oz", "T3"]).load()
    assert second.signal("eeg").ch_names == ("Oz", "T7")
    assert np.abs(second.signal("eeg").data - b[[0, 2]]).max() < 1e-8


def test_missing_channels_are_interpolated_on_request_and_named(tmp_path, write_signals, words):
    (recording,) = SimulatedEEG(subjects=1, trials=1, seconds=4.0, artifacts=False).load()
    cap, field = MONTAGES["deap32"], recording.signal("eeg").data.astype(float)
    there = [k for k, name in enumerate(cap) if name not in {"Cz", "P3"}]
    write_signals(tmp_path / "a.edf", field, SFREQ, cap)
    write_signals(tmp_path / "b.edf", field[there], SFREQ, [cap[k] for k in there])
    path = write(tmp_path / "m.csv", "path,subject", "a.edf,anna", "b.edf,ben")
    refuse(words, path, "b.edf lacks P3, Cz", channels="all")
    whole, filled = Manifest(path, channels="all", interpolate=True).load()
    assert whole.signal("eeg").ch_names == filled.signal("eeg").ch_names == cap
    assert (whole.meta["interpolated"], filled.meta["interpolated"]) == ("", "P3,Cz")
    for name in ("P3", "Cz"):
        a, b = (r.signal("eeg").data[cap.index(name)] for r in (whole, filled))
        assert np.corrcoef(a, b)[0, 1] > 0.8
    assert np.array_equal(whole.signal("eeg").data[0], filled.signal("eeg").data[0])
    notes = [str(n) for n in Manifest(path, channels=["Cz"], interpolate=True).check()]
    assert "b.edf: interpolated: Cz" in notes
    write_signals(tmp_path / "b.edf", field[:4], SFREQ, cap[:4])
    with pytest.raises(InputError) as error:
        list(Manifest(path, channels="all", interpolate=True).load())
    words(error.value, "only 4 of the channels", "at least 8")


def test_own_names_are_taken_only_when_listed(tmp_path, write_signals, words):
    volts = noise(channels=2)
    write_signals(tmp_path / "a.edf", volts, SFREQ, ("EXG 0", "EXG 1"))
    path = write(tmp_path / "m.csv", "path,subject", "a.edf,anna")
    refuse(words, path, "a.edf has no channel with the name of an electrode", "EXG 0, EXG 1", "`channels`")
    signal = one(path, channels=["EXG 1"]).signal("eeg")
    assert signal.ch_names == ("EXG 1",)
    assert np.abs(signal.data[0] - volts[1]).max() < 1e-8


def test_units_of_tables_are_declared_or_reported(tmp_path, write_signals):
    volts = noise()
    write_signals(tmp_path / "a.csv", volts, SFREQ, LABELS)
    path = write(tmp_path / "m.csv", "path,subject,sfreq", "a.csv,anna,128")
    assert np.abs(one(path).signal("eeg").data - volts).max() < 1e-8
    assert any("no unit is given; the values are taken as uV" in str(n) for n in Manifest(path).check())
    write(path, unit="nV")
    assert np.abs(one(path).signal("eeg").data - volts * 1e-3).max() < 1e-8
    assert not any("no unit" in str(n) for n in Manifest(path).check())
    assert one(write(path, unit=""), unit="mV").signal("eeg").data.std() == pytest.approx(volts.std() * 1e3, rel=1e-3)


def test_an_unlikely_amplitude_and_a_flat_channel_are_noticed(tmp_path, write_signals):
    write_signals(tmp_path / "a.csv", noise() * 1e4, SFREQ, LABELS)
    path = write(tmp_path / "m.csv", "path,subject,sfreq,unit", "a.csv,anna,128,uV")
    assert any("too large for EEG" in str(n) and "1e+5 uV" in str(n) for n in Manifest(path).check())
    write(path, unit="nV")
    assert not any("too" in str(n) for n in Manifest(path).check())
    flat = noise()
    flat[1] = 3e-6
    write_signals(tmp_path / "a.csv", flat, SFREQ, LABELS)
    assert any("flat (all values equal): Cz" in str(n) for n in Manifest(path).check())


def test_different_rates_are_noticed_and_refused_by_windows(tmp_path, write_signals, words):
    write_signals(tmp_path / "a.edf", noise(), SFREQ, LABELS)
    write_signals(tmp_path / "b.edf", noise(sfreq=256.0), 256.0, LABELS)
    path = write(tmp_path / "m.csv", "path,subject", "a.edf,anna", "b.edf,ben")
    assert any("process: [{resample: {to: 128}}]" in str(n) for n in Manifest(path).check())
    with pytest.raises(InputError) as error:
        Manifest(path).load().windows(1.0)
    words(error.value, "resample")
    assert len(Manifest(path).load().process("resample", to=128).windows(1.0)) == 8


def test_few_trials_are_noticed_and_refused_by_the_protocol(corpus, words):
    path, table = corpus
    assert [str(n) for n in Manifest(path).check()] == []
    table.iloc[:5].to_csv(path, index=False)
    notes = [str(n) for n in Manifest(path).check()]
    assert any("1 of 2 subjects have a single trial (ben)" in n and "protocols trial" in n for n in notes)
    assert any("feeling: 1 classes have a single trial within a subject (calm of ben)" in n for n in notes)
    study = {
        "name": "own",
        "title": "Own",
        "source": {"manifest": {"path": str(path)}},
        "windows": {"seconds": 1.0},
        "target": {"label": "feeling"},
        "protocols": {"trial": {}},
        "methods": {"lda": {"steps": ["window_statistics", "flatten", "lda"]}},
    }
    file = path.with_name("study.yaml")
    file.write_text(yaml.safe_dump(study))
    samples = make_samples(load_study(file))
    with pytest.raises(ProtocolError) as error:
        TrialSplit().folds(samples.meta, samples.y)
    words(error.value, "subject ben cannot be split", "one trial", "at least two trials of every class")
    table.iloc[[0, 2, 4, 6]].to_csv(path, index=False)
    assert any("feeling is 'calm' everywhere" in str(n) for n in Manifest(path).check())
    table.iloc[[0, 2, 5, 7]].to_csv(path, index=False)
    assert any("all trials of anna, ben have one class" in str(n) for n in Manifest(path).check())
    table.iloc[:4].to_csv(path, index=False)
    assert any("one subject: the protocols loso" in str(n) for n in Manifest(path).check())


HEAD = "path,subject,trial,onset,duration,feeling"
GOOD = "anna/0.edf,anna,t1,0,2,calm"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([HEAD, GOOD, "no.edf,anna,t2,,,calm", "ben/9.edf,ben,t,,,calm"], ["2 of the files", "no.edf", "9.edf"]),
        ([HEAD, GOOD, GOOD.replace("t1", "t2")], ["lines 2 and 3", "0.edf is listed twice", "duplicate"]),
        ([HEAD, GOOD, GOOD], ["lines 2 and 3", "listed twice"]),
        ([HEAD, GOOD, "./anna/../anna/0.edf,anna,t2,0,2,tense"], ["listed twice, with different labels"]),
        ([HEAD, GOOD, "anna/0.edf,anna,t2,1.5,2,tense"], ["overlap by 0.50 s, with different labels", "duration"]),
        ([HEAD, GOOD, "anna/0.edf,anna,t1,1,2,calm"], ["overlap by 1.00 s", "lines 2 and 3"]),
        ([HEAD, "anna/0.edf,anna,t0,0,4,calm", GOOD, "anna/0.edf,anna,t2,3,1,calm"], ["overlap", "2 and 3"]),
        ([HEAD, GOOD, "anna/0.edf,anna,t1,2,2,tense"], ["trial 'anna-1-t1' has two values of feeling", "column trial"]),
        ([HEAD, GOOD, "anna/1.edf,anna,t2,,,"], ["line 3", "the label 'feeling' is empty", "fill it in"]),
        ([HEAD, GOOD, "anna/1.edf,anna,t2,,,n/a"], ["line 3", "the label 'feeling' is empty"]),
        ([HEAD, GOOD, "anna/1.edf,anna,t2,soon,2,calm"], ["line 3", "onset is 'soon'", "seconds from the start"]),
        ([HEAD, GOOD, 'anna/1.edf,anna,t2,"0,5",2,calm'], ["line 3", "onset is '0,5'", "decimal point"]),
        ([HEAD, GOOD, "anna/1.edf,anna,t2,-1,2,calm"], ["line 3", "onset is '-1'"]),
        ([HEAD, GOOD, "anna/1.edf,anna,t2,0,0,calm"], ["line 3", "duration is '0'", "more than 0"]),
        ([HEAD, GOOD, "anna/1.edf,anna,t2,3,2,calm"], ["line 3", "from 3 s to 5 s", "4.00 s long", "milliseconds"]),
        ([HEAD, GOOD, "anna/1.edf,anna,t2,9,,calm"], ["line 3", "does not lie in 1.edf"]),
        ([HEAD, GOOD, "", ",ben,t2,0,2,calm"], ["line 4", "path is empty"]),
        ([HEAD, GOOD, "anna/1.edf,,t2,0,2,calm"], ["line 3", "subject is empty"]),
        ([HEAD], ["lists no recordings"]),
        ([HEAD.replace("path", "paht"), GOOD], ["no column 'path'", "Did you mean 'paht'"]),
        ([HEAD.replace("trial", "feeling"), GOOD], ["twice the column 'feeling'"]),
        ([HEAD, GOOD, GOOD + ",x"], ["cannot be read", "line 3"]),
        (["path,subject,sfreq", "anna/0.edf,anna,256"], ["line 2", "sfreq is 256 Hz", "0.edf says 128 Hz"]),
        (["path,subject,sfreq", "anna/0.edf,anna,fast"], ["line 2", "sfreq is 'fast'", "rate in Hz"]),
        (["path,subject,unit", "anna/0.edf,anna,uV"], ["line 2", "says its unit itself", "leave the unit empty"]),
        (["path,subject,unit", "anna/0.edf,anna,uW"], ["line 2", "no unit 'uW'", "Did you mean 'uV'"]),
        (["path,subject,modality", "anna/0.edf,anna,ecg"], ["line 2", "no channel of the modality 'ecg'", "eeg"]),
        (["path,subject", "manifest.xlsx,anna"], ["the ending '.xlsx'", ".edf, .bdf, .fif"]),
        (["path,subject,recording", "anna/0.edf,a,r", "anna/1.edf,a,r"], ["'r' has two eeg files", "0.edf and 1.edf"]),
    ],
)
def test_a_wrong_manifest_ends_with_one_message(corpus, words, rows, expected):
    path, _ = corpus
    path.with_name("manifest.xlsx").write_bytes(b"")
    refuse(words, write(path, *rows), *expected)


def test_labels_may_be_declared(corpus, words):
    path, _ = corpus
    allowed = {"feeling": ["calm", "tense"]}
    assert len(list(Manifest(path, labels=allowed).load())) == 8
    write(path, feeling=["calm", "tense", "tens", *["calm"] * 5])
    refuse(words, path, "line 4", "feeling is 'tens'", "Did you mean 'tense'", "calm, tense", labels=allowed)
    refuse(words, path, "no label column 'feelings'", "Did you mean 'feeling'", labels=["feelings"])
    write(path, valence=["1", "", *["2.5"] * 6])
    refuse(words, path, "line 3", "'valence' is empty", "labels: [...]")
    values = [r.meta["valence"] for r in Manifest(path, labels=["feeling"]).load()]
    assert values[0] == 1.0
    assert np.isnan(values[1])


def test_wrong_parameters_are_said_in_words(corpus, words):
    path, _ = corpus
    for parameters, expected in (
        ({"channels": "comon"}, ["'comon'", "'common'", "list of channel names"]),
        ({"channels": []}, ["empty list"]),
        ({"unit": "S"}, ["unit='S'", "V, mV, uV"]),
        ({"channels": ["T3", "T7"]}, ["T7 twice"]),
    ):
        refuse(words, path, *expected, error=InputError, **parameters)
    refuse(words, path.with_name("no.csv"), "no manifest", "thymos init")


@pytest.mark.parametrize("suffix", [".edf", ".bdf"])
def test_a_file_cut_off_is_refused_with_the_missing_seconds(tmp_path, write_signals, words, suffix):
    file = write_signals(tmp_path / f"a{suffix}", noise(seconds=20), SFREQ, LABELS)
    content = file.read_bytes()
    path = write(tmp_path / "m.csv", "path,subject,duration", f"a{suffix},anna,2")
    header = 256 * 5
    file.write_bytes(content[: header + (len(content) - header) // 4])
    refuse(words, path, f"a{suffix} is cut off", "5.0 of the 20.0 s", "15.0 s are missing", "copy it again")
    file.write_bytes(content[:700])
    refuse(words, path, f"a{suffix} cannot be read", "header is cut off")
    file.write_bytes(b"")
    refuse(words, path, f"a{suffix} cannot be read", "copy or export it again")
    file.write_bytes(content + b"\0" * 4096)
    assert any("more than its header says" in str(n) for n in Manifest(path).check())
    file.write_bytes(content[:236] + b"-1      " + content[244:])
    assert any("does not say how long" in str(n) for n in Manifest(path).check())
    assert one(path).signal("eeg").data.shape == (4, 256)
    file.write_bytes(content[:192] + suffix[1:].upper().encode() + b"+D" + content[197:])
    refuse(words, path, "with interruptions", "a file of its own")


@pytest.mark.parametrize("suffix", [".edf", ".bdf", ".fif", ".vhdr", ".set"])
def test_unreadable_files_end_with_one_message(tmp_path, words, suffix):
    (tmp_path / f"a_raw{suffix}").write_bytes(b"\x89PNG\r\n\xff\xfe\x00\x01" * 500)
    path = write(tmp_path / "m.csv", "path,subject", f"a_raw{suffix},anna")
    refuse(words, path, f"a_raw{suffix} cannot be read", "again")


def test_a_brainvision_file_without_its_data_is_said_in_words(tmp_path, write_signals, words):
    write_signals(tmp_path / "a.vhdr", noise(), SFREQ, LABELS)
    (tmp_path / "a.eeg").unlink()
    refuse(words, write(tmp_path / "m.csv", "path,subject", "a.vhdr,anna"), "a.vhdr cannot be read", "all its files")


def test_values_that_are_missing_are_counted(tmp_path, write_signals, words):
    volts = noise()
    volts[1, 10:13] = np.nan
    volts[3, 100] = np.inf
    write_signals(tmp_path / "a_raw.fif", volts, SFREQ, LABELS)
    path = write(tmp_path / "m.csv", "path,subject", "a_raw.fif,anna")
    refuse(words, path, "a_raw.fif", "4 of 2048 values", "3 in CZ, 1 in Oz.", "onset and duration")
    write(path, "path,subject,onset", "a_raw.fif,anna,1")
    assert np.isfinite(one(path).signal("eeg").data).all()
    table = pd.DataFrame(noise().T * 1e6, columns=LABELS)
    table.iloc[5, 0] = np.nan
    table.to_csv(tmp_path / "a.csv", index=False)
    refuse(words, write(path, "path,subject,sfreq", "a.csv,anna,128"), "a.csv", "1 in EEG FP1-REF")


def test_one_electrode_twice_and_other_units_are_said_in_words(tmp_path, write_signals, words):
    write_signals(tmp_path / "a.edf", noise(), SFREQ, ("Fz-A1", "Fz-A2", "Cz", "T7"))
    path = write(tmp_path / "m.csv", "path,subject", "a.edf,anna")
    refuse(words, path, "'Fz-A1' and 'Fz-A2' are the same electrode, Fz")
    volts = noise()
    write_signals(tmp_path / "a.edf", volts, SFREQ, LABELS, unit="UV")
    refuse(words, path, "line 2", "the unit of 'EEG FP1-REF' in a.edf is 'UV'", "column unit")
    write(path, unit="uV")
    assert np.abs(one(path).signal("eeg").data - volts).max() < 1e-8
    other = {2: (noise(1, channels=1, sfreq=64.0)[0] * 1e6, 64, "uV")}
    write_signals(tmp_path / "a.edf", volts, SFREQ, LABELS, header=other)
    write(path, "path,subject", "a.edf,anna")
    refuse(words, path, "line 2", "the rates 64, 128 Hz", "one rate")


def stamped(tmp_path, stamps, name="time"):
    table = pd.DataFrame(noise(seconds=len(stamps) / SFREQ).T * 1e6, columns=LABELS)
    table.insert(0, name, stamps)
    table.to_csv(tmp_path / "a.csv", index=False)
    return table


def test_time_stamps_check_the_rate_and_show_gaps(tmp_path, words):
    stamps = 1.5e9 + np.arange(640) / SFREQ
    table = stamped(tmp_path, np.round(stamps, 3), "Timestamps")
    path = write(tmp_path / "m.csv", "path,subject,sfreq,unit", "a.csv,anna,128,uV")
    signal = one(path).signal("eeg")
    assert signal.ch_names == NAMES
    assert np.allclose(signal.data, table[list(LABELS)].to_numpy().T * 1e-6)
    refuse(words, write(path, sfreq="125"), "line 2", "128 Hz, sfreq says 125 Hz", "correct sfreq")
    write(path, sfreq="127")
    assert one(path).signal("eeg").sfreq == 127
    stamped(tmp_path, stamps + 2.0 * (np.arange(640) >= 256))
    refuse(words, write(path, sfreq="128"), "1 gaps", "of 2.00 s, begins at 2.000 s", "next begins at 4.000 s")
    rows = ["a.csv,anna,128,uV,0,2", "a.csv,anna,128,uV,4.0,3"]
    write(path, "path,subject,sfreq,unit,onset,duration", *rows)
    assert [r.signal("eeg").data.shape[1] for r in Manifest(path).load()] == [256, 384]
    stamped(tmp_path, stamps[::-1])
    refuse(words, path, "a.csv, line 3", "not later than the one before")


@pytest.mark.parametrize(
    ("text", "sfreq", "expected"),
    [
        ("Fz,Cz\n1,2\n3,oops\n", "128", ["line 3, column Cz", "'oops' is not a number"]),
        ("1,2\n3,4\n", "128", ["first line holds numbers", "names of the channels"]),
        ("", "128", ["is empty"]),
        ("Fz,Cz\n1,2\n", "128", ["has 1 rows"]),
        ("Fz,Cz\n1,2\n3,4\n", "", ["line 2", "does not say its sampling rate", "column sfreq"]),
    ],
)
def test_damaged_tables_are_said_in_words(tmp_path, words, text, sfreq, expected):
    (tmp_path / "a.csv").write_text(text)
    refuse(words, write(tmp_path / "m.csv", "path,subject,sfreq", f"a.csv,anna,{sfreq}"), "a.csv", *expected)


def test_interruptions_inside_a_file_are_refused(tmp_path, write_signals, words):
    events = [(2.0, 0.0, "BAD boundary"), (2.0, 0.0, "EDGE boundary"), (1.0, 1.0, "laughing")]
    write_signals(tmp_path / "a_raw.fif", noise(), SFREQ, LABELS, events=events)
    path = write(tmp_path / "m.csv", "path,subject", "a_raw.fif,anna")
    refuse(words, path, "line 2", "a_raw.fif was interrupted at 2.000 s", "rows of their own")
    rows = ["a_raw.fif,anna,0,2", "a_raw.fif,anna,2,2"]
    assert len(list(Manifest(write(path, "path,subject,onset,duration", *rows)).load())) == 2
    assert [(e.onset, e.text) for e in read_header(tmp_path / "a_raw.fif").events] == [(1.0, "laughing")]


def test_events_of_a_file_that_starts_late_are_on_its_own_clock(tmp_path, write_signals):
    import mne

    info = mne.create_info(list(NAMES), SFREQ, "eeg")
    raw = mne.io.RawArray(noise(seconds=10), info, verbose="ERROR")
    raw.set_meas_date(0)
    raw.set_annotations(mne.Annotations([5.0], [1.0], ["x"], orig_time=raw.info["meas_date"]))
    raw.crop(tmin=3.0).save(tmp_path / "a_raw.fif", verbose="ERROR")
    assert [(e.onset, e.duration) for e in read_header(tmp_path / "a_raw.fif").events] == [(2.0, 1.0)]


def test_a_manifest_saved_by_a_spreadsheet_is_read(corpus):
    path, table = corpus
    text = table.rename(columns={"path": "Path ", "subject": "SUBJECT"}).to_csv(sep=";", index=False)
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b";;;\r\n")
    assert len(list(Manifest(path).load())) == 8
    path.write_bytes("path,subject\nä.edf,ä\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        Manifest(path).subjects()


def test_everything_is_checked_before_the_first_recording(corpus):
    path, _ = corpus
    file = path.parent / "ben" / "3.edf"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(DataError, match="cut off"):
        next(iter(Manifest(path).load(["anna"])))


def test_a_recording_of_several_people_is_noticed(tmp_path, write_signals):
    write_signals(tmp_path / "a.edf", noise(), SFREQ, LABELS)
    rows = ["a.edf,anna,0,2", "a.edf,ben,2,2"]
    path = write(tmp_path / "m.csv", "path,subject,onset,duration", *rows)
    assert any("a.edf is a recording of several subjects" in str(n) for n in Manifest(path).check())


def test_files_of_one_name_in_two_folders_are_two_trials(corpus):
    path, _ = corpus
    shutil.copytree(path.parent / "anna", path.parent / "carl")
    write(path, "path,subject,feeling", "anna/0.edf,anna,calm", "carl/0.edf,anna,tense")
    assert [r.meta["trial"] for r in Manifest(path).load()] == ["anna-1-anna-0", "anna-1-carl-0"]


def test_without_its_extra_an_eeglab_file_names_the_install_line(tmp_path, write_signals, monkeypatch, words):
    write_signals(tmp_path / "a.set", noise(), SFREQ, LABELS)
    path = write(tmp_path / "m.csv", "path,subject", "a.set,anna")
    monkeypatch.delitem(sys.modules, "pymatreader", raising=False)
    real = builtins.__import__
    monkeypatch.setattr(
        "importlib.import_module",
        lambda name: real(name) if name != "pymatreader" else (_ for _ in ()).throw(ModuleNotFoundError(name)),
    )
    with pytest.raises(MissingExtraError) as error:
        Manifest(path).check()
    words(error.value, "pymatreader", "pip install 'thymos[eeglab]'")


def test_a_check_names_every_fault_once_and_looks_at_all_that_is_left(corpus, write_signals):
    path, table = corpus
    folder = path.parent
    (folder / "anna/1.edf").write_bytes((folder / "anna/1.edf").read_bytes()[:-300])
    (folder / "ben/0.edf").unlink()
    frame = pd.DataFrame(noise(3).T * 1e6, columns=NAMES)
    frame.iloc[7, 2] = np.nan
    frame.to_csv(folder / "ben/nan.csv", index=False)
    rows = [f"{p},{s},{f},," for p, s, f in zip(table["path"], table["subject"], table["feeling"], strict=True)]
    rows[5] = "ben/nan.csv,ben,tense,128,uV"
    rows += ["ben/3.edf,ben,tense,,"]
    write(path, "path,subject,feeling,sfreq,unit", *rows)
    found = check_source(Manifest(path), "manifest", SOURCES["manifest"])
    red = [line.text for line in found.lines if line.level == "red"]
    for words in ("0.edf", "1.edf is cut off", "lines 9 and 10: the same eeg stretch", "nan.csv: 1 of 2048 values"):
        assert sum(words in text for text in red) == 1, (words, red)
    assert len(red) == 4
    yellow = [line.text for line in found.lines if line.level == "yellow"]
    assert "6 trials in 6 recordings; what is named as wrong is not counted" in yellow
    assert "of 1 of 6 recordings it cannot be read" in yellow


def test_a_check_counts_the_classes_of_every_label_column(corpus):
    path, _ = corpus
    write(path, feeling=["happy", "hapy", *["sad"] * 6], rating=[str(k / 7) for k in range(8)])
    found = check_source(Manifest(path), "manifest", SOURCES["manifest"])
    green = [line.text for line in found.lines if line.topic == "labels"]
    assert "feeling: happy 1 (12.5%), hapy 1 (12.5%), sad 6 (75.0%)" in green
    assert found.labels["feeling"]["balance"] == {"classes": {"happy": 1, "hapy": 1, "sad": 6}}


def test_time_stamps_in_milliseconds_are_called_so(tmp_path, write_signals, words):
    write_signals(tmp_path / "a.csv", noise(), SFREQ, LABELS)
    table = pd.read_csv(tmp_path / "a.csv")
    table.insert(0, "time", (np.arange(len(table)) * 1000 / SFREQ).round())
    table.to_csv(tmp_path / "a.csv", index=False)
    path = write(tmp_path / "m.csv", "path,subject,sfreq,unit", "a.csv,anna,128,uV")
    refuse(words, path, "look like milliseconds", "seconds")


def test_a_folder_in_the_place_of_a_manifest_is_called_one(corpus, words):
    path, _ = corpus
    refuse(words, path.parent, "is a folder", "manifest.csv")


def test_the_study_of_the_page_on_signals_of_the_body_runs(tmp_path):
    page = Path(__file__).parents[2] / "docs/own-recordings.md"
    text = page.read_text().split("## Pulse, skin and other tables")[1].split("\n## ")[0]
    (study,) = re.findall(r"^```yaml\n(.*?)^```", text, re.S | re.M)
    (tmp_path / "study.yaml").write_text(study)
    rng, rows = np.random.default_rng(0), ["path,subject,trial,modality,sfreq,unit,label"]
    for s, feeling, k in ((s, f, k) for s in "12" for f in ("calm", "tense") for k in "12"):
        for modality, rate, unit in (("bvp", 64, "none"), ("eda", 4, "uS")):
            time = np.arange(60 * rate) / rate
            values = np.sin(2 * np.pi * (1.0 + (feeling == "tense") / 3) * time) + rng.normal(3, 0.02, len(time))
            name = f"s{s}_{feeling}_{k}_{modality.upper()}.csv"
            pd.DataFrame({"time": time, modality.upper(): values}).to_csv(tmp_path / name, index=False)
            rows.append(f"{name},s{s},{feeling}-{k},{modality},{rate},{unit},{feeling}")
    write(tmp_path / "manifest.csv", *rows)
    plan = load_study(tmp_path / "study.yaml", "tiny")
    samples = make_samples(plan)
    assert set(samples.meta["subject"]) == {"s1", "s2"}
    assert not run_study(plan, tmp_path / "run").failed


def test_the_catalogue_speaks_of_own_recordings_in_words_for_reports():
    row = SOURCES["manifest"]
    assert "`" not in row.summary + row.citation
    assert "thymos init" not in row.summary
