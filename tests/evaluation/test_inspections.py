import copy
import pickle
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import fft
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import Ridge

from thymos.base.errors import InputError, ThymosError
from thymos.evaluation import RecordingSplit, runner
from thymos.evaluation.catalogue import INSPECTIONS
from thymos.evaluation.fit import fit_fold
from thymos.evaluation.inspections import robustness
from thymos.evaluation.inspections.base import Inspected, Inspection, look
from thymos.evaluation.inspections.embedding import Embedding, neighbours_alike
from thymos.evaluation.inspections.real_time import RealTime, order_of_windows, seconds_seen
from thymos.evaluation.inspections.robustness import Robustness, Scene
from thymos.evaluation.runner import run_study
from thymos.evaluation.study import make_inspections
from thymos.evaluation.study_files import parse_study
from thymos.signals.scaling import Flatten
from thymos.training.pipeline import make_pipeline

CLASSES = ["calm", "tense"]
STUDY = {
    "name": "looked",
    "title": "Looked at",
    "source": {"simulated-eeg": {"subjects": 2, "trials": 8, "seconds": 3.0, "montage": "muse4"}},
    "windows": {"seconds": 1.0},
    "target": {"label": "valence", "above": 5.0},
    "protocols": {
        "recording": {"parameters": {"n_splits": 2}},
        "random_window": {"parameters": {"n_splits": 2}, "twin_of": "recording"},
    },
    "methods": {
        "lda": {"steps": ["window_statistics", "flatten", "channel_scaler", "lda"]},
        "mlp": {"steps": ["channel_scaler", {"mlp": {"hidden": [4], "max_epochs": 2}}]},
    },
    "seeds": 2,
    "permuted": ["lda"],
    "inspections": {
        "robustness": {"parameters": {"levels": 2}},
        "real_time": {"methods": ["lda", "majority"], "folds": 1, "parameters": {"windows": 7}},
        "embedding": {"methods": ["mlp"], "protocols": ["random_window"], "seeds": 2, "folds": 1},
    },
}
FIT = ["protocol", "method", "labels", "fold", "seed"]


def study(**changes):
    return parse_study({**copy.deepcopy(STUDY), **changes})


@pytest.fixture(scope="module", autouse=True)
def unaudited():
    """Leave out the audit, which takes longer than all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "audit_run", lambda *arguments: None)
        yield


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Run the study once; nobody changes its folder."""
    outcome = run_study(study(), tmp_path_factory.mktemp("looked") / "run")
    assert outcome.failed == {}
    return outcome.results


@pytest.fixture
def add(monkeypatch):
    """Return a function that adds an inspection to the catalogue for one test."""

    def put(name, made):
        monkeypatch.setitem(INSPECTIONS._rows, name, SimpleNamespace(load=lambda: made, parameters={}))

    return put


class Level(ClassifierMixin, BaseEstimator):
    """Takes a window for tense if the mean of its first channel is above 0, and remembers what it was given."""

    def fit(self, X, y):
        self.classes_, self.given_ = np.unique(y), []
        return self

    def predict_proba(self, X):
        self.given_.append(X)
        p = 1 / (1 + np.exp(-5 * X[:, 0].mean(axis=-1)))
        return np.stack([1 - p, p], axis=1)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.fixture
def inspected(make_samples):
    """Return a maker of a fitted :class:`Level`, with a channel that tells and others that are noise."""

    def make(estimator=None, seed=0, noise=1.0, **options):
        samples = make_samples(**{"subjects": 2, "trials": 10, "shape": (5, 64), **options})
        X = samples.X.copy()
        X[:, 1:] *= noise
        X[:, 0] += np.where(samples.y == "tense", 1.0, -1.0)[:, None]
        samples = samples.replace(X=X, info={**samples.info, "sfreq": 128.0})
        fold = RecordingSplit(n_splits=2).folds(samples.meta, samples.y)[0]
        estimator = (estimator or Level()).fit(samples.X[fold.train], samples.y[fold.train])
        return Inspected(estimator, samples, fold.train, fold.validation, fold.test, CLASSES, seed)

    return make


# ------------------------------------------------------------------------------------------------ in a study


def fits(table):
    return {tuple(row) for row in table[FIT].astype(str).drop_duplicates().to_numpy()}


