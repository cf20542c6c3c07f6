import pytest
import torch

from thymos.nn.scaling import SequenceScale

X = torch.tensor([[[1.0, 3.0], [10.0, 10.0]], [[2.0, 5.0], [10.0, 10.0]]])  # the second channel never changes


def test_least_and_greatest_of_training_become_the_ends_and_what_lies_beyond_is_clipped():
    scale = SequenceScale(2, "minmax")
    scale.learn(X)
    made = scale(X)
    assert made[0, 0, 0] == -1
    assert made[1, 0, 1] == 1
    assert (made[:, 1] == 0).all()
    assert (scale(torch.full((1, 2, 2), 99.0)) == 1).all()
    assert (scale(torch.full((1, 2, 2), -99.0)) == -1).all()
    assert torch.allclose(scale.restored(made), X)


def test_standardised_values_have_no_mean_and_unit_variance():
    scale = SequenceScale(2, "zscore")
    scale.learn(X)
    made = scale(X)[:, 0]
    assert made.mean().item() == pytest.approx(0, abs=1e-6)
    assert made.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert scale(torch.full((1, 2, 2), 99.0)).max() > 1


def test_none_leaves_them_alone():
    scale = SequenceScale(2, "none")
    scale.learn(X)
    assert torch.equal(scale(X), X)


def test_the_scale_travels_with_the_weights():
    scale, other = SequenceScale(2), SequenceScale(2)
    scale.learn(X)
    other.load_state_dict(scale.state_dict())
    assert torch.equal(other(X), scale(X))


def test_each_window_by_its_own_mean_and_spread_learns_nothing():
    scale = SequenceScale(2, "window")
    scale.learn(X)
    made = scale(X)
    assert torch.allclose(made[:, 0], torch.tensor([[-1.0, 1.0], [-1.0, 1.0]]))
    assert (made[:, 1] == 0).all()
    assert torch.allclose(scale(100 * X + 7), made)
