"""What a study says, made."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from thymos.base.errors import InputError, StudyError, ThymosError
from thymos.base.samples import Samples
from thymos.evaluation import make as make_module
from thymos.evaluation.fit import seed_estimator
from thymos.evaluation.make import classes_of, make_estimator, make_grid, make_samples
from thymos.evaluation.study import Target
from thymos.evaluation.study_files import load_study, parse_study

PLAN = {
    "name": "mine",
    "title": "My study",
    "source": {"simulated-eeg": {"subjects": 2}},
    "windows": {"seconds": 1.0},
    "target": {"label": "valence", "above": 5},
    "protocols": {"trial": {}, "random_window": {"twin_of": "trial"}},
    "methods": {"lda": {"steps": [{"differential_entropy": {"bands": "deap"}}, "flatten", "lda"]}},
}


def of_steps(*steps, **more):
    """Return a study with one method, which is made of these steps."""
    return parse_study({**PLAN, "methods": {"lda": {"steps": list(steps)}}, **more})


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (["flatten", "ldaa"], ["methods.lda", "no transformer or sampler or model named 'ldaa'", "'lda'"]),
        ([{"svm": {"c": 1}}], ["methods.lda", "The step 'svm' has no parameter 'c'", "one of C, kernel"]),
        ([{"union": ["band_power", "jitter"]}, "lda"], ["methods.lda", "union of band_power, jitter", "transformers"]),
        (["lda", "jitter"], ["methods.lda", "The last step, Jitter, gives no probabilities"]),
        ([{"jitterr": {}}, "lda"], ["methods.lda", "no transformer or sampler or model", "'jitter'"]),
        ([{"jitter": {"scales": 1}}, "lda"], ["The step 'jitter' has no parameter 'scales'", "'scale'"]),
        (["package_that_is_not:There"], ["methods.lda", "cannot be found"]),
        ([":x"], ["methods.lda", "':x' is no address", "package.module:Class"]),
        (["lda", "flatten"], ["methods.lda", "The last step, Flatten, gives no probabilities"]),
        (["flatten"], ["methods.lda", "The last step, Flatten, gives no probabilities"]),
        ([{"builtins:dict": {}}, "lda"], ["methods.lda", "cannot be used here"]),
        ([{"collections:Counter": {}}, "lda"], ["methods.lda", "transformers and samplers, then a classifier"]),
    ],
)
def test_unknown_steps_are_said_in_words(steps, expected, words):
    study = of_steps(*steps)
    with pytest.raises(StudyError) as error:
        make_estimator(study, "lda", {})
    words(error.value, *expected)


def test_own_classes_are_named_by_address():
    study = of_steps("flatten", {"sklearn.naive_bayes:GaussianNB": {"var_smoothing": 0.5}})
    assert make_estimator(study, "lda", {})[-1].var_smoothing == 0.5


def test_steps_are_told_the_rate_and_unions_stand_side_by_side():
    steps = [{"union": [{"differential_entropy": {"bands": "deap"}}, "window_statistics"]}, "lda"]
    pipe = make_estimator(of_steps(*steps), "lda", {"sfreq": 64.0})
    names = [name for name in pipe.get_params() if name.endswith("differentialentropy__sfreq")]
    assert [pipe.get_params()[name] for name in names] == [64.0]


RATED = {
    **PLAN,
    "source": {"simulated-eeg": {"subjects": 2, "trials": 8, "seconds": 2, "montage": "muse4"}},
    "windows": {"seconds": 1.0},
}


def test_a_rating_is_split_by_the_rule_its_source_declares_and_the_study_says_so():
    plan = parse_study({**RATED, "target": {"label": "valence"}})
    assert (plan.target.above, plan.target.default) == (5, True)
    assert str(plan.target).startswith("valence: high above 5, otherwise low (the default of the source")
    samples = make_samples(plan)
    assert np.array_equal(samples.y == "high", samples.meta["valence"] > 5)
    for own in ({"above": 4.5}, {"at_least": 5}, {"rating": True}):
        plan = parse_study({**RATED, "target": {"label": "valence", **own}})
        assert not plan.target.default
        assert "default" not in str(plan.target)
    value = samples.meta["valence"].iloc[0]
    for way, expected in (("above", "low"), ("at_least", "high")):
        plan = parse_study({**RATED, "target": {"label": "valence", way: value}})
        assert make_samples(plan).y[0] == expected


def test_classes_are_joined_and_the_rest_is_left_out(muse_folder):
    content = {**PLAN, "source": "muse-mental-state"}
    wanted = {"busy": ["concentrating"], "idle": ["neutral", "relaxed"]}
    samples = make_samples(parse_study({**content, "target": {"label": "state", "classes": wanted}}), muse_folder)
    assert np.array_equal(samples.y == "busy", samples.meta["state"] == "concentrating")
    some = {"busy": ["concentrating"], "calm": ["relaxed"]}
    samples = make_samples(parse_study({**content, "target": {"label": "state", "classes": some}}), muse_folder)
    assert set(samples.meta["state"]) == {"concentrating", "relaxed"}
    for wrong, expected in (
        ({"a": ["concentrating"], "b": ["concentrating"]}, "is in 'a' and in 'b'"),
        ({"a": ["concentrating"], "b": ["sleeping"]}, "no class sleeping"),
    ):
        with pytest.raises(ThymosError, match=expected):
            make_samples(parse_study({**content, "target": {"label": "state", "classes": wrong}}), muse_folder)


def test_samples_without_the_label_are_left_out_only_on_request(make_samples_of_study):
    samples = make_samples_of_study(missing="drop")
    assert len(samples) == 12
    with pytest.raises(ThymosError, match="have no 'feeling'"):
        make_samples_of_study(missing="error")


@pytest.fixture
def make_samples_of_study(make_samples):
    """Return a maker of a study's samples, of which the first half have no label."""

    def make(missing):
        samples = make_samples(subjects=2, trials=3, windows=4)
        column = samples.meta["feeling"].mask(samples.meta.index < 12)
        target = Target(label="feeling", missing=missing)
        return make_module._labelled(samples.replace(meta=samples.meta.assign(feeling=column)), target)

    return make