def test_only_the_fits_that_were_asked_for_are_inspected(done):
    folds = ("1", "2")
    assert fits(done.read("inspections/robustness")) == {
        ("recording", method, "true", fold, "0") for method in ("lda", "mlp") for fold in folds
    }
    assert fits(done.read("inspections/real_time")) == {
        ("recording", method, "true", "1", "0") for method in ("lda", "majority")
    }
    assert fits(done.read("inspections/embedding")) == {
        ("random_window", "mlp", "true", "1", seed) for seed in ("0", "1")
    }
    assert set(done.read("rows")["uninspected"]) == {""}


def test_the_first_step_and_the_last_moment_are_the_stored_metrics(done):
    rows, scores = done.read("rows"), ["n", "accuracy", "balanced_accuracy"]
    place = [*FIT, "level", "subject"]
    clean = done.read("inspections/robustness").query("step == 0")
    assert set(clean["corruption"]) == {"white noise", "muscle noise", "electrode loss", "gain"}
    for _, table in clean.groupby("corruption"):
        both = table.merge(rows, on=place, suffixes=("", "_stored"))
        assert len(both) == len(table) == 2 * 2 * 2 * 3
        for name in scores:
            assert np.allclose(both[name], both[f"{name}_stored"], equal_nan=True)
    evidence = done.read("inspections/real_time").query("kind == 'evidence'")
    assert sorted(evidence["seconds"].unique()) == [1.0, 2.0, 3.0]
    last = evidence[evidence["seconds"] == 3.0].assign(level="trial").merge(rows, on=place, suffixes=("", "_stored"))
    assert len(last) == 2 * 3
    for name in scores:
        assert np.allclose(last[name], last[f"{name}_stored"], equal_nan=True)


def test_finished_fits_are_not_inspected_again_and_lost_ones_come_back_the_same(tmp_path):
    plan = study(inspections={"robustness": {"parameters": {"levels": 1}}}, permuted=[], seeds=1)
    first = run_study(plan, tmp_path / "run")
    before = first.results.read("inspections/robustness")
    again = run_study(plan, tmp_path / "run")
    assert (again.done, again.kept) == (0, first.done)
    victim = next(path for path in (tmp_path / "run" / "rows").iterdir() if path.name.startswith("recording-mlp"))
    victim.unlink()
    left = again.results.read("inspections/robustness")
    assert len(left) == len(before) * 3 / 4, "a fit that was killed between its tables does not count"
    mended = run_study(plan, tmp_path / "run")
    assert (mended.done, mended.kept) == (1, first.done - 1)
    pd.testing.assert_frame_equal(mended.results.read("inspections/robustness"), before)


class Probe(Inspection):
    """Tells what it was given."""

    def __call__(self, inspected):
        return pd.DataFrame({"drawn": [inspected.seed], "last": type(inspected.estimator[-1]).__name__})


class Broken(Inspection):
    def __call__(self, inspected):
        raise RuntimeError("no such\nthing")


def test_an_inspection_that_fails_leaves_the_fit_and_says_why(tmp_path, add):
    add("probe", Probe)
    add("broken", Broken)
    plan = study(inspections={"broken": {"methods": ["lda"]}, "probe": {"methods": ["lda", "mlp"], "seeds": 2}})
    outcome = run_study(plan, tmp_path / "run")
    assert outcome.failed == {}
    rows = outcome.results.read("rows").set_index(FIT)["uninspected"]
    told = rows[rows != ""]
    assert set(told) == {"broken: RuntimeError: no such thing"}
    assert {tuple(map(str, place)) for place in told.index} == {
        ("recording", "lda", "true", fold, "0") for fold in "12"
    }
    assert outcome.results.read("inspections/broken").empty
    probe = outcome.results.read("inspections/probe")
    assert len(probe) == 2 * (1 + 2)
    assert probe.groupby("fold")["drawn"].nunique().eq(1).all(), "all methods and seeds of a fold draw the same"
    assert probe["drawn"].nunique() == 2
    assert probe.groupby("method")["last"].first().to_dict() == {
        "lda": "LinearDiscriminantAnalysis",
        "mlp": "MLPClassifier",
    }


