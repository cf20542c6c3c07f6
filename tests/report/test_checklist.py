"""What has to hold for the numbers of a run, asked of stored facts: each answer can turn."""

import pandas as pd
import pytest

from thymos.report.checklist import checklist


def _answers(view):
    return {check.asked: check for check in checklist(view)}


def test_each_question_is_asked_once_and_answered_with_a_fact(view):
    view.audit = None
    checks = checklist(view)
    assert len({check.asked for check in checks}) == len(checks)
    assert all(check.answer in ("yes", "in part", "no", "not known") and check.fact for check in checks)


def test_fits_and_code(view):
    good = _answers(view)
    assert good["All fits are finished"].answer == "yes"
    view.n_tasks += 1
    view.fits = view.fits.assign(code=["a"] + ["b"] * (len(view.fits) - 1))
    bad = _answers(view)
    assert bad["All fits are finished"].answer == "no"
    assert bad["One known state of the code computed them"].answer == "no"


@pytest.mark.parametrize(("commit", "answer"), [("abc", "yes"), ("abc-dirty", "in part"), (None, "in part")])
def test_a_commit_that_is_not_known_is_said(view, commit, answer):
    view.sittings = [{**view.sittings[0], "commit": commit}]
    assert _answers(view)["One known state of the code computed them"].answer == answer


def test_simulated_data_and_small_budgets_are_said(view):
    assert _answers(view)["The data are real"].answer == "no"
    view.data = {**view.data, "info": {}, "cautions": ["Stated before a run on simulated people."]}
    view.study = {**view.study, "source": {"name": "faced"}, "budget": "quick", "reduces": "seeds"}
    answers = _answers(view)
    assert answers["The data are real"].answer == "yes"
    small = answers["Nothing was made smaller to save time"]
    assert (small.answer, small.fact) == ("no", "budget quick: seeds")
    view.data = {**view.data, "info": {"simulated": True}}
    assert _answers(view)["The data are real"].answer == "no", "files in the layout of a corpus"


def test_what_the_audit_found_is_the_answer(view):
    leak, shortcut = "The audit finds no way from the test part into training", "No nuisance predicts"
    view.audit = None
    assert _answers(view)[leak].answer == "not known"
    finding = {"severity": "leak", "leaky": True, "text": "copies", "protocol": "random_window"}
    view.audit = {"findings": [finding], "searched": [], "skipped": []}
    assert _answers(view)[leak].answer == "yes", "what a control leaks is declared"
    nuisance = "No nuisance predicts the labels as well as the methods do"
    assert _answers(view)[nuisance].answer == "not known", "none was looked at"
    view.probes = pd.DataFrame({"method": ["session"]})
    assert _answers(view)[nuisance].answer == "yes"
    view.audit = {"findings": [], "searched": [], "skipped": [], "failed": "TypeError: a fault"}
    failed = _answers(view)
    assert (failed[leak].answer, failed[nuisance].answer) == ("not known", "not known")
    assert failed[leak].fact == "the audit itself failed"
    view.audit = {"findings": [{**finding, "leaky": False}], "searched": [], "skipped": ["loudness"]}
    answers = _answers(view)
    assert (answers[leak].answer, answers[leak].fact) == ("no", "copies")
    assert next(check for asked, check in answers.items() if asked.startswith(shortcut)).answer == "yes"
    assert "loudness" in answers["The audit could search for all that it knows"].fact


def test_people_twins_seeds_and_plans(view):
    answers = _answers(view)
    assert answers["Tested on people of whom nothing was seen"].answer == "no"
    assert "random_window" in answers["A control that leaks shows what a leak would add"].fact
    assert (
        answers["3 seeds or more where a method uses randomness"].answer == "yes" if view.study["seeds"] > 2 else True
    )
    people = "Intervals are over people, 8 or more"
    assert answers[people].answer == "no"
    few = view.summary
    view.summary = few.assign(unit="subject", n_units=20)
    assert (_answers(view)[people].answer, _answers(view)[people].fact) == ("yes", "over 20 subjects")
    assert "interval over 20 subjects; " in view.caption()
    leaky = few["protocol"] == "random_window"
    view.summary = few.assign(unit=few["unit"].mask(leaky, "subject"), n_units=few["n_units"].mask(leaky, 20))
    assert _answers(view)[people].answer == "no", "over people in the control alone"
    assert "20 subjects (random_window)" in view.caption()
    assert "since there are fewer than 8 subjects" in view.caption()
    view.summary = few
    planned = "Comparisons are named in the study, and corrected for their number"
    assert answers[planned].answer == "in part"
    view.study = {**view.study, "comparisons": {"mlp": ["lda"]}}
    assert _answers(view)[planned].answer == "yes"
    rarely = {name: {**spec, "seeds": 1 if name == "mlp" else None} for name, spec in view.study["methods"].items()}
    view.study = {**view.study, "methods": rarely}
    assert _answers(view)["3 seeds or more where a method uses randomness"].answer != "yes"
    view.study = {**view.study, "methods": {n: {**s, "seeds": None} for n, s in rarely.items()}, "seeds": 4}
    fits = view.fits
    view.fits = pd.concat([fits, *(fits.assign(seed=fits["seed"].max() + k) for k in range(1, 4))])
    assert _answers(view)["3 seeds or more where a method uses randomness"].answer == "yes"
    protocols = view.study["protocols"]
    view.study = {**view.study, "protocols": {**protocols, "trial": {**protocols["trial"], "seeds": 1}}}
    check = _answers(view)["3 seeds or more where a method uses randomness"]
    assert (check.answer, "1 seed under trial" in check.fact) == ("in part", True)
    assert "of 1 under trial" in view.caption()
    view.fits = fits[fits["seed"] == 0]
    assert _answers(view)["3 seeds or more where a method uses randomness"].answer == "no"


@pytest.mark.parametrize(
    ("pairing", "answer", "fact"),
    [
        ({"protocol": {"split": "loso"}, "other": None}, "yes", "split by loso"),
        (
            {"protocol": {"split": "official"}, "other": {"source": {"name": "deap"}, "protocol": {"split": "loso"}}},
            "in part",
            "official and loso",
        ),
        ({"protocol": {"split": "trial"}}, "no", "split by trial"),
    ],
)
def test_pairs_are_of_new_people_where_their_sides_are(view, pairing, answer, fact):
    view.study = {**view.study, "pairing": pairing}
    found = next(check for check in checklist(view) if check.asked == "Tested on people of whom nothing was seen")
    assert found.answer == answer
    assert fact in found.fact