def test_targets_are_split_at_the_declared_threshold(muse_folder, words):
    content = {**PLAN, "source": "muse-mental-state", "target": {"label": "state"}}
    samples = make_samples(parse_study(content), muse_folder)
    assert set(samples.y) == {"concentrating", "neutral", "relaxed"}
    numbers = make_samples(parse_study({**content, "target": {"label": "piece"}}), muse_folder)
    assert numbers.y.dtype.kind == "i"
    rated = make_samples(parse_study({**content, "target": {"label": "piece", "above": -1}}), muse_folder)
    assert set(rated.y) == {"high"}
    with pytest.raises(ThymosError) as error:
        make_samples(parse_study({**content, "target": {"label": "state", "above": 1}}), muse_folder)
    words(error.value, "'concentrating' is no rating")
    for process, expected in (
        ([{"band_pass": {"low": 1, "high": 500}}], ["The process 'band_pass' fails on 'a-concentrating-1'", "128"]),
        (["resample"], ["The process 'resample'", "to"]),
        ([{"band_pass": {"low": "a"}}], ["The process 'band_pass'"]),
    ):
        with pytest.raises(ThymosError) as error:
            make_samples(parse_study({**content, "process": process}), muse_folder)
        words(error.value, *expected)
    with pytest.raises(ThymosError, match="no parameter 'subject'"):
        make_samples(parse_study({**content, "source": {"muse-mental-state": {"subject": "a"}}}), muse_folder)


def test_ratings_have_a_baseline_and_metrics_of_their_own(words):
    content = {**PLAN, "target": {"label": "valence", "rating": True}}
    content["methods"] = {"ridge": {"steps": ["flatten", "ridge"]}, "lda": {"steps": ["flatten", "lda"]}}
    study = parse_study(content)
    assert (study.metric, study.baseline, next(iter(study.methods))) == ("ccc", "mean", "mean")
    make_estimator(study, "ridge", {})
    with pytest.raises(StudyError) as error:
        make_estimator(study, "lda", {})
    words(error.value, "methods.lda", "predicts no ratings")
    assert make_samples(study).y.dtype == float