@pytest.mark.parametrize(
    ("found", "expected"),
    [(None, "a NoneType came back"), (pd.DataFrame({"x": [{1}, "a"]}), "Arrow"), (pd.DataFrame({"x": [1]}), "")],
)
def test_what_cannot_be_stored_is_said_where_it_was_found(found, expected):
    tables, failed = look(None, {"odd": lambda inspected: found, "fine": lambda inspected: pd.DataFrame({"x": [1]})})
    assert set(tables) == ({"fine"} if expected else {"odd", "fine"})
    assert expected in failed
    assert failed.startswith("odd: ") == bool(expected)


def test_inspections_are_no_part_of_the_time_of_a_fit(make_samples):
    samples = make_samples()
    fold = RecordingSplit(n_splits=2).folds(samples.meta, samples.y)[0]
    slow = {"slow": lambda inspected: time.sleep(0.3) or pd.DataFrame({"x": [1]})}
    estimator = make_pipeline(Flatten(), DummyClassifier(strategy="prior"))
    facts = fit_fold(estimator, samples, fold, CLASSES, inspections=slow).facts
    assert facts["inspect_seconds"] >= 0.3
    assert facts["fit_seconds"] + facts["predict_seconds"] < 0.2
    assert fit_fold(estimator, samples, fold, CLASSES).facts["inspect_seconds"] == 0


def test_an_inspection_is_given_the_fitted_method_and_its_fold(make_samples):
    samples = make_samples()
    fold = RecordingSplit(n_splits=3).folds(samples.meta, samples.y)[0]
    given = {}

    def keep(inspected):
        given.update(vars(inspected))
        return pd.DataFrame({"x": [1]})

    made = fit_fold(
        make_pipeline(Flatten(), LinearDiscriminantAnalysis()),
        samples,
        fold,
        CLASSES,
        inspections={"keep": keep},
        seed=7,
    )
    assert len({len(rows) for rows in (fold.train, fold.validation, fold.test)}) == 3, "these parts cannot be mistaken"
    for part in ("train", "validation", "test"):
        assert np.array_equal(given[part], getattr(fold, part))
    assert (given["seed"], given["classes"], len(given["samples"])) == (7, CLASSES, len(samples))
    predicted = given["estimator"].predict_proba(samples.X[fold.test])
    assert np.allclose(predicted, made.predictions[["p0", "p1"]], atol=1e-6)
    assert set(made.inspections) == {"keep"}


def test_a_fit_that_is_computed_for_its_stack_alone_is_not_inspected(tmp_path, add, monkeypatch):
    add("probe", Probe)
    plan = study(methods={"mlp": STUDY["methods"]["mlp"]}, inspections={"probe": {"seeds": 2}}, permuted=[])
    whole = run_study(plan, tmp_path / "run")
    next(p for p in (tmp_path / "run" / "rows").iterdir() if p.name.startswith("recording-mlp-true-1-1")).unlink()
    jobs, original = [], runner.fit_folds
    monkeypatch.setattr(runner, "fit_folds", lambda unit: jobs.extend(unit) or original(unit))
    assert run_study(plan, tmp_path / "run").done == 1
    assert [set(job[5]) for job in jobs] == [set(), {"probe"}, set(), set()]
    assert len(whole.results.read("inspections/probe")) == 4


