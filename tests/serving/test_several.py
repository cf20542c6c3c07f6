"""Models of several modalities, as bundles."""

import numpy as np
import pytest

from thymos.base.errors import InputError
from thymos.base.recording import Recording, Signal
from thymos.evaluation.final import train_method
from thymos.evaluation.make import make_samples, make_source
from thymos.evaluation.study_files import parse_study
from thymos.serving.bundle import Bundle
from thymos.serving.several import SeveralRecipe, recipe_of, side_by_side
from thymos.signals.windows import window_blocks

SOURCE = {"subjects": 2, "trials": 8, "seconds": 12, "montage": "muse4", "size": 24, "frame_rate": 0.5}
STUDY = {
    **{"name": "several", "title": "Several", "source": {"simulated": SOURCE}, "windows": {"seconds": 10.0}},
    "modalities": {"face": {"images": {"size": 24}}, "pulse": {"of": "bvp", "process": ["heart_rate"]}, "eeg": {}},
    **{"target": {"label": "valence", "above": 5}, "level": "trial"},
    "protocols": {"trial": {"parameters": {"n_splits": 2}}},
    "methods": {
        "both": {
            "steps": [
                {
                    "hybrid_fusion": {
                        "encoders": {
                            "face": {"face_cnn": {"width": 4, "max_epochs": 1}},
                            "pulse": {"physio_lstm": {"hidden": [4, 4], "max_epochs": 1}},
                        },
                        "fusion": "average",
                    }
                }
            ]
        },
        "one": {"steps": [{"pick": {"modality": "pulse"}}, "flatten", "lda"]},
    },
}  # fmt: skip


def bundle_of(study, method):
    return Bundle.of(train_method(study, method))


@pytest.fixture(scope="module")
def study():
    return parse_study(STUDY)


@pytest.fixture(scope="module")
def bundle(study, tmp_path_factory):
    folder = bundle_of(study, "both").save(tmp_path_factory.mktemp("bundle") / "both")
    return Bundle.load(folder)


@pytest.fixture(scope="module")
def recordings(study):
    return list(make_source(study, None).load())


def without(recording, *names):
    signals = {name: signal for name, signal in recording.signals.items() if name not in names}
    return Recording(signals, recording.meta, recording.spans, recording.baseline)


def test_recordings_are_predicted_as_the_samples_of_the_study_are(study, bundle, recordings):
    samples, notes = make_samples(study), []
    expected = bundle.probabilities({name: samples.X[name] for name in ("face", "pulse")})
    table = bundle.predict(recordings, notes)
    assert table["trial"].tolist() == samples.meta["trial"].tolist()
    assert np.allclose(table[["p_high", "p_low"]].to_numpy(), expected, atol=1e-6)
    assert len(bundle.by_trial(table)) == 16
    assert {text.partition(" (")[0] for _, text in notes} == {
        "face: the model has seen this picture",
        "pulse: the model has seen this recording",
    }
    several = bundle.samples(recordings)
    assert set(several.X) == {"face", "pulse"}
    assert np.array_equal(several.X["face"], samples.X["face"])
    assert np.allclose(several.X["pulse"], samples.X["pulse"], atol=1e-6)


def test_only_what_the_method_looks_at_has_to_be_there(study, bundle, recordings):
    assert isinstance(bundle.recipe, SeveralRecipe)
    assert list(bundle.recipe.modalities) == ["face", "pulse"]
    whole = bundle.predict(recordings[:1])
    assert bundle.predict([without(recordings[0], "eeg")]).equals(whole)
    with pytest.raises(InputError, match="face"):
        bundle.predict([without(recordings[0], "face")])
    one = bundle_of(study, "one")
    assert one.recipe.modality == "bvp", "a method that picks one modality is a model of one"
    assert len(one.predict([without(recordings[0], "eeg", "face")])) == 1


def test_a_modality_may_be_missing_where_the_study_says_so(bundle, recordings):
    lenient, notes = bundle.replace(recipe=bundle.recipe.model_copy(update={"missing": "keep"})), []
    bare = lenient.predict([without(recordings[0], "face")], notes)
    X = lenient.samples(recordings[:1]).X
    alone = lenient.probabilities({"face": np.full(X["face"].shape, np.nan, np.float32), "pulse": X["pulse"]})
    assert np.allclose(bare[["p_high", "p_low"]].to_numpy(), alone)
    assert not np.allclose(alone, lenient.probabilities(X))
    assert "without face, which is not there" in [text for _, text in notes]
    notes.clear()
    assert not len(lenient.predict([without(recordings[0], "bvp")], notes))
    assert any("no prediction" in text for _, text in notes)


def test_windows_without_a_partner_are_counted(bundle, recordings):
    signals = {name: Signal(np.ones((1, 10 * n), np.float32), 10.0, ("a",)) for name, n in (("one", 8), ("two", 4))}
    pulse, words = bundle.recipe.modalities["pulse"], []
    recipe = SeveralRecipe(modalities=dict.fromkeys(signals, pulse), shapes=dict.fromkeys(signals, (1, 20)))
    recording = Recording({"bvp": signals["one"], **signals}, recordings[0].meta)
    (block,) = side_by_side(
        recording, recipe, lambda name, mine, said: window_blocks([recording], 2.0, modality=name), words
    )
    assert len(block.meta) == 2
    assert words == ["one: 2 windows have no other modality beside them: no prediction for them"]