def test_a_grid_is_read_by_step_and_parameter(words):
    lda = PLAN["methods"]["lda"]
    study = parse_study({**PLAN, "methods": {"lda": {**lda, "grid": {"lda.shrinkage": [0.1, "auto"]}}}})
    grid = make_grid(study, "lda", make_estimator(study, "lda", {"sfreq": 128.0}))
    assert grid == [{"lineardiscriminantanalysis__shrinkage": value} for value in (0.1, "auto")]
    wrong = parse_study({**PLAN, "methods": {"lda": {**lda, "grid": {"lda.shrinkag": [0.1]}}}})
    with pytest.raises(StudyError) as error:
        make_grid(wrong, "lda", make_estimator(wrong, "lda", {"sfreq": 128.0}))
    words(error.value, "lda has no parameter 'shrinkag'", "'shrinkage'")


def test_a_study_names_no_place_of_a_corpus(tmp_path, words):
    plan = parse_study({**PLAN, "source": {"images": {"root": str(tmp_path)}}})
    with pytest.raises(InputError) as error:
        make_module.make_source(plan, tmp_path)
    words(error.value, "root=", "'images'", "--data")


def test_a_path_in_a_study_is_relative_to_the_study_and_no_part_of_its_digest(tmp_path):
    content = {**PLAN, "source": {"manifest": {"path": "mine.csv"}}}
    studies = []
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "study.yaml").write_text(yaml.safe_dump(content))
        studies.append(load_study(folder / "study.yaml"))
        with pytest.raises(ThymosError, match=str(folder / "mine.csv")):
            make_samples(studies[-1])
    assert studies[0].digest() == studies[1].digest()


FEATURED = {
    **RATED,
    "process": [{"band_pass": {"low": 1.0, "high": 45.0}}],
    "windows": {"seconds": 2.0},
    "features": [{"differential_entropy": {"method": "filter", "window": 1.0, "step": 0.5}}, "smooth"],
    "target": {"label": "valence"},
}


def test_features_of_a_study_are_computed_before_the_split_and_kept(tmp_path):
    from thymos.base.cache import Cache

    cache, told = Cache(tmp_path / "cache"), []
    samples = make_samples(parse_study(FEATURED), cache=cache, progress=lambda *words: told.append(words))
    assert samples.X.shape == (16, 4, 4, 3)
    assert samples.info["offline"] == ["DifferentialEntropy", "Smooth"]
    assert set(samples.y) == {"high", "low"}
    assert {total for _, total, _ in told} == {0, 2}
    told.clear()
    other = parse_study({**FEATURED, "target": {"label": "arousal"}, "seeds": 3})
    again = make_samples(other, cache=cache, progress=lambda *words: told.append(words))
    assert np.array_equal(again.X, samples.X)
    assert {total for _, total, _ in told} == {0}, "another target of the same data is not computed anew"
    whole = make_samples(parse_study({**FEATURED, "windows": {"seconds": None}, "features": ["hjorth"]}))
    assert whole.X.shape == (16, 3, 4, 1)


