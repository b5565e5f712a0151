"""VAT at the features: dta itself without VAT, and VAT of the part above the body with it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dta_bench.methods import dta, dta_feature_vat
from dta_bench.nn import learner
from dta_bench.nn.learner import Learner, Progress, Setting
from dta_bench.nn.losses import virtual_adversarial_loss
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.tuning import freeze
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.training import Training

TRAINING = Training(epochs=2, optimizer="sgd", learning_rate=0.1, batch_size=8)


def network() -> Network:
    torch.manual_seed(0)
    neck = nn.Sequential(nn.Linear(20, 16), nn.BatchNorm1d(16), nn.ReLU())
    net = Network(nn.Sequential(nn.Flatten(), nn.Linear(12, 20)), neck, nn.Linear(16, 3))
    freeze(net.body)
    net.input_is_fixed = True
    return net


def built(net: Network, **params: float | str) -> Learner:
    plugin = method_plugin("dta_feature_vat")
    made = learner.build(
        plugin, net, plugin.params({"start": "stochastic"} | params), Setting(TRAINING, 3, (3, 2, 2), 8)
    )
    made.at = Progress(1, 0, 4)
    return made


def batch() -> tuple[Labelled, Unlabelled]:
    source, target = torch.randn(2, 8, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    return Labelled(source, torch.arange(8) % 3), Unlabelled(target)


def test_without_vat_it_is_dta() -> None:
    net = network()
    own, params = built(net, lambda_3=0.0), {"lambda_3": 0.0, "start": "stochastic"}
    torch.manual_seed(5)
    found = own.loss(*batch())
    torch.manual_seed(5)
    expected = dta.loss(net, *batch(), 1, dta.Params(**params))  # type: ignore[arg-type]
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_vat_is_that_of_the_part_above_the_body_on_its_features() -> None:
    net = network()
    own = built(net, lambda_1=0.0, lambda_3=0.3, epsilon=2.0)
    torch.manual_seed(5)
    found = own.loss(*batch())["vat"]
    features = net.body(batch()[1].images)
    above = nn.Sequential(net.neck, net.head)
    torch.manual_seed(5)
    assert found.item() == pytest.approx(virtual_adversarial_loss(above, features, 2.0).item(), rel=1e-5)
    assert found.item() > 0


def test_its_checkpoint_holds_the_network_once() -> None:
    net = network()
    names = built(net).state_dict().keys()
    assert {name.removeprefix("net.") for name in names} == net.state_dict().keys()


def test_it_needs_no_pixels() -> None:
    assert not method_plugin("dta_feature_vat").need_of_pixels({"lambda_3": 0.1})
    assert dta_feature_vat.tasks == ("classification",)
