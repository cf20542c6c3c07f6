import math

import pytest
import torch

from thymos.nn.cnn_lstm import BatchNorm, CNNLSTMNet
from thymos.nn.recurrent import count_parameters


@pytest.mark.parametrize("n_times", [1, 2, 3, 7, 16, 17, 128])
def test_any_length_will_do_and_pooling_shortens_it(n_times):
    net = CNNLSTMNet(3, 2, pool=4)
    assert net(torch.randn(5, 3, n_times)).shape == (5, 2)
    assert net.blocks(torch.randn(5, 3, n_times)).shape == (5, 16, math.ceil(n_times / 16))


def test_a_remainder_is_averaged_over_itself_alone():
    pool = CNNLSTMNet(1, 2, pool=4).blocks[0][3]
    assert pool(torch.tensor([[1.0, 2, 3, 4, 10]])).tolist() == [[2.5, 10.0]]


def test_a_training_batch_of_one_value_leaves_the_running_statistics_alone():
    norm = BatchNorm(3).train()
    norm(torch.randn(64, 3, 5) * 4 + 2)
    before = norm.running_mean.clone()
    x = torch.randn(1, 3, 1)
    single = norm(x)
    assert torch.equal(norm.running_mean, before)
    assert torch.allclose(single, norm.eval()(x))
    assert CNNLSTMNet(3, 2).train()(torch.randn(1, 3, 1)).shape == (1, 2)


def test_the_count_of_parameters_is_what_it_should_be():
    convolutions = 3 * 16 * 7 + 2 * 16 + 16 * 16 * 7 + 2 * 16
    lstm = 4 * 32 * (16 + 32 + 2)
    assert count_parameters(CNNLSTMNet(3, 2)) == convolutions + lstm + 32 * 2 + 2


def test_the_lstm_runs_over_what_is_left_of_time():
    torch.manual_seed(0)
    net, seen = CNNLSTMNet(3, 2).eval(), []
    net.recurrent.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    x = torch.randn(4, 3, 64)
    logits = net(x)
    assert seen[0].shape == (4, 4, 16)
    assert torch.equal(seen[0].transpose(1, 2), net.blocks(x))
    assert not torch.allclose(logits, net.recurrent(seen[0].flip(1)), atol=1e-3), "the order of steps is lost"