def test_signals_are_kept_beside_features_of_the_same_windows():
    content = {**FEATURED, "keep_signals": True}
    content["methods"] = {"lda": {"steps": [{"pick": {"modality": "features"}}, "flatten", "lda"]}}
    plan = parse_study(content)
    assert [step.name for step in plan.methods["majority"].steps] == ["pick", "majority"]
    samples = make_samples(plan)
    apart = make_samples(parse_study(FEATURED))
    assert list(samples.X) == ["features", "signals"]
    assert np.array_equal(samples.X["features"], apart.X)
    assert samples.X["signals"].shape[0] == 16
    assert samples.info["sfreq"] == 128.0
    for step in ("features", "signals"):
        content["methods"]["lda"]["steps"][0] = {"pick": {"modality": step}}
        estimator = make_estimator(parse_study(content), "lda", samples.info)
        assert estimator.fit(samples).predict(samples).shape == (16,)
    assert parse_study(FEATURED).digest() == parse_study({**FEATURED, "keep_signals": False}).digest()
    assert plan.digest() != parse_study(FEATURED).digest()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"features": [], "keep_signals": True}, "keep_signals"),
        ({"incomplete": "drop", "keep_signals": True}, "all of which have features"),
        ({"features": ["channel_scaler"]}, "ChannelScaler learns from data"),
        ({"features": ["differential_entrpy"]}, "Did you mean 'differential_entropy'"),
        ({"features": [{"hjorth": {"windw": 1}}]}, "Did you mean 'window'"),
        ({"features": [], "windows": {"seconds": None}}, "windows.seconds: null"),
        ({"features": [], "subtract_baseline": True}, "subtract_baseline"),
        ({"subtract_baseline": True}, "no rest before the stimulus"),
        ({"incomplete": "keep"}, "incomplete"),
        ({"windows": {}}, "windows.seconds: this key is required"),
    ],
)
def test_features_that_do_not_fit_are_refused_in_words(changes, expected, words):
    with pytest.raises(ThymosError) as error:
        make_samples(parse_study({**FEATURED, **changes}))
    words(error.value, expected)


def test_steps_are_told_the_names_of_the_channels():
    steps = [{"differential_entropy": {"bands": "deap"}}, "asymmetry", "flatten", "lda"]
    plan = of_steps(*steps)
    pipe = make_estimator(plan, "lda", {"sfreq": 64.0, "ch_names": ["F3", "F4"]})
    assert pipe[1].ch_names == ["F3", "F4"]


def test_a_recall_of_a_class_that_there_is_not_is_refused():
    head = dict.fromkeys(("source", "subject", "session", "stimulus"), "s")
    meta = pd.DataFrame({**head, "trial": ["0", "1"], "start": 0.0, "stop": 1.0})
    samples = Samples(np.zeros((2, 1, 4), "float32"), np.array(["sad", "happy"]), meta)
    methods = {"lda": {"steps": ["flatten", "lda"]}}
    content = {**PLAN, "methods": methods, "comparisons": {"lda": ["majority"]}, "target": {"label": "mood"}}
    assert classes_of(parse_study({**content, "recalls": ["sad"]}), samples) == ["happy", "sad"]
    assert parse_study({**content, "recalls": ["sad"]}).digest() == parse_study(content).digest()
    with pytest.raises(StudyError, match=r"no class 'hapy'\. Did you mean 'happy'"):
        classes_of(parse_study({**content, "recalls": ["hapy"]}), samples)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("lda", ["LinearDiscriminantAnalysis"]),
        ({"mlp": {"hidden": [3]}}, ["MLPClassifier"]),
        (["flatten", {"mlp": {"hidden": [3]}}], ["Flatten", "MLPClassifier"]),
    ],
)
def test_a_step_may_be_made_of_steps(given, names):
    made = make_estimator(of_steps({"per_subject": {"estimator": given, "others": True}}), "lda", {"sfreq": 64.0})[-1]
    parts = [step for _, step in made.estimator.steps] if len(names) > 1 else [made.estimator]
    assert [type(part).__name__ for part in parts] == names
    assert made.others is True
    if "MLPClassifier" in names:
        assert parts[-1].hidden == [3]


def test_a_step_inside_is_told_what_every_step_is_told():
    steps = {"per_subject": {"estimator": [{"differential_entropy": {"bands": "deap"}}, "asymmetry", "flatten", "lda"]}}
    made = make_estimator(of_steps(steps), "lda", {"sfreq": 64.0, "ch_names": ["F3", "F4"]})[-1].estimator
    assert made[0].sfreq == 64.0
    assert made[1].ch_names == ["F3", "F4"]


def test_a_sampler_may_be_a_parameter_of_a_step():
    steps = {"personalised_search": {"sampler": {"jitter": {"scale": 0.3}}, "width": 4}}
    made = make_estimator(of_steps(steps), "lda", {})[-1]
    assert (type(made.sampler).__name__, made.sampler.scale, made.width) == ("Jitter", 0.3, 4)
    assert (
        make_estimator(of_steps({"personalised_search": {"sampler": "smote"}}), "lda", {})[-1].sampler.neighbours == 5
    )


