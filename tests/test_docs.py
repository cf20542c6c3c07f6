"""Numbers in the docs are those of the stored results."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import binomtest
from sklearn.base import is_classifier

from thymos.evaluation.statistics import holm
from thymos.evaluation.study import Study
from thymos.evaluation.study_files import parse_study
from thymos.models.catalogue import MODELS

ROOT = Path(__file__).resolve().parent.parent


def rows_of(page, n_cells, under=""):
    """Return the rows of tables with so many cells, of one bold head if `under` is given: first cell to the others."""
    text = (ROOT / "docs" / page).read_text()
    lines = (text.split(f"**{under}")[1].split("\n**")[0] if under else text).splitlines()
    tables = [[cell.strip(" `*") for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {cells[0]: cells[1:] for cells in tables if len(cells) == n_cells}


def test_the_null_calibration_is_the_stored_one():
    stored = pd.read_csv(ROOT / "results" / "null.csv")
    assert sorted(stored["seed"].unique()) == list(range(200))
    shown = rows_of("protocols.md", 5)
    for protocol in ("trial", "loso", "stimulus", "subject_stimulus", "random_window"):
        name = next(
            key for key in shown if key.startswith(protocol) and (key == protocol or protocol == "random_window")
        )
        mean, claims, interval, by_trial = shown[name]
        window, trial = (
            stored[(stored["protocol"] == protocol) & (stored["level"] == level)] for level in ("window", "trial")
        )
        value, spread = map(float, re.findall(r"\d\.\d+", mean))
        assert [value, spread] == pytest.approx([window["value"].mean(), window["value"].std()], abs=5.1e-4)
        count = int((window["p"] < 0.05).sum())
        assert claims == f"{count} of 200"
        assert by_trial == f"{int((trial['p'] < 0.05).sum())} of 200"
        low, high = binomtest(count, 200).proportion_ci(0.95, "exact")
        assert list(map(float, re.findall(r"\d\.\d+", interval))) == pytest.approx([low, high], abs=5.1e-4)
        assert low <= 0.05 or protocol == "random_window"


def test_the_claims_table_is_the_stored_one():
    stored = pd.read_csv(ROOT / "results" / "lstm-gru-emotions.quick.csv").query("metric == 'accuracy'")
    stored = stored.set_index(["method", "protocol", "level", "labels"])
    methods = {
        "majority class": "majority",
        "1-nearest neighbour": "nearest_neighbour",
        "logistic regression": "logistic_regression",
        "random forest": "random_forest",
        "LSTM, one step of 1500 values (published form)": "lstm_single",
    }
    shown = rows_of("lstm-gru.md", 5, "Simulated**")
    for title, method in methods.items():
        *cells, permuted = shown[title]
        places = (("recording", "window"), ("recording", "trial"), ("random_window", "window"))
        for cell, place in zip(cells, places, strict=True):
            row = stored.loc[(method, *place, "true")]
            assert list(map(float, re.findall(r"\d\.\d+", cell))) == pytest.approx(
                [row["value"], row["low"], row["high"]], abs=5.1e-3
            )
        key = (method, "random_window", "window", "permuted")
        assert permuted == (f"{stored.loc[key, 'value']:.3f}" if key in stored.index else "-")


def test_the_cost_of_the_gru_is_the_stored_one():
    stored = json.loads((ROOT / "results" / "gru-long.json").read_text())
    for title, name in (("LSTM, one step", "lstm_single"), ("GRU, 1500 steps", "gru_long")):
        parameters, _, accuracy, seconds, _ = rows_of("lstm-gru.md", 6)[title]
        mine = stored[name]
        each = [epoch["seconds"] for epoch in mine["epochs"]]
        assert int(parameters.replace(" ", "")) == mine["parameters"]
        assert float(accuracy) == pytest.approx(mine["test_accuracy"], abs=5.1e-4)
        shown = list(map(float, re.findall(r"\d+\.?\d*", seconds)))
        assert shown == pytest.approx([np.median(each), min(each), max(each)], rel=0.02)


def test_the_table_of_corpora_is_the_catalogue():
    from thymos.sources.catalogue import SOURCES

    shown = rows_of("corpora.md", 4)
    shown.pop("name")
    shown = {name: cells for name, cells in shown.items() if set(name) != {"-"}}
    assert set(shown) == set(SOURCES)
    for name, (_, modalities, labels) in shown.items():
        assert modalities == ", ".join(SOURCES[name].modalities)
        assert labels == ", ".join(label.column for label in SOURCES[name].labels)


def test_the_cost_of_loading_is_the_stored_one():
    stored = json.loads((ROOT / "results" / "loading.json").read_text())
    shown = rows_of("corpora.md", 6)
    for corpus in ("fer2013", "ravdess", "hku956", "muse-mental-state"):
        seconds, memory, plain, tool, ratio = shown[corpus]
        mine, rival = stored[corpus]["thymos"], stored[corpus]["plain"]
        assert float(seconds.split()[0]) == pytest.approx(mine["seconds"], abs=5.1e-3)
        assert float(memory.split()[0]) == pytest.approx(mine["peak_mib"], abs=0.51)
        assert float(plain.split()[0]) == pytest.approx(rival["seconds"], abs=5.1e-3)
        assert tool == rival["with"]
        assert float(ratio) == pytest.approx(stored[corpus]["ratio"], abs=5.1e-3)


def test_the_tables_of_features_and_processes_are_the_catalogues():
    from thymos.signals.catalogue import PROCESSES, TRANSFORMERS

    shown = rows_of("features.md", 3)
    names = set(shown) - {"name"} - {name for name in shown if set(name) == {"-"}}
    assert names == set(TRANSFORMERS) | set(PROCESSES)
    for name, (_, last) in shown.items():
        if name in TRANSFORMERS:
            assert TRANSFORMERS[name].target.startswith(f"thymos.signals.{last.strip('`')}:")
        elif name in PROCESSES:
            assert last.startswith("yes") == PROCESSES[name].live


def stored_as(name):
    return json.loads((ROOT / "results" / f"{name}.json").read_text())


def test_the_speed_of_features_is_the_stored_one():
    stored, shown = stored_as("features"), rows_of("features.md", 5)
    for name in ("filter DE", "spectral DE", "Hjorth"):
        mine = stored[name]
        loop, fast, ratio, memory = map(float, shown[name])
        assert [loop, fast] == pytest.approx([mine["loop_seconds"], mine["thymos_seconds"]], abs=5.1e-3)
        assert ratio == pytest.approx(mine["ratio"], rel=0.02)
        assert memory == pytest.approx(mine["extra_memory"], abs=5.1e-3)
        assert mine["ratio"] >= 3
        assert memory <= 0.5
    for band, agreement in stored["filter DE"]["agreement"].items():
        cells = list(map(float, shown[band]))
        assert cells[0] == pytest.approx(agreement["correlation"], abs=5.1e-5)
        assert cells[1:] == pytest.approx([agreement[k] for k in ("median", "largest", "largest_inside")], rel=0.06)


def test_the_memory_of_a_large_corpus_is_the_stored_one():
    stored, shown = stored_as("streaming"), rows_of("features.md", 2)
    made = stored["made"]
    words = {
        "on disk, compressed": stored["gb"]["corpus"],
        "memory allowed": stored["gb"]["limit"],
        "peak, pages of mapped files included": stored["gb"]["peak"],
    }
    for title, value in words.items():
        assert float(shown[title][0].split()[0]) == pytest.approx(value, abs=5.1e-3)
    assert float(shown["unpacked, double precision"][0].split()[0]) == pytest.approx(
        2 * made["windows"]["gb"], abs=0.051
    )
    samples = made["features"]["shape"][0]
    assert float(shown[f"features, {samples} samples"][0].split()[0]) == pytest.approx(
        made["features"]["seconds"], abs=0.51
    )
    windows = shown[f"windows, {made['windows']['gb']:.2f} GB"]
    assert float(windows[0].split()[0]) == pytest.approx(made["windows"]["seconds"], abs=0.51)
    assert stored["gb"]["peak"] < stored["gb"]["limit"] < made["windows"]["gb"]
    assert "Error" in stored["in memory"]


def test_beats_and_voices_are_the_stored_ones():
    stored, shown = stored_as("physiology"), rows_of("features.md", 5)
    for name in ("bvp 64 Hz", "bvp 64 Hz shaken", "ecg 256 Hz", "ecg 256 Hz shaken"):
        ours, theirs = stored[name]["thymos"], stored[name]["neurokit"]
        values = [ours["f1"], theirs["f1"], ours["rate_error_bpm"], theirs["rate_error_bpm"]]
        assert list(map(float, shown[name])) == pytest.approx(values, abs=5.1e-3)
    text = " ".join((ROOT / "docs" / "features.md").read_text().split())
    real, voices = stored["hku956"], stored_as("voice_and_face")
    apart = [real[pair]["all"][0] for pair in ("thymos - device", "neurokit - device", "thymos - neurokit")]
    for expected in (
        "own by {:.2f} bpm (median; NeuroKit2 {:.2f}), and from NeuroKit2's by {:.2f}".format(*apart),
        f"in {voices['ravdess']['within_a_semitone_of_opensmile']:.0%} of them".replace("%", " %"),
        f"r = {voices['ravdess']['correlation_with_opensmile']:.2f}",
        f"a face in {voices['faces']['cascades']['alt2']['fer2013']:.0%} of".replace("%", " %"),
        f"{round(real['less than half covered'] * real['records'])} pulses",
    ):
        assert expected in text, expected


def test_the_table_of_stacks_is_the_stored_one():
    stored = json.loads((ROOT / "results" / "stacked.json").read_text())
    measured = {name: row for name, row in stored.items() if isinstance(row, dict)}
    lines = [line for line in (ROOT / "docs" / "training.md").read_text().splitlines() if line.count("|") == 8][2:]
    assert len(lines) == len(measured)
    for line, (name, row) in zip(lines, measured.items(), strict=True):
        assert f"| {name.split()[-1]} |" in line
        seconds = [float(value) for value in re.findall(r"(\d+\.\d+) s", line)]
        assert seconds == pytest.approx([row["seconds"][way] for way in ("plain", "one by one", "stacked")], abs=5.1e-3)
        assert float(re.search(r"(\d+\.\d)x", line)[1]) == pytest.approx(row["ratio"], abs=0.051)
        right = [float(value) for value in re.search(r"(\d\.\d+) / (\d\.\d+)", line).groups()]
        assert right == pytest.approx([row["accuracy"][way] for way in ("plain", "stacked")], abs=5.1e-4)


def test_the_table_of_the_zoo_is_the_stored_one():
    from thymos.evaluation.study_files import load_study

    stored = {
        name: pd.read_csv(ROOT / "results" / f"{name}.quick.csv", dtype={"labels": str})
        for name in ("zoo-simulated", "zoo-muse")
    }
    places = (
        ("zoo-simulated", "trial", "trial"),
        ("zoo-simulated", "loso", "trial"),
        ("zoo-muse", "recording", "window"),
    )
    shown = rows_of("training.md", 4)
    for method, spec in load_study("zoo-simulated").methods.items():
        for cell, (name, protocol, level) in zip(shown[spec.title], places, strict=True):
            table = stored[name]
            mine = (table["method"] == method) & (table["protocol"] == protocol) & (table["level"] == level)
            row = table[mine & (table["labels"].str.lower() == "true")].iloc[0]
            numbers = [float(value) for value in re.findall(r"\d\.\d+", cell)]
            assert numbers == pytest.approx([row["value"], row["low"], row["high"]], abs=5.1e-3)
    page = " ".join((ROOT / "docs" / "training.md").read_text().split())
    for name, protocols in (("zoo-simulated", ("trial", "loso")), ("zoo-muse", ("recording",))):
        facts = json.loads((ROOT / "results" / f"{name}.quick.json").read_text())
        for protocol in protocols:
            assert facts[protocol]["pairs"] == 120
            assert facts[protocol]["significant"] == []
            assert f"{facts[protocol]['median_sd']:.3f}" in page
            assert f"{facts[protocol]['detectable']:.3f}" in page


def test_what_a_few_labelled_trials_are_worth_is_the_stored_one():
    stored = json.loads((ROOT / "results" / "few_shot.json").read_text())
    shown = rows_of("training.md", 5)
    for shots, row in stored.items():
        if isinstance(row, dict):
            numbers = [float(value) for value in re.findall(r"[-+]?\d\.\d+", " ".join(shown[shots]))]
            means = [
                row[name][key] for name in ("log_loss", "balanced_accuracy") for key in ("mean", "change", "error")
            ]
            means = means if shots != "0" else means[::3]
            assert numbers == pytest.approx(means, abs=5.1e-4)


def test_the_python_of_the_page_on_training_runs(capsys):
    page = (ROOT / "docs" / "training.md").read_text()
    exec(
        compile("\n".join(re.findall(r"```python\n(.*?)```", page, re.S)), "training.md", "exec"), {"__name__": "docs"}
    )
    first, reason, last = capsys.readouterr().out.splitlines()
    assert (first, last) == ("(2, 2) True", "'' 3")
    assert "not declared" in reason


def test_what_lel_shows_is_stored():
    page = " ".join((ROOT / "docs" / "lel.md").read_text().split())
    stored = {
        name: pd.read_csv(ROOT / "results" / f"{name}.quick.csv").query("labels == 'true' and level == 'trial'")
        for name in ("lel-faced-d3", "lel-faced-d6", "lel-demo")
    }
    faced = {
        d: stored[f"lel-faced-{d}"].query("metric == 'accuracy'").set_index(["protocol", "method"])
        for d in ("d3", "d6")
    }
    rivals = {
        **{"LDA on differential entropy": "lda", "SVM": "svm", "DGCNN": "dgcnn", "5 nearest neighbours": "knn"},
        **{"FBCNet": "fbcnet", "LEL": "lel", "decision tree": "decision_tree", "EEGNet": "eegnet", "LGGNet": "lggnet"},
        **{"LEL, certified": "lel_certified", "LEL, choices of the programme": "lel_code"},
    }
    shown = {title: cells for title, cells in rows_of("lel.md", 4).items() if title in rivals and "[" in cells[0]}
    assert set(shown) == set(rivals)
    for title, method in rivals.items():
        places = ("d3", "trial"), ("d3", "random_window"), ("d6", "trial")
        for cell, (d, protocol) in zip(shown[title], places, strict=True):
            if cell:
                value, low, high = map(float, re.findall(r"\d\.\d+", cell))
                row = faced[d].loc[protocol, method]
                assert value == pytest.approx(row["value"], abs=5.1e-4)
                assert [low, high] == pytest.approx([row["low"], row["high"]], abs=5.1e-3)
    text = " ".join((ROOT / "docs" / "lel.md").read_text().split())
    for name, words in (
        ("faced", "reaches {} and LDA {}, where chance is {:.3f} for LEL: of"),
        ("seed", "reaches {} and LDA {}, where chance is {:.3f} for LEL."),
    ):
        dealt = (
            pd.read_csv(ROOT / "results" / f"lel-{name}-d3.quick.csv", dtype={"labels": str})
            .query("protocol == 'trial_shares' and labels == 'true' and level == 'trial' and metric == 'accuracy'")
            .set_index("method")
        )
        cells = [f"{r['value']:.3f} [{r['low']:.2f}, {r['high']:.2f}]" for _, r in dealt.loc[["lel", "lda"]].iterrows()]
        assert words.format(*cells, dealt.loc["lel", "chance"]) in text
    compared = json.loads((ROOT / "results" / "lel-faced-d3.quick.json").read_text())["trial"]
    assert f"smallest p {min(pair['p_holm'] for pair in compared['compared']):.2f}" in page
    assert f"{compared['detectable']:.3f} would have been found" in page
    assert f"paired differences {compared['median_sd']:.3f};" in page
    larger = json.loads((ROOT / "results" / "lel-faced-d6.quick.json").read_text())["trial"]
    assert f"{larger['detectable']:.3f} would have been found" in page
    apart = {pair["b"]: f"{pair['p_holm']:.3f}" for pair in larger["compared"] if pair["p_holm"] < 0.05}
    assert f"EEGNet (p {apart.pop('eegnet')}) and LGGNet (p {apart.pop('lggnet')})" in page
    assert apart == {}

    seed = {
        d: pd.read_csv(ROOT / "results" / f"lel-seed-{d}.quick.csv")
        .query("labels == 'true' and level == 'trial' and metric == 'accuracy'")
        .set_index(["protocol", "method"])
        for d in ("d3", "d6")
    }
    shown = {title: cells for title, cells in rows_of("lel.md", 5).items() if title in rivals and "[" in cells[0]}
    assert set(shown) == set(rivals)
    for title, method in rivals.items():
        places = ("d3", "stimulus"), ("d3", "session"), ("d3", "random_window"), ("d6", "stimulus")
        for cell, (d, protocol) in zip(shown[title], places, strict=True):
            if cell:
                numbers = list(map(float, re.findall(r"\d\.\d+", cell)))
                row = seed[d].loc[protocol, method]
                assert numbers[0] == pytest.approx(row["value"], abs=5.1e-4)
                assert numbers[1:] == pytest.approx([row["low"], row["high"]], abs=5.1e-3)
    compared = {d: json.loads((ROOT / "results" / f"lel-seed-{d}.quick.json").read_text()) for d in ("d3", "d6")}
    clips, days = compared["d3"]["stimulus"], compared["d3"]["session"]
    least = min(pair["p_holm"] for pair in clips["compared"])
    assert f"(smallest p {least:.2f}; {clips['detectable']:.3f} would have been found" in page
    assert {pair["b"]: round(pair["p_holm"], 3) for pair in days["significant"]} == {"eegnet": 0.035}
    assert {pair["b"]: round(pair["p_holm"], 3) for pair in compared["d6"]["stimulus"]["significant"]} == {
        **{"lggnet": 0.016, "eegnet": 0.016, "fbcnet": 0.035, "dgcnn": 0.039, "decision_tree": 0.039}
    }

    eav = pd.read_csv(ROOT / "results" / "lel-eav3.quick.csv").query("labels == 'true' and level == 'trial'")
    eav = eav.set_index(["protocol", "method"])
    for place in [("trial", method) for method in ("lel", "lda", "eegnet", "svm", "majority")] + [("task", "lel")]:
        row = eav.loc[place]
        assert f"{row['value']:.3f} [{row['low']:.2f}, {row['high']:.2f}]" in page
    for part in json.loads((ROOT / "results" / "lel-eav3.quick.json").read_text()).values():
        assert part["significant"] == []

    null = pd.read_csv(ROOT / "results" / "null-lel.csv").query("level == 'trial'")
    assert null["seed"].nunique() == 7
    for protocol, claims in (("trial", 0), ("random_window", 6)):
        mine = null[null["protocol"] == protocol]
        assert f"{mine['value'].mean():.3f}" in page
        assert f"{mine['value'].std():.3f}" in page
        assert (mine["p"] < 0.05).sum() == claims

    muse = json.loads((ROOT / "results" / "lel-muse.quick.json").read_text())["recording"]
    rows = pd.read_csv(ROOT / "results" / "lel-muse.quick.csv").query("labels == 'true' and level == 'window'")
    rows = rows.set_index("method")
    for method in ("lel", "lel_certified", "lda", "svm", "eegnet"):
        row = rows.loc[method]
        assert f"{row['value']:.3f} [{row['low']:.2f}, {row['high']:.2f}]" in page
    assert f"({muse['detectable']:.3f} would have been found)" in page
    assert muse["significant"] == []

    demo = (
        stored["lel-demo"].query("protocol == 'trial' and metric == 'balanced_accuracy'").set_index("method")["value"]
    )
    variants = {
        **{"LEL": "lel", "no constraint at all": "free", "certified": "certified", "LDA": "lda", "EEGNet": "eegnet"},
        **{f"branch `{name}` alone": name for name in ("magnitude", "features", "energy", "global")},
        **{"without K of spectral filters": "no_spectral", "without K of attention": "no_attention"},
        **{"without K of scales": "no_affine", "without K of dense layers": "no_linear", "attention `norm`": "norm"},
        **{"attention `rownorm`": "rownorm", "attention by distance (`l2`)": "l2"},
        "choices of the programme": "code",
    }
    lines = [line.strip("|").split("|") for line in (ROOT / "docs" / "lel.md").read_text().splitlines()]
    pairs = {cells[0].strip(): cells[1].strip() for cells in lines if len(cells) == 2}
    for title, method in variants.items():
        assert float(pairs[title]) == pytest.approx(demo[method], abs=5.1e-4), title
    grid = rows_of("lel.md", 4)
    for epochs, length in (("5", "short"), ("10", "middle"), ("20", "long")):
        for cell, k in zip(grid[epochs], ("k01", "k1", "k10"), strict=True):
            assert float(cell) == pytest.approx(demo[f"{k}_{length}"], abs=5.1e-4)
    pairs = json.loads((ROOT / "results" / "lel-demo.quick.json").read_text())["trial"]["compared"]
    assert f"smallest p {min(pair['p_holm'] for pair in pairs):.3f}" in page


def test_the_constants_of_lel_are_stored():
    found = json.loads((ROOT / "results" / "lel-demo.quick.inspected.json").read_text())
    page = " ".join((ROOT / "docs" / "lel.md").read_text().split())
    table = {key: pd.DataFrame(found["lipschitz"][key]) for key in ("local", "attack", "bound", "scale")}
    titles = {
        **{"LEL, clamped attention": "lel", "no constraint": "free", "attention `norm`": "norm"},
        **{"choices of the programme": "code", "attention by distance": "l2", "certified": "certified"},
    }
    lines = [line.strip("|").split("|") for line in (ROOT / "docs" / "lel.md").read_text().splitlines()]
    shown = {cells[0].strip(): [c.strip() for c in cells[1:]] for cells in lines if len(cells) == 5}
    for title, method in titles.items():
        _, slope, bound, scales = shown[title]
        mine = {key: part[part["method"] == method] for key, part in table.items()}
        whole = {key: mine[key][mine[key]["where"] == "ensemble"] for key in ("local", "attack", "bound")}
        steepest = max(float(whole[key]["q1.0"].iloc[0]) for key in ("local", "attack"))
        assert float(slope) == pytest.approx(steepest, abs=5.1e-4), title
        known = mine["scale"].sort_values("amount")["max"].to_numpy()
        assert [float(x) for x in scales.split(", ")] == pytest.approx(known, rel=0.05, abs=0.051), title
        if method == "certified":
            row = whole["bound"].iloc[0]
            assert bound == f"{row['min']:.1f} to {row['max']:.1f}"
    assert f"{found['lipschitz']['radius, certified']['median']:.4f} µV" in page
    latency = {row["method"]: row["ms_q0.5"] for row in found["real_time"]["latency"]}
    for method, words in (("lel", "11 ms"), ("certified", "4.5 ms"), ("eegnet", "2.0 ms"), ("lda", "1.1 ms")):
        assert latency[method] == pytest.approx(float(words.split()[0]), abs=0.51 if method == "lel" else 0.051)
        assert words in page
    likeness = pd.DataFrame(found["branches"]["likeness"]).query("method == 'lel' and protocol == 'trial'")
    three = likeness[~(likeness["a"].str.startswith("Global") | likeness["b"].str.startswith("Global"))]["correlation"]
    assert f"{three.min():.2f} to {three.max():.2f}" in page
    step = json.loads((ROOT / "results" / "lel-step.json").read_text())
    paper = step["paper"]
    assert f"{paper['thymos']['seconds']:.1f} s and 1.2 GB against {paper['official']['seconds']:.1f} s" in page
    assert f"one thread: {paper['ratio']:.1f} times" in page
    assert f"would take {step['faced_extrapolated']['thymos_hours']:.0f} hours" in page


def test_copies_and_speeds_of_faces_and_intervals_are_the_stored_ones():
    page = " ".join((ROOT / "docs" / "faces.md").read_text().split())
    copies = json.loads((ROOT / "results" / "copies.json").read_text())
    across = copies["near"]["training and test"]
    assert (
        f"{copies['photographs']:,} photographs {copies['exact']['distinct']:,} are distinct".replace(",", " ") in page
    )
    assert f"{across['test']} of its 3 589 test photographs" in page
    assert f"among {across['training']} of training" in page
    assert f"Of all photographs {copies['altered']['pairs']:,} further pairs".replace(",", " ") in page
    known = copies["accuracy"]
    assert (known["method"], known["seeds"]) == ("dense", 3)
    assert f"{known['n_altered']} of the 3 589 test photographs have one left" in page
    assert f"recognises {known['altered']:.3f} of them and {known['others']:.3f} of the others" in page
    ends = known["difference_low"], known["difference_high"]
    assert "the interval [{:.3f}, {:.3f}] (mean of three seeds".format(*ends) in page
    for name, row in json.loads((ROOT / "results" / "intervals.json").read_text()).items():
        assert row["ratio"] > 3, f"{name}: own code that is not several times as fast"


def test_what_searched_networks_and_generated_samples_show_is_stored():
    page = " ".join((ROOT / "docs" / "generation-search.md").read_text().split())
    names = {
        **{"RBF-SVM on differential entropy": "svm", "DGCNN": "dgcnn", "EEGNet on signals": "eegnet"},
        **{"random architectures": "random", "shared architecture": "population", "personal architectures": "personal"},
    }
    rows = rows_of("generation-search.md", 5)
    assert set(names) <= set(rows)
    pairs = {
        "personal less shared architectures": ("personal", "population"),
        "personal less random architectures": ("personal", "random"),
        "personal architectures less DGCNN": ("personal", "dgcnn"),
        "shared less random architectures": ("population", "random"),
        "personal architectures with less without generated samples": ("personal_gan", "personal"),
    }
    planned = rows_of("generation-search.md", 3)
    tables, found = [], []
    for place, effect in enumerate((3, 6)):
        stored = pd.read_csv(ROOT / "results" / f"mgan-d{effect}.quick.csv")
        asked = "labels == 'true' and level == 'trial' and metric == 'accuracy' and protocol == 'stimulus'"
        table = stored.query(asked).set_index("method")
        for title, method in names.items():
            for cell, name in zip(rows[title][2 * place : 2 * place + 2], (method, f"{method}_gan"), strict=True):
                if not cell:
                    assert name not in table.index
                    continue
                value, low, high = map(float, re.findall(r"\d\.\d+", cell))
                row = table.loc[name]
                assert [value, low, high] == pytest.approx([row["value"], row["low"], row["high"]], abs=5.1e-3)
                assert value == pytest.approx(row["value"], abs=5.1e-4)
        assert table["chance"].drop("majority").round(2).between(0.53, 0.55).all()
        compared = json.loads((ROOT / "results" / f"mgan-d{effect}.quick.json").read_text())["stimulus"]
        differences = {(pair["a"], pair["b"]): pair["difference"] for pair in compared["compared"]}
        for title, pair in pairs.items():
            assert float(planned[title][place]) == pytest.approx(differences[pair], abs=6e-4)
        assert min(pair["p"] for pair in compared["compared"]) > 0.05
        tables.append(table)
        found.append(compared)
    assert f"is {found[0]['median_sd']:.3f} and {found[1]['median_sd']:.3f}" in page
    assert f"{found[0]['detectable']:.3f} and {found[1]['detectable']:.3f} would have been found" in page
    for words, method in {"repeated samples reach": "personal_oversample", "no electrode": "personal_unmasked"}.items():
        cells = [
            f"{t.loc[method, 'value']:.3f} [{t.loc[method, 'low']:.2f}, {t.loc[method, 'high']:.2f}]" for t in tables
        ]
        assert f"{words} {' and '.join(cells)}" in page
    assert (tables[0]["p"] > 0.05).all(), "the page says that nothing is above chance"
    above = tables[1]["p"][tables[1]["p"] < 0.05]
    assert set(above.index) == {"svm", "svm_gan", "dgcnn", "eegnet"}
    assert all(f"(p = {p:.3f})" in page for p in above)
    assert above.min() * len(tables[1]) > 0.05, "the page says that none is left after correction"
    seconds = [one["fit_seconds_of_a_seed"] for one in found]
    assert f"{seconds[0]['personal']:.0f} s a seed against {seconds[0]['random']:.0f} s" in page
    assert [round(one["personal"] / one["random"]) for one in seconds] == [5, 6]


def test_what_the_search_reaches_with_windows_at_random_is_stored():
    rows = rows_of("generation-search.md", 4)
    names = {"RBF-SVM": "svm", "personal": "personal", "personal, GAN": "personal_gan"}
    stored = pd.read_csv(ROOT / "results" / "mgan-d3.quick.csv", dtype=str)
    table = stored.query("labels == 'true' and metric == 'accuracy' and method != 'majority'")
    table = table.set_index(["method", "protocol", "level"])[["value", "low", "high"]].astype(float)
    for title, method in names.items():
        wanted = [("stimulus", "trial"), ("random_window", "window"), ("random_window", "trial")]
        for cell, place in zip(rows[title], wanted, strict=True):
            assert cell == "{:.3f} [{:.2f}, {:.2f}]".format(*table.loc[(method, *place)])
    nothing = stored.query("labels == 'permuted' and method == 'svm' and level == 'trial' and metric == 'accuracy'")
    (nothing,) = nothing.query("protocol == 'random_window'")["value"].astype(float)
    assert f"the SVM reaches {nothing:.3f} by trial" in (ROOT / "docs" / "generation-search.md").read_text()


def test_where_generated_samples_help_is_stored():
    page = " ".join((ROOT / "docs" / "generation-search.md").read_text().split())
    rows = rows_of("generation-search.md", 5)
    stored = pd.read_csv(ROOT / "results" / "aug-d6.quick.csv", dtype={"labels": str})
    table = stored.query("labels == 'true' and level == 'trial' and metric == 'accuracy'").set_index(
        ["protocol", "method"]
    )
    compared = json.loads((ROOT / "results" / "aug-d6.quick.json").read_text())
    shares = ("stimulus", "stimulus_50", "stimulus_25", "stimulus_10")
    added = {
        "nothing added": "",
        "weighted classes": "_weighted",
        "repeated samples": "_oversample",
        "noise": "_jitter",
    }
    added |= {"mixtures": "_mixup", "electrode dropout": "_dropout", "GAN": "_gan"}
    shown = {f"{of}, {words}": of.lower() + name for of in ("SVM", "DGCNN") for words, name in added.items()}
    shown.pop("SVM, electrode dropout")
    assert {name for _, name in table.index} == {*shown.values(), "majority"}
    for title, method in shown.items():
        for share, cell in zip(shares, rows[title], strict=True):
            row = table.loc[(share, method)]
            assert cell == f"{row['value']:.3f} [{row['low']:.2f}, {row['high']:.2f}]"
    pairs = sorted((pair for share in compared.values() for pair in share["compared"]), key=lambda p: p["difference"])
    assert len(pairs) == 20
    largest, next_one = pairs[-1], pairs[-2]
    assert (largest["b"], largest["unit"]) == ("dgcnn_weighted", "subject")
    assert f"{largest['difference']:.3f} (p = {largest['p']:.3f}, after Holm {largest['p_holm']:.3f})" in page
    assert min(pair["p"] for pair in pairs[:-1]) > 0.285, "the page says that p is from 0.29"
    assert f"between {pairs[0]['difference']:.3f} and {next_one['difference']:.3f}" in page
    limits = [f"{compared[share]['detectable']:.3f}" for share in shares]
    assert f"{', '.join(limits[:-1])} and {limits[-1]} would have been found" in page
    methods = table.drop("majority", level="method")
    assert (methods.loc["stimulus_50", "p"] > 0.05).all()
    assert methods.loc["stimulus_50", "chance"].round(2).between(0.52, 0.54).all()
    assert methods.loc["stimulus_10", "value"].max() < table.loc[("stimulus_10", "majority"), "value"]
    assert f"the majority class ({table.loc[('stimulus_10', 'majority'), 'value']:.3f})" in page
    value = table["value"]
    gains = [value[share, "svm_gan"] - value[share, "svm"] for share in shares[:3]]
    assert f"gains {min(gains):.3f} to {max(gains):.3f}" in page
    seconds = compared["stimulus"]["fit_seconds_of_a_seed"]
    assert f"costs {seconds['svm_gan'] / 60:.0f} minutes a seed" in page
    assert round(seconds["svm"]) == 2


def test_what_searched_networks_use_is_stored():
    rows = rows_of("generation-search.md", 5)
    measures = {
        **{"planted places, searched networks": "auc", "planted places, logistic regression": "auc, linear"},
        **{"edges of genotypes that mix electrodes": "across electrodes"},
        **{"accuracy by sample, searched networks": "accuracy by sample"},
        **{"accuracy by sample, logistic regression": "accuracy by sample, linear"},
    }
    for place, (effect, draws) in enumerate({6: 19, 24: 9}.items()):
        stored = json.loads((ROOT / "results" / f"planted-d{effect}.json").read_text())
        assert stored["about"] == {"effect": effect, "seed": 0, "draws": draws}
        for title, name in measures.items():
            row = stored[name]
            assert rows[title][2 * place] == f"{row['true labels']:.3f} (p = {row['p']:.2f})"
            assert rows[title][2 * place + 1] == f"{np.mean(row['permuted']):.3f} (SD {np.std(row['permuted']):.3f})"
        better = stored["accuracy by sample"]["true labels"] > max(stored["accuracy by sample"]["permuted"])
        assert better == (effect == 24), "the page says at which effect the networks learn"
        assert all(
            stored[name]["true labels"] > max(stored[name]["permuted"])
            for name in measures.values()
            if "linear" in name
        )


def test_what_a_search_costs_is_stored():
    page = " ".join((ROOT / "docs" / "generation-search.md").read_text().split())
    stored = json.loads((ROOT / "results" / "search.json").read_text())
    ratio = {name: row["ratio"] for name, row in stored.items() if "ratio" in row}
    for of in ("least", "quick"):
        words = "times as fast as one after the other with batches of 8 and" if of == "least" else "and"
        assert f"{ratio[f'{of}, batch 8']:.1f} {words} {ratio[f'{of}, batch 32']:.1f} times" in page
    assert ("is not reached" in page) == (ratio["least, batch 32"] < 4)
    step, hours = stored["step, quick"], stored["fold, full, extrapolated hours on one thread"]
    assert f"search costs {step['search'] / step['train']:.0f} times a step of training" in page
    assert f"a whole search {ratio['search over training, full']:.1f} times the training" in page
    assert f"takes {hours['generator']:.1f} hours for the generator, {hours['population']:.1f} for the search" in page
    assert f"{hours['personal']:.1f} for the personal ones and {hours['networks']:.1f} for the networks" in page


def test_that_nothing_is_claimed_of_nothing_is_stored():
    page = " ".join((ROOT / "docs" / "generation-search.md").read_text().split())
    rows, most = rows_of("generation-search.md", 4), 0
    for title, name in {
        "LDA, GAN": "gan",
        "personal architectures": "search",
        "personal architectures, GAN": "search_gan",
    }.items():
        table = pd.read_csv(ROOT / "results" / f"null-{name}.csv")
        assert set(table["protocol"]) == {"stimulus"}
        window, trial = (table[table["level"] == level] for level in ("window", "trial"))
        assert sorted(trial["seed"]) == sorted(window["seed"]) == list(range(10))
        means = [f"{part['value'].mean():.3f} (SD {part['value'].std():.3f})" for part in (window, trial)]
        claims = [int((part["p"] < 0.05).sum()) for part in (window, trial)]
        assert rows[title] == [*means, f"{claims[0]} and {claims[1]} of 10"]
        most = max(most, *claims)
    assert most <= 2, "the page says that no more are claimed than chance allows"
    assert "no more than chance allows" in page


def test_what_speech_costs_is_stored():
    stored = json.loads((ROOT / "results" / "speech.json").read_text())["models"]
    rows = rows_of("speech.md", 5)
    for title, name in {"speech_cnn": "cnn", "speech_attention": "attention", "eGeMAPS, SVM": "egemaps"}.items():
        mine, slow = stored[name], stored.get(f"{name}, float32", {"epoch_s": None})
        epochs = ["" if row["epoch_s"] is None else f"{row['epoch_s']:.1f} s" for row in (mine, slow)]
        assert rows[title] == [*epochs, f"{mine['p50_ms']:.0f} ms", f"{mine['p99_ms']:.0f} ms"]
    assert {row["trained_on"] for row in stored.values()} == {1140}


def test_what_training_on_photographs_costs_is_stored():
    stored = json.loads((ROOT / "results" / "faces.json").read_text())
    rows = rows_of("faces.md", 3)
    names = {
        **{"as shipped": "as shipped", "float32": "float32", "float32, channels first": "float32, channels first"},
        **{"nothing changed at random": "bfloat16, nothing changed"},
        **{"photographs as floats": "bfloat16, photographs as floats"},
    }
    networks = ("three_block", "compact")
    for title, name in names.items():
        for shown, network in zip(rows[title], networks, strict=True):
            mine, first = stored[network][name], stored[network]["as shipped"]
            time = mine["seconds"] / first["seconds"]
            words = f"{mine['seconds']:.1f} s" if name == "as shipped" else f"{time:.2f}"
            assert shown == f"{words}, {mine['megabytes']:.0f} MB"
    page = " ".join((ROOT / "docs" / "faces.md").read_text().split())
    slower = stored["changes"]["one by one"] / stored["changes"]["batches"]
    assert f"take {slower:.1f} times as long" in page
    assert all(
        stored[n]["bfloat16, nothing changed"]["seconds"] > 0.9 * stored[n]["as shipped"]["seconds"] for n in networks
    )
    # the training part of FER-2013 without the 503 photographs that copy one of the test part
    minutes = 60 * stored["compact"]["as shipped"]["seconds"] * (28_709 - 503) / stored["photos"] / 60
    assert f"its 60 epochs take {minutes:.0f} minutes" in page


def test_what_is_recognised_of_simulated_faces_is_stored():
    stored = pd.read_csv(ROOT / "results" / "faces-demo.quick.csv", dtype={"labels": str})
    table = stored.query("labels == 'true' and level == 'trial' and metric == 'balanced_accuracy'")
    table = table.set_index(["method", "protocol"])[["value", "low", "high"]]
    shown = rows_of("faces.md", 4)
    names = {
        **{"majority class": "majority", "LDA on pixels": "lda", "three blocks": "face_cnn", "compact": "compact"},
        **{"three blocks, CORAL": "coral", "three blocks, domain-adversarial": "dann"},
    }
    for title, method in names.items():
        for words, protocol in zip(shown[title], ("identity", "domain", "random_window"), strict=True):
            numbers = list(map(float, re.findall(r"\d\.\d+", words)))
            expected = table.loc[(method, protocol)].tolist() if (method, protocol) in table.index else []
            assert numbers == [
                pytest.approx(v, abs=a) for v, a in zip(expected, (5.1e-4, 5.1e-3, 5.1e-3), strict=False)
            ]
    compared = json.loads((ROOT / "results" / "faces-demo.quick.json").read_text())
    pairs = {(p, one["a"], one["b"]): one for p in ("identity", "domain") for one in compared[p]["compared"]}
    page = " ".join((ROOT / "docs" / "faces.md").read_text().split())
    blocks = table.xs("face_cnn")["value"]
    assert f"never seen costs the three blocks {blocks['identity'] - blocks['domain']:.2f}" in page
    coral, dann = (pairs["domain", name, "face_cnn"] for name in ("coral", "dann"))
    assert f"brings {coral['difference']:.2f} of it back (p {coral['p_holm']:.3f} after Holm)" in page
    assert f"nothing that shows (p {dann['p_holm']:.2f})" in page
    behind, ahead = (pairs[p, "compact", "face_cnn"]["difference"] for p in ("identity", "domain"))
    assert f"(by {-behind:.2f} and {ahead:.2f})" in page


def test_what_generators_of_photographs_make_is_stored():
    stored = json.loads((ROOT / "results" / "fer2013-rare.generated.json").read_text())
    (method,) = stored["methods"].values()
    page = " ".join((ROOT / "docs" / "faces.md").read_text().split())
    passed = {row["class"]: row["share"] for row in method["acceptance"] if row["rule"] == "class"}
    real = [row["share"] for row in method["acceptance"] if row["rule"] == "real ones"]
    shares = [f"{100 * passed[name]:.0f}" for name in ("angry", "disgust", "fear", "surprise")]
    assert f"{', '.join(shares[:3])} and {shares[3]} % pass the filter, of real ones held back 75 %" in page
    assert np.allclose(real, 0.75, atol=0.01)
    rows = {row["measure"]: row for row in method["rows"] if row["class"] == "all"}
    far = rows["frechet"]
    assert f"(Fréchet distance {far['value']:.1f}, of real ones {far['reference']:.1f}) and closer together" in page
    assert rows["density"]["value"] > 1.5 * rows["density"]["reference"]
    assert rows["memorisation"]["verdict"] == rows["close"]["verdict"] == "good"


def test_what_is_left_of_pruned_sequences_is_stored():
    stored = pd.read_csv(ROOT / "results" / "gene-pruning-waves.quick.csv", dtype={"labels": str})
    table = stored.query("labels == 'true' and level == 'window' and metric == 'accuracy'").set_index("method")
    about = json.loads((ROOT / "results" / "gene-pruning-waves.quick.json").read_text())["recording"]
    shown, sizes = rows_of("pruning.md", 3, "Sequences"), about["parameters"]
    names = {
        **{"dense": "dense", "gene": "gene", "gene, dynamics off": "gene_no_memory", "RigL": "rigl", "SET": "set"},
        **{"gene, rewiring off": "gene_no_rewiring", "gene, random scores": "gene_random_scores", "random": "random"},
        **{"largest gradually": "gradual", "largest at once": "magnitude", "small from the beginning": "small"},
        **{"LDA": "lda"},
    }
    for title, method in names.items():
        numbers = list(map(float, re.findall(r"\d\.\d+", shown[title][1])))
        assert numbers == pytest.approx(table.loc[method, ["value", "low", "high"]].tolist(), abs=5.1e-4)
        assert shown[title][0] == (f"{sizes[method]:,}".replace(",", " ") if method in sizes else "")
    pairs = {pair["b"]: pair for pair in about["compared"]}
    control = pairs.pop("gene_random_scores")
    page = " ".join((ROOT / "docs" / "pruning.md").read_text().split())
    assert f"far below (by {control['difference']:.2f}, p {control['p_holm']:.3f} after Holm)" in page
    assert min(pair["p_holm"] for pair in pairs.values()) > 0.9
    assert table.loc["dense", "value"] - table.loc["random", "value"] < 0.01


def test_what_is_left_of_pruned_networks_is_stored():
    stored = pd.read_csv(ROOT / "results" / "gene-pruning-digits.quick.csv")
    table = stored.query("labels == 'true' and level == 'window' and metric == 'accuracy'").set_index("method")
    shown = rows_of("pruning.md", 2)
    names = {
        **{"dense": "dense", "gene": "gene", "gene, dynamics off": "gene_no_memory", "RigL": "rigl", "SET": "set"},
        **{"gene, rewiring off": "gene_no_rewiring", "gene, random scores": "gene_random_scores", "random": "random"},
        **{"largest gradually": "gradual", "largest at once": "magnitude", "small from the beginning": "small"},
        **{"logistic regression": "logistic_regression"},
    }
    for title, method in names.items():
        numbers = list(map(float, re.findall(r"\d\.\d+", shown[title][0])))
        assert numbers == pytest.approx(table.loc[method, ["value", "low", "high"]].tolist(), abs=5.1e-4)
    compared = json.loads((ROOT / "results" / "gene-pruning-digits.quick.json").read_text())["recording"]["compared"]
    pairs = {pair["b"]: pair for pair in compared}
    page = " ".join((ROOT / "docs" / "pruning.md").read_text().split())
    control = pairs["gene_random_scores"]
    assert (
        f"{100 * control['difference']:.1f} points ahead of random scores, its control (p {control['p_holm']:.3f}"
        in page
    )
    small = pairs["small"]
    assert f"and {100 * small['difference']:.1f} ahead of a network that was small" in page
    assert f"(p {small['p_holm']:.3f})" in page
    ahead = [pairs[name] for name in ("magnitude", "random", "set", "rigl")]
    points, chances = [100 * pair["difference"] for pair in ahead], [pair["p_holm"] for pair in ahead]
    words = f"ahead by {min(points):.1f} to {max(points):.1f} points, with p {min(chances):.2f} to {max(chances):.2f}"
    assert words in page
    assert all(pairs[name]["p_holm"] == 1 for name in ("dense", "gradual", "gene_no_memory", "gene_no_rewiring"))


#: Rows of the table on pruned photographs, and methods with half and with a fifth of the parameters.
PHOTOGRAPHS = {
    **{"dense, nothing gone": ("dense", ""), "gene": ("gene", "gene_fifth"), "random": ("random", "random_fifth")},
    **{"largest gradually": ("gradual", "gradual_fifth"), "largest at once": ("magnitude", "magnitude_fifth")},
    **{
        "RigL": ("rigl", "rigl_fifth"),
        "SET": ("set", "set_fifth"),
        "small from the beginning": ("small", "small_fifth"),
    },
    **{"gene, dynamics off": ("gene_no_memory", ""), "gene, rewiring off": ("gene_no_rewiring", "")},
    **{"gene, random scores": ("gene_random_scores", ""), "gene, single connections": ("gene_connections", "")},
}


def test_what_is_left_of_pruned_photographs_is_stored():
    stored = pd.read_csv(ROOT / "results" / "gene-pruning-fer.quick.csv", dtype={"labels": str})
    table = stored.query("labels == 'true' and level == 'trial' and metric == 'accuracy'").set_index("method")
    shown = rows_of("pruning.md", 3, "Photographs")
    for title, methods in PHOTOGRAPHS.items():
        for cell, method in zip(shown[title], methods, strict=True):
            row = table.loc[method] if method else None
            expected = "-" if row is None else f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
            assert cell == expected, title
    assert {name for pair in PHOTOGRAPHS.values() for name in pair if name} == {*table.index} - {"majority"}
    about = stored_as("gene-pruning-fer.quick")["official"]
    page = " ".join((ROOT / "docs" / "pruning.md").read_text().split())
    pairs = {(row["a"], row["b"]): row for row in about["compared"]}
    assert len(pairs) == 17
    half, fifth = pairs["gene", "dense"], pairs["gene_fifth", "dense"]
    span = "{:.3f} [{:.3f}, {:.3f}]"
    cost = [span.format(*(-row[key] for key in ("difference", "high", "low"))) for row in (half, fifth)]
    assert f"Half of the parameters cost {cost[0]} with regulation" in page
    assert f"from nothing (p {half['p_holm']:.2f} after Holm for 17 comparisons)" in page
    assert f"four fifths cost {cost[1]} (p {fifth['p']:.3f}, {fifth['p_holm']:.2f} after Holm)" in page
    told = {pair for pair, row in pairs.items() if row["p_holm"] < 0.05}
    assert told == {("gene_fifth", "set_fifth"), ("gene_fifth", "rigl_fifth")}
    sets, rigl, chance = (pairs["gene", name] for name in ("set", "rigl", "gene_random_scores"))
    words = f"regulation is {chance['difference']:.3f} ahead of random scores in its own place"
    assert f"{words} (p {chance['p_holm']:.2f} after Holm)" in page
    words = "{:.3f} of SET and {:.3f} of RigL (p {:.2f} and {:.0f})"
    assert words.format(*(row[key] for key in ("difference", "p_holm") for row in (sets, rigl))) in page
    near = [abs(pairs["gene", name]["difference"]) for name in ("gradual", "magnitude", "random", "small")]
    assert f"the beginning it is {min(near):.3f} to {max(near):.3f} apart" in page
    own = [pairs["gene", name]["difference"] for name in ("gene_no_memory", "gene_no_rewiring")]
    assert "or its returns {:.3f} and {:.3f} worse (p 1 each)".format(*own) in page
    rest = ("gradual", "magnitude", "random", "small", "gene_no_memory", "gene_no_rewiring")
    assert {pairs["gene", name]["p_holm"] for name in rest} == {1.0}
    sets, rigl = (pairs["gene_fifth", name] for name in ("set_fifth", "rigl_fifth"))
    words = "ahead of SET by {:.3f} and of RigL by {:.3f} (p {:.4f} and {:.4f})"
    assert words.format(*(row[key] for key in ("difference", "p_holm") for row in (sets, rigl))) in page
    others = ("gradual_fifth", "magnitude_fifth", "random_fifth", "small_fifth")
    near = [abs(pairs["gene_fifth", name]["difference"]) for name in others]
    assert f"and {min(near):.3f} to {max(near):.3f} apart from the others" in page
    free = pd.read_csv(ROOT / "results" / "gene-pruning-fer-any.quick.csv", dtype={"labels": str})
    free = free.query("labels == 'true' and level == 'trial' and metric == 'accuracy'").set_index("method")["value"]
    four = [f"{free[name]:.3f}" for name in ("gene", "gradual", "gene_fifth", "gradual_fifth")]
    assert f"Accuracies were {four[0]} and {four[1]} with half left, {four[2]} and {four[3]} with a fifth" in page
    gained = (table["value"] - free)[["gene", "gradual", "gene_fifth", "gradual_fifth"]]
    words = "there blocks cost {:.3f} and {:.3f}, here they gain {:.3f} and {:.3f}"
    assert words.format(*(gained * [-1, -1, 1, 1])) in page
    for share, low, high in (("half", 83, 90), ("fifth", 34, 39)):
        place = share == "fifth"
        sizes = [about["parameters"][pair[place]] for pair in PHOTOGRAPHS.values() if pair[place] not in ("", "dense")]
        assert (min(sizes) // 1000, -(-max(sizes) // 1000)) == (low, high)
    assert f"{about['parameters']['dense']:,}".replace(",", " ") in page


def test_what_smaller_networks_of_photographs_save_is_stored():
    stored = pd.read_csv(ROOT / "results" / "gene-pruning-fer.speed.csv").set_index("method")
    shown = rows_of("pruning.md", 6, "What smaller networks")
    names = {
        **{"dense": "dense", "gene, half": "gene", "largest gradually, half": "gradual", "small, half": "small"},
        **{"gene, a fifth": "gene_fifth", "largest at once, a fifth": "magnitude_fifth"},
        **{"small, a fifth": "small_fifth"},
    }
    for title, method in names.items():
        assert shown[title] == costs_of(stored.loc[method], 1)
    less = {method: f"{100 * (1 - stored.loc[method, 'time_64']):.0f} %" for method in names.values()}
    page = " ".join((ROOT / "docs" / "pruning.md").read_text().split())
    assert f"{less['gene']} less after regulation, {less['gradual']} less after gradual pruning; one photograph" in page
    assert f"one photograph takes {100 * (1 - stored.loc['gene', 'time_1']):.0f} % less" in page
    assert f"A fifth of the parameters takes {less['gene_fifth']} less" in page
    assert f"the larger one saves {less['small']} for" in page
    free = pd.read_csv(ROOT / "results" / "gene-pruning-fer-any.speed.csv").set_index("method")
    saved = [f"{100 * (1 - free.loc[name, 'time_64']):.0f} %" for name in ("gene", "gradual")]
    done = [f"{free.loc[name, 'operations'] / 1e6:.1f}" for name in ("gene", "gradual")]
    assert f"saved {saved[0]} after regulation and {saved[1]} after gradual pruning" in page
    assert f"operations, {done[0]} and {done[1]} million" in page


def costs_of(row, digits):
    """Return the cells of a table of costs."""
    return [
        *(
            f"{row['operations'] / 1e6:.{digits}f} million",
            f"{row['bytes'] / 1e3:.0f} kB",
            f"{row['memory'] / 1e6:.0f} MB",
        ),
        *(f"{row['p50_1']:.2f} ms ({row['time_1']:.2f})", f"{row['p50_64']:.0f} ms ({row['time_64']:.2f})"),
    ]


#: Rows of the table on pruned voices, and methods.
VOICES = {
    **{"dense": "dense", "gene, half": "gene", "largest gradually, half": "gradual", "gene, a fifth": "gene_fifth"},
    **{"largest gradually, a fifth": "gradual_fifth", "largest at once, a fifth": "magnitude_fifth"},
    **{"random, a fifth": "random_fifth", "small from the beginning": "small"},
}


def test_what_is_left_of_pruned_voices_is_stored():
    stored = pd.read_csv(ROOT / "results" / "gene-pruning-ravdess.quick.csv", dtype={"labels": str})
    table = stored.query("labels == 'true' and level == 'trial' and metric == 'balanced_accuracy'").set_index("method")
    about, shown = stored_as("gene-pruning-ravdess.quick")["published"], rows_of("pruning.md", 4, "Voices")
    (found,) = stored_as("gene-pruning-ravdess.quick.inspected")["gaps"]
    gaps = {row["method"]: row for row in found["gaps"]}
    for title, method in VOICES.items():
        parameters, recall, gap = shown[title]
        row = table.loc[method]
        assert parameters == f"{about['parameters'][method]:,}".replace(",", " ")
        assert recall == f"{row['value']:.3f} [{row['low']:.2f}, {row['high']:.2f}]"
        assert gap == ("{gap:.3f} [{low:.2f}, {high:.2f}]".format(**gaps[method]) if method in gaps else "-")
    page = " ".join((ROOT / "docs" / "pruning.md").read_text().split())
    planned = {(row["a"], row["b"]): row for row in about["compared"]}
    half, fifth = planned["gene", "dense"], planned["gene_fifth", "dense"]
    lost = f"half of the parameters {-half['difference']:.3f} and four fifths {-fifth['difference']:.3f}"
    assert f"{lost} (p {max(half['p_holm'], fifth['p_holm']):.4f} after Holm)" in page
    rules = [
        planned[pair]
        for pair in (("gene", "gradual"), *(("gene_fifth", f"{x}_fifth") for x in ("gradual", "magnitude")))
    ]
    apart = [abs(row["difference"]) for row in rules]
    assert (
        f"{min(apart):.3f} to {max(apart):.3f} apart (p {min(row['p_holm'] for row in rules):.0f} after Holm)" in page
    )
    by_chance, small = planned["gene_fifth", "random_fifth"], planned["gene_fifth", "small"]
    assert f"regulation is by {by_chance['difference']:.3f} (p {by_chance['p_holm']:.2f})" in page
    assert f"small from the beginning by {small['difference']:.3f} (p {small['p_holm']:.3f})" in page
    kinds = ("dense", "gene", "gene_fifth")
    assert {gaps[name]["best"] for name in kinds} == {"female"}
    women, men = ([f"{gaps[name][f'{end}_value']:.3f}" for name in kinds] for end in ("best", "worst"))
    assert "from {} to {} and {} where men go from".format(*women) in page
    assert "where men go from {} to {} and {}:".format(*men) in page
    less = {row["a"]: row for row in found["compared"] if row["b"] == "dense"}
    narrower = " and ".join(f"{-less[name]['difference']:.3f}" for name in kinds[1:])
    chances = " and ".join(f"{less[name]['p']:.3f}" for name in kinds[1:])
    assert f"the gap narrows, by {narrower} (p {chances}, before any correction)" in page


def test_null_data_of_the_search_are_stored():
    shown = rows_of("generation-search.md", 4)
    names = {"LDA, GAN": "gan", "personal architectures": "search", "personal architectures, GAN": "search_gan"}
    for title, method in {**names, "one searched architecture, new people": "eegnas"}.items():
        stored = pd.read_csv(ROOT / "results" / f"null-{method}.csv")
        assert set(stored["protocol"]) == {"loso" if method == "eegnas" else "stimulus"}
        parts = [stored[stored["level"] == level] for level in ("window", "trial")]
        said = [f"{part['value'].mean():.3f} (SD {part['value'].std():.3f})" for part in parts]
        claims = " and ".join(str((part["p"] < 0.05).sum()) for part in parts)
        assert shown[title] == [*said, f"{claims} of {stored['seed'].nunique()}"]


def test_what_pruned_voices_save_is_stored():
    table = pd.read_csv(ROOT / "results" / "gene-pruning-ravdess.speed.csv").set_index("method")
    shown = rows_of("pruning.md", 6, "What that saves")
    kept = {title: method for title, method in VOICES.items() if method in table.index}
    assert set(shown) >= set(kept)
    assert len(kept) == len(table) == 5
    for title, method in kept.items():
        assert shown[title] == costs_of(table.loc[method], 0)
    page = " ".join((ROOT / "docs" / "pruning.md").read_text().split())
    less = {method: f"{100 * (1 - table.loc[method, 'time_64']):.0f} %" for method in ("gene", "gradual", "gene_fifth")}
    one = f"{100 * (1 - table.loc['gene', 'time_1']):.0f} %"
    assert f"but only {less['gene']} less time with 64 utterances and {one} with one" in page
    assert f"({less['gradual']} by gradual pruning" in page
    assert f"passed by a fifth of it, {less['gene_fifth']}" in page
    assert f"Beside the {table.loc['gene', 'features']:.1f} ms" in page
    assert table.loc["gene", ["parameters_share", "operations_share", "bytes_share"]].between(0.49, 0.52).all()


def test_what_networks_reach_on_photographs_is_stored():
    stored = pd.read_csv(ROOT / "results" / "fer2013.quick.csv", dtype={"labels": str}).query("level == 'trial'")
    table = stored.set_index(["protocol", "metric", "method"])[["value", "low", "high"]]
    names = {
        "compact, 0.70 million parameters": "compact",
        "three blocks, 1.27 million": "face_cnn",
        "three blocks, photographs as they are": "face_cnn_plain",
    }
    shown = rows_of("faces.md", 4)
    places = [("official", "accuracy"), ("official", "macro_f1"), ("official_with_copies", "accuracy")]
    for title, method in names.items():
        for cell, place in zip(shown[title], places, strict=True):
            assert (cell == "-") == ((*place, method) not in table.index)
            if cell != "-":
                numbers = list(map(float, re.findall(r"\d\.\d+", cell)))
                assert numbers == pytest.approx(table.loc[(*place, method)].tolist(), abs=5.1e-4)
    recalls = pd.read_csv(ROOT / "results" / "fer2013.quick.recalls.csv").set_index(["method", "class"])["recall"]
    shown = rows_of("faces.md", 8)
    for title, method in {"compact": "compact", "three blocks": "face_cnn", "as they are": "face_cnn_plain"}.items():
        known = [recalls[method, name] for name in shown["recall"]]
        assert list(map(float, shown[title])) == pytest.approx(known, abs=5.1e-3)
    found = json.loads((ROOT / "results" / "fer2013.quick.json").read_text())["official"]
    page = " ".join((ROOT / "docs" / "faces.md").read_text().split())
    assert {pair["p_holm"] for pair in found["compared"]} == {0.0002}
    assert "(p 0.0002 after Holm each)" in page
    minutes = found["fit_seconds_of_a_seed"]
    words = f"for {minutes['face_cnn'] / 60:.0f} minutes, the compact network for {minutes['compact'] / 60:.0f}"
    assert words in page
    majority = table.loc["official", "accuracy", "majority"]["value"]
    assert f"The commonest class has {majority:.3f}" in page


def test_what_helps_rare_expressions_is_stored():
    stored = pd.read_csv(ROOT / "results" / "fer2013-rare.quick.csv", dtype={"labels": str})
    stored = stored.query("level == 'trial' and labels == 'true'").set_index(["method", "metric"])
    recalls = pd.read_csv(ROOT / "results" / "fer2013-rare.quick.recalls.csv").set_index(["method", "class"])
    found = json.loads((ROOT / "results" / "fer2013-rare.quick.json").read_text())["official"]
    changed = "random changes"
    titles = {
        **{"plain": "photographs as they are", "plain_gan": "as they are, DCGAN", "changed": changed},
        **{"changed_weighted": f"{changed}, weighted classes", "changed_gan": f"{changed}, DCGAN"},
        **{"changed_oversample": f"{changed}, repeated photographs"},
    }
    shown = rows_of("faces.md", 5)
    for name, title in titles.items():
        macro, accuracy, *mine = (list(map(float, re.findall(r"\d\.\d+", cell))) for cell in shown[title])
        known = stored.loc[(name, "macro_f1"), ["value", "low", "high", "seed_sd"]].tolist()
        assert macro == pytest.approx(known, abs=5.1e-4)
        assert accuracy == pytest.approx([stored.loc[(name, "accuracy"), "value"]], abs=5.1e-4)
        for numbers, rare in zip(mine, ("disgust", "fear"), strict=True):
            assert numbers == pytest.approx(recalls.loc[(name, rare), ["recall", "low", "high"]].tolist(), abs=5.1e-3)
    shown = rows_of("faces.md", 4)
    for pair in found["compared"]:
        cells = shown[f"{titles[pair['a']]} against {titles[pair['b']]}"]
        of = {row["class"]: row for row in found["recalls"] if (row["a"], row["b"]) == (pair["a"], pair["b"])}
        for cell, row in zip(cells, (pair, of["disgust"], of["fear"]), strict=True):
            numbers = list(map(float, re.findall(r"[-+]?\d\.\d+", cell)))
            known = [row[key] for key in ("difference", "low", "high", "p_holm")]
            assert numbers == pytest.approx(known, abs=5.1e-3)


def test_how_often_the_auditor_is_right_is_stored():
    shown = rows_of("audit.md", 7)
    for half, name in enumerate(("third-once", "second")):
        stored = json.loads((ROOT / "results" / f"honesty-{name}.json").read_text())
        mine = slice(3 * half, 3 * half + 3)
        for key, row in stored["by_kind"].items():
            kind, strength = key.rsplit(", ", 1)
            cell = shown[kind][mine][("weak", "middle", "strong").index(strength)]
            assert float(cell) == pytest.approx(row["rate"], abs=5.1e-3)
        for title, key in {"all": "by_strength", "all, and not by the shortcut probe alone": "named"}.items():
            for cell, row in zip(shown[title][mine], stored[key].values(), strict=True):
                numbers = list(map(float, re.findall(r"\d\.\d+", cell)))
                assert numbers == pytest.approx([row["rate"], row["low"], row["high"]], abs=5.1e-3)
        assert {row["cases"] for row in stored["by_strength"].values()} == {20}
        alarms = stored["false_alarms"]
        said = f"{len(stored['accused'])} of {alarms['n']}: {alarms['rate']:.3f}"
        assert shown["clean studies that are accused"][3 * half] == (
            f"{said} [{alarms['low']:.3f}, {alarms['high']:.2f}]"
        )
    once, now = (json.loads((ROOT / "results" / f"honesty-third{name}.json").read_text()) for name in ("-once", ""))
    rates = [row["rate"] for row in now["by_strength"].values()]
    page = " ".join((ROOT / "docs" / "audit.md").read_text().split())
    assert "of that set {:.2f}, {:.2f} and {:.2f} are found now, and as many clean".format(*rates) in page
    assert len(once["accused"]) == len(now["accused"])


def test_what_pairing_by_label_invents_is_stored():
    from thymos.evaluation.study_files import load_study

    stored = pd.read_csv(ROOT / "results" / "hybrid-fer-physio.quick.csv", dtype={"labels": str})
    table = stored.query("labels == 'true' and level == 'window' and metric == 'accuracy'")
    table = table.set_index(["method", "protocol"])[["value", "low", "high"]]
    names = {
        **{"always the commonest word": "majority", "face alone": "face", "heart rate alone": "bvp"},
        **{"fusion, trained": "concat", "fusion, as if independent": "independent", "face alone, DCGAN": "face_gan"},
        **{"heart rate alone, recurrent GAN": "bvp_gan", "fusion, trained, both GANs": "concat_gan"},
        **{"fusion, as if independent, both GANs": "independent_gan"},
    }
    shown, protocols = rows_of("body-and-fusion.md", 4), ("paired_by_label", "paired_at_random")
    claims = {claim.method: f"{claim.value:.2f}" for claim in load_study("hybrid-fer-physio").claims}
    for title, method in names.items():
        assert shown[title][0] == claims.get(method, "-")
        for words, protocol in zip(shown[title][1:], protocols, strict=True):
            numbers = list(map(float, re.findall(r"\d\.\d+", words)))
            expected = table.loc[(method, protocol)].tolist() if (method, protocol) in table.index else []
            assert numbers == [
                pytest.approx(v, abs=a) for v, a in zip(expected, (5.1e-4, 5.1e-3, 5.1e-3), strict=False)
            ]
    value = table["value"]
    page = " ".join((ROOT / "docs" / "body-and-fusion.md").read_text().split())
    by_label, at_random = ({m: value[m, p] - value["face", p] for m in ("concat", "independent")} for p in protocols)
    assert f"than the face alone by {by_label['concat']:.3f}; {at_random['concat']:.3f} of this" in page
    invented, views = (by_label[name] - at_random[name] for name in ("concat", "independent"))
    assert f"invents is {invented:.3f}. Most of it, {views:.3f}, is" in page
    compared = json.loads((ROOT / "results" / "hybrid-fer-physio.quick.json").read_text())["paired_by_label"][
        "compared"
    ]
    pairs = {(one["a"], one["b"]): one for one in compared}
    network, made = pairs["concat", "independent"], pairs["concat_gan", "concat"]
    assert f"is {network['difference']:.2f} ahead of that, of which p is {network['p_holm']:.2f} after Holm" in page
    assert f"({made['difference']:.2f}, p {made['p_holm']:.2f})" in page
    rows = pd.read_csv(ROOT / "results" / "truth.csv").set_index(["study", "protocol"])
    assert rows.loc[("hybrid-fer-physio", "paired_by_label"), "honest"] == pytest.approx(
        value["concat", protocols[0]], abs=1e-4
    )


def test_what_a_fusion_of_one_moment_adds_is_stored():
    stored = pd.read_csv(ROOT / "results" / "hybrid-demo.quick.csv", dtype={"labels": str})
    stored = stored.query("labels == 'true' and level == 'trial'").set_index(["method", "protocol"])
    titles = {"face": "face", "heart rate": "bvp", "EEG": "eeg", "face and heart rate, side by side": "concat"}
    titles |= {"all, side by side": "concat_all", "all, attention": "attention", "all, gates": "gated"}
    titles |= {"all, as if independent": "independent", "all, stacking": "stacking"}
    titles |= {"all, mean of log-probabilities": "average"}
    shown = rows_of("body-and-fusion.md", 3, "Of one moment, simulated**")
    for title, method in titles.items():
        for cell, protocol in zip(shown[title], ("loso", "random_window"), strict=True):
            if (method, protocol) not in stored.index:
                assert cell == "-"
                continue
            row = stored.loc[(method, protocol)]
            assert cell == f"{row['value']:.3f} [{row['low']:.2f}, {row['high']:.2f}]"
    page = " ".join((ROOT / "docs" / "body-and-fusion.md").read_text().split())
    compared = {(row["a"], row["b"]): row for row in stored_as("hybrid-demo.quick")["loso"]["compared"]}
    two, face, mean, independent = (
        compared[pair]
        for pair in (("concat", "face"), *(("concat_all", rival) for rival in ("face", "average", "independent")))
    )
    assert f"better than the face alone by {two['difference']:.3f} (p {two['p_holm']:.3f} after Holm)" in page
    assert f"better than the face by {face['difference']:.3f}, p {face['p_holm']:.3f})" in page
    assert f"log-probabilities by {mean['difference']:.3f} (p {mean['p_holm']:.3f})" in page
    assert f"independent it is {independent['difference']:.3f} (p {independent['p_holm']:.3f})" in page
    value = stored["value"].xs("loso", level="protocol")
    assert value[["average", "independent", "stacking"]].max() < value["face"]
    left = {row["value"]: row for row in stored_as("hybrid-demo.quick.inspected")["missing_modality"]}
    shown, methods = (
        rows_of("body-and-fusion.md", 7),
        ["concat_all", "attention", "gated", "independent", "stacking", "average"],
    )
    for given, row in left.items():
        title = given.replace("eeg", "EEG").replace("bvp", "heart rate")
        assert list(shown[title]) == [f"{row[method]:.3f}" for method in methods], given


def test_what_three_pairings_of_the_same_samples_give_is_stored():
    stored = pd.read_csv(ROOT / "results" / "hybrid-pairs.quick.csv", dtype={"labels": str})
    stored = stored.query("labels == 'true' and level == 'window'").set_index(["method", "protocol"])
    titles = {"always the commonest": "majority", "face": "face", "heart rate": "bvp", "trained fusion": "concat"}
    shown = rows_of("body-and-fusion.md", 4, "The same samples, paired in three ways**")
    protocols = ("paired_truly", "paired_by_label", "paired_at_random")
    for title, method in {**titles, "as if independent": "independent"}.items():
        for cell, protocol in zip(shown[title], protocols, strict=True):
            row = stored.loc[(method, protocol)]
            assert cell == f"{row['value']:.3f} [{row['low']:.2f}, {row['high']:.2f}]"
    page = " ".join((ROOT / "docs" / "body-and-fusion.md").read_text().split())
    compared = stored_as("hybrid-pairs.quick")
    gains = [
        next(row for row in compared[protocol]["compared"] if (row["a"], row["b"]) == ("concat", "face"))
        for protocol in protocols
    ]
    truly, label, chance = (row["difference"] for row in gains)
    assert f"by {truly:.3f} where both are of one moment, by {label:.3f} where they are paired by label" in page
    assert f"by {chance:.3f} where the heart rate tells nothing" in page
    assert f"What the label invents is then {label - chance:.3f}, of {label:.3f}" in page
    faces = stored["value"].xs("face")
    assert f"moves from {faces.min():.3f} to {faces.max():.3f} between the pairings" in page
    p = [row["p_holm"] for row in gains]
    assert f"(p {min(p):.2f} to {max(p):.2f})" in page


def test_whom_pruning_costs_is_stored():
    stored = pd.read_csv(ROOT / "results" / "culture-demo.quick.csv", dtype={"labels": str})
    stored = stored.query("labels == 'true' and level == 'trial' and metric == 'accuracy'")
    stored = stored.set_index(["method", "protocol"])
    (found,) = (x for x in stored_as("culture-demo.quick.inspected")["gaps"] if x["protocol"] == "identity")
    gaps = {row["method"]: row for row in found["gaps"]}
    titles = {"dense": "dense", "gene, half of the weights": "gene_half", "gene, a tenth": "gene_tenth"}
    titles |= {"largest at once, a tenth": "magnitude_tenth", "dense, groups count the same": "dense_balanced"}
    shown = rows_of("speech.md", 6, "Simulated display rules")
    for title, method in {**titles, "gene, a tenth, groups count the same": "tenth_balanced"}.items():
        new, best, worst, gap, group = shown[title]
        for cell, protocol in ((new, "identity"), (group, "domain")):
            row = stored.loc[(method, protocol)] if (method, protocol) in stored.index else None
            assert cell == ("-" if row is None else f"{row['value']:.3f} [{row['low']:.2f}, {row['high']:.2f}]")
        row = gaps[method]
        assert best == f"{row['best_value']:.3f}"
        assert worst == f"{row['worst_value']:.3f} [{row['worst_low']:.2f}, {row['worst_high']:.2f}]"
        assert gap == f"{row['gap']:.3f} [{row['low']:.2f}, {row['high']:.2f}]"
    page = " ".join((ROOT / "docs" / "speech.md").read_text().split())
    planned = {(r["a"], r["b"]): r for r in stored_as("culture-demo.quick")["identity"]["compared"]}
    half, tenth, even = (planned["dense", name] for name in ("gene_half", "gene_tenth", "dense_balanced"))
    lost = [f"{row['difference']:.3f}" for row in (half, tenth, even)]
    assert f"half of the weights {lost[0]} of the accuracy, nine tenths {lost[1]}" in page
    assert max(half["p_holm"], tenth["p_holm"]) < 0.0015
    assert f"makes no difference that is seen (p {planned['gene_tenth', 'magnitude_tenth']['p_holm']:.2f})" in page
    assert f"more than nine tenths of the weights do ({lost[2]})" in page
    apart = {(r["a"], r["b"]): r for r in found["compared"]}
    half, tenth, even = (apart["dense", name] for name in ("gene_half", "gene_tenth", "dense_balanced"))
    assert f"for half it is {half['difference']:.3f} narrower (p {half['p']:.2f})" in page
    assert f"for a tenth {-tenth['difference']:.3f} wider (p {tenth['p']:.2f})" in page
    assert f"takes from the gap, {even['difference']:.3f} (p {even['p']:.3f})" in page
    edges = [f(row[end] for row in (half, tenth)) for f, end in ((min, "low"), (max, "high"))]
    assert "reach from {:.2f} to {:.2f}".format(*edges) in page
    both = apart["gene_tenth", "tenth_balanced"]
    assert f"the gap is then {both['difference']:.3f} narrower (p {both['p']:.4f}) and" in page
    assert f"the accuracy {planned['gene_tenth', 'tenth_balanced']['difference']:.3f} lower" in page
    assert gaps["dense_balanced"]["worst_value"] < gaps["dense"]["worst_value"], "the worst one does not gain either"


#: Rows of the tables on HKU956, and methods.
HEART = {
    "majority class": "majority",
    "logistic regression on features": "logistic_regression",
    "random forest on features": "random_forest",
    "SVM on features": "svm",
    "LSTM, heart rate and features": "lstm",
    "LSTM, heart rate alone": "lstm_sequence",
    "LSTM, z-scores instead of ranges": "lstm_zscore",
    "LSTM, weighted classes": "lstm_weighted",
    "LSTM, repeated samples": "lstm_oversample",
    "LSTM, samples with noise": "lstm_jitter",
    "LSTM, means of two samples": "lstm_mixup",
    "LSTM, recurrent GAN": "lstm_gan",
    "LSTM, recurrent GAN as published": "lstm_gan_published",
    "LSTM, people aligned by CORAL": "lstm_coral",
    "LSTM, people aligned by a critic": "lstm_dann",
}


RATED = {"mean rating of training": "mean", "ridge regression": "ridge", "random forest": "random_forest"}
RATED |= {"SVM regression": "svr", "LSTM": "lstm"}


def same_cells(shown, stored, titles):
    """See that a table has the stored value and interval of each method, for new people, new trials and windows."""
    for title, method in titles.items():
        for cell, protocol in zip(shown[title], ("subject_stimulus", "trial", "random_window"), strict=True):
            if cell == "-":
                assert (method, protocol) not in stored.index
                continue
            row = stored.loc[(method, protocol)]
            numbers = list(map(float, re.findall(r"-?\d\.\d+", cell)))
            assert numbers == pytest.approx([row["value"], row["low"], row["high"]], abs=5.1e-3)


def test_what_the_heart_rate_shows_is_stored():
    stored = pd.read_csv(ROOT / "results" / "hku956-physio.quick.csv").query("level == 'trial' and labels == 'true'")
    always = stored.query("metric == 'accuracy' and method == 'majority' and protocol == 'subject_stimulus'")
    stored = stored.query("metric == 'balanced_accuracy'").set_index(["method", "protocol"])
    shown = rows_of("body-and-fusion.md", 4, "Nothing is seen of valence")
    same_cells(shown, stored, HEART)
    gan, lstm = (stored.loc[(name, "subject_stimulus")] for name in ("lstm_gan", "lstm"))
    page = " ".join((ROOT / "docs" / "body-and-fusion.md").read_text().split())
    compared = json.loads((ROOT / "results" / "hku956-physio.quick.json").read_text())["subject_stimulus"]
    (made,) = (row for row in compared["compared"] if (row["a"], row["b"]) == ("lstm_gan", "lstm"))
    words = (
        f"of which p is {made['p']:.3f}, and {made['p_holm']:.2f} after Holm (against permuted labels {gan['p']:.3f}"
    )
    assert f"it is {gan['value'] - lstm['value']:.3f} above the one without, {words}" in page
    assert (stored["p"] * 14 > 0.05).all()
    assert f'the {100 * always["value"].item():.0f} % that always answering "positive" reaches' in page
    areas = pd.read_csv(ROOT / "results" / "hku956-physio.quick.auc.csv").query("protocol == 'subject_stimulus'")
    assert len(areas) == len(HEART) - 1 == 14
    assert f"{areas['value'].min():.3f} to {areas['value'].max():.3f} over the fourteen methods" in page
    assert f"with p of {areas['p'].min():.2f} or more" in page
    every = pd.read_csv(ROOT / "results" / "hku956-physio.quick.csv")
    every = every.query("level == 'trial' and labels == 'permuted' and metric == 'balanced_accuracy'")
    assert (round(every["value"].min(), 3), round(every["value"].max(), 3)) == (0.495, 0.5)
    assert all(row["p_holm"] is None or row["p_holm"] > 0.05 for row in compared["compared"])
    ratings = pd.read_csv(ROOT / "results" / "hku956-ratings.quick.csv")
    ratings = ratings.query("level == 'trial' and labels == 'true'").set_index(["method", "protocol"])
    assert set(ratings["metric"]) == {"ccc"}
    same_cells(shown, ratings, RATED)


def test_what_the_heart_rate_shows_of_arousal_is_stored():
    stored = pd.read_csv(ROOT / "results" / "hku956-arousal.quick.csv", dtype={"labels": str})
    stored = stored.query("level == 'trial' and labels == 'true' and metric == 'balanced_accuracy'")
    stored = stored.set_index(["method", "protocol"])
    same_cells(rows_of("body-and-fusion.md", 4, "Of arousal next to nothing is seen"), stored, HEART)
    page = " ".join((ROOT / "docs" / "body-and-fusion.md").read_text().split())
    assert f"permuted labels (smallest p {stored['p'].min():.3f}, before" in page
    compared = stored_as("hku956-arousal.quick")["subject_stimulus"]["compared"]
    (made,) = (row for row in compared if (row["a"], row["b"]) == ("lstm_gan", "lstm"))
    assert f"({made['difference']:.3f} against the LSTM without them, p {made['p']:.2f})" in page
    areas = pd.read_csv(ROOT / "results" / "hku956-arousal.quick.auc.csv").set_index(["protocol", "method"])
    known, new = areas.loc["trial"], areas.loc["subject_stimulus"]
    names = {"svm": "with the SVM", "lstm": "with the LSTM", "random_forest": "with the random forest"}
    for method, words in {**names, "logistic_regression": "with logistic regression"}.items():
        row = known.loc[method]
        assert f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}] {words}" in page
    p = known["p"]
    four = f"p {p['svm']:.4f}, {p['lstm']:.3f}, {p['random_forest']:.3f} and {p['logistic_regression']:.2f}, before"
    assert four in page
    assert f"{new['value'].min():.2f} to {new['value'].max():.2f}, with p of {new['p'].min():.2f} or more" in page
    ratings = pd.read_csv(ROOT / "results" / "hku956-ratings-arousal.quick.csv", dtype={"labels": str})
    ratings = ratings.query("level == 'trial' and labels == 'true'").set_index(["method", "protocol"])
    same_cells(rows_of("body-and-fusion.md", 4, "Of arousal next to nothing is seen"), ratings, RATED)
    p = ratings["p"].xs("subject_stimulus", level="protocol").drop("mean")
    assert f"with p {p['random_forest']:.3f} and the SVM with {p['svr']:.3f}, before correction for four" in page
    assert min(holm(p.tolist())) > 0.05, "after it neither is"


MUSE = {
    "majority class": "majority",
    "1-nearest neighbour": "nearest_neighbour",
    "LDA with shrinkage": "lda",
    "random forest": "random_forest",
    "LSTM, one step (published form)": "lstm_single",
    "GRU, one step": "gru_single",
    "LSTM, one step, Bird's features corrected": "lstm_clean",
    "CNN-LSTM, 8 000 parameters": "cnn_lstm",
    "plain RNN over time, 8 000 parameters": "rnn_time",
    "LSTM over time, 8 000 parameters": "lstm_time",
    "GRU over time, 8 000 parameters": "gru_time",
}


def test_every_key_of_a_study_is_on_its_page_and_the_example_is_one():
    text = (ROOT / "docs" / "studies.md").read_text()
    keys = {
        key
        for line in text.splitlines()
        if line.startswith("| `")
        for key in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    made = {"budget", "reduces", "reduced", "folder"}  # by reading a file
    assert keys == set(Study.model_fields) - made | {"definitions", "defaults"}
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.S)
    study = parse_study(yaml.safe_load(example), "quick")
    assert (study.seeds, study.reduces, study.honest) == (1, "one seed", ["loso"])


def test_the_muse_recordings_of_the_pages_are_those_stored():
    table = pd.read_csv(ROOT / "results" / "lstm-gru-muse.quick.csv", dtype={"labels": str})
    table = table.query("level == 'window' and metric == 'accuracy'").set_index(["protocol", "method", "labels"])
    of_page, of_readme = rows_of("lstm-gru.md", 5, "Mental states**"), rows_of("../README.md", 5)
    assert set(MUSE) <= set(of_page)
    assert len(set(MUSE) & set(of_readme)) >= 6
    for title, cells in [*of_page.items(), *of_readme.items()]:
        if title in MUSE:
            for cell, protocol in zip(cells, ("recording", "loso", "random_window"), strict=False):
                row = table.loc[protocol, MUSE[title], "true"]
                words = f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
                words += f" ({row['seed_sd']:.3f})" if row["n_seeds"] > 1 else ""
                assert cell == words
            assert cells[3] == f"{table.loc['random_window', MUSE[title], 'permuted']['value']:.2f}"
    chances = [
        table.loc[(protocol, slice(None), "true"), "chance"] for protocol in ("recording", "loso", "random_window")
    ]
    for shown in (of_page, of_readme):
        assert shown["chance level"][:3] == [f"{mine.min():.2f} to {mine.max():.2f}" for mine in chances]
    compared = {protocol: part["compared"] for protocol, part in stored_as("lstm-gru-muse.quick").items()}
    once, time = (
        [abs(next(r["difference"] for r in compared[p] if r["a"] == name)) for p in ("recording", "loso")]
        for name in ("lstm_single", "lstm_time")
    )
    page = " ".join((ROOT / "docs" / "lstm-gru.md").read_text().split())
    words = "{:.3f} apart for a new recording and {:.3f} for a new person, over time {:.3f} and {:.3f}"
    assert words.format(*once, *time) in page
    ps = [row["p_holm"] for part in compared.values() for row in part]
    assert f"(p {min(ps):.2f} to {max(ps):.0f})" in page
    live = stored_as("lstm-gru-muse.quick.inspected")["real_time"]
    one = {row["method"]: row for row in live["latency"]}
    names = ("lstm_single", "gru_single", "lstm_time", "gru_time")
    half, most = ([f"{one[name][q]:.1f}" for name in names] for q in ("ms_q0.5", "ms_q0.95"))
    words = "takes {} ms with the LSTM and {} ms with the GRU of one step, {} and {} ms over time (medians;"
    assert f"{words.format(*half)} one in twenty takes longer than {', '.join(most[:3])} and {most[3]} ms" in page
    decided = {row["seconds"]: [row["lstm_single"], row["gru_single"]] for row in live["evidence"]}
    assert all(f"{share:.2f}" == "0.81" for share in decided[max(decided)])
    assert "after 15 seconds in {:.2f} and {:.2f}".format(*decided[15.0]) in page


def test_what_is_heard_in_voices_is_stored():
    stored = pd.read_csv(ROOT / "results" / "ravdess.quick.csv", dtype={"labels": str}).query("level == 'trial'")
    true = stored.query("labels == 'true'").set_index(["method", "protocol"])
    names = {
        **{"convolutions, GRU, attention": "attention", "convolutions": "cnn", "eGeMAPS and SVM": "egemaps"},
        **{"pitch, pauses, pace": "prosody", "loudness alone": "level", "duration alone": "duration"},
    }
    protocols = ("published", "statement", "half", "random_utterance")
    shown = rows_of("speech.md", 5, "Voices that were never heard**")
    for title, method in names.items():
        for cell, protocol in zip(shown[title], protocols, strict=True):
            if cell == "-":
                assert (method, protocol) not in true.index
            else:
                row = true.loc[(method, protocol)]
                assert cell == f"{row['value']:.3f} [{row['low']:.2f}, {row['high']:.2f}]"
    page = " ".join((ROOT / "docs" / "speech.md").read_text().split())
    compared = {(r["a"], r["b"]): r for r in stored_as("ravdess.quick")["published"]["compared"]}
    best = compared["cnn", "egemaps"]
    assert f"convolutions by {best['difference']:.3f}, p {best['p_holm']:.3f} after Holm" in page
    best = compared["cnn", "attention"]
    assert f"alone (by {-best['difference']:.3f}, p {best['p_holm']:.2f})" in page
    known = {
        m: true.loc[(m, "random_utterance"), "value"] - true.loc[(m, "published"), "value"] for m in ("cnn", "egemaps")
    }
    assert f"add {known['cnn']:.3f} to convolutions and {known['egemaps']:.3f} to eGeMAPS" in page
    people = pd.read_csv(ROOT / "results" / "ravdess.quick.people.csv")
    people = people.pivot(index="subject", columns=["protocol", "method"], values="balanced_accuracy")
    costs = people["half"] - people["statement"]
    assert f"costs convolutions {costs['cnn'].mean():.3f} beside `half`" in page
    assert f"({(costs['cnn'] > 0).sum()} of 24 actors lose), and eGeMAPS {costs['egemaps'].mean():.3f}:" in page
    each = people["published"]["attention"]
    assert f"reach {each.min():.2f} to {each.max():.2f} with attention" in page
    gaps = {row["method"]: row for row in stored_as("ravdess.quick.inspected")["gaps"][0]["gaps"]}
    first, second, third = (gaps[name] for name in ("attention", "cnn", "egemaps"))
    interval = f"[{first['low']:.2f}, {first['high']:.2f}] (p {first['p']:.3f}, before any correction)"
    words = f"with attention by {first['gap']:.3f} {interval}, with convolutions by {second['gap']:.3f}"
    words += f" (p {second['p']:.2f}) and eGeMAPS by {third['gap']:.3f} (p {third['p']:.2f})"
    assert words in page
    assert {row["best"] for row in gaps.values()} == {"female"}
    permuted = stored.query("labels == 'permuted'")["value"]
    assert "0.12 to 0.13 for eGeMAPS" in page
    assert (permuted.min().round(2), permuted.max().round(2)) == (0.12, 0.13)


def test_what_one_group_after_the_other_shows_is_stored():
    stored = stored_as("sequential")
    rows = pd.json_normalize(stored["rows"]).drop(columns="forgetting_of_people")
    means = rows.groupby("method").mean(numeric_only=True)
    names = {"dense": "dense", "gene": "gene", "largest gradually": "gradual", "SET": "set"}
    shown = rows_of("speech.md", 6, "One group after the other**")
    masks = rows_of("speech.md", 5, "One group after the other**")
    for title, method in names.items():
        mine, lost = means.loc[method], stored["forgetting"][method]
        pairs = [f"{mine[f'{s}.A']:.3f}, {mine[f'{s}.B']:.3f}" for s in ("after_A", "after_B", "together")]
        assert shown[title] == [
            *pairs, f"{mine['B_alone.B']:.3f}", f"{lost['mean']:.3f} [{lost['low']:.2f}, {lost['high']:.2f}]"
        ]  # fmt: skip
        assert lost["n_people"] == 30
        assert lost["low"] < 0 < lost["high"], "nothing is seen to be forgotten"
        if method != "dense":
            columns = ("overlap", "overlap_of_A", "overlap_by_chance", "changed")
            assert masks[title] == [f"{mine[column]:.2f}" for column in columns]
            assert abs(mine["overlap"] - mine["overlap_of_A"]) < 0.02
    gain = means["after_B.B"] - means["B_alone.B"]
    page = " ".join((ROOT / "docs" / "speech.md").read_text().split())
    assert f"better by {gain.min():.2f} to {gain.max():.2f} than" in page
    assert rows.groupby("method")["plasticity"].count().to_dict() == {"dense": 3, "gene": 1, "gradual": 2, "set": 3}


def test_what_exported_models_differ_by_is_stored():
    table = pd.read_csv(ROOT / "results" / "exported.csv")
    made = table[table["reason"].isna()]
    page = " ".join((ROOT / "docs" / "deploy.md").read_text().split())
    assert f"of {len(table)} models {len(made)} are equal" in page
    assert f"and {len(table) - len(made)} have no counterpart" in page
    rated = made["model"].isin([name for name in made["model"] if not is_classifier(MODELS[name].load()())])
    ratings, probabilities = made.loc[rated, "difference"].max(), made.loc[~rated, "difference"].max()
    assert f"by {ratings:.0e} of a rating's spread or {probabilities:.0e} of a probability at most" in page
    assert made.loc[made["ratio_1"] <= 1, "model"].tolist() == ["fbcnet"]
    assert f"{(made['ratio_64'] > 1).sum()} of {len(made)} for 64" in page
    assert set(table["model"]) == set(MODELS)
