"""An exported model predicts what the trained one predicts, or says why not. All of them: benchmarks/exported.py."""

import numpy as np
import onnx
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVR
from torch import nn

from thymos.base.errors import InputError
from thymos.base.probabilities import Calibration
from thymos.models import (
    CalibratedSVC,
    FaceCNN,
    FBCNetClassifier,
    MLPClassifier,
    PerSubject,
    PrunedClassifier,
    RecurrentClassifier,
    RecurrentRegressor,
)
from thymos.serving.export import OnnxPipeline, export_onnx, network_of, quantised
from thymos.signals.scaling import ChannelScaler, Flatten
from thymos.signals.spectral import BandPower, DifferentialEntropy
from thymos.training.estimator import TorchClassifier
from thymos.training.pipeline import make_pipeline

BANDS = {"slow": (1.0, 8.0), "fast": (13.0, 30.0)}


def noise(*shape, n=40, seed=0):
    return (1e-5 * np.random.default_rng(seed).standard_normal((n, *shape))).astype(np.float32)


def labels(n=40, classes="ab"):
    return np.array(list(classes))[np.arange(n) % len(classes)]


def faces(n=40):
    return np.random.default_rng(0).integers(0, 256, (n, 1, 16, 16), dtype=np.uint8)


def exported(pipeline, X, tmp_path, **options):
    facts = export_onnx(pipeline, X, tmp_path / "m.onnx", **options)
    return facts, OnnxPipeline(tmp_path / "m.onnx", pipeline)


@pytest.mark.parametrize(
    "last",
    [
        RecurrentClassifier(max_epochs=1, hidden=4, random_state=0),
        FBCNetClassifier(max_epochs=1, spatial=2, sfreq=64.0, bands=((4.0, 12.0),), random_state=0),
    ],
    ids=["recurrent", "fourier"],
)
def test_networks_of_raw_windows_at_any_number_of_samples(last, tmp_path):
    X, y = noise(3, 64), labels(classes="abc")
    pipeline = make_pipeline(ChannelScaler(), last).fit(X, y)
    calibration = Calibration(1.5, (0.2, 0.0, -0.2))
    facts, model = exported(pipeline, X, tmp_path, calibration=calibration)
    assert facts["difference"] < 1e-5
    assert facts["same"] == 1.0
    assert facts["outside"] == []
    assert facts["inside"][0] == "scaling of each channel"
    assert facts["inside"][-1] == "calibration"
    other = noise(3, 64, seed=1)
    for n in (1, 7):
        known = calibration.apply(pipeline.predict_proba(other[:n]))
        assert np.allclose(model.predict_proba(other[:n]), known, atol=1e-5)
    chosen = calibration.apply(pipeline.predict_proba(other)).argmax(axis=1)
    assert (model.predict(other) == np.array(["a", "b", "c"])[chosen]).all()


@pytest.mark.parametrize("classes", ["ab", "abc"])
@pytest.mark.parametrize("kind", ["lda", "logistic", "svm"])
def test_classifiers_behind_spectral_features_of_raw_windows(kind, classes, tmp_path):
    X, y = noise(2, 64), labels(classes=classes)
    X[y == "a"] *= 2
    last = {"lda": LinearDiscriminantAnalysis(), "logistic": LogisticRegression(), "svm": CalibratedSVC()}[kind]
    features = BandPower(64.0, BANDS, window=0.5) if kind == "svm" else DifferentialEntropy(64.0, BANDS, window=0.5)
    pipeline = make_pipeline(features, Flatten(), ChannelScaler(), last).fit(X, y)
    facts, model = exported(pipeline, X, tmp_path)
    assert facts["inside"][:3] == [
        "power in bands" if kind == "svm" else "differential entropy",
        "flattening",
        "scaling of each channel",
    ]
    assert np.abs(model.predict_proba(X) - pipeline.predict_proba(X)).max() < 1e-4
    assert np.ptp(pipeline.predict_proba(X)[:, 0]) > 0.1, "the check would be of one number"


@pytest.mark.parametrize("scale", ["power", "relative"])
def test_other_scales_of_power(scale, tmp_path):
    X = noise(2, 64)
    pipeline = make_pipeline(BandPower(64.0, BANDS, scale=scale), Flatten(), ChannelScaler(), LogisticRegression())
    assert exported(pipeline.fit(X, labels()), X, tmp_path)[0]["difference"] < 1e-4


