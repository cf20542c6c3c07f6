"""Networks whose features do not tell domains apart."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from thymos.base.errors import InputError
from thymos.models import DomainAlignedClassifier, MLPClassifier
from thymos.nn.alignment import AlignedNet, coral_distance
from thymos.training.estimator import TorchClassifier

SMALL = {"hidden": (16,), "dropout": 0.0, "lr": 1e-2, "max_epochs": 30, "random_state": 0, "batch_size": 32}


def shifted(n=240, n_domains=3, seed=0):
    """Return a weak honest feature, a strong one whose sign is the domain's own, and noise."""
    rng = np.random.default_rng(seed)
    y, domain = rng.integers(0, 2, n), rng.integers(0, n_domains, n)
    X = rng.normal(0, 1, (n, 6)).astype(np.float32)
    X[:, 0] += 2 * (2 * y - 1)
    X[:, 1:4] += 4 * rng.normal(0, 1, (n_domains, 3))[domain]  # tells the domain, nothing else
    return X, np.array(["calm", "tense"])[y], pd.DataFrame({"subject": [f"s{d}" for d in domain]})


def seen_by_last_layer(network, X):
    values = []
    hook = network.module_.final_layer if hasattr(network.module_, "final_layer") else None
    layer = hook or [part for part in network.module_.modules() if isinstance(part, torch.nn.Linear)][-1]
    handle = layer.register_forward_pre_hook(lambda _, given: values.append(given[0].numpy()))
    network.predict_proba(X)
    handle.remove()
    return np.concatenate(values)


@pytest.mark.parametrize(("method", "full"), [("coral", 1.0), ("dann", 3.0)])
def test_features_tell_less_of_the_domain_and_as_much_of_the_class(method, full):
    X, y, meta = shifted()
    told, right = {}, {}
    for strength in (0.0, full):
        network = MLPClassifier(**{**SMALL, "max_epochs": 60})
        model = DomainAlignedClassifier(network, method, strength=strength).fit(X, y, meta=meta)
        features = seen_by_last_layer(model.estimator_, X)
        told[strength] = (
            LogisticRegression(max_iter=2000).fit(features, meta["subject"]).score(features, meta["subject"])
        )
        right[strength] = np.mean(model.predict(X) == y)
    assert told[full] < told[0.0] - 0.07, told
    assert min(right.values()) > 0.9


def test_without_strength_it_is_the_network_itself_and_nothing_stays_of_what_stood_around():
    X, y, meta = shifted()
    plain = MLPClassifier(**SMALL).fit(X, y)
    none = DomainAlignedClassifier(MLPClassifier(**SMALL), strength=0.0).fit(X, y, meta=meta)
    assert np.array_equal(plain.predict_proba(X), none.predict_proba(X))
    made = DomainAlignedClassifier(MLPClassifier(**SMALL), "dann").fit(X, y, meta=meta)
    assert made.n_parameters_ == plain.n_parameters_
    assert list(made.estimator_.module_.state_dict()) == list(plain.module_.state_dict())
    assert not any(part._forward_pre_hooks for part in made.estimator_.module_.modules())
    assert made.domains_ == ["s0", "s1", "s2"]
    assert not np.array_equal(made.predict_proba(X), plain.predict_proba(X))


def test_the_validation_part_is_judged_by_classes_alone():
    X, y, meta = shifted()
    held = shifted(seed=1)[:2]
    still = {**SMALL, "lr": 1e-12, "max_epochs": 1}  # learns nothing: both have the weights that they began with
    plain = MLPClassifier(**still).fit(X, y, validation=held)
    made = DomainAlignedClassifier(MLPClassifier(**still), strength=5.0).fit(X, y, validation=held, meta=meta)
    assert made.history_[0]["valid_loss"] == pytest.approx(plain.history_[0]["valid_loss"], rel=1e-5)
    assert made.history_[0]["train_loss"] > plain.history_[0]["train_loss"] + 0.1