def test_defaults_reach_steps_inside_below_their_own_parameters():
    steps = [
        {"per_subject": {"estimator": ["flatten", {"mlp": {"lr": 0.1}}]}},
        {"eegnas": {"sampler": {"jitter": {"ratio": 2.0}}, "genotype": "random"}},
    ]
    defaults = {"mlp": {"lr": 0.5, "max_epochs": 7}, "jitter": {"scale": 0.3, "ratio": 1.0}, "eegnas": {"width": 4}}
    defaults["per_subject"] = {"estimator": "mlp", "others": True}
    first, second, third = (
        make_estimator(of_steps(step, defaults=defaults), "lda", {})[-1] for step in (*steps, "per_subject")
    )
    assert (first.estimator[-1].lr, first.estimator[-1].max_epochs, first.others) == (0.1, 7, True)
    assert (second.sampler.scale, second.sampler.ratio, second.width) == (0.3, 2.0, 4)
    assert (third.estimator.lr, third.estimator.max_epochs) == (0.5, 7), "a default may itself be a step"
    assert of_steps(steps[0], defaults=defaults).digest() != of_steps(steps[0]).digest()


def test_seeds_reach_every_step_of_steps():
    steps = [
        {"jitter": {}},
        {"per_subject": {"estimator": ["flatten", {"personalised_search": {"sampler": "smote"}}]}},
    ]
    plan = of_steps(*steps)
    estimator = make_estimator(plan, "lda", {})
    seeds = [
        {name: value for name, value in seed_estimator(estimator, seed).get_params().items() if "random_state" in name}
        for seed in (1, 1, 2)
    ]
    assert len(seeds[0]) == 3
    assert all(isinstance(value, int) for value in seeds[0].values())
    assert len(set(seeds[0].values())) == 3, "each has its own"
    assert seeds[0] == seeds[1]
    assert not set(seeds[0].values()) & set(seeds[2].values())
    copy = seed_estimator(estimator, 1)[-1].estimator[-1]
    assert copy.sampler.random_state == next(v for k, v in seeds[0].items() if k.endswith("sampler__random_state"))


def test_positions_are_filled_in_from_the_names_of_electrodes():
    made = make_estimator(of_steps("eegnas"), "lda", {"ch_names": ["Cz", "T8", "Fpz"]})[-1]
    assert np.array(made.positions) == pytest.approx(np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]), abs=0.12)
    assert isinstance(made.positions[0][0], float), "plain numbers, which can be stored"
    nested = make_estimator(
        of_steps({"per_subject": {"estimator": "eegnas"}}), "lda", {"ch_names": ["Cz", "T8", "Fpz"]}
    )
    assert nested[-1].estimator.positions == made.positions
    for info in ({}, {"ch_names": ["Cz", "GSR"]}, {"ch_names": ["Cz", "Cz"]}):
        assert make_estimator(of_steps("eegnas"), "lda", info)[-1].positions is None
    own = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    given = make_estimator(of_steps({"eegnas": {"positions": own}}), "lda", {"ch_names": ["Cz", "Fpz"]})[-1]
    assert given.positions == own


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"per_subject": {"estimator": "mpl"}}, ["no transformer or sampler or model named 'mpl'", "'mlp'"]),
        (
            {"per_subject": {"estimator": {"mlp": {"hiden": [3]}}}},
            ["The step 'mlp' has no parameter 'hiden'", "'hidden'"],
        ),
        ({"per_subject": {"estimator": ["flatten", {"mlp": {"hiden": [3]}}]}}, ["no parameter 'hiden'"]),
        ({"per_subject": {"estimator": {"mlp": {}, "lda": {}}}}, ["per_subject.estimator is {", "a list of steps"]),
        ({"per_subject": {"estimator": ["flatten", 5]}}, ["per_subject.estimator is ['flatten', 5]"]),
        ({"per_subject": {"estimator": []}}, ["per_subject.estimator is []", "a step, or a list of steps"]),
        ({"per_subject": {"estimator": ["mlp", "lda"]}}, ["MLPClassifier", "transformers and samplers"]),
        ({"per_subject": {"estimatr": "lda"}}, ["no parameter 'estimatr'", "'estimator'"]),
        ({"personalised_search": {"sampler": "smot"}}, ["no sampler named 'smot'", "'smote'"]),
        ({"personalised_search": {"sampler": "lda"}}, ["no sampler named 'lda'"]),
    ],
)
def test_mistakes_in_steps_inside_are_said_in_words(step, expected, words):
    with pytest.raises(StudyError) as error:
        make_estimator(of_steps(step), "lda", {})
    words(error.value, "methods.lda", *expected)


