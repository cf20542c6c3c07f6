import pytest
import torch

from thymos.nn.recurrent import RecurrentNet, count_parameters, equal_width


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("readout", ["last", "all"])
def test_padding_does_not_change_the_result(cell, readout):
    torch.manual_seed(0)
    net = RecurrentNet(3, 2, cell, hidden=8, layers=2, readout=readout, n_steps=12).eval()
    x = torch.randn(4, 12, 3)
    lengths = torch.tensor([12, 7, 1, 5])
    inside = torch.arange(12) < lengths[:, None]
    results = [net(torch.where(inside[..., None], x, torch.tensor(pad)), lengths) for pad in (0.0, 100.0)]
    assert torch.equal(*results)
    if readout == "last":
        alone = torch.cat([net(x[i : i + 1, : lengths[i]]) for i in range(4)])
        assert torch.allclose(results[0], alone, atol=1e-6)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_order_of_steps_matters(cell):
    torch.manual_seed(0)
    net = RecurrentNet(3, 2, cell).eval()
    x = torch.randn(4, 12, 3)
    assert not torch.allclose(net(x), net(x.flip(1)), atol=1e-3)


def test_published_sizes():
    """Methods B5.5: the LSTM of one bias on 1500 values in one step, the GRU on 1500 steps with all states read."""
    assert count_parameters(RecurrentNet(1500, 3, "lstm", 50, single_bias=True)) == 310_353
    gru = RecurrentNet(1, 3, "gru", 256, readout="all", n_steps=1500)
    assert count_parameters(gru) == 1_350_915
    assert sum(p.numel() for p in gru.recurrent.parameters()) == 198_912


def test_the_second_bias_stays_zero_in_training():
    net = RecurrentNet(4, 2, "lstm", 5, single_bias=True)
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        net(torch.randn(6, 3, 4)).square().sum().backward()
        optimiser.step()
    assert net.recurrent.bias_hh_l0.eq(0).all()
    assert net.recurrent.bias_ih_l0.ne(0).any()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("target", [200, 8_000, 100_000])
def test_equal_width_comes_nearest_to_the_wanted_count(cell, target):
    hidden = equal_width(target, 4, 3, cell=cell)
    off = {
        h: abs(count_parameters(RecurrentNet(4, 3, cell, h)) - target) for h in (hidden - 1, hidden, hidden + 1) if h
    }
    assert min(off, key=off.get) == hidden


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    net, x = RecurrentNet(3, 2, dropout=0.5), torch.randn(4, 5, 3)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))