def test_distance_of_domains_by_hand():
    a = torch.tensor([[0.0, 0.0], [2.0, 0.0]])  # mean (1, 0), covariance 2 in one place
    b = torch.tensor([[0.0, 3.0], [0.0, 3.0]])  # mean (0, 3), covariance 0
    domain = torch.tensor([0, 0, 1, 1])
    assert float(coral_distance(torch.cat([a, b]), domain)) == pytest.approx((1 + 9) / 2 + 4 / 4)
    lone = torch.tensor([0, 0, 1, 2])  # single samples have no covariance
    assert float(coral_distance(torch.cat([a, b]), lone)) == 0.0
    three = torch.cat([a, b, b + 1])
    pairs = [coral_distance(torch.cat(p), domain) for p in ((a, b), (a, b + 1), (b, b + 1))]
    assert float(coral_distance(three, torch.tensor([0, 0, 1, 1, 2, 2]))) == pytest.approx(float(sum(pairs)) / 3)


def test_the_gradient_of_the_critic_is_turned_round_and_grows():
    torch.manual_seed(0)
    head = torch.nn.Linear(4, 2)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), head)
    net, x = AlignedNet(network, head, "dann", 2, 8, n_steps=10).train(), torch.randn(16, 3)
    domain = torch.randint(0, 2, (16,))
    sizes = []
    for _ in range(11):
        net.zero_grad()
        torch.nn.functional.cross_entropy(net(x)[:, 2:], domain).backward()
        sizes.append(network[0].weight.grad.norm().item())
        critic = net.critic[0].weight.grad.clone()
    assert sizes[0] == 0.0
    assert sizes == sorted(sizes)
    # at full size it is the plain gradient with the other sign
    net.zero_grad()
    torch.nn.functional.cross_entropy(net.critic(network[0](x)), domain).backward()
    assert torch.allclose(net.critic[0].weight.grad, critic, atol=1e-6)
    assert network[0].weight.grad.norm().item() == pytest.approx(sizes[-1], rel=1e-3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "corl"}, "coral"),
        ({"strength": -1.0}, "strength"),
        ({"hidden": 0}, "hidden"),
        ({"estimator": LogisticRegression()}, "LogisticRegression"),
        ({"domain": "planet"}, "planet"),
        ({"domain": "same"}, "one same"),
        (
            {
                "estimator": TorchClassifier(
                    lambda n_outputs: torch.nn.Sequential(
                        torch.nn.Flatten(), torch.nn.LazyLinear(8), torch.nn.Conv1d(1, 1, 1)
                    )
                )
            },
            "dense layer",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(options, words):
    X, y, meta = shifted(60)
    meta = meta.assign(same="a")
    with pytest.raises(InputError, match=words):
        DomainAlignedClassifier(**options).fit(X, y, meta=meta)


def test_weighted_samples_are_refused():
    X, y, meta = shifted(60)
    with pytest.raises(InputError, match="Weighted samples"):
        DomainAlignedClassifier().fit(X, y, meta=meta.assign(sample_weight=np.where(np.arange(60) < 9, 0.5, 1.0)))


def test_generated_samples_are_of_no_domain():
    X, y, meta = shifted()
    none = meta.assign(subject=np.where(np.arange(len(y)) < 20, "", meta["subject"]))
    for method in ("coral", "dann"):
        made = DomainAlignedClassifier(MLPClassifier(**SMALL), method).fit(X, y, meta=none)
        assert made.domains_ == ["s0", "s1", "s2"]
        assert np.isfinite([epoch["train_loss"] for epoch in made.history_]).all()


def test_batches_with_few_samples_of_a_domain_are_warned_of():
    X, y, _ = shifted()
    many = pd.DataFrame({"subject": [f"s{k % 24}" for k in range(len(y))]})
    with pytest.warns(UserWarning, match=r"1\.3 samples of each of 24 domains.*batch_size=192"):
        DomainAlignedClassifier(MLPClassifier(**{**SMALL, "max_epochs": 1})).fit(X, y, meta=many)