def test_what_has_no_counterpart_stays_outside_with_all_before_it(tmp_path):
    X = noise(2, 64)
    filtered = DifferentialEntropy(64.0, BANDS, method="filter", window=0.5)
    pipeline = make_pipeline(ChannelScaler(), filtered, Flatten(), LogisticRegression()).fit(X, labels())
    facts, model = exported(pipeline, X, tmp_path)
    assert facts["outside"] == ["channelscaler", "differentialentropy"]
    assert facts["input"]["shape"] == ["batch", 2, 2, 2]
    assert np.allclose(model.predict_proba(X), pipeline.predict_proba(X), atol=1e-5)
    with pytest.raises(InputError, match="begins behind the steps channelscaler, differentialentropy"):
        OnnxPipeline(tmp_path / "m.onnx")


def test_ratings_come_in_their_own_unit(tmp_path):
    X, y = noise(2, 20), 5 + np.random.default_rng(1).standard_normal(40)
    pipeline = make_pipeline(ChannelScaler(), RecurrentRegressor(max_epochs=1, hidden=4, random_state=0)).fit(X, y)
    facts, model = exported(pipeline, X, tmp_path)
    assert facts["classes"] == []
    assert facts["same"] is None
    assert np.allclose(model.predict(X), pipeline.predict(X), atol=1e-4)
    assert abs(model.predict(X).mean() - 5) < 1


def test_faces_and_their_mirror_images_and_no_silenced_channel(tmp_path):
    X, y = faces(), labels()
    inner = FaceCNN(width=8, max_epochs=4, mirrored=True, device="cpu", random_state=0)
    pruned = PrunedClassifier(inner, granularity="channel", density=0.5, random_state=0).fit(X, y)
    facts, model = exported(pruned, X, tmp_path)
    left, before = (
        sum(p.numel() for p in n.parameters()) for n in (network_of(pruned, X)[0], pruned.estimator_.module_)
    )
    assert left < 0.7 * before
    assert facts["inside"] == [f"FaceCNN of {left} parameters ({before} before)"]
    assert facts["input"]["type"] == "uint8"
    assert np.allclose(model.predict_proba(X), pruned.predict_proba(X), atol=1e-5)
    bytes_of = quantised(tmp_path / "m.onnx", tmp_path / "q.onnx", pruned, X)
    assert bytes_of["kind"] == "static"
    assert 0 < bytes_of["difference"] < 0.1
    assert (tmp_path / "q.onnx").stat().st_size < (tmp_path / "m.onnx").stat().st_size


def test_pictures_of_another_type_are_converted_or_refused(tmp_path):
    X, y = faces(), labels()
    in_bytes, in_floats = (
        FaceCNN(width=4, max_epochs=1, device="cpu", random_state=0).fit(given, y) for given in (X, X / np.float32(255))
    )
    _, model = exported(in_bytes, X, tmp_path)
    assert np.array_equal(model.predict_proba(X.astype(float)), model.predict_proba(X))
    with pytest.raises(InputError, match="Samples with values from 0 to 1 came"):
        model.predict_proba(X / np.float32(255))
    _, model = exported(in_floats, X / np.float32(255), tmp_path / "floats")
    assert np.allclose(model.predict_proba(X / 255.0), in_floats.predict_proba(X), atol=1e-5)
    for whole in (X, X.astype(int)):
        with pytest.raises(InputError, match="Pictures in bytes came"):
            model.predict_proba(whole)


def test_channels_go_from_a_network_that_is_given_double_precision(tmp_path):
    pytest.importorskip("torch_pruning")
    X = noise(3, 64).astype(float)
    network = MLPClassifier(hidden=(8, 6), max_epochs=4, random_state=0)
    pruned = PrunedClassifier(network, method="random", granularity="channel", dense_epochs=1, random_state=0)
    facts, _ = exported(pruned.fit(1e5 * X, labels()), 1e5 * X, tmp_path)
    assert facts["difference"] < 1e-4


