import pytest
import torch

from thymos.nn.losses import ConcordanceLoss


def test_concordance_of_known_pairs():
    loss, x = ConcordanceLoss(), torch.linspace(-1, 1, 101, dtype=torch.float64)
    variance = x.var(correction=0).item()
    assert loss(x, x).item() == pytest.approx(0)
    assert loss(-x, x).item() == pytest.approx(2)
    assert loss(torch.zeros_like(x), x).item() == pytest.approx(1)
    # unlike a correlation it sees offset and scale
    assert loss(x + 1, x).item() == pytest.approx(1 - 2 * variance / (2 * variance + 1))
    assert loss(3 * x, x).item() == pytest.approx(1 - 6 / 10)


def test_concordance_takes_columns_and_survives_constants():
    loss = ConcordanceLoss()
    x, y = torch.randn(8, 1, requires_grad=True), torch.randn(8, 1)
    assert loss(x, y).item() == pytest.approx(loss(x[:, 0], y[:, 0]).item())
    flat = loss(x * 0, y * 0)
    flat.backward()
    assert flat.item() == 1
    assert torch.isfinite(x.grad).all()
