import torch

from thymos.nn.physio import PhysioNet


def test_the_layers_have_the_sizes_of_the_specification():
    net = PhysioNet((2, 80), 13, 7).eval()
    x = torch.randn(3, 2 * 80 + 13)
    assert (net.first.hidden_size, net.second.hidden_size) == (128, 64)
    assert net.side[1].in_features == 13
    assert net.embed(x).shape == (3, 80)
    assert net(x).shape == (3, 7)


def test_sequence_and_features_both_count_and_time_has_an_order():
    torch.manual_seed(0)
    net = PhysioNet((1, 6), 2, 3).eval()
    x = torch.rand(1, 8)
    plain = net(x)
    for column in (0, 5, 6, 7):
        changed = x.clone()
        changed[:, column] += 0.5
        assert not torch.allclose(net(changed), plain), column
    turned = torch.cat([x[:, :6].flip(1), x[:, 6:]], dim=1)
    assert not torch.allclose(net(turned), plain)


def test_without_features_there_is_a_sequence_alone():
    net = PhysioNet((1, 6), 0, 3)
    assert net.side is None
    assert net(torch.randn(2, 6)).shape == (2, 3)


def test_the_scale_is_that_of_training_and_of_the_sequence_alone():
    net = PhysioNet((1, 2), 1, 2).eval()
    net.learn_scale(torch.tensor([[1.0, 3.0, 1000.0]]))
    assert net.scale.middle.item() == 2
    assert net.scale.width.item() == 1
    assert torch.equal(net(torch.tensor([[1.0, 3.0, 0.5]])), net(torch.tensor([[-7.0, 30.0, 0.5]]))), "clipped"