PICTURES = {
    "name": "pictures",
    "title": "Pictures",
    "source": {"simulated-faces": {"photos": 30, "people": 6, "size": 24}},
    "images": {"size": 24, "alike": 1.0},
    "target": {"label": "emotion"},
    "protocols": {"identity": {"parameters": {"n_splits": 2}}},
    "methods": {"lda": {"steps": ["flatten", "lda"]}},
}


def test_pictures_are_samples_and_copies_are_marked():
    study = parse_study(PICTURES)
    assert study.modality == "face"
    samples = make_samples(study)
    assert (samples.X.shape, samples.X.dtype) == ((30, 1, 24, 24), np.uint8)
    assert samples.meta["picture"].nunique() == 30
    assert "simulated" not in samples.info, "no files were simulated in a layout"
    plain = parse_study({**PICTURES, "images": {}})
    assert "picture" not in make_samples(plain).meta
    assert study.digest() != plain.digest()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"windows": {"seconds": 1.0}}, "one of the two"),
        ({"images": None}, "one of the two"),
        ({"features": ["window_statistics"]}, "are for windows of signals"),
        ({"images": {"alike": 0.1}}, "images.alike"),
    ],
)
def test_pictures_and_windows_exclude_each_other(changes, words):
    with pytest.raises(StudyError, match=words):
        parse_study({**PICTURES, **changes})


@pytest.fixture
def pulses(tmp_path):
    """Return a function that makes a study of four pulses, one of which is given, and its samples."""

    def make(odd, sfreq=64.0, **changes):
        beats = np.sin(2 * np.pi * 1.2 * np.arange(64 * 25) / 64)
        lines = ["path,modality,sfreq,unit,subject,trial,label"]
        for number in range(4):
            name, values = f"p{number}.csv", odd if number == 0 else beats + 0.01 * number
            pd.DataFrame({"bvp": values}).to_csv(tmp_path / name, index=False)
            lines.append(f"{name},bvp,{sfreq if number == 0 else 64.0},none,s{number},t{number},{'ab'[number % 2]}")
        (tmp_path / "manifest.csv").write_text("\n".join(lines))
        study = {
            **{"name": "pulses", "title": "Pulses", "source": {"manifest": {"path": str(tmp_path / "manifest.csv")}}},
            **{
                "modality": "bvp",
                "process": ["heart_rate"],
                "windows": {"seconds": 10.0},
                "target": {"label": "label"},
            },
            **{"protocols": {"loso": {}}, "methods": {"lr": {"steps": ["flatten", "logistic_regression"]}}},
        }
        return make_samples(parse_study({**study, **changes}))

    return make


@pytest.mark.parametrize(
    ("odd", "sfreq", "words"),
    [
        (np.empty(0), 64.0, "0 rows of values"),
        (np.ones(1), 64.0, "1 rows of values"),
        (np.full(1600, np.nan), 64.0, "missing or infinite"),
        (np.where(np.arange(1600) == 7, np.inf, 0.0), 64.0, "missing or infinite"),
        (np.zeros(1600), 64.0, "2 of 2 samples of 's0-1-t0' are incomplete: no beats were found in 100%"),
        (np.sin(np.arange(1600)), 1.0, "at least 32 Hz to find beats"),
    ],
)
def test_pulses_that_are_none_are_said_in_words(pulses, odd, sfreq, words):
    with pytest.raises(ThymosError) as error:
        pulses(odd, sfreq)
    assert words in str(error.value)


