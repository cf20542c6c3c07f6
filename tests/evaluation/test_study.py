import copy

import pytest
import yaml

from thymos.base.errors import StudyError, ThymosError
from thymos.evaluation.make import make_estimator, make_grid
from thymos.evaluation.study import make_protocol
from thymos.evaluation.study_files import load_study, narrowed, parse_study, shipped_studies

GOOD = {
    "name": "mine",
    "title": "My study",
    "source": {"simulated-eeg": {"subjects": 2}},
    "windows": {"seconds": 1.0},
    "target": {"label": "valence", "above": 5},
    "protocols": {"trial": {}, "random_window": {"twin_of": "trial"}},
    "methods": {"lda": {"steps": [{"differential_entropy": {"bands": "deap"}}, "flatten", "lda"]}},
    "budgets": {
        "tiny": {"reduces": "almost everything", "changes": {"source": {"simulated-eeg": {"subjects": 1}}, "seeds": 2}}
    },
}


def changed(path, value):
    content = copy.deepcopy(GOOD)
    *parents, last = path
    place = content
    for key in parents:
        place = place[key]
    place[last] = value
    return content


@pytest.mark.parametrize("name", shipped_studies())
@pytest.mark.parametrize("budget", ["tiny", "quick", "full"])
def test_shipped_studies_are_valid_under_every_budget(name, budget):
    study = load_study(name, budget)
    assert study.name == name
    assert study.budget == budget
    assert study.baseline in study.methods
    for method in study.methods:
        make_grid(study, method, make_estimator(study, method, {"sfreq": 128.0}))
    for protocol in study.protocols:
        make_protocol(study, protocol)
    if budget != "full":
        assert study.reduces != "nothing"


