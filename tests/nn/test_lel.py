"""Band extraction is exact, the fusion touches nothing but its weights, and the certified variant keeps its promise."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from thymos.base.bands import BANDS, band_members, check_bands
from thymos.nn.lel import BRANCHES, LGCBE, Fusion, LELNet, Settings, Spectrum, fit_fusion
from thymos.nn.lel_certified import CertifiedLEL, _Residual
from thymos.nn.lipschitz import SpectralLinear, empirical_lipschitz


def settings(n_channels=4, n_times=64, n_outputs=3, sfreq=128.0, bands="lel", **options):
    members = band_members(n_times, sfreq, check_bands(bands, sfreq))
    return Settings(n_channels, n_times, n_outputs, torch.from_numpy(members), **options)


def small(**options):
    return settings(**{"blocks": 1, "refinements": 1, "stride": 4, "heads": 2, **options})


def windows(n=20, n_channels=4, n_times=64, seed=0):
    return torch.randn(n, n_channels, n_times, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n_times", [64, 65])
def test_all_bands_with_weight_one_give_the_window_back(n_times):
    whole = settings(n_times=n_times, bands={"all": (0.0, 64.0)})
    band = LGCBE(whole)
    x = windows(n_times=n_times)
    band.spectrum.begin(x)
    waves = band.spectrum.standardised(x)
    bins = band.spectrum(waves)
    made = band.rebuilt(bins, torch.ones(20, 4), torch.ones(20, 1))
    assert torch.allclose(made, waves, atol=1e-5)
    assert torch.allclose(band.spectrum.energies(bins).sum(dim=2), waves.square().sum(dim=2), rtol=1e-4)


@pytest.mark.parametrize("sfreq", [128, 200, 250, 500])
def test_a_sine_of_10_hz_has_energy_in_alpha_alone(sfreq):
    spectrum = Spectrum(settings(n_times=sfreq, sfreq=float(sfreq)))
    x = torch.sin(2 * math.pi * 10 * torch.arange(sfreq) / sfreq).expand(1, 4, -1)
    energy = spectrum.energies(spectrum(x))[0, 0]
    assert list(BANDS["lel"])[int(energy.argmax())] == "alpha"
    assert float(energy[2]) == pytest.approx(sfreq / 2, rel=1e-4)
    assert float(energy.sum() - energy[2]) < 1e-5 * sfreq


def test_scales_are_those_of_the_training_windows():
    x = windows(200) * torch.tensor([1e-5, 2e-5, 3e-6, 0.0])[:, None] + torch.tensor([0.0, 5e-5, 0.0, 7e-5])[:, None]
    spectrum = Spectrum(settings())
    spectrum.begin(x)
    assert spectrum.mean[:, 0].numpy() == pytest.approx([0, 5e-5, 0, 7e-5], abs=1e-6)
    assert spectrum.scale[:3, 0].numpy() == pytest.approx([1e-5, 2e-5, 3e-6], rel=0.05)
    energies = spectrum.energies(spectrum(spectrum.standardised(x)))
    assert torch.allclose(energies[:, :3].median(dim=0).values, spectrum.energy[:3])
    assert float(spectrum.scale[3, 0]) == pytest.approx(3e-6, rel=0.05), "a dead channel has the median of all"
    alive = windows(50) * 1e-5
    assert float((spectrum.energies(spectrum(spectrum.standardised(alive))) / spectrum.energy).log1p()[:, 3].max()) < 12


@torch.no_grad()
def test_adaptive_weights_are_inside_their_bound():
    x = windows() * 100
    for bound in (0.1, 1.0):
        made = LGCBE(settings(n_channels=4, spectral=bound))(x)
        for weights in (made.channel, made.spectral):
            assert float(weights.norm(dim=1).max()) <= bound + 1e-6
    free = LGCBE(settings(spectral=None))(x)
    assert float(free.channel.norm(dim=1).max()) > 0.1
    assert torch.allclose(free.spectral.sum(dim=1), torch.ones(20))
    code = LGCBE(settings(spectral=10.0, scaling="set"))(x)
    assert torch.allclose(code.spectral.norm(dim=1), torch.full((20,), 10.0), rtol=1e-4)
    assert float(code.channel.max()) < 1


def test_the_reconstruction_starts_half_and_half():
    torch.manual_seed(0)
    band = LGCBE(settings(reconstruct=True))
    x = windows()
    made = band(x)
    expected = (band.norm(band.rebuilt(band.spectrum(x), made.channel, made.spectral)) + x) / 2
    assert torch.allclose(made.waves, expected, atol=1e-6)
    assert torch.equal(LGCBE(settings())(x).waves, x)


def test_the_normalised_graph_is_the_formula():
    torch.manual_seed(0)
    net = LELNet(small())
    A, graph = net.branches["energy"].relations(torch.randn(5, 4, 5))
    with_self = A + torch.eye(4)
    degree = with_self.sum(dim=-1).rsqrt()
    assert torch.allclose(graph, degree[..., :, None] * with_self * degree[..., None, :], atol=1e-6)
    assert torch.allclose(A.sum(dim=-1), torch.ones(5, 4))


@pytest.mark.parametrize("certified", [False, True])
@pytest.mark.parametrize("options", [{}, {"n_channels": 5}, {"n_channels": 1, "n_times": 33}, {"n_outputs": 9}])
def test_any_number_of_channels_length_and_classes(options, certified):
    made = small(**options)
    net = (CertifiedLEL if certified else LELNet)(made)
    x = windows(6, made.n_channels, made.n_times)
    net.begin(x)
    assert net.train()(x).shape == (6, 4, made.n_outputs)
    assert net.eval()(x).shape == (6, made.n_outputs)
    assert net.hidden(x).shape[0] == 6
    assert net.relations(x).shape == (6, made.n_channels, made.n_channels)
    assert {p.dtype for p in net.parameters()} == {torch.float32}


@pytest.mark.parametrize("certified", [False, True])
@pytest.mark.parametrize("name", BRANCHES)
def test_each_branch_works_alone_and_as_in_the_ensemble(name, certified):
    kind = CertifiedLEL if certified else LELNet
    whole, alone = kind(small()).eval(), kind(small(), [name]).eval()
    shared = {k: v for k, v in whole.state_dict().items() if not k.startswith(("branches", "fusion"))}
    mine = {k: v for k, v in whole.state_dict().items() if k.startswith(f"branches.{name}_branch.")}
    known = {**shared, **mine, "fusion.theta": torch.zeros(1)}
    alone.load_state_dict({k: v for k, v in known.items() if k in alone.state_dict()})
    weighted = any(k.startswith(("bands.channel", "bands.band")) for k in alone.state_dict())
    assert weighted == (name == "features" and not certified), "what nothing takes is not learnt"
    x = windows()
    assert torch.allclose(alone.logits(x)[:, 0], whole.logits(x)[:, list(BRANCHES).index(name)], atol=1e-6)


def test_every_dense_layer_is_inside_its_bound_after_a_step():
    torch.manual_seed(0)
    net = LELNet(small(linear=0.5))
    optimiser = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        net.train()(windows()).square().sum().backward()
        optimiser.step()
    net.eval()
    layers = [m for m in net.modules() if isinstance(m, torch.nn.Linear)]
    assert len(layers) > 20
    assert all(isinstance(layer, SpectralLinear) for layer in layers)
    assert max(np.linalg.norm(layer.weight.detach().numpy(), 2) for layer in layers) <= 0.5 + 1e-6


def test_fusion_is_a_convex_combination_of_probabilities():
    torch.manual_seed(0)
    logits = torch.randn(7, 4, 3)
    fusion = Fusion(4)
    fusion.theta.data = torch.tensor([0.0, 1.0, -1.0, 0.5])
    expected = torch.einsum("b,nbk->nk", fusion.theta.softmax(0), logits.softmax(-1))
    assert torch.allclose(fusion(logits).exp(), expected, atol=1e-6)
    assert torch.allclose(Fusion(4, "average")(logits).exp(), logits.softmax(-1).mean(1), atol=1e-6)
    votes = torch.stack([(logits.argmax(-1) == k).float().mean(1) for k in range(3)], 1)
    assert torch.allclose(Fusion(4, "vote")(logits).exp(), votes, atol=2e-3)
    assert torch.allclose(Fusion(4, "joint")(logits), logits.mean(1), atol=1e-6)


def test_fitting_the_fusion_finds_the_branch_that_knows_and_changes_nothing_else():
    torch.manual_seed(0)
    net = LELNet(small()).eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    y = torch.randint(0, 3, (300,))
    logits = torch.randn(300, 4, 3)
    logits[:, 2] += 3 * torch.nn.functional.one_hot(y, 3)
    first = float(torch.nn.functional.cross_entropy(net.fusion(logits), y).detach())
    for _ in range(5):
        last = fit_fusion(net.fusion, logits, y)
    assert torch.equal(last, net.fusion(logits).detach())
    last = float(torch.nn.functional.cross_entropy(last, y))
    assert last < first
    assert int(net.fusion.weights.argmax()) == 2
    assert float(net.fusion.weights.detach().max()) < 0.95  # the penalty
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]) == (name != "fusion.theta")
    assert all(p.grad is None for p in net.parameters())


def test_the_losses_of_the_branches_do_not_reach_the_fusion():
    net = LELNet(small()).train()
    net(windows()).sum().backward()
    assert net.fusion.theta.grad is None


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_the_certificate_is_above_what_is_measured(training, seed):
    torch.manual_seed(seed)
    net = CertifiedLEL(small(dropout=0.3))
    x = windows(100, seed=seed)
    net.begin(x)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.03)
    for _ in range(10):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net.train()(x).mean(1), torch.arange(100) % 3).backward()
        optimiser.step()
    net.fusion.theta.data = torch.randn(4)
    net.eval().train(training)
    for layer in net.modules():
        if isinstance(layer, SpectralLinear):
            layer.bound = None  # as they are: measuring must not change them on the way
    bounds = net.lipschitz()
    inputs = net.spectrum.standardised(x)

    def logits(z):
        torch.manual_seed(7)  # the same units are dropped whenever it is called
        return net.logits(z * net.spectrum.scale + net.spectrum.mean)

    functions = {name: lambda z, k=k: logits(z)[:, k] for k, name in enumerate(BRANCHES)}
    functions["ensemble"] = lambda z: net.fusion(logits(z))
    for name, function in functions.items():
        found = empirical_lipschitz(function, inputs, steps=10)
        assert 0 < float(torch.maximum(found.local, found.attack).max()) <= bounds[name], name
    assert bounds["ensemble"] <= max(bounds.values())


def test_rounding_does_not_break_the_certificate_near_nothing():
    torch.manual_seed(0)
    net = CertifiedLEL(small()).eval()
    net.begin(windows(100))
    zeros = net.spectrum.standardised(torch.cat([net.spectrum.mean.expand(4, -1, 64), 1e-7 * windows(4)]))
    for k, name in enumerate(BRANCHES):
        found = empirical_lipschitz(
            lambda z, k=k: net.logits(z * net.spectrum.scale + net.spectrum.mean)[:, k], zeros, steps=10
        )
        assert float(torch.maximum(found.local, found.attack).max()) <= net.lipschitz()[name]


def test_a_dead_channel_or_an_empty_band_does_not_take_all_of_the_certificate():
    bounds = []
    for dead in (False, True):
        torch.manual_seed(0)
        x = windows(100)
        if dead:
            x[:, 1] = 0
            bins = torch.fft.rfft(x)
            bins[..., 15:20] = 0  # 30 to 40 Hz
            x = torch.fft.irfft(bins, n=64)
        net = CertifiedLEL(small()).eval()
        net.begin(x)
        bounds.append(net.lipschitz())
    assert all(bounds[1][name] < 20 * bounds[0][name] for name in bounds[0])


def test_normalisations_begin_with_windows_of_everybody():
    """Corpora are sorted by person, of whom the last may be much louder than the first."""
    torch.manual_seed(0)
    net = CertifiedLEL(small(n_times=16, n_channels=2, bands={"all": (4.0, 60.0)}))
    x = windows(4096, n_channels=2, n_times=16) * torch.where(torch.arange(4096) < 1024, 0.1, 1.0)[:, None, None]
    net.begin(x)
    first = net.branches["global"]
    with torch.no_grad():
        made = first.norms[0](first.convolutions[0](net.spectrum.standardised(x)))
    assert made.std(dim=(0, 2)).tolist() == pytest.approx([1.0, 1.0], rel=0.05)


@pytest.mark.parametrize("certified", [False, True])
def test_without_dropout_nothing_is_dropped_anywhere(certified):
    x, same = windows(6), {}
    for dropout in (0.0, 0.1):
        torch.manual_seed(0)
        made = small(dropout=dropout, refinements=3, linear=100.0)  # a bound that acts would change the weights
        net = (CertifiedLEL if certified else LELNet)(made).train()
        same[dropout] = torch.equal(net(x), net(x))
    assert same == {0.0: True, 0.1: False}


@pytest.mark.parametrize("dropout", [0.1, 0.3])
def test_shares_of_the_refinements_and_of_the_relations_do_not_follow_the_dropout(dropout):
    first = LELNet(small(dropout=dropout, refinements=3)).branches["global"]
    shares = [[part.p for part in net.modules() if isinstance(part, torch.nn.Dropout)] for net in first.blocks[1:]]
    assert np.array(shares) == pytest.approx(np.array([[0.3], [0.2], [0.1]]))
    assert [part.p for part in first.relations.modules() if isinstance(part, torch.nn.Dropout)] == [0.1, 0.1]


def test_dropout_is_part_of_the_certificate_only_while_it_acts():
    net = CertifiedLEL(small(dropout=0.5))
    still, moving = net.eval().lipschitz(), net.train().lipschitz()
    assert moving["energy"] == pytest.approx(2 * still["energy"], rel=1e-3)
    assert moving["global"] > 4 * still["global"]


def test_the_factor_of_the_logits_is_part_of_the_certificate():
    net = CertifiedLEL(small()).eval()
    before = net.lipschitz()
    net.branches["energy"].head.factor.data = torch.tensor(math.log(3.0))
    assert net.lipschitz()["energy"] == pytest.approx(3 * before["energy"])
    assert net.lipschitz()["global"] == before["global"]


def test_overlapping_bands_count_twice_in_the_certificate():
    plain = CertifiedLEL(small(bands={"a": (4.0, 12.0), "b": (12.0, 30.0)})).eval()
    twice = CertifiedLEL(small(bands={"a": (4.0, 30.0), "b": (4.0, 30.0)})).eval()
    twice.load_state_dict(plain.state_dict())
    assert twice.lipschitz()["energy"] == pytest.approx(math.sqrt(2) * plain.lipschitz()["energy"])


def test_residual_blocks_add_no_more_than_they_may():
    net = CertifiedLEL(small(linear=1.0), gain=0.2).eval()
    for part in net.branches["global"].stack:
        assert 1 < part.lipschitz() <= 1.2 + 1e-6


def test_a_residual_adds_its_gain_where_the_function_has_the_constant_it_declares():
    class Three(torch.nn.Module):
        def forward(self, x):
            return 3 * x

        def lipschitz(self):
            return 3.0

    part = _Residual(Three(), declared=3.0, gain=0.2)
    assert torch.allclose(part(torch.ones(2)), torch.full((2,), 1.2))
    assert part.lipschitz() == pytest.approx(1.2)


def test_settings_take_heads_that_divide_the_width():
    assert [replace(settings(n_channels=c), heads=4).divided for c in (1, 2, 3, 5, 32)] == [2, 4, 2, 2, 4]