def test_what_cannot_be_predicted_is_said_in_words(bundle, recordings):
    notes, signal = [], recordings[0].signal("bvp")
    short = Recording(
        {**recordings[0].signals, "bvp": signal.replace(data=signal.data[:, : int(5 * signal.sfreq)])},
        recordings[0].meta,
    )
    assert not len(bundle.predict([short], notes))
    assert any("shorter than a window of 10 s" in text for _, text in notes)


def test_one_recording_without_a_heart_rate_does_not_take_the_others_along(bundle, recordings):
    signal = recordings[0].signal("bvp")
    odd = Recording({**recordings[0].signals, "bvp": signal.replace(data=0 * signal.data)}, recordings[0].meta)
    bare = bundle.replace(recipe=_without_amplitude(bundle.recipe))
    notes = []
    table = bare.predict([odd, recordings[1]], notes)
    assert table["trial"].tolist() == [recordings[1].meta["trial"]]
    assert any("no beats were found" in text and "no prediction" in text for _, text in notes)
    lenient = bare.replace(recipe=bare.recipe.model_copy(update={"missing": "keep"}))
    notes.clear()
    both = lenient.predict([odd, recordings[1]], notes)
    assert any("no signal of a window" in text for _, text in notes), notes
    assert len(both) == 1


def test_why_there_is_no_prediction_is_said_once(study, recordings):
    one, signal, notes = bundle_of(study, "one"), recordings[0].signal("bvp"), []
    one = one.replace(recipe=one.recipe.model_copy(update={"spread": 0.0}))
    odd = Recording({"bvp": signal.replace(data=0 * signal.data)}, recordings[0].meta)
    assert not len(one.predict([odd], notes))
    told = [text for _, text in notes if "no beats were found" in text]
    assert len(told) == 1
    assert told[0].endswith("no prediction")


def _without_amplitude(recipe):
    """Return a recipe that does not compare the amplitude with that of training, which a flat signal fails."""
    mine = {
        n: r.model_copy(update={"spread": 0.0}) if hasattr(r, "spread") else r for n, r in recipe.modalities.items()
    }
    return recipe.model_copy(update={"modalities": mine})


def test_it_is_calibrated_by_recordings_that_it_has_not_seen(study, bundle):
    new = list(make_source(parse_study({**STUDY, "source": {"simulated": {**SOURCE, "random_state": 5}}}), None).load())
    new = [recording for recording in new if recording.meta["subject"] == "s01"]
    labels = {r.meta["trial"]: "high" if float(r.meta["valence"]) > 5 else "low" for r in new}
    made = bundle.calibrated(new, labels, shots=1)
    assert len(made.known) == len(bundle.known) + len(made.card["calibrated"]["trials"])
    with pytest.raises(InputError, match="has seen"):
        made.calibrated(new, labels)


def test_signals_beside_features_are_models_of_one_or_the_other():
    kept = {
        **{key: value for key, value in STUDY.items() if key not in ("modalities", "methods")},
        **{"features": [{"differential_entropy": {"bands": "deap", "method": "filter", "window": 1.0}}]},
        **{"keep_signals": True, "windows": {"seconds": 6.0}},
        "methods": {
            "features": {"steps": [{"pick": {"modality": "features"}}, "flatten", "lda"]},
            "signals": {"steps": [{"pick": {"modality": "signals"}}, {"eegnet": {"max_epochs": 1, "filters": 2}}]},
        },
    }
    study = parse_study(kept)
    samples, recordings = make_samples(study), list(make_source(study, None).load())
    for method in ("features", "signals"):
        made = bundle_of(study, method)
        assert [step.name for step in made.recipe.features] == ["differential_entropy"][: method == "features"]
        found = made.predict(recordings)[["p_high", "p_low"]].to_numpy()
        assert np.allclose(found, made.probabilities(samples.X[method]), atol=1e-5)


def test_pairs_are_no_recordings():
    rule = {"split": "trial", "parameters": {"n_splits": 2}}
    pairs = {**STUDY, "protocols": {"paired": {}}}
    pairs["pairing"] = {"protocol": rule, "second": ["pulse"], "kinds": ["label"]}
    with pytest.raises(InputError, match="pairs, which nobody records"):
        train_method(parse_study(pairs), "both")


@pytest.mark.parametrize(
    "changes",
    [
        {"shapes": {"face": [1, 24, 24]}},
        {"missing": "maybe"},
        {"modalities": {"face": {"modality": "face", "shape": [1, 24, 24]}}, "shapes": {"face": [1, 24, 24]}},
    ],
)
def test_recipes_that_cannot_be_are_refused(bundle, changes):
    with pytest.raises(InputError, match="cannot be made elsewhere"):
        recipe_of({**bundle.recipe.model_dump(mode="json"), **changes})
