from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest

from thymos.base.errors import DataError, InputError
from thymos.evaluation.make import make_samples
from thymos.evaluation.study import make_protocol
from thymos.evaluation.study_files import load_study
from thymos.sources import Manifest
from thymos.sources.init import guess_names, start_study

SFREQ = 128.0
LABELS = ("Fp1", "Cz", "T7", "Oz")


def noise(seed=0, seconds=4.0, sfreq=SFREQ):
    return np.random.default_rng(seed).normal(0, 1e-5, (4, round(seconds * sfreq)))


@pytest.fixture
def fill(tmp_path, write_signals):
    """Return a writer of files with the given names below a folder, which it returns."""

    def make(*names, seconds=4.0, sfreq=SFREQ, events=()):
        for number, name in enumerate(names):
            write_signals(tmp_path / "own" / name, noise(number, seconds, sfreq), sfreq, LABELS, events)
        return tmp_path / "own"

    return make


def rows(folder):
    return pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)


def names_of(people, feelings, numbers, form="{}_{}_{}.edf"):
    return [form.format(p, f, n) for p in people for f in feelings for n in numbers]


def guessed(*names):
    return pd.DataFrame(guess_names([Path(name) for name in names]).columns)


@pytest.mark.parametrize(
    "form",
    [
        "{0}_{1}_{2}.edf",
        "{0}/{1}_{2}.edf",
        "{0}/{1}/{2}.edf",
        "{1}/{0} {2}.edf",
        "eeg_{2}_{1}-{0}.edf",
        "{0}.{1}.run{2}.edf",
    ],
)
def test_subject_label_and_trial_are_found_wherever_they_stand(form):
    table = guessed(*names_of(("anna", "ben", "carl"), ("happy", "sad"), (1, 2), form))
    assert table["subject"].tolist() == ["anna"] * 4 + ["ben"] * 4 + ["carl"] * 4
    assert table["label"].tolist() == ["happy", "happy", "sad", "sad"] * 3
    assert table["trial"].iloc[0] != table["trial"].iloc[1]
    assert not table.duplicated(["subject", "session", "trial"]).any()


def test_subjects_and_sessions_are_known_by_their_form():
    table = guessed(*(f"clip{c}_s{s:02d}_day{d}.edf" for s in (1, 2) for d in (1, 2) for c in (1, 2)))
    assert table["subject"].tolist() == ["s01"] * 4 + ["s02"] * 4
    assert table["session"].tolist() == ["day1", "day1", "day2", "day2"] * 2
    assert table["trial"].tolist() == ["clip1", "clip2"] * 4
    assert table["label"].eq("").all()


def test_words_that_recur_across_subjects_are_a_label_and_others_are_not():
    table = guessed(*names_of(("anna", "ben"), ("blue", "red"), (1, 2)))
    assert set(table["label"]) == {"blue", "red"}
    table = guessed("anna_film_1.edf", "anna_book_1.edf", "ben_film_1.edf", "ben_talk_1.edf")
    assert table["label"].eq("").all()
    assert not table.duplicated(["subject", "trial"]).any()


def test_bids_names():
    names = [
        f"sub-0{s}/ses-{d}/eeg/sub-0{s}_ses-{d}_task-{t}_eeg.edf" for s in (1, 2) for d in "12" for t in ("a", "b")
    ]
    table = guessed(*names)
    assert table["subject"].tolist() == ["01"] * 4 + ["02"] * 4
    assert table["session"].tolist() == ["1", "1", "2", "2"] * 2
    assert table["label"].tolist() == ["a", "b"] * 4
    table = guessed(*(f"sub-{s}_task-film_run-{r}_eeg.edf" for s in "12" for r in "12"))
    assert table["trial"].tolist() == ["film-1", "film-2"] * 2
    assert table["label"].eq("").all()