def test_a_file_is_read_and_majority_is_always_there(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    study = load_study(path, "tiny")
    assert next(iter(study.methods)) == "majority"
    assert study.source.parameters == {"subjects": 1}
    assert (study.seeds, study.reduces) == (2, "almost everything")
    whole = load_study(path, "full")
    assert whole.source.parameters == {"subjects": 2}
    assert whole.reduced == {}


def test_every_value_that_a_budget_changes_is_told():
    changes = {"seeds": 2, "methods": {"lda": None}, "defaults": {"mlp": {"max_epochs": 1, "hidden": [4], "lr": 0.1}}}
    changes |= {"claims": [], "protocols": {"trial": {}}}
    content = {
        **GOOD,
        "defaults": {"mlp": {"hidden": [8, 8], "lr": 0.1}},
        "budgets": {"tiny": {"reduces": "a lot", "changes": changes}},
    }
    study = parse_study({**content, "seeds": 5}, "tiny")
    assert study.reduced == {
        **{"seeds": "2 (5)", "methods.lda": "left out", "defaults.mlp.max_epochs": "1"},
        "defaults.mlp.hidden": "[4] ([8, 8])",
    }
    assert study.digest() == study.model_copy(update={"reduced": {}}).digest()


def test_defaults_are_parameters_of_every_step_of_that_name_below_its_own():
    steps = {"a": {"steps": ["flatten", {"mlp": {"lr": 0.1}}]}, "b": {"steps": [{"flatten": None}, "mlp"]}}
    content = {**GOOD, "methods": steps, "defaults": {"mlp": {"lr": 0.5, "max_epochs": 7}}}
    content["budgets"] = {"tiny": {"reduces": "epochs", "changes": {"defaults": {"mlp": {"max_epochs": 1}}}}}
    study = parse_study(content)
    assert study.methods["a"].steps[-1].parameters == {"lr": 0.1, "max_epochs": 7}
    assert study.methods["b"].steps[-1].parameters == {"lr": 0.5, "max_epochs": 7}
    assert parse_study(content, "tiny").methods["b"].steps[-1].parameters == {"lr": 0.5, "max_epochs": 1}
    written = {"a": {"steps": ["flatten", {"mlp": {"lr": 0.1, "max_epochs": 7}}]}, "b": study.methods["b"].model_dump()}
    assert parse_study({**GOOD, "methods": written}).digest() == study.digest()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({**GOOD, "defaults": {"lad": {}}}, ["defaults", "'lad'", "'lda'"]),
        ({**GOOD, "defaults": {"jiter": {}}}, ["defaults", "'jiter'", "'jitter'"]),
        ({**GOOD, "defaults": ["lda"]}, ["defaults are ['lda']"]),
        ({**GOOD, "protocolls": {}}, ["protocolls: unknown key", "Did you mean 'protocols'"]),
        (changed(("windows", "secnods"), 2), ["windows.secnods: unknown key", "'seconds'"]),
        (changed(("methods", "lda", "setps"), []), ["methods.lda.setps", "unknown key", "'steps'"]),
        (changed(("windows", "seconds"), -1), ["windows.seconds", "greater than 0"]),
        (changed(("windows", "seconds"), "long"), ["windows.seconds", "valid number"]),
        ({k: v for k, v in GOOD.items() if k != "target"}, ["target: this key is required"]),
        (changed(("protocols",), {"trail": {}}), ["no protocol named 'trail'", "Did you mean 'trial'"]),
        (changed(("protocols",), {"random_window": {}}), ["a leaky protocol is a control", "twin_of"]),
        (changed(("protocols", "random_window", "twin_of"), "random_window"), ["twin_of", "honest"]),
        (changed(("protocols", "trial"), {"parameters": {"n_split": 3}}), ["no parameter 'n_split'", "'n_splits'"]),
        ({**GOOD, "permuted": ["lad"]}, ["no method 'lad'", "'lda'"]),
        (changed(("methods", "lda", "protocols"), ["tryal"]), ["no 'tryal'", "'trial'"]),
        (changed(("methods", "lda", "steps"), []), ["methods.lda.steps", "at least 1 item"]),
        (changed(("source",), 5), ["source"]),
        (changed(("source",), {"simulated-eeg": [1]}), ["source", "wants parameters as name: value"]),
        (changed(("methods", "lda", "steps"), [{"union": {"lda": {}}}, "lda"]), ["'union' wants a list of steps"]),
        (changed(("methods", "lda", "steps"), [{"flatten": [1]}, "lda"]), ["'flatten' wants parameters"]),
        (changed(("methods", "majority"), {"steps": ["lda"]}), ["this name is kept for the majority class"]),
        (changed(("windows", "seconds"), float("inf")), ["windows.seconds", "finite"]),
        ({**GOOD, "seed": -1}, ["seed", "greater than or equal to 0"]),
        (
            {**GOOD, "claims": [{"text": "t", "value": 1, "source": "s", "method": "ldda"}]},
            ["no method 'ldda'", "'lda'"],
        ),
        ({**GOOD, "comparisons": {"lda": ["majorty"]}}, ["comparisons.lda", "no method 'majorty'", "'majority'"]),
        ({**GOOD, "comparisons": {"lda": ["lda"]}}, ["comparisons.lda", "no rival of itself"]),
        ({**GOOD, "comparisons": {"lda": []}}, ["comparisons.lda", "at least 1 item"]),
        ({**GOOD, "recalls": ["happy"]}, ["recalls", "have classes and comparisons"]),
        (
            changed(("target",), {"label": "valence", "above": 5, "rating": True}),
            ["target", "above and rating exclude each other"],
        ),
        ({**GOOD, "metric": "ccc"}, ["'ccc' does not measure a class", "balanced_accuracy"]),
        (
            changed(("methods", "lda", "grid"), {"ldaa.solver": ["svd"]}),
            ["'ldaa.solver' is no parameter of a step", "'lda'", "step.parameter"],
        ),
        (changed(("methods", "lda", "grid"), {"lda.solver": []}), ["methods.lda.grid", "at least 1 item"]),
        (changed(("protocols", "trial"), {"split": "group"}), ["protocol 'trial'", "column"]),
        ({**GOOD, "budgets": ["a"]}, ["budgets", "valid dictionary"]),
        (changed(("budgets", "tiny"), {"changes": "abc"}), ["budgets.tiny.changes", "valid dictionary"]),
    ],
)
def test_mistakes_are_said_in_words_with_the_near_names(content, expected, words):
    with pytest.raises(ThymosError) as error:
        parse_study(content)
    words(error.value, *expected)