def test_pulses_without_beats_and_short_ones_can_be_left_out_and_are_counted(pulses):
    assert len(pulses(np.sin(2 * np.pi * np.arange(1600) / 64))) == 8
    flat = pulses(np.zeros(1600), incomplete="drop")
    assert (len(flat), flat.info["left_out"], flat.info["too_short"]) == (6, 2, 0)
    short = pulses(np.sin(2 * np.pi * np.arange(320) / 64))
    assert (len(short), short.info["left_out"], short.info["too_short"]) == (6, 0, 1)


def test_pseudo_labels_are_words_nearest_to_the_ratings_and_missing_ratings_are_left_out(pulses, monkeypatch):
    beats = np.sin(2 * np.pi * np.arange(1600) / 64)
    original = make_module.make_source

    def rated_source(study, data=None):
        source = original(study, data)
        load = source.load
        ratings = {"t0": (9, 7, 7), "t1": (2, 3, 4), "t2": (5, 5, 5), "t3": (2, 8, np.nan)}

        def loaded(*given):
            recordings = load(*given)
            made = [
                replace(
                    r, meta={**r.meta, **dict(zip("vad", ratings[r.meta["trial"].rpartition("-")[2]], strict=True))}
                )
                for r in recordings
            ]
            return type(recordings)(lambda *_: iter(made))

        source.load = loaded
        return source

    monkeypatch.setattr(make_module, "make_source", rated_source)
    target = {"label": "word", "prototypes": {"columns": ["v", "a", "d"], "scale": [1, 9]}}
    with pytest.raises(InputError, match="have no 'd'"):
        pulses(beats, target=target)
    samples = pulses(beats, target={**target, "missing": "drop"})
    words = samples.meta.assign(word=samples.y).groupby("trial")["word"].unique()
    assert {name.rpartition("-")[2]: list(found) for name, found in words.items()} == {
        "t0": ["happiness"],
        "t1": ["sadness"],
        "t2": ["neutral"],
    }


def test_two_ratings_make_four_classes():
    study = {
        "name": "quarters",
        "title": "Quarters",
        "source": {"simulated-eeg": {"subjects": 2, "trials": 32, "seconds": 2, "montage": "muse4"}},
        "windows": {"seconds": 1.0},
        "target": {"label": "quadrant", "quadrants": {"columns": ["valence", "arousal"], "above": 5}},
        "protocols": {"trial": {}},
        "methods": {"lda": {"steps": ["window_statistics", "flatten", "lda"]}},
    }
    plan = parse_study(study)
    samples = make_samples(plan)
    expected = [
        ("H" if v > 5 else "L") + "V" + ("H" if a > 5 else "L") + "A"
        for v, a in zip(samples.meta["valence"], samples.meta["arousal"], strict=True)
    ]
    assert samples.y.tolist() == expected
    assert len(set(expected)) == 4
    assert "high (H) above 5" in str(plan.target)
    wrong = {**study, "target": {"label": "q", "quadrants": {"columns": ["valence", "vigour"], "above": 5}}}
    with pytest.raises(StudyError, match="begin differently"):
        parse_study(wrong)
    both = {**study["target"], "above": 5}
    with pytest.raises(StudyError, match="exclude each other"):
        parse_study({**study, "target": both})


def test_a_union_of_processes_is_refused_in_words():
    study = {
        "name": "united",
        "title": "United",
        "source": {"simulated-eeg": {"subjects": 2, "trials": 4, "seconds": 2, "montage": "muse4"}},
        "process": [{"union": ["reference", "notch"]}],
        "windows": {"seconds": 1.0},
        "target": {"label": "valence", "above": 5},
        "protocols": {"trial": {}},
        "methods": {"lda": {"steps": ["window_statistics", "flatten", "lda"]}},
    }
    with pytest.raises(StudyError, match="one after the other"):
        parse_study(study)