# ------------------------------------------------------------------------------------------------ the study's words


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"inspections": {"robustnes": {}}}, ["no inspection named 'robustnes'", "'robustness'"]),
        ({"inspections": {"robustness": {"method": ["lda"]}}}, ["inspections.robustness.method", "'methods'"]),
        ({"inspections": {"robustness": {"methods": ["ldaa"]}}}, ["inspections.robustness.methods", "'ldaa'", "'lda'"]),
        ({"inspections": {"robustness": {"protocols": ["recordng"]}}}, ["no protocol 'recordng'", "'recording'"]),
        ({"inspections": {"robustness": {"seeds": 0}}}, ["inspections.robustness.seeds", "greater than or equal to 1"]),
        ({"inspections": {"robustness": {"folds": 0}}}, ["inspections.robustness.folds"]),
        ({"inspections": {"robustness": {"parameters": {"level": 5}}}}, ["no parameter 'level'", "'levels'"]),
        ({"inspections": {"robustness": {"parameters": {"levels": 0}}}}, ["inspections.robustness", "levels=0"]),
        ({"inspections": {"robustness": {"parameters": {"noise": [0.1, -1]}}}}, ["noise=[0.1, -1]", "positive"]),
        ({"inspections": {"robustness": {"parameters": {"gain": 0.2}}}}, ["gain=0.2", "a list"]),
        ({"inspections": {"robustness": {"parameters": {"electrodes": [1.5]}}}}, ["electrodes=1.5", "whole number"]),
        ({"inspections": {"real_time": {"parameters": {"windows": True}}}}, ["windows=True", "whole number"]),
        ({"inspections": {"embedding": {"parameters": {"windows": 3}}}}, ["windows=3", "at least 10"]),
        ({"panels": [{"title": "t", "figure": "rok", "methods": ["lda"]}]}, ["panels.0.figure", "'roc'"]),
        ({"panels": [{"title": "t", "figure": "roc", "methods": {"A": "ldaa"}}]}, ["panels", "'ldaa'", "'lda'"]),
        ({"panels": [{"title": "t", "figure": "roc", "methods": []}]}, ["panels.0.methods", "at least 1 item"]),
        (
            {"panels": [{"title": "t", "figure": "roc", "methods": ["lda"], "protocol": "recordng"}]},
            ["panels", "no protocol 'recordng'", "'recording'"],
        ),
    ],
)
def test_mistakes_are_said_when_the_study_is_read(changes, expected, words):
    with pytest.raises(ThymosError) as error:
        study(**changes)
    words(error.value, *expected)


def test_the_digest_knows_inspections_and_no_panels():
    bare = {key: value for key, value in STUDY.items() if key != "inspections"}
    digest = parse_study(bare).digest()
    assert digest == "faf0271540339eba", "results of studies from before there were inspections can be continued"
    assert parse_study({**bare, "inspections": {}}).digest() == digest
    assert study().digest() != digest
    panels = [{"title": "t", "figure": "roc", "methods": {"LDA": "lda"}}]
    assert parse_study({**bare, "panels": panels}).digest() == digest


def test_budgets_change_inspections():
    budgets = {
        "tiny": {
            "reduces": "looks",
            "changes": {"inspections": {"embedding": None, "robustness": {"folds": 1, "parameters": {"levels": 1}}}},
        }
    }
    plan = parse_study({**copy.deepcopy(STUDY), "budgets": budgets}, "tiny")
    assert set(plan.inspections) == {"robustness", "real_time"}
    assert plan.inspections["robustness"].folds == 1
    assert make_inspections(plan)["robustness"].levels == 1


def test_inspections_can_travel_to_other_processes():
    made = make_inspections(study())
    again = pickle.loads(pickle.dumps(made))
    assert {name: vars(one) for name, one in again.items()} == {name: vars(one) for name, one in made.items()}


# ------------------------------------------------------------------------------------------------ robustness


@pytest.fixture
def scene():
    muscles = np.array([False, True, True, False])
    return Scene(np.array([1, 2, 3, 4], dtype=np.float32), np.repeat(np.arange(50), 4), muscles, 128.0)


ZEROS, ONES = np.zeros((200, 4, 256), dtype=np.float32), np.ones((200, 4, 256), dtype=np.float32)


def rng():
    return np.random.default_rng(3)


def test_white_noise_has_a_share_of_each_channels_spread(scene):
    made = robustness.white_noise(ZEROS, 0.5, scene, rng())
    assert made.dtype == np.float32
    assert np.allclose(made.std(axis=(0, 2)), 0.5 * scene.sd, rtol=0.02)
    assert np.allclose(2 * made, robustness.white_noise(ZEROS, 1.0, scene, rng())), "the same noise, stronger"
    power = np.square(np.abs(fft.rfft(made[:, 0]))).mean(axis=0)
    assert power[1:-1].max() < 2 * power[1:-1].min()