@pytest.mark.parametrize("classes", ["words", "numbers"])
def test_only_the_network_is_in_eight_bits_and_no_answer_depends_on_its_neighbours(tmp_path, classes):
    X, y = noise(2, 64), labels()
    X[y == "a"] *= 2
    y = y if classes == "words" else np.unique(y, return_inverse=True)[1]
    steps = DifferentialEntropy(64.0, BANDS, window=0.5), Flatten(), ChannelScaler()
    pipeline = make_pipeline(*steps, MLPClassifier(max_epochs=1, random_state=0, device="cpu")).fit(X, y)
    exported(pipeline, X, tmp_path, classes=[str(name) for name in pipeline.classes_[::-1]])
    made = quantised(tmp_path / "m.onnx", tmp_path / "q.onnx", pipeline, X)
    assert made["kind"] == "static"
    assert 0 < made["difference"] < 0.1
    assert made["same"] > 0.9
    nodes = onnx.load(tmp_path / "q.onnx").graph.node
    of = {name: node for node in nodes for name in node.output}
    for node in nodes:
        if node.op_type in ("MatMul", "Gemm"):
            inside = node.op_type == "Gemm"  # two spectral matrices and the order of classes are the others
            assert (of.get(node.input[0], node).op_type == "DequantizeLinear") == inside
    assert sum(node.op_type == "MatMul" for node in nodes) == 3
    model = OnnxPipeline(tmp_path / "q.onnx", pipeline)
    alone = np.concatenate([model.predict_proba(X[k : k + 1]) for k in range(20)])
    together = model.predict_proba(np.concatenate([5 * X[:1], X[:20]]))[1:]
    assert np.allclose(alone, together, atol=1e-6)


def test_recurrent_layers_in_eight_bits_say_how_much_their_neighbours_change(tmp_path):
    X = noise(3, 64)
    last = RecurrentClassifier(max_epochs=1, hidden=48, random_state=0, device="cpu")
    pipeline = make_pipeline(ChannelScaler(), last).fit(X, labels())
    exported(pipeline, X, tmp_path)
    made = quantised(tmp_path / "m.onnx", tmp_path / "q.onnx", pipeline, X)
    assert made["kind"] == "dynamic"
    kinds = [node.op_type for node in onnx.load(tmp_path / "q.onnx").graph.node]
    assert {"DynamicQuantizeLSTM", "MatMulInteger"} <= set(kinds)
    assert (tmp_path / "q.onnx").stat().st_size < 0.5 * (tmp_path / "m.onnx").stat().st_size
    model = OnnxPipeline(tmp_path / "q.onnx", pipeline)
    alone = np.concatenate([model.predict_proba(X[k : k + 1]) for k in range(20)])
    together = model.predict_proba(np.concatenate([5 * X[:1], X[:20]]))[1:]
    assert made["beside_loud"] == pytest.approx(np.abs(together - alone).max(), rel=1e-3)
    assert made["beside_loud"] > 1e-5


@pytest.mark.parametrize("last", [LogisticRegression(), CalibratedSVC(), DummyClassifier()])
def test_what_is_no_network_is_not_quantised(last, tmp_path):
    X = noise(30)
    pipeline = make_pipeline(ChannelScaler(), last).fit(X, labels())
    exported(pipeline, X, tmp_path)
    with pytest.raises(InputError, match=f"{type(last).__name__} is no network"):
        quantised(tmp_path / "m.onnx", tmp_path / "q.onnx", pipeline, X)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


class PerRow(nn.Module):
    """A matrix for each row of a sample: ONNX Runtime does not run such products with a range for each channel."""

    def __init__(self, n_channels, n_times, n_outputs):
        super().__init__()
        self.first = nn.Conv1d(n_channels, 4, 1)
        self.weight = nn.Parameter(torch.randn(4, n_times, n_outputs))

    def forward(self, x):
        return (self.first(x)[:, :, None] @ self.weight)[:, :, 0].mean(dim=1)


def per_row(tmp_path):
    X = noise(3, 16)
    last = TorchClassifier(PerRow, max_epochs=1, random_state=0, device="cpu")
    pipeline = make_pipeline(ChannelScaler(), last).fit(X, labels())
    exported(pipeline, X, tmp_path)
    return pipeline, X


def test_what_does_not_run_with_a_range_for_each_channel_gets_one_for_all(tmp_path):
    pipeline, X = per_row(tmp_path)
    made = quantised(tmp_path / "m.onnx", tmp_path / "q.onnx", pipeline, X)
    assert 0 < made["difference"] < 0.1


def test_what_cannot_be_quantised_says_why_and_leaves_nothing(tmp_path, monkeypatch):
    from onnxruntime import quantization

    def fail(*_, **__):
        raise RuntimeError

    pipeline, X = per_row(tmp_path)
    monkeypatch.setattr(quantization, "quantize_static", fail)
    with pytest.raises(InputError, match="cannot be quantised: RuntimeError"):
        quantised(tmp_path / "m.onnx", tmp_path / "q.onnx", pipeline, X)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
    model = onnx.load(tmp_path / "m.onnx")
    for node in model.graph.node:  # as earlier versions wrote it
        node.name = node.name.rpartition("/")[2]
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(InputError, match="an earlier version wrote it") as refused:
        quantised(tmp_path / "m.onnx", tmp_path / "q.onnx", pipeline, X)
    assert refused.value.do == "export it again"


