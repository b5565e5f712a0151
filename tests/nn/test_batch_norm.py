"""BatchNorm: who is in a batch, who moves the running statistics, and statistics that are estimated again."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from dta_bench.check.method import small_learner, small_network, train_epochs
from dta_bench.errors import UserError
from dta_bench.nn import batch_norm
from dta_bench.nn.batch_marks import mark_batch
from dta_bench.nn.learner import Learner
from dta_bench.nn.network import Network, evaluating
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.training import Training


def network() -> Network:
    """A network with a BatchNorm in the body and one in the neck, and without dropout."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    neck = nn.Sequential(nn.Conv2d(8, 6, 3), nn.BatchNorm2d(6), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Network(body, neck, nn.Linear(6, 4)).train()


def images(seed: int, count: int = 5) -> Tensor:
    return torch.randn(count, 3, 9, 9, generator=torch.Generator().manual_seed(seed)) + seed


def statistics(of: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in of.named_buffers() if "running" in name}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.allclose(value, other[name], atol=1e-6) for name, value in one.items())


def test_joint_batches_give_the_logits_and_gradients_of_one_pass_over_both() -> None:
    joint, whole = network(), network()
    source, target = images(1), images(2, 3)
    mark_batch(source, target, {"batches": "joint"})
    (hidden_s, logits_s), logits_t = joint.activations(source), joint(target)
    expected = whole(torch.cat([images(1), images(2, 3)]))
    torch.testing.assert_close(torch.cat([logits_s, logits_t]), expected)
    assert hidden_s.shape == (5, 6)
    (logits_s.square().mean() + logits_t.square().mean()).backward()
    (expected[:5].square().mean() + expected[5:].square().mean()).backward()
    for own, other in zip(joint.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad)
    assert same(statistics(joint), statistics(whole))


def test_a_second_pass_of_a_domain_is_a_second_joint_pass() -> None:
    net = network()
    source, target = images(1), images(2)
    mark_batch(source, target, {"batches": "joint"})
    with torch.no_grad():
        first = net(source)
        net.body[0].weight += 1
        assert not torch.equal(net(source), first)
        net.body[0].weight -= 1
        torch.testing.assert_close(net(target), network()(torch.cat([images(1), images(2)]))[5:])


def test_with_statistics_of_the_target_the_source_moves_none() -> None:
    net, target_alone = network(), network()
    source, target = images(1), images(2)
    mark_batch(source, target, {"statistics": "target"})
    logits = net(source)
    assert same(statistics(net), statistics(network()))
    net(target)
    target_alone(images(2))
    assert same(statistics(net), statistics(target_alone))
    torch.testing.assert_close(logits, network()(images(1)))  # it is still normalised by its own batch


def test_frozen_statistics_normalise_in_training_too_and_never_move() -> None:
    net, new = network(), network()
    for layer in batch_norm.layers_of(net):
        layer.running_mean.fill_(0.3)
    new.load_state_dict(net.state_dict())
    batch_norm.freeze_backbone(net)
    net.train()
    with evaluating(new):
        torch.testing.assert_close(net(images(1)), new(images(1)))
    assert net.training
    assert same(statistics(net), statistics(new))
    assert same(statistics(copy.deepcopy(net).train()), statistics(new))


def test_layers_that_are_new_are_not_frozen() -> None:
    torch.manual_seed(0)
    body, decoder = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)), nn.Sequential(nn.BatchNorm2d(8))
    net = Network(body, decoder, nn.Conv2d(8, 2, 1), new=[decoder])
    batch_norm.freeze_backbone(net)
    net.train()
    assert [layer.training for layer in batch_norm.layers_of(net)] == [False, True]


def test_statistics_are_estimated_as_torch_estimates_them() -> None:
    net, by_torch = network(), network()
    batches = [images(seed) for seed in (3, 4, 5)]
    weights = [weight.clone() for weight in net.parameters()]
    batch_norm.restate_statistics(net, batches)
    update_bn(batches, by_torch)
    assert same(statistics(net), statistics(by_torch))
    assert all(map(torch.equal, weights, net.parameters()))
    assert all(layer.momentum == 0.1 and layer.training for layer in batch_norm.layers_of(net))


def test_dropout_stays_off_while_statistics_are_estimated() -> None:
    net = small_network("classification").train()
    batches = [torch.randn(4, 3, 16, 16)]
    torch.manual_seed(1)
    state = torch.get_rng_state()
    batch_norm.restate_statistics(net, batches)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_without_batchnorm_is_refused() -> None:
    with pytest.raises(UserError, match="batchnorm is about BatchNorm, but the network plain has none"):
        batch_norm.check_has_statistics(nn.Linear(2, 2), "plain", "batchnorm")


def learner(method: str, **fields: Any) -> Learner:
    plugin = method_plugin(method)
    own = Training(**{"epochs": 10, "optimizer": "sgd", "learning_rate": 0.01, "batch_size": 4} | fields)
    one = small_learner(plugin, plugin.tasks[0], own)
    torch.manual_seed(1)
    train_epochs(one, plugin.tasks[0], [1, 2])
    return one


PAIRED = ("dann", "cdan", "mcc", "sdat", "mcd", "fixmatch", "jan")


@pytest.mark.parametrize("method", PAIRED)
@pytest.mark.parametrize("wish", [{"batches": "joint"}, {"statistics": "target"}])
def test_it_acts_on_methods_of_two_domains(method: str, wish: dict[str, str]) -> None:
    plain, changed = learner(method), learner(method, batchnorm=wish)
    moved = not same(statistics(plain.net), statistics(changed.net))
    weights = any(not torch.equal(a, b) for a, b in zip(plain.net.parameters(), changed.net.parameters(), strict=True))
    assert moved
    assert weights == ("batches" in wish)  # in training a batch is normalised by itself, whatever the statistics are


@pytest.mark.parametrize("method", ["vada", "dta", "dirt_t", "vat"])
def test_joint_batches_are_refused_where_a_pass_is_repeated(method: str) -> None:
    with pytest.raises(UserError, match="joint is not for methods that repeat a pass"):
        learner(method, batchnorm={"batches": "joint"})


def test_joint_batches_are_refused_where_the_images_are_changed() -> None:
    with pytest.raises(UserError, match="joint is not for methods that change the images"):
        learner("fda", batchnorm={"batches": "joint"})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"batchnorm": {"batches": "both"}}, "batches: both is not known"),
        ({"batchnorm": {"momentum": "0.1"}}, "momentum: 0.1 is not known"),
        (
            {"batchnorm": {"batches": "joint", "statistics": "target"}},
            "joint batches move the statistics by both domains",
        ),
        ({"batchnorm": {"statistics": "frozen"}, "restate": "target"}, "restate target estimates"),
        ({"restate": "source"}, "restate"),
    ],
)
def test_wishes_that_contradict_each_other_are_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Training(epochs=1, optimizer="sgd", learning_rate=1, batch_size=2, **fields)


def test_the_default_written_out_is_the_default() -> None:
    plain = Training(epochs=1, optimizer="sgd", learning_rate=1, batch_size=2)
    assert plain.batchnorm == plain.model_validate(
        plain.model_dump() | {"batchnorm": {"batches": "separate", "statistics": "both"}}
    ).batchnorm  # fmt: skip