def test_what_cannot_be_guessed_is_empty_and_said(fill):
    outcome = start_study(fill("1.edf", "2.edf", "3.edf"))
    table = rows(outcome.manifest.parent)
    assert table["subject"].eq("").all()
    assert table["label"].eq("").all()
    text = "\n".join(outcome.guessed)
    assert "subject: NOT guessed" in text
    assert "label: NOT guessed for 3 of 3 rows" in text
    with pytest.raises(DataError, match="line 2: the label 'label' is empty"):
        Manifest(outcome.manifest).subjects()
    load_study(outcome.study)


def test_the_study_is_valid_and_fits_the_data(fill):
    folder = fill(*names_of(("anna", "ben"), ("calm", "tense"), (1, 2)))
    outcome = start_study(folder)
    assert Manifest(outcome.manifest).check() == []
    for budget in ("tiny", "quick", "full"):
        study = load_study(outcome.study, budget)
        assert list(study.protocols) == ["loso", "trial", "random_window"]
        assert study.windows.seconds == 1.0
        assert study.process == []
        samples = make_samples(study)
        assert len(samples) == (16 if budget == "tiny" else 32)
        assert set(samples.y) == {"calm", "tense"}
        for name in study.protocols:
            assert make_protocol(study, name).folds(samples.meta, samples.y)


def test_protocols_that_the_data_do_not_allow_are_left_out_and_said(fill):
    outcome = start_study(fill(*names_of(("anna", "ben"), ("calm", "tense"), (1,))))
    study = load_study(outcome.study)
    assert list(study.protocols) == ["loso", "random_window"]
    assert any("protocol trial: left out" in words for words in outcome.guessed)


def test_one_subject_gets_the_protocol_trial(fill):
    outcome = start_study(fill(*names_of(("s1",), ("calm", "tense"), (1, 2)), seconds=12.0))
    study = load_study(outcome.study)
    assert list(study.protocols) == ["trial", "random_window"]
    assert study.protocols["random_window"].twin_of == "trial"
    assert study.windows.seconds == 2.0
    assert any("protocol loso: left out" in words for words in outcome.guessed)


def test_nothing_honest_is_said_plainly(fill):
    outcome = start_study(fill("s1_calm_1.edf", "s1_tense_1.edf"))
    assert any("NO honest protocol" in words for words in outcome.guessed)
    load_study(outcome.study)


def test_rates_are_brought_together(fill, tmp_path, write_signals):
    folder = fill(*names_of(("anna", "ben"), ("calm", "tense"), (1, 2)), sfreq=256.0)
    write_signals(folder / "anna_calm_3.edf", noise(seconds=4, sfreq=80.0), 80.0, LABELS)
    study = load_study(start_study(folder).study)
    assert [(step.name, step.parameters) for step in study.process] == [("resample", {"to": 80})]
    assert make_samples(study).info["sfreq"] == 80.0
    assert list(study.methods["lda"].steps[0].parameters["bands"]) == ["theta", "alpha", "beta"]


def test_annotations_with_a_duration_become_rows(fill):
    events = [(1.0, 2.0, "happy"), (4.0, 2.5, "sad"), (7.0, 0.0, "key"), (8.0, 1.0, "BAD_blink")]
    outcome = start_study(fill("anna.edf", "ben_raw.fif", seconds=10.0, events=events))
    table = rows(outcome.manifest.parent)
    assert table["label"].tolist() == ["happy", "sad"] * 2
    assert table["onset"].astype(float).tolist() == [1.0, 4.0] * 2
    assert table["duration"].astype(float).tolist() == [2.0, 2.5] * 2
    assert table["subject"].tolist() == ["anna", "anna", "ben", "ben"]
    assert any("4 stretches with onset and duration from the annotations" in words for words in outcome.guessed)
    recordings = list(Manifest(outcome.manifest).load())
    assert [r.signal("eeg").duration for r in recordings] == [2.0, 2.5] * 2


def test_events_of_bids_win_over_names(fill):
    folder = fill("sub-01_task-film_eeg.edf", "sub-02_task-film_eeg.edf", seconds=10.0)
    for number in "12":
        (folder / f"sub-0{number}_task-film_events.tsv").write_text(
            "onset\tduration\ttrial_type\n0\t3\tcalm\n3.5\t3\ttense\n7\t0\tpress\n8\t1\tn/a\n"
        )
    outcome = start_study(folder)
    table = rows(folder)
    assert table["label"].tolist() == ["calm", "tense"] * 2
    assert table["subject"].tolist() == ["01", "01", "02", "02"]
    assert [r.signal("eeg").start for r in Manifest(outcome.manifest).load()] == [0.0, 3.5] * 2