def test_muscle_noise_comes_in_bursts_of_its_band_where_muscles_are(scene):
    made = robustness.muscle_noise(ZEROS, 0.5, scene, rng())
    assert made.dtype == np.float32
    assert not made[:, [0, 3]].any()
    assert np.allclose(made[:, [1, 2]].std(axis=(0, 2)), 0.5 * scene.sd[[1, 2]], rtol=0.1)
    power = np.square(np.abs(fft.rfft(made[:, 1]))).sum(axis=0)
    band = fft.rfftfreq(256, 1 / 128)
    assert power[(band >= 18) & (band <= 62)].sum() > 0.99 * power.sum()
    strength = np.square(made[:, 1]).reshape(200, 16, 16).mean(axis=2)
    assert (strength < 0.05 * strength.mean()).mean() > 0.2, "there are pauses"
    both = np.corrcoef(strength.ravel(), np.square(made[:, 2]).reshape(200, 16, 16).mean(axis=2).ravel())[0, 1]
    assert both > 0.5, "all muscles burst together"


def test_electrodes_are_lost_for_a_trial_and_more_of_them_include_the_fewer(scene):
    lost = [(robustness.electrode_loss(ONES, count, scene, rng()) == 0).all(axis=2) for count in (1, 2, 3)]
    for count, table in zip((1, 2, 3), lost, strict=True):
        assert (table.sum(axis=1) == count).all()
        assert (table.reshape(50, 4, 4) == table.reshape(50, 4, 4)[:, :1]).all()
    assert (lost[0] <= lost[1]).all()
    assert (lost[1] <= lost[2]).all()
    assert (lost[0].mean(axis=0) > 0.1).all(), "every electrode's turn comes"


def test_gains_are_positive_with_mean_one_and_stay_for_a_trial():
    trials = np.arange(20_000)
    scene = Scene(np.ones(2), np.repeat(trials, 2), np.ones(2, bool), 128.0)
    made = robustness.gain_error(np.ones((40_000, 2, 1), dtype=np.float32), 0.5, scene, rng())
    assert made.dtype == np.float32
    assert made.min() > 0
    assert made.mean() == pytest.approx(1, abs=0.02)
    assert made.std() == pytest.approx(0.5, abs=0.02)
    assert np.array_equal(made[::2], made[1::2])
    assert abs(np.corrcoef(made[::2, 0, 0], made[::2, 1, 0])[0, 1]) < 0.05


def test_a_method_that_reads_one_channel_fails_where_that_is_lost_and_bears_the_rest(inspected):
    looked = inspected()
    table = Robustness(electrodes=(1, 2, 3, 4, 5, 8))(looked)
    whole = table.query("subject == 'all' and level == 'window'").set_index(["corruption", "step"])
    accuracy = whole["accuracy"]
    assert accuracy["electrode loss"].index.tolist() == [0, 1, 2, 3, 4], "five of five electrodes cannot be lost"
    assert whole["amount"]["electrode loss"].tolist() == [0, 1, 2, 3, 4]
    assert accuracy["electrode loss"][0] == 1
    assert accuracy["electrode loss"].is_monotonic_decreasing
    assert accuracy["electrode loss"][4] < 0.8
    assert accuracy["gain"].eq(1).all(), "a factor changes no sign"
    assert whole["amount"]["gain"].tolist() == [0, 0.05, 0.1, 0.2, 0.35, 0.5]
    assert set(table["unit"]) == {"of the channel's SD", "electrodes", "relative SD of gain"}
    assert (
        table["n"]
        .eq(table["level"].map({"window": 1, "trial": 0.25}) * table["subject"].map({"s0": 20, "s1": 20, "all": 40}))
        .all()
    )


def test_all_methods_are_given_the_same_windows_and_training_is_left_alone(inspected):
    first, second = (inspected() for _ in range(2))
    kept = first.samples.X.copy()
    for looked in (first, second):
        Robustness(levels=2)(looked)
    given, again = first.estimator.given_, second.estimator.given_
    assert len(given) == 1 + 4 * 2
    assert all(np.array_equal(a, b) for a, b in zip(given, again, strict=True))
    assert np.array_equal(first.samples.X, kept)
    assert np.array_equal(given[0], kept[first.test])
    noise = (given[2] - given[0]).std(axis=(0, 2))  # the strongest
    assert np.allclose(noise, kept[first.train].std(axis=(0, 2)), rtol=0.05)
    other = inspected(seed=1)
    Robustness(levels=2)(other)
    assert not np.array_equal(other.estimator.given_[1], given[1])


