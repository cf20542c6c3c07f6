"""What every source has through its base: processing, windows and features, cached under what they were made of."""

import json
import shutil
from functools import partial

import numpy as np
import pytest

from thymos.base.cache import Cache
from thymos.base.errors import InputError, ThymosError
from thymos.signals.causal import CausalFilter
from thymos.signals.filters import band_pass
from thymos.signals.processing import Process
from thymos.signals.scaling import ChannelScaler
from thymos.signals.spectral import DifferentialEntropy
from thymos.sources import DEAP, EAV, MuseMentalState, SimulatedEEG
from thymos.sources.base import Source
from thymos.sources.catalogue import SOURCES
from thymos.sources.manifest import Manifest


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def made(cache):
    """Return the number of entries: how many different things were made."""
    return len(cache.entries())


def test_every_change_of_source_process_windows_or_features_is_another_entry(cache):
    def entropy(source=None, process=(), cut=None, **options):
        recordings = (source or SimulatedEEG(subjects=1, trials=1, seconds=4.0)).load(cut)
        for name, parameters in process:
            recordings = recordings.process(name, **parameters)
        return recordings.features(DifferentialEntropy(**options.pop("de", {})), cache=cache, **options)

    variants = [
        {},
        {"source": SimulatedEEG(subjects=1, trials=1, seconds=4.0, random_state=1)},
        {"source": SimulatedEEG(subjects=1, trials=1, seconds=4.0, fingerprint=0.1)},
        {"cut": ["s01"]},
        {"process": [("notch", {})]},
        {"process": [("notch", {"freq": 60.0})]},
        {"process": [("notch", {"freq": 60.0, "causal": True})]},
        {"de": {"bands": "muse"}},
        {"de": {"method": "filter"}},
        {"de": {"bands": {"alpha": (8, 13)}}},
        {"de": {"bands": {"alpha": (8, 13), "theta": (4, 8)}}},
        {"de": {"bands": {"theta": (4, 8), "alpha": (8, 13)}}},
        {"seconds": 2.0},
        {"seconds": 2.0, "step": 1.0},
        {"incomplete": "drop"},
        {"drop": ["rail"]},
    ]
    found = [entropy(**variant) for variant in variants]
    assert made(cache) == len(variants)
    again = [entropy(**variant) for variant in variants]
    assert made(cache) == len(variants)
    assert all(np.array_equal(a.X, b.X) and a.info == b.info for a, b in zip(found, again, strict=True))
    SimulatedEEG(subjects=1, trials=1, seconds=4.0).load().windows(1.0, cache=cache)
    assert made(cache) == len(variants) + 1


def test_what_is_cached_is_what_is_made(cache):
    recordings = SimulatedEEG(subjects=2, trials=2, seconds=4.0).load()
    fresh, first, second = (recordings.windows(2.0, cache=c) for c in (None, cache, cache))
    for kept in (first, second):
        assert np.array_equal(kept.X, fresh.X)
        assert kept.fingerprint() == fresh.fingerprint()
        assert kept.meta.equals(fresh.meta)
        assert kept.info == fresh.info


def test_a_changed_file_is_read_again_and_the_data_folder_stays_as_it_was(muse_folder, cache, folder_state):
    root = muse_folder / "muse-mental-state"
    before = folder_state(muse_folder)
    first = MuseMentalState(root).load().windows(1.0, cache=cache)
    assert folder_state(muse_folder) == before
    assert np.array_equal(MuseMentalState(str(root)).load().windows(1.0, cache=cache).X, first.X)
    assert made(cache) == 1
    path = sorted(root.glob("*.csv"))[0]
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    changed = MuseMentalState(root).load().windows(1.0, cache=cache)
    assert made(cache) == 2
    assert not np.array_equal(changed.X, first.X)


def test_an_own_list_depends_on_its_files_and_what_lies_beside_them(tmp_path, cache, write_signals):
    rng = np.random.default_rng(0)
    path = write_signals(tmp_path / "own" / "a.vhdr", rng.normal(0, 1e-5, (2, 512)), 128.0, ["Fz", "Cz"])
    table = tmp_path / "own" / "manifest.csv"
    table.write_text(f"path,subject,mood\n{path.name},s1,calm\n")
    path.with_suffix(".notes").mkdir()
    path.with_suffix(".eeg").rename(path.with_name("data.eeg"))
    path.write_text(path.read_text().replace("DataFile=a.eeg", "DataFile=data.eeg"))
    assert [p.name for p in Manifest(table).content()] == ["manifest.csv", "a.vhdr", "data.eeg", "a.vmrk"]
    first = Manifest(table).load().windows(1.0, cache=cache)
    other = rng.normal(0, 1e-5, (2, 512))
    write_signals(tmp_path / "new" / "a.vhdr", other, 128.0, ["Fz", "Cz"])
    shutil.copy(tmp_path / "new" / "a.eeg", path.with_name("data.eeg"))
    second = Manifest(table).load().windows(1.0, cache=cache)
    assert not np.array_equal(first.X, second.X)
    assert made(cache) == 2