@pytest.mark.parametrize("features", ["raw", "spectral"])
def test_support_vectors_of_ratings_behind_a_scaler(features, tmp_path):
    X, y = noise(2, 64), 5 + np.random.default_rng(1).standard_normal(40)
    steps = [] if features == "raw" else [DifferentialEntropy(64.0, BANDS, window=0.5)]
    pipeline = make_pipeline(*steps, Flatten(), ChannelScaler(), SVR()).fit(X, y)
    facts, model = exported(pipeline, X, tmp_path)
    assert facts["difference"] <= 1e-5
    assert facts["outside"] == []
    assert np.allclose(model.predict(X), pipeline.predict(X), atol=1e-5)


def test_parts_that_do_not_go_together_are_said_in_words(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ValueError("two of them\nhave the same name")

    X = noise(30)
    pipeline = make_pipeline(ChannelScaler(), CalibratedSVC()).fit(X, labels())
    monkeypatch.setattr(onnx.compose, "merge_models", fail)
    with pytest.raises(InputError, match="SVC cannot be exported: two of them\\n"):
        export_onnx(pipeline, X, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_classes_that_training_lacked_have_no_probability(tmp_path):
    X = noise(30)
    pipeline = make_pipeline(ChannelScaler(), LogisticRegression()).fit(X, labels(classes="ca"))
    facts, model = exported(pipeline, X, tmp_path, classes=["a", "b", "c"])
    assert "order of the classes" in facts["inside"]
    assert (model.predict_proba(X)[:, 1] == 0).all()
    assert np.allclose(model.predict_proba(X)[:, [0, 2]], pipeline.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("classes", [[3, 11], [False, True]])
def test_classes_keep_their_type(classes, tmp_path):
    X, y = noise(30), np.array(classes)[np.arange(40) % 2]
    pipeline = make_pipeline(ChannelScaler(), LogisticRegression()).fit(X, y)
    _, model = exported(pipeline, X, tmp_path)
    assert model.classes_.dtype == y.dtype
    assert np.array_equal(model.predict(X), pipeline.predict(X))
    assert OnnxPipeline(tmp_path / "m.onnx").classes_.tolist() == [str(label) for label in classes]


def test_a_small_difference_is_large_where_answers_hardly_differ(tmp_path, monkeypatch):
    from thymos.serving import export

    X = noise(30)
    model = LogisticRegression(C=1e-6).fit(1e5 * X, labels())
    assert np.ptp(model.predict_proba(X)) < 1e-3
    wrong = export.LinearProbabilities
    monkeypatch.setattr(export, "LinearProbabilities", lambda weight, bias: wrong(weight, bias + 1e-4))
    with pytest.raises(InputError, match="apart"):
        export_onnx(model, 1e5 * X, tmp_path / "m.onnx")


def test_no_picture_is_compared_twice(monkeypatch, tmp_path):
    from thymos.serving import export

    network = FaceCNN(width=4, max_epochs=1, device="cpu", random_state=0)
    pipeline, given = make_pipeline(network).fit(faces(8), labels(8)), []
    known = export.predict_all
    monkeypatch.setattr(export, "predict_all", lambda pipe, X, classes: given.append(X) or known(pipe, X, classes))
    exported(pipeline, faces(8), tmp_path)
    assert given[0].dtype == np.uint8
    assert len(np.unique(given[0].reshape(len(given[0]), -1), axis=0)) == len(given[0]) == 1000


def test_what_cannot_be_exported_says_why(tmp_path):
    X, y = noise(30), labels()
    for_all = PerSubject(LogisticRegression()).fit(X, y)
    with pytest.raises(InputError, match="a network for each person"):
        export_onnx(for_all, X, tmp_path / "m.onnx")
    with pytest.raises(InputError, match="1 samples came as examples"):
        export_onnx(LogisticRegression().fit(X, y), X[:1], tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_another_model_is_noticed(tmp_path, monkeypatch):
    from thymos.serving import export

    X = noise(30)
    model = LogisticRegression().fit(X, labels())
    wrong = export.LinearProbabilities
    monkeypatch.setattr(export, "LinearProbabilities", lambda weight, bias: wrong(weight, bias + 1))
    with pytest.raises(InputError, match="differs from the trained one by 0"):
        export_onnx(model, X, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_exported_model_are_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be used as an exported model"):
        OnnxPipeline(tmp_path / "m.onnx")
    X = noise(30)
    model = exported(LogisticRegression().fit(X, labels()), X, tmp_path / "other")[1]
    with pytest.raises(InputError, match=r"Samples of shape \(31,\) came"):
        model.predict_proba(noise(31))