def test_muscles_are_found_by_name(inspected):
    looked = inspected()
    for names, expected in ((["Cz", "T3", "Pz", "Oz", "F8"], [1, 4]), (None, 1)):
        info = {**looked.samples.info, "ch_names": names or looked.samples.info["ch_names"]}
        looked.estimator.given_.clear()
        here = Inspected(**{**vars(looked), "samples": looked.samples.replace(info=info)})
        Robustness(levels=1)(here)
        changed = np.flatnonzero((looked.estimator.given_[2] != looked.estimator.given_[0]).any(axis=(0, 2)))
        assert changed.tolist() == expected if names else len(changed) == expected


def test_what_windows_cannot_bear_is_left_out_or_refused(inspected, words):
    looked = inspected()
    slow = looked.samples.replace(info={**looked.samples.info, "sfreq": 32.0})
    table = Robustness(electrodes=(7,))(Inspected(**{**vars(looked), "samples": slow}))
    assert set(table["corruption"]) == {"white noise", "gain"}
    for changes in ({"X": looked.samples.X[:, :, None]}, {"X": {"eeg": looked.samples.X}}, {"info": {"features": []}}):
        with pytest.raises(InputError) as error:
            Robustness()(Inspected(**{**vars(looked), "samples": looked.samples.replace(**changes)}))
        words(error.value, "features, or several modalities", "windows of raw signals")


def test_ratings_have_curves_too(make_samples):
    samples = make_samples(subjects=2, shape=(3, 32))
    samples = samples.replace(y=samples.X[:, 0, 0].astype(float))
    rows = np.arange(len(samples))
    model = make_pipeline(Flatten(), Ridge()).fit(samples.X, samples.y)
    table = Robustness(levels=1)(Inspected(model, samples, rows, rows[:0], rows, [], 0))
    assert "rmse" in table
    assert table.query("step == 0 and level == 'window'")["ccc"].min() > 0.9
    assert RealTime(windows=3)(Inspected(model, samples, rows, rows[:0], rows, [], 0))["ccc"].notna().any()


# ------------------------------------------------------------------------------------------------ real time


def test_seconds_of_a_trial_are_those_that_windows_cover():
    meta = pd.DataFrame(
        {
            "trial": list("bbbaaaaa"),
            "recording": ["b", "b", "b", "a2", "a1", "a1", "a1", "a2"],
            "start": [1.0, 0.0, 2.0, 10.0, 1.0, 0.5, 4.0, 9.0],
            "stop": [2.0, 1.0, 3.0, 11.0, 2.0, 1.5, 5.0, 10.0],
        }
    )
    order = order_of_windows(meta)
    assert order.tolist() == [1, 0, 2, 7, 3, 5, 4, 6]
    assert seconds_seen(meta.iloc[order]).tolist() == [1, 2, 3, 1, 2, 3, 3.5, 4.5]
    assert order_of_windows(meta.drop(columns="recording")).tolist() == [1, 0, 2, 5, 4, 6, 7, 3]


class Late(Level):
    """Is told by the first value of a window what to answer, and how sure to be."""

    def predict_proba(self, X):
        self.given_.append(X)
        p = 1 / (1 + np.exp(-X[:, 0, 0]))
        return np.stack([1 - p, p], axis=1)


def test_a_decision_is_made_from_all_windows_so_far_and_kept_when_the_trial_ends(inspected):
    looked = inspected(Late(), windows=4)
    meta, X = looked.samples.meta, looked.samples.X.copy()
    sign = np.where(looked.samples.y == "tense", 1.0, -1.0)
    # wrong at first, right with the third window: -1 - 1 + 3 + 3
    X[:, 0, 0] = sign * np.where(meta["start"] < 2, -1.0, 3.0)
    short = meta["trial"].isin(meta["trial"].iloc[looked.test].unique()[:3]) & (meta["start"] >= 2)  # two windows only
    test = looked.test[~short.to_numpy()[looked.test]]
    samples = looked.samples.replace(X=X)
    table = RealTime(windows=5)(Inspected(**{**vars(looked), "samples": samples, "test": test[::-1]}))
    evidence = table.query("kind == 'evidence' and subject == 'all'").set_index("seconds")
    assert evidence["accuracy"].to_dict() == {1: 0, 2: 0, 3: 0.7, 4: 0.7}
    assert evidence["n"].eq(10).all()
    assert set(table.query("kind == 'evidence'")["subject"]) == {"s0", "s1", "all"}
    fewer = RealTime(windows=5, moments=2)(Inspected(**{**vars(looked), "samples": samples, "test": test}))
    assert fewer.query("kind == 'evidence'")["seconds"].unique().tolist() == [1, 4]


