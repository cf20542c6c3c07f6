"""Networks that make photographs, with the sizes of the card."""

import pytest
import torch

from thymos.models.generators.dcgan import LATENT, PhotoDiscriminator, PhotoGenerator, changed_alike

FACE = (1, 48, 48)


def shapes(layers, x):
    found = []
    for layer in layers:
        x = layer(x)
        found.append(tuple(x.shape[1:]))
    return list(dict.fromkeys(found))


def test_layers_are_those_of_the_card():
    generator, critic = PhotoGenerator(FACE, 7).eval(), PhotoDiscriminator(FACE, 7).eval()
    first = generator.first(torch.zeros(2, LATENT))
    assert first.shape[1:] == (256, 6, 6)
    assert shapes(generator.layers, first) == [(128, 12, 12), (64, 24, 24), (1, 48, 48)]
    assert shapes(critic.layers, torch.zeros(2, *FACE)) == [(64, 24, 24), (128, 12, 12), (256, 6, 6)]
    assert critic(torch.zeros(2, *FACE), torch.tensor([0, 6])).shape == (2,)
    kinds = [type(layer).__name__ for layer in critic.layers]
    assert kinds[:3] == ["Conv2d", "LeakyReLU", "Conv2d"], "no normalisation in the first layer"
    assert isinstance(generator.layers[-1], torch.nn.Tanh)


@pytest.mark.parametrize("shape", [(3, 16, 32), (1, 64, 64)])
def test_other_photographs_fit_too(shape):
    made = PhotoGenerator(shape, 2, width=4)(torch.randn(3, LATENT), torch.tensor([0, 1, 0]))
    assert made.shape == (3, *shape)
    assert made.abs().max() <= 1
    assert torch.isfinite(PhotoDiscriminator(shape, 2, width=4)(made, torch.tensor([0, 1, 0]))).all()


def test_weights_begin_as_published():
    torch.manual_seed(0)
    generator = PhotoGenerator(FACE, 7)
    weights = torch.cat([m.weight.flatten() for m in generator.modules() if isinstance(m, torch.nn.ConvTranspose2d)])
    assert float(weights.detach().std()) == pytest.approx(0.02, rel=0.02)
    scales = torch.cat([m.weight for m in generator.modules() if isinstance(m, torch.nn.BatchNorm2d)])
    assert float(scales.detach().mean()) == pytest.approx(1.0, abs=0.005)


def test_the_class_matters_to_both():
    torch.manual_seed(0)
    generator, critic = PhotoGenerator(FACE, 2, 4).eval(), PhotoDiscriminator(FACE, 2, 4).eval()
    z, one, other = torch.randn(2, LATENT), torch.zeros(2, dtype=int), torch.ones(2, dtype=int)
    assert not torch.equal(generator(z, one), generator(z, other))
    made = generator(z, one)
    assert not torch.equal(critic(made, one), critic(made, other))


def test_changes_are_the_same_for_equal_draws_and_let_gradients_pass():
    x = torch.rand(8, 1, 16, 16, requires_grad=True)

    def rng():
        return torch.Generator().manual_seed(3)

    made = changed_alike(x, rng())
    assert torch.equal(made, changed_alike(x, rng()))
    assert not torch.allclose(made, x)
    made.sum().backward()
    assert ((x.grad == 0) | (x.grad == 1)).all(), "each pixel goes to one place or out of sight"
    assert 0.3 < float(x.grad.mean()) < 0.95


def test_shifts_are_whole_pixels_and_a_part_is_cut_out(monkeypatch):
    x = torch.arange(256.0).reshape(1, 1, 16, 16) / 256
    draws = torch.tensor([[0.5], [1.0], [0.0], [0.5], [0.5]])  # no brighter, down by 2, left by 2, cut in the middle
    monkeypatch.setattr(torch, "rand", lambda *shape, **options: draws)
    made = changed_alike(x, torch.Generator())[0, 0]
    assert torch.equal(made[2:4, :14], x[0, 0, 0:2, 2:])
    assert (made[:2] == 0).all()
    assert (made[:, 14:] == 0).all()
    assert (made[5:11, 5:11] == 0).all()