def test_a_linked_folder_and_a_file_that_changes_meanwhile_are_seen(muse_folder, cache, tmp_path):
    root = muse_folder / "muse-mental-state"
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "linked").symlink_to(root, target_is_directory=True)
    source = MuseMentalState(root)
    source.root = tmp_path / "corpus"
    assert len(source.content()) == 18
    victim = sorted(root.glob("*.csv"))[-1]
    text = victim.read_text()

    def meddle(done, total, words):
        if "subjecta" in words or done == 1:
            victim.write_text(text[: len(text) // 2].rpartition("\n")[0] + "\n")

    with pytest.raises(ThymosError, match="changed while they were read"):
        MuseMentalState(root).load().windows(1.0, cache=cache, progress=meddle)
    assert made(cache) == 0


def test_the_cache_refuses_the_corpus_before_it_writes_anything(muse_folder, folder_state):
    root = muse_folder / "muse-mental-state"
    before = folder_state(muse_folder)
    for place, away in ((root / "cache", []), (muse_folder / "cache", [muse_folder])):
        with pytest.raises(InputError, match="lies inside the data"):
            MuseMentalState(root).load().windows(1.0, cache=Cache(place, away_from=away))
    assert folder_state(muse_folder) == before


def test_what_was_typed_into_a_session_is_not_cached(cache):
    space = {}
    exec("def halved(signal):\n    return signal.replace(data=signal.data / 2)", space)
    recordings = SimulatedEEG(subjects=1, trials=1, seconds=2.0).load()
    typed = type(recordings)(
        recordings._read, (Process("halved", "eeg", partial(space["halved"]), False),), recordings._source
    )
    assert np.allclose(2 * typed.windows(1.0, cache=cache).X, recordings.windows(1.0).X)
    assert made(cache) == 0


def test_a_process_passes_over_recordings_without_its_signal_but_not_over_all(twin):
    recordings = EAV(twin("eav")).load()
    spoken = recordings.process("resample", "speech", to=8000.0).windows(1.0, modality="speech")
    assert spoken.info["sfreq"] == 8000
    with pytest.raises(InputError, match="is for 'egg', and no recording has it"):
        list(recordings.process("notch", "egg"))


def test_any_failure_of_a_process_names_it_and_the_trial(words):
    def broken(signal):
        raise RuntimeError("the decomposition failed")

    recordings = SimulatedEEG(subjects=1, trials=1, seconds=2.0).load()
    recordings = type(recordings)(recordings._read, (Process("broken", "eeg", broken, False),))
    with pytest.raises(InputError) as error:
        list(recordings)
    words(error.value, "'broken' fails on 's01-t01'", "RuntimeError", "the decomposition failed")


class Elsewhere(Source):
    """A source that does not say what its content is."""

    def subjects(self):
        return ["s01"]

    def recordings(self, subjects=None):
        yield from SimulatedEEG(subjects=1, trials=1, seconds=4.0).recordings()


def test_a_source_of_which_the_content_cannot_be_told_is_not_cached(cache):
    assert Elsewhere().content() is None
    assert len(Elsewhere().load().windows(1.0, cache=cache)) == 4
    assert made(cache) == 0


def test_what_is_no_feature_is_refused_before_anything_is_read(cache):
    for wrong in ("differential_entropy", ChannelScaler()):
        with pytest.raises(InputError, match="learns from data"):
            Elsewhere().load().features(wrong, cache=cache)


def test_sources_remember_what_they_were_made_of():
    assert SimulatedEEG(3, effect=2.0).given["subjects"] == 3
    assert SimulatedEEG(3, effect=2.0).given["effect"] == 2.0
    assert SimulatedEEG().given["seconds"] == 12.0
    assert {name for name in SOURCES if SOURCES[name].folder} >= {"deap", "hku956"}


def test_the_rest_before_the_stimulus_goes_the_way_of_the_trial(twin):
    recordings = DEAP(twin("deap")).load()
    plain, halved = next(iter(recordings)), next(iter(recordings.process("resample", to=64.0)))
    rest, signal = halved.baseline["eeg"], halved.signal("eeg")
    assert (rest.sfreq, signal.sfreq) == (64, 64)
    assert rest.duration == plain.baseline["eeg"].duration
    corrected = next(iter(recordings.process("subtract_baseline")))
    mean = plain.baseline["eeg"].data.mean(axis=1, keepdims=True)
    assert np.allclose(corrected.signal("eeg").data, plain.signal("eeg").data - mean, atol=1e-9)
    assert np.abs(corrected.baseline["eeg"].data.mean(axis=1)).max() < 1e-9


def test_training_on_causal_filters_is_what_a_stream_will_give():
    from thymos.signals.filters import butterworth

    recordings = SimulatedEEG(subjects=1, trials=1, seconds=4.0).load()
    raw = next(iter(recordings)).signal("eeg").data
    causal = next(iter(recordings.process("band_pass", low=1.0, high=40.0, causal=True))).signal("eeg").data
    stream = CausalFilter(butterworth(128.0, 1.0, 40.0))
    assert np.array_equal(np.concatenate([stream(raw[:, k : k + 32]) for k in range(0, 512, 32)], axis=1), causal)
    assert not np.allclose(causal, band_pass(raw, 128.0, 1.0, 40.0))


def test_progress_names_subjects_and_notes_reach_the_metadata(cache):
    told = []
    source = SimulatedEEG(subjects=3, trials=1, seconds=2.0, artifacts=False)
    samples = source.load().windows(1.0, cache=cache, progress=lambda *words: told.append(words))
    assert told == [
        (0, 0, "looking whether files have changed"),
        *((k, 3, f"reading s0{k + 1}-t01") for k in range(3)),
    ]
    assert samples.meta["notes"].eq("").all()

    def mark(signal):
        return signal.replace(notes=("looked at", "left alone"))

    noted = source.load()
    noted = type(noted)(noted._read, (Process("mark", "eeg", partial(mark), False),)).windows(1.0)
    assert noted.meta["notes"].eq("looked at; left alone").all()
    assert json.dumps(noted.info)
