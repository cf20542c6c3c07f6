"""Every shipped study runs under its tiny budget, and data without an effect give no effect."""

import numpy as np
import pytest

from thymos.evaluation import LeaveOneSubjectOut, RandomWindowSplit, TrialSplit, cross_validate
from thymos.evaluation.runner import run_study
from thymos.evaluation.study import make_protocol
from thymos.evaluation.study_files import load_study, shipped_studies
from thymos.models.catalogue import MODELS
from thymos.report.page import write_report
from thymos.report.view import RunView
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.signals.spectral import DifferentialEntropy
from thymos.sources import SimulatedEEG
from thymos.sources.simulate.catalogue import LAYOUTS
from thymos.sources.simulate.photos import SimulatedFaces
from thymos.training.pipeline import make_pipeline

#: Parameters of the twins that the studies of large corpora are run on.
TWINS = {
    "affectnet": {"photos": (140, 60)},
    "fer2013": {"photos": (240, 60, 60), "people": 30},
    "deap": {"subjects": 2, "trials": 16, "seconds": 6.0, "films": 0},
    "eav": {"subjects": 1, "turns": 20, "seconds": 1.0, "size": 32},
    "faced": {"subjects": 1, "seconds": 3.0},
    "hku956": {"subjects": 6, "trials": 8, "seconds": [20, 40], "shared": 0.25},
    "ravdess": {"actors": 5, "repetitions": 1, "emotions": ["happy", "sad", "angry"], "sfreq": 16000.0},
    "seed": {"subjects": 1, "sessions": 1, "scale": 0.015},
}


#: One study of each kind of data: these are audited, and their reports have all figures. The audit and the figures that
#: every report has are tested elsewhere, and would take most of the time.
WHOLE = {
    *("affectnet", "deap-physio", "demo", "eav-trimodal", "gene-pruning-digits", "hku956-ratings", "hybrid-fer-physio"),
    *("hybrid-pairs", "lel-muse", "lstm-gru-emotions", "ravdess"),
}


@pytest.mark.usefixtures("few_resamples")  # tiny runs give no results
@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_studies_run_to_their_report(name, data_folder, tmp_path, monkeypatch):
    study, whole = load_study(name, "tiny"), name in WHOLE
    if not whole:
        monkeypatch.setattr("thymos.evaluation.runner._audit", lambda *run: None)
        monkeypatch.setattr("thymos.evaluation.runner.try_method", lambda *of: None)  # its fits are as small
        for drawn in ("results", "inflation", "split", "confusions", "curves", "calibration"):
            monkeypatch.setattr(f"thymos.report.figures.{drawn}", lambda *of: "")
    other = study.pairing.other if study.pairing else None
    for name in {source.name for source in (study.source, *([other.source] if other else []))} & set(TWINS):
        LAYOUTS[name].load()(data_folder, **TWINS[name])
    outcome = run_study(study, tmp_path / "run", data_folder)
    assert outcome.failed == {}
    view = RunView(outcome.results.folder)
    assert set(view.inspections) == set(study.inspections)
    assert view.uninspected == []
    assert set(view.methods) == set(view.study["methods"])
    assert len(view.fits) == view.n_tasks == outcome.done
    text = write_report(view).read_text()
    for name, spec in study.modalities.items():
        for step in (*spec.process, *spec.features):
            assert f"{name}: {step.name}" in text, "the data card hides what was done"
    assert ("drawn once over 2 folds in turn (1 never tested)" in text) == (study.pairing is not None)
    assert (view.audit is not None) == whole
    assert not whole or not any("the audit itself failed" in words for words in view.audit["skipped"])


@pytest.mark.parametrize("name", shipped_studies())
def test_what_a_study_says_are_whole_sentences(name):
    study = load_study(name)
    assert all(text.rstrip().endswith((".", "?", ".)", "?)")) for text in (study.question, *study.cautions))


@pytest.mark.parametrize("name", ["culture-demo", "faces-demo"])
def test_all_other_domains_are_learnt_from_where_one_is_left_out(name):
    study = load_study(name)
    (domains,) = {tuple(source.parameters["domains"]) for source in [study.source]}
    meta = SimulatedFaces(photos=42, people=12, domains=domains, size=24).load().images().meta
    folds = make_protocol(study, "domain").folds(meta, meta["emotion"].to_numpy())
    assert len(folds) == len(domains) == 3
    for fold in folds:
        assert meta["domain"].iloc[fold.train].nunique() == 2, "else nothing can be aligned"


def test_studies_that_are_audited_are_of_every_source():
    def sources(names):
        return {load_study(name, "tiny").source.name for name in names}

    assert set(shipped_studies()) >= WHOLE
    alike = {"faced", "seed", "simulated-faces", "waveforms", "fer2013", "simulated"}  # windows, or pictures, as others
    assert sources(shipped_studies()) - sources(WHOLE) <= alike


@pytest.fixture(scope="module")
def null():
    """Return simulated windows in which nothing depends on emotion, each trial with its fingerprint."""
    made = SimulatedEEG(subjects=6, trials=24, seconds=8.0, null=True, fingerprint=0.5).load().windows(1.0)
    # learns nothing, so that it may stand before the split
    features = Flatten().fit_transform(DifferentialEntropy(128.0, "deap").fit_transform(made.X))
    return made.replace(X=features, y=np.where(made.meta["felt_valence"] > 0, "high", "low"))


@pytest.mark.parametrize("name", ["nearest_neighbour", "lda", "svm"])
def test_without_an_effect_honest_protocols_see_nothing_and_the_leaky_one_sees_a_lot(name, null):
    row = MODELS[name]
    pipe = make_pipeline(ChannelScaler(), row.load()(**row.parameters))

    def accuracies(protocol):
        table = cross_validate(pipe, null, protocol).query("level == 'window' and subject != 'all'")
        return table.groupby("subject")["balanced_accuracy"].mean()

    for protocol in (TrialSplit(), LeaveOneSubjectOut()):
        by_subject = accuracies(protocol)
        assert abs(by_subject.mean() - 0.5) < max(2.5 * by_subject.std(ddof=1) / np.sqrt(len(by_subject)), 0.05)
    assert accuracies(RandomWindowSplit(within="subject")).mean() > 0.75
