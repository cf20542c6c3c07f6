"""Costs that can be worked out by hand."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from thymos.serving.footprint import latencies, operations, peak_memory


def test_operations_of_layers():
    X = np.zeros((2, 3, 10), np.float32)
    assert operations(nn.Conv1d(3, 4, 3, padding=1), X) == 2 * 10 * 4 * 3 * 3
    assert operations(nn.Sequential(nn.Flatten(), nn.Linear(30, 7)), X) == 2 * 30 * 7


def test_recurrent_layers_count():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.LSTM(3, 5, batch_first=True)

        def forward(self, x):
            return self.layer(x)[0]

    assert operations(Last(), np.zeros((2, 10, 3), np.float32)) == 2 * 10 * 4 * 5 * (3 + 5)


def test_latencies_are_of_the_same_batches_and_leave_the_threads_alone():
    threads, seen = torch.get_num_threads(), {"a": [], "b": []}
    found = latencies(
        {name: lambda X, name=name: seen[name].append(len(X)) for name in seen}, np.zeros((2, 3)), (1, 5), 8
    )
    assert seen["a"] == seen["b"] == [1] * 16 + [5] * 4
    assert set(found["a"]) == {f"p{share}_{batch}" for share in (25, 50, 75, 99) for batch in (1, 5)}
    assert 0 < found["a"]["p25_1"] <= found["a"]["p50_1"] <= found["a"]["p75_1"] <= found["a"]["p99_1"]
    assert torch.get_num_threads() == threads


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not tell the memory of a process")
def test_memory_grows_with_the_batch(tmp_path):
    from thymos.models import MLPClassifier
    from thymos.serving.export import export_onnx

    X = np.random.default_rng(0).standard_normal((20, 2000)).astype(np.float32)
    model = MLPClassifier(hidden=(8,), max_epochs=1, random_state=0).fit(X, np.arange(20) % 2)
    export_onnx(model, X, tmp_path / "m.onnx")
    few, many = (peak_memory(tmp_path / "m.onnx", batch) for batch in (1, 4000))
    assert many - few > 4000 * 2000 * 4 / 2
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    assert peak_memory(tmp_path / "no.onnx", 1) is None
