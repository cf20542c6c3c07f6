import pytest
import torch

from thymos.models.generators.recurrent import LATENT, SequenceDiscriminator, SequenceGenerator, drawn_noise


def test_sequences_of_any_length_lie_between_minus_one_and_one():
    torch.manual_seed(0)
    net = SequenceGenerator(2, 3)
    assert net.recurrent.hidden_size == 100
    for n_times in (1, 16, 80):
        made = net(10 * torch.randn(5, n_times, LATENT), torch.tensor([0, 1, 2, 0, 1]))
        assert made.shape == (5, n_times, 2)
        assert made.abs().max() <= 1


def test_both_are_told_the_class():
    torch.manual_seed(0)
    z, x = torch.randn(2, 6, LATENT), torch.rand(2, 6, 1)
    for net, given in ((SequenceGenerator(1, 2, 8), z), (SequenceDiscriminator(1, 2, 8), x)):
        assert not torch.allclose(net(given, torch.tensor([0, 0])), net(given, torch.tensor([1, 1])))


def test_every_step_is_judged_by_what_came_before_it():
    torch.manual_seed(0)
    net, y = SequenceDiscriminator(1, 2, 8), torch.tensor([0, 1])
    x = torch.rand(2, 6, 1)
    score = net(x, y)
    assert score.shape == (2, 6)
    later = x.clone()
    later[:, 4] += 0.3  # of both, so that they differ as much as before
    changed = net(later, y)
    assert torch.allclose(changed[:, :4], score[:, :4])
    assert not torch.allclose(changed[:, 4:], score[:, 4:])


def test_a_batch_of_equal_sequences_is_seen_as_such():
    torch.manual_seed(0)
    net, y = SequenceDiscriminator(1, 2, 8), torch.tensor([0, 0])
    one, other = torch.rand(1, 6, 1), torch.rand(1, 6, 1)
    assert not torch.allclose(net(torch.cat([one, other]), y)[0], net(torch.cat([one, one]), y)[0])


def test_gradients_of_equal_sequences_are_finite():
    net = SequenceDiscriminator(1, 2, 8)
    x = torch.zeros(4, 6, 1, requires_grad=True)
    net(x, torch.tensor([0, 0, 1, 1])).sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize(("every", "steady"), [(1, 0), (4, 0), (4, 5), (1, 10)])
def test_noise_changes_as_often_as_asked_and_some_of_it_never(every, steady):
    rng = torch.Generator().manual_seed(0)
    noise = drawn_noise(200, 9, every, steady, rng)
    assert noise.shape == (200, 9, LATENT)
    assert (noise[:, :, :steady] == noise[:, :1, :steady]).all()
    assert noise[:, 0].std().item() == pytest.approx(1, abs=0.1)
    if steady < LATENT:
        moving = noise[:, :, steady:]
        bent = moving.diff(n=2, dim=1).abs().mean(dim=(0, 2))
        assert ((bent > 1e-3).nonzero()[:, 0] + 1).tolist() == [k for k in range(1, 8) if k % every == 0]
