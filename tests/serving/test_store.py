"""A pipeline comes back from its two files as it was, and nothing else comes with it."""

import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import skops.io
import torch
from sklearn.base import is_regressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FunctionTransformer, make_union
from torch import nn

from thymos.base.errors import DataError, InputError
from thymos.models import EEGNetClassifier, MLPClassifier
from thymos.models.catalogue import MODELS
from thymos.serving.store import decode, encode
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.signals.spectral import DifferentialEntropy
from thymos.training.estimator import TorchClassifier
from thymos.training.pipeline import make_pipeline

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((36, 4, 32)).astype(np.float32), np.array(["calm", "tense"] * 18)


def small(name):
    """Return a member of the catalogue with the parameters that make it small in the contract tests."""
    path = Path(__file__).parents[1] / "contracts" / "test_catalogues.py"
    spec = importlib.util.spec_from_file_location("for_checks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make(name)


def fitted(*steps, X=X, y=Y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_pipeline(*steps).fit(X, y)


def answers(pipeline, X):
    return pipeline.predict(X) if is_regressor(pipeline) else pipeline.predict_proba(X)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_predicts_what_it_predicted(name):
    last = small(name)
    table = X.reshape(len(X), -1)
    pipeline = fitted(ChannelScaler(), last, X=table, y=np.arange(36.0) if is_regressor(last) else Y)
    before, state = answers(pipeline, table), torch.get_rng_state()
    again, notes = decode(*encode(pipeline))
    assert np.array_equal(answers(again, table), before)
    assert np.array_equal(answers(pipeline, table), before), "storing has changed it"
    assert torch.equal(torch.get_rng_state(), state), "loading has drawn from torch's generator"
    assert notes == []


def test_features_and_several_branches_come_back_too(tmp_path):
    union = make_union(
        make_pipeline(DifferentialEntropy(sfreq=32.0, bands={"low": (1.0, 4.0), "all": (1.0, 15.0)}), Flatten()),
        make_pipeline(ChannelScaler(), Flatten()),
    )
    pipeline = fitted(union, KNeighborsClassifier(3))
    assert np.array_equal(answers(decode(*encode(pipeline))[0], X), answers(pipeline, X))


def test_another_process_gets_the_same_numbers(tmp_path):
    pipeline = fitted(ChannelScaler(), EEGNetClassifier(sfreq=32.0, max_epochs=2, random_state=0))
    for name, content in zip(("pipeline", "weights"), encode(pipeline), strict=True):
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "X.npy", X)
    code = (
        "import sys, numpy as np, torch; from pathlib import Path; from thymos.serving.store import decode\n"
        "torch.set_num_threads(1); p = Path(sys.argv[1])\n"
        "pipeline, _ = decode((p / 'pipeline').read_bytes(), (p / 'weights').read_bytes())\n"
        "np.save(p / 'y.npy', pipeline.predict_proba(np.load(p / 'X.npy')))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert np.array_equal(np.load(tmp_path / "y.npy"), answers(pipeline, X))


class Doubled:
    """A sampler of nobody's package."""

    def fit_resample(self, X, y):
        return np.concatenate([X, X]), np.concatenate([y, y])

    def get_params(self, deep=True):
        return {}


def test_samplers_stay_behind():
    pipeline = fitted(Flatten(), Doubled(), MLPClassifier(hidden=(4,), max_epochs=1, random_state=0))
    again, _ = decode(*encode(pipeline))
    assert [type(step).__name__ for _, step in again.steps] == ["Flatten", "MLPClassifier"]
    assert np.array_equal(answers(again, X), answers(pipeline, X))


def linear(n_channels, n_times, n_outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(n_channels * n_times, n_outputs))


def test_networks_that_nobody_could_build_again_are_refused(words):
    def inside(n_channels, n_times, n_outputs):
        return linear(n_channels, n_times, n_outputs)

    for module in (inside, lambda n_channels, n_times, n_outputs: linear(n_channels, n_times, n_outputs)):
        with pytest.raises(InputError) as error:
            encode(make_pipeline(TorchClassifier(module, max_epochs=1)))
        words(error.value, "nobody could import", "trust")


def test_a_network_of_ones_own_module_needs_trust(tmp_path, monkeypatch, words):
    (tmp_path / "my_nets.py").write_text(
        "from torch import nn\n"
        "def net(n_channels, n_times, n_outputs):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(n_channels * n_times, n_outputs))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import my_nets

    pipeline = fitted(TorchClassifier(my_nets.net, max_epochs=1, random_state=0))
    with pytest.raises(InputError) as error:
        encode(pipeline)
    words(error.value, "my_nets.net", "trust")
    stored = encode(pipeline, trust=["my_nets.net"])
    with pytest.raises(DataError) as refused:
        decode(*stored)
    words(refused.value, "my_nets.net", "not trusted")
    assert np.array_equal(answers(decode(*stored, trust=["my_nets.net"])[0], X), answers(pipeline, X))


@pytest.mark.parametrize("function", [print, subprocess.run, linear])
def test_functions_are_not_stored(function):
    with pytest.raises(InputError, match="holds what no bundle may"):
        encode(make_pipeline(FunctionTransformer(function), KNeighborsClassifier(1)))


def forged(module, name, content):
    """Return a skops file that calls `module.name(*content)`, as a forger would write it."""
    import io
    import json
    from zipfile import ZipFile

    data = skops.io.dumps({"x": tuple(content)})
    with ZipFile(io.BytesIO(data)) as file:
        schema = json.loads(file.read("schema.json"))
    node = {
        "__class__": name,
        "__module__": module,
        "__loader__": "ConstructorFromReduceNode",
        "content": schema["content"]["x"],
    }
    out = io.BytesIO()
    with ZipFile(out, "w") as file:
        file.writestr("schema.json", json.dumps({**node, "protocol": schema["protocol"], "_skops_version": "0"}))
    return out.getvalue()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("numpy", "memmap"),
        ("thymos.evaluation.results", "Results"),
        ("thymos.__main__", "main"),
        ("sklearn.datasets", "fetch_openml"),
    ],
)
def test_forged_files_call_nothing(tmp_path, module, name):
    victim = tmp_path / "precious"
    victim.write_text("years of work")
    with pytest.raises(DataError, match="not trusted"):
        decode(forged(module, name, [str(victim), "uint8", "w+"]), b"")
    assert victim.read_text() == "years of work"


def test_damage_and_other_networks_end_in_words(words):
    pipeline = fitted(EEGNetClassifier(sfreq=32.0, max_epochs=1, random_state=0))
    data, weights = encode(pipeline)
    for broken in ((data[:-50], weights), (b"", weights), (data, weights[:-9]), (data, b"")):
        with pytest.raises(DataError) as error:
            decode(*broken)
        words(error.value, "cannot be read", "undamaged")
    pipeline[-1].filters += 1  # as if another version built it so
    with pytest.raises(DataError) as other:
        decode(encode(pipeline)[0], weights)
    words(other.value, "EEGNetClassifier cannot be rebuilt")
    none = encode(fitted(Flatten(), KNeighborsClassifier(1)))
    with pytest.raises(DataError, match="lacks the weights of EEGNetClassifier"):
        decode(data, none[1])
    with pytest.raises(DataError, match="weights of no network"):
        decode(none[0], weights)