def test_events_without_duration_give_no_rows_and_are_said(fill):
    outcome = start_study(fill("anna.edf", "ben.edf", seconds=5.0, events=[(1.0, 0.0, "key")]))
    assert len(rows(outcome.manifest.parent)) == 2
    assert any("2 files mark events without a duration" in words for words in outcome.guessed)


def test_tables_are_listed_with_unit_and_rate_and_other_tables_are_not(fill):
    folder = fill(*names_of(("anna", "ben"), ("calm", "tense"), (1, 2), "{}_{}_{}.csv"))
    (folder / "participants.tsv").write_text("participant_id\tage\nsub-01\t30\nsub-02\t31\nsub-03\t32\n")
    (folder / "notes.txt").write_text("all went well\n")
    table = pd.read_csv(folder / "anna_calm_1.csv")
    table.insert(0, "time", np.arange(len(table)) / SFREQ)
    table.to_csv(folder / "anna_calm_1.csv", index=False)
    outcome = start_study(folder)
    table = rows(folder)
    assert len(table) == 8
    assert table["unit"].eq("uV").all()
    assert table["sfreq"].tolist() == ["128"] + [""] * 7
    assert any("sfreq: NOT found" in words for words in outcome.guessed)
    assert any("uV is assumed" in words for words in outcome.guessed)


def test_parts_of_a_split_file_are_no_recordings_of_their_own(fill):
    """A file whose name only looks like that of a part is one."""
    folder = fill("ben_raw.fif", "ben_raw-7.fif")
    raw = mne.io.RawArray(noise(1, 2000.0), mne.create_info(list(LABELS), SFREQ, "eeg"), verbose="ERROR")
    raw.save(folder / "anna_raw.fif", split_size="2MB", buffer_size_sec=100, verbose="ERROR")
    assert (folder / "anna_raw-1.fif").is_file()
    outcome = start_study(folder)
    assert rows(folder)["path"].tolist() == ["anna_raw.fif", "ben_raw-7.fif", "ben_raw.fif"]
    assert "anna_raw-1.fif is a part of anna_raw.fif" in " ".join(outcome.guessed)


def test_unreadable_files_are_left_out_and_said(fill, words):
    folder = fill(*names_of(("anna", "ben"), ("calm", "tense"), (1, 2)))
    file = folder / "anna_calm_1.edf"
    file.write_bytes(file.read_bytes()[:-300])
    (folder / ".hidden.edf").write_bytes(b"")
    outcome = start_study(folder)
    assert len(rows(folder)) == 7
    assert any("left out" in w and "anna_calm_1.edf is cut off" in w for w in outcome.guessed)


def test_a_folder_that_cannot_be_written_to_is_refused_and_nothing_is_left(fill, folder_state, monkeypatch, words):
    folder = fill("anna.edf", "ben.edf")
    before = folder_state(folder)
    monkeypatch.setattr("thymos.base.folders.os.access", lambda *given: False)
    with pytest.raises(InputError) as error:
        start_study(folder)
    words(error.value, "does not allow it", "a folder one may write to")
    monkeypatch.undo()

    def full(*given, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)  # of the second file
    with pytest.raises(OSError, match="No space"):
        start_study(folder)
    assert folder_state(folder) == before


def test_nothing_is_overwritten_and_empty_folders_are_refused(fill, tmp_path, words):
    folder = fill(*names_of(("anna", "ben"), ("calm", "tense"), (1,)))
    outcome = start_study(folder)
    before = outcome.manifest.read_bytes()
    with pytest.raises(InputError) as error:
        start_study(folder)
    words(error.value, "already exists", "not overwritten", "rename it")
    outcome.manifest.rename(tmp_path / "manifest.csv")
    with pytest.raises(InputError):
        start_study(folder)
    (tmp_path / "manifest.csv").rename(outcome.manifest)
    assert outcome.manifest.read_bytes() == before
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as error:
        start_study(tmp_path / "empty")
    words(error.value, "holds no recording", ".edf, .bdf")
    assert not list((tmp_path / "empty").iterdir())
    with pytest.raises(InputError, match="no folder"):
        start_study(tmp_path / "nowhere")