def test_unknown_studies_budgets_and_broken_files_are_said_in_words(tmp_path, words):
    with pytest.raises(StudyError) as error:
        load_study("lstm-gru-mus")
    words(error.value, "'lstm-gru-mus'", "Did you mean 'lstm-gru-muse'", ".yaml")
    with pytest.raises(StudyError, match="'quick'"):
        load_study("demo", "quik")
    with pytest.raises(StudyError, match="no file"):
        load_study(tmp_path / "none.yaml")
    for text, expected in (("a: [1", "as YAML"), ("", "holds no keys"), ("- 1", "holds no keys")):
        (tmp_path / "x.yaml").write_text(text)
        with pytest.raises(StudyError, match=expected):
            load_study(tmp_path / "x.yaml")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [({"n_splits": "five"}, "n_splits='five'"), ({"n_splits": 2.5}, "n_splits=2.5"), ({"validation": 0.9}, "0 to 0.5")],
)
def test_impossible_protocols_are_said_in_words(parameters, expected, words):
    with pytest.raises(ThymosError) as error:
        make_protocol(parse_study(changed(("protocols", "trial"), {"parameters": parameters})), "trial")
    words(error.value, expected)


def test_numbers_with_an_exponent_are_numbers(tmp_path):
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(GOOD).replace("seconds: 1.0", "seconds: 5e-1"))
    assert load_study(tmp_path / "x.yaml").windows.seconds == 0.5


def test_a_yaml_file_cannot_run_code(tmp_path):
    (tmp_path / "x.yaml").write_text(f"name: !!python/object/apply:os.system ['touch {tmp_path}/hacked']")
    with pytest.raises(StudyError):
        load_study(tmp_path / "x.yaml")
    assert not (tmp_path / "hacked").exists()


def test_the_digest_changes_with_what_can_change_a_result_and_only_then():
    digest = parse_study(GOOD).digest()
    assert parse_study({**GOOD, "title": "Another title"}).digest() == digest
    assert parse_study(changed(("windows", "seconds"), 2.0)).digest() != digest
    assert parse_study({**GOOD, "seed": 1}).digest() != digest
    assert parse_study(GOOD, "tiny").digest() != digest


def test_another_label_is_another_study_by_the_same_rule():
    study, other = load_study("mgan-nas-deap"), load_study("mgan-nas-deap", label="arousal")
    assert other.target.label == "arousal"
    assert (other.target.above, other.target.at_least) == (study.target.above, study.target.at_least)
    assert other.name == "mgan-nas-deap-arousal"
    assert study.claims
    assert other.claims == []
    assert other.digest() != study.digest()
    assert load_study("mgan-nas-deap", label="valence").digest() == study.digest()


def test_presets_of_protocols_know_their_column():
    study = parse_study({**GOOD, "protocols": {"new": {"split": "session", "parameters": {"guard": 2.0}}}})
    protocol = make_protocol(study, "new")
    assert (protocol.keys, protocol.within, protocol.guard) == (("session",), "subject", 2.0)


def test_a_study_under_some_of_its_protocols_leaves_the_rest_out():
    whole = load_study("lel-faced", "quick")
    part = narrowed(whole, ["trial"])
    assert list(part.protocols) == ["trial"]
    assert set(part.methods) == set(whole.methods)
    assert part.methods["eegnet"].protocols == ["trial"]
    assert part.claims == []
    assert part.digest() != whole.digest()
    assert narrowed(whole, list(whole.protocols)).digest() == whole.digest()
    fewer = narrowed(whole, ["trial_shares"])
    assert "knn" not in fewer.methods
    assert fewer.comparisons == {"lel": ["lda", "svm", "eegnet"]}
    assert "branches" not in fewer.inspections
    assert [claim.protocol for claim in fewer.claims] == ["trial_shares"]
    with pytest.raises(StudyError, match="no protocol 'trail'"):
        narrowed(whole, ["trail"])
    leaky = narrowed(whole, ["random_window"])
    twin = whole.protocols["random_window"].twin_of
    assert set(leaky.protocols) == {"random_window", twin}, "a leaky protocol never stands alone"
    assert leaky.methods["majority"].protocols is None
    assert all(leaky.methods[name].protocols == ["random_window"] for name in set(leaky.methods) - {"majority"})


def test_a_budget_leaves_out_the_comparisons_of_methods_it_leaves_out():
    methods = {"lda": {"steps": ["flatten", "lda"]}, "knn": {"steps": ["flatten", "knn"]}}
    content = {**GOOD, "methods": methods, "comparisons": {"lda": ["knn", "majority"], "knn": ["majority"]}}
    content["budgets"] = {"tiny": {"changes": {"methods": {"knn": None}}}}
    assert parse_study(content, "full").comparisons == content["comparisons"]
    assert parse_study(content, "tiny").comparisons == {"lda": ["majority"]}
    assert parse_study(content).digest() == parse_study({**content, "comparisons": {}}).digest()