def test_windows_are_timed_one_by_one_after_a_warm_up(inspected):
    looked = inspected(windows=3)
    table = RealTime(windows=9)(looked)
    latency = table.query("kind == 'latency'")
    assert len(latency) == 9
    assert latency["milliseconds"].gt(0).all()
    given = looked.estimator.given_
    assert [len(X) for X in given] == [len(looked.test)] + [1] * (20 + 9)
    first = looked.test[order_of_windows(looked.samples.meta.iloc[looked.test])][:9]
    assert np.array_equal(np.concatenate(given[-9:]), looked.samples.X[first])
    assert latency["difference"].max() < 1e-6

    class Crowd(Level):
        def predict_proba(self, X):
            return np.tile([0.5, 0.5] if len(X) > 1 else [0.3, 0.7], (len(X), 1))

    table = RealTime(windows=300)(inspected(Crowd(), windows=3))
    assert table["difference"].dropna().unique().tolist() == [pytest.approx(0.2)]
    assert (table["kind"] == "latency").sum() == len(looked.test)


# ------------------------------------------------------------------------------------------------ embedding


def test_neighbours_are_counted_among_other_trials():
    space = np.array([[0.0], [0.1], [1.0], [1.1], [5.0]])
    labels, trials = np.array(list("aabab")), np.array(list("11223"))
    assert neighbours_alike(space, labels, trials, 1).tolist() == [0, 0, 0, 1, 0]
    assert neighbours_alike(space, labels, trials, 2).tolist() == [0.5, 0.5, 0, 1, 0.5]
    assert neighbours_alike(space, labels, trials).tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 2 / 3, 0.25])
    assert np.isnan(neighbours_alike(space, labels, np.array(list("11111")))).all()


class Embedded(Level):
    def embed(self, X):
        self.embedded_ = X
        return X[:, 0]


def test_what_is_learnt_lies_closer_than_what_was_given(inspected):
    looked = inspected(make_pipeline(Embedded()), noise=10.0)
    table = Embedding(windows=30)(looked)
    assert table.groupby("stage").size().to_dict() == {"input": 30, "learnt": 30}
    assert np.isfinite(table[["x", "y"]]).all(axis=None)
    share = table.groupby("stage")["neighbours"].mean()
    assert share["learnt"] > share["input"]
    assert len(looked.estimator[-1].embedded_) == 30
    assert share["learnt"] > 0.9
    one, two = (table[table["stage"] == stage].reset_index() for stage in ("input", "learnt"))
    assert one[["label", "trial", "subject"]].equals(two[["label", "trial", "subject"]])
    pd.testing.assert_frame_equal(Embedding(windows=30)(looked), table)
    other = Inspected(**{**vars(looked), "seed": 1})
    assert not Embedding(windows=30)(other)["trial"].equals(table["trial"])
    assert len(Embedding()(looked)) == 2 * len(looked.test)
    bare = Embedding(windows=30)(inspected(Level()))
    assert bare.groupby("stage")["neighbours"].mean()["learnt"] > 0.9, "log-probabilities"


def test_a_method_that_learns_nothing_has_a_picture_too(inspected):
    looked = inspected(make_pipeline(Flatten(), DummyClassifier(strategy="prior")))
    table = Embedding()(looked)
    assert np.isfinite(table[["x", "y"]]).all(axis=None)
    pd.testing.assert_frame_equal(Embedding()(looked), table)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"classes": []}, "ratings"), ({"test": np.arange(5)}, "5 test windows"), ({"samples": 0}, "several modalities")],
)
def test_what_has_no_picture_is_refused(inspected, words, changes, expected):
    looked = inspected()
    if "samples" in changes:
        changes = {"samples": looked.samples.replace(X={"eeg": looked.samples.X})}
    with pytest.raises(InputError) as error:
        Embedding()(Inspected(**{**vars(looked), **changes}))
    words(error.value, expected, "at least 10 windows with classes")