def test_a_manifest_without_a_study_gets_one_and_is_kept(fill):
    folder = fill(*names_of(("anna", "ben"), ("calm", "tense"), (1, 2)))
    outcome = start_study(folder)
    written = outcome.study.read_text()
    outcome.study.unlink()
    before = outcome.manifest.read_bytes()
    again = start_study(folder)
    assert again.manifest.read_bytes() == before
    assert again.study.read_text() == written
    assert (again.kept, outcome.kept) == (True, False)
    assert any("was there and is kept" in text for text in again.guessed)
    table = rows(folder).rename(columns={"label": "felt calm"}).assign(stimulus="film")
    table.to_csv(folder / "manifest.csv", index=False)
    again.study.unlink()
    study = load_study(start_study(folder).study)
    assert study.target.label == "felt calm"
    assert len(make_samples(study)) == 32
    more = pd.concat([table, table.assign(path="../own/" + table["path"], trial="x" + table["trial"])])[:12]
    more.assign(**{"felt calm": range(12)}).to_csv(folder / "manifest.csv", index=False)
    again.study.unlink()
    assert '{label: "felt calm", above: median}' in start_study(folder).study.read_text()
    table.assign(modality="ecg").to_csv(folder / "manifest.csv", index=False)
    again.study.unlink()
    with pytest.raises(InputError, match="lists no EEG"):
        start_study(folder)


def test_marks_of_one_sample_are_events_without_a_duration(fill):
    """Markers of BrainVision files have a length in samples, which is 1."""
    folder = fill("anna.vhdr", "ben.edf", seconds=5.0, events=[(1.0, 1 / SFREQ, "S  1"), (2.0, 1 / SFREQ, "S  2")])
    with (folder / "anna.vmrk").open("a") as file:
        file.write("\nMk2=Stimulus,S  1,129,1,0\nMk3=Stimulus,S  2,257,1,0\n")
    outcome = start_study(folder)
    assert "duration" not in rows(folder)
    assert any("2 files mark events without a duration" in w and "_events.tsv" in w for w in outcome.guessed)


def test_endings_that_mne_asks_for_say_nothing_about_people():
    table = guessed("P01.fif", "P02.fif", "P03_raw.fif", "P04_eeg.fif", "P05-epo.fif")
    assert table["subject"].tolist() == ["P01", "P02", "P03", "P04", "P05"]
    table = guessed("P01.edf", "P01_raw.fif")
    assert not table.duplicated(["subject", "session", "trial"]).any()


def test_tables_that_are_passed_over_are_named(fill, words):
    folder = fill(*names_of(("anna", "ben"), ("calm", "tense"), (1, 2)))
    (folder / "labels.csv").write_text("file,label\nanna_calm_1.edf,calm\n")
    assert any("not used: labels.csv" in text for text in start_study(folder).guessed)
    (folder / "wrist").mkdir()
    (folder / "wrist/s1_calm_1_BVP.csv").write_text("time,BVP\n0,1\n0.1,2\n0.2,1\n")
    with pytest.raises(DataError) as error:
        start_study(folder / "wrist")
    words(error.value, "not used: s1_calm_1_BVP.csv", "one row for each table", "modality (such as bvp)")


def test_time_stamps_in_milliseconds_are_said(fill):
    folder = fill("anna.csv", "ben.csv")
    table = pd.read_csv(folder / "anna.csv")
    table.insert(0, "time", np.arange(len(table)) * 1000 / SFREQ)
    table.to_csv(folder / "anna.csv", index=False)
    outcome = start_study(folder)
    assert any("anna.csv: the time stamps look like milliseconds" in text for text in outcome.guessed)
    assert rows(folder)["sfreq"].tolist() == ["128", ""]
