"""Tables of features and the cache from the command line, in this process."""

import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from thymos.base.cache import Cache
from thymos.base.errors import ThymosError
from thymos.cli import app
from thymos.sources import SimulatedEEG


@pytest.fixture
def thymos(monkeypatch, tmp_path):
    monkeypatch.setenv("THYMOS_CACHE", str(tmp_path / "cache"))

    def call(*arguments, raises=None):
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        if raises is None and isinstance(result.exception, Exception):
            raise result.exception
        assert raises is None or isinstance(result.exception, raises), result.output
        return result

    return call


def test_features_of_a_corpus_are_one_table_and_one_list_of_failures(thymos, twin, tmp_path):
    folder = twin("hku956")
    pulse = sorted((folder / "1. physiological_signals").glob("*/BVP/*.csv"))[0]
    copy = tmp_path / "hku956"
    shutil.copytree(folder, copy)
    flat = copy / pulse.relative_to(folder)
    flat.write_text("\n".join("0" for _ in flat.read_text().splitlines()))
    out = tmp_path / "new" / "table.csv"
    result = thymos("features", "hku956", copy, "--set", "zeros=keep", "--out", out)
    assert result.exit_code == 1
    table = pd.read_csv(out, dtype={"session": str})
    assert len(table) == 8
    assert table["trial"].is_unique
    assert {"valence_rating", "start", "stop", "bvp_rmssd", "eda_tonic", "temp_slope"} <= set(table.columns)
    good = table["bvp_rate"].dropna()
    assert len(good) < 8
    assert good.between(0.8, 2.5).all(), "beats per second"
    assert table["temp_mean"].between(300, 312).all(), "kelvin"
    failures = pd.read_csv(out.with_name("table.failures.csv"))
    assert failures.columns.tolist() == ["trial", "modality", "reason"]
    damaged = f"{flat.parts[-3]}/{flat.name.split('_')[0]}"
    assert "constant" in failures.set_index(["trial", "modality"])["reason"][damaged, "bvp"]
    assert "by trial and reason" in result.output
    refused = thymos("features", "hku956", copy, "--set", "zeros=keep", "--out", out, raises=ThymosError)
    assert "table.csv and" in str(refused.exception)
    assert len(pd.read_csv(out)) == 8
    arguments = ("--out", out, "--overwrite", "--modality", "temp")
    assert thymos("features", "hku956", copy, "--set", "zeros=keep", *arguments).exit_code == 0
    assert not [name for name in pd.read_csv(out) if name.startswith("bvp")]
    assert sorted(p.name for p in out.parent.iterdir()) == ["table.csv"], "no list of failures that are no more"


def test_modalities_features_and_windows_can_be_chosen(thymos, tmp_path):
    out = tmp_path / "table.parquet"
    small = ("features", "simulated", "--set", "subjects=1", "--set", "trials=1", "--set", "seconds=8", "--out", out)
    result = thymos(*small, "--modality", "resp", "--feature", "eeg=hjorth", "--window", 4)
    table = pd.read_parquet(out)
    assert table["start"].tolist() == [0, 4]
    assert {"eeg_mobility_Fp1", "resp_rate"} <= set(table.columns)
    assert not [name for name in table if name.startswith("bvp")]
    assert result.exit_code in (0, 1)
    small = (*small, "--overwrite")
    thymos(*small, "--feature", "eeg={band_power: {bands: {slow: [1, 4]}}}")
    assert "eeg_slow_Fp1" in pd.read_parquet(out)
    for wrong, expected in (
        (("--modality", "eegg"), "Did you mean 'eeg'"),
        (("--modality", "face"), "no features"),
        (("--feature", "hjorth"), "eeg=hjorth"),
        (("--feature", "eeg=smooth"), "no feature of a signal"),
        (("--feature", "eeg={a: b: c"), "a value as in YAML"),
        (("--window=nan",), "seconds=nan came"),
        (("--set", "trials=[1"), "a value as in YAML"),
        (("--feature", "eeg={hjorth: {windw: 1}}"), "Did you mean 'window'"),
        (("--feature", "eeg=hjort"), "Did you mean 'hjorth'"),
        (("--window", "100"), "shorter than a window"),
    ):
        if wrong[0] == "--window":
            assert thymos(*small, "--modality", "eeg", *wrong).exit_code == 1
            assert expected in pd.read_csv(out.with_name("table.failures.csv"))["reason"][0]
        else:
            assert expected in str(thymos(*small, *wrong, raises=ThymosError).exception)
    assert "ends in .csv" in str(thymos(*small[:-2], tmp_path / "table.xlsx", raises=ThymosError).exception)


def test_a_manifest_has_the_modalities_that_its_rows_name(thymos, tmp_path):
    pd.DataFrame({"temperature": 30 + np.arange(80) / 100}).to_csv(tmp_path / "skin.csv", index=False)
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,subject,modality,sfreq,unit\nskin.csv,anna,temp,4,degC\n")
    arguments = ("features", "manifest", manifest, "--out", tmp_path / "table.csv")
    assert thymos(*arguments).exit_code == 0
    assert pd.read_csv(tmp_path / "table.csv")["temp_mean"].tolist() == pytest.approx([273.15 + 30.395])
    refused = thymos(*arguments, "--overwrite", "--modality", "eeg", raises=ThymosError)
    assert str(refused.exception).endswith("expected: temp")


def test_the_cache_is_listed_and_cleared(thymos):
    assert "0 entries" in thymos("cache", "list").output
    for trials in (1, 2):
        SimulatedEEG(subjects=1, trials=trials, seconds=2.0).load().windows(1.0, cache=Cache())
    listed = thymos("cache", "list").output
    assert "2 entries" in listed
    assert listed.count("SimulatedEEG") == listed.count("in use") == 2
    first, second = (entry.key for entry in Cache().entries())
    thymos("cache", "clear", "--stale")
    assert len(Cache().entries()) == 2
    assert "no entry 'xyz'" in str(thymos("cache", "clear", "xyz", raises=ThymosError).exception)
    thymos("cache", "clear", first[:8])
    assert [entry.key for entry in Cache().entries()] == [second]
    assert "MB removed" in thymos("cache", "clear").output
    assert Cache().entries() == []
