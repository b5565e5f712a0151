"""Which weights train: all, those above a frozen part, or normalisation layers and biases."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from small_runs import spec_of
from torch import nn

from dta_bench.check.method import random_batch, small_network
from dta_bench.errors import UserError
from dta_bench.nn import learner, pretrained
from dta_bench.nn.learner import Learner, Setting
from dta_bench.nn.losses import virtual_adversarial_loss
from dta_bench.nn.network import Network, without_dropout
from dta_bench.nn.tuning import is_norm, tune, tuned
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.training import Training

BASE = {"epochs": 10, "optimizer": "adam", "learning_rate": 1e-3, "batch_size": 4}
ON_FEATURES = (
    "adabn", "adr", "afn", "atdoc", "bnm", "bsp", "cdan", "coral", "dan", "dann", "dta", "fixmatch", "jan",
    "mcc", "mcd", "mdd", "minent", "rtn", "sdat", "se", "simnet",
    "source_only",
)  # fmt: skip


def training(**fields: object) -> Training:
    return Training.model_validate(BASE | fields)


def learner_of(name: str, how: Training, **params: object) -> Learner:
    method = method_plugin(name)
    return learner.build(
        method, tune(small_network("classification"), how), method.params(params), Setting(how, 5, (3, 16, 16), 8)
    )


def values(of: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in of.state_dict().items()}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


@pytest.mark.parametrize("name", ON_FEATURES)
def test_with_tune_head_a_step_of_every_method_leaves_the_body_as_it_was(name: str) -> None:
    params = {"lambda_3": 0.0} if name == "dta" else {}
    of = learner_of(name, training(tune="head"), **params)
    body, above = values(of.net.body), values(of)
    for _ in range(2):
        of.step(*random_batch("classification"))
    assert not changed(body, values(of.net.body))
    assert {"net.head.weight", "net.neck.0.weight"} & changed(above, values(of))


def test_a_frozen_body_normalises_by_the_statistics_that_it_was_loaded_with_in_every_mode() -> None:
    net = tune(small_network("classification"), training(tune="head")).train()
    images = 5 * torch.randn(4, 3, 16, 16)
    expected = copy.deepcopy(net).eval().features(images).activation
    assert torch.equal(net.features(images).activation, expected)
    with without_dropout(net):
        assert torch.equal(net.features(images).activation, expected)


def test_the_body_is_computed_without_a_gradient() -> None:
    net = tune(small_network("classification"), training(tune="head"))
    features = net.features(torch.randn(2, 3, 16, 16, requires_grad=True)).activation
    assert not features.requires_grad
    assert net(torch.randn(2, 3, 16, 16)).requires_grad


@pytest.mark.parametrize("name", ["source_only", "dta", "mcc"])
def test_with_tune_norm_a_step_changes_norms_and_biases_alone(name: str) -> None:
    of = learner_of(name, training(tune="norm"), **({"lambda_3": 0.0} if name == "dta" else {}))
    before = values(of.net)
    of.step(*random_batch("classification"))
    trained = {name for name in changed(before, values(of.net)) if "running" not in name and "num_batches" not in name}
    assert trained == {"body.1.weight", *(name for name in before if name.endswith("bias"))}


@pytest.mark.parametrize("model", ["vit_tiny_patch16_224", "convnext_atto", "resnet18", "swin_tiny_patch4_window7_224"])
def test_norms_of_timm_models_are_found(model: str) -> None:
    net = pretrained.backbone(f"timm/{model}").build_on_meta(5)
    leaves = {name: layer for name, layer in net.named_modules() if [*layer.parameters(recurse=False)]}
    by_name = {name for name, layer in leaves.items() if "norm" in type(layer).__name__.lower()}
    assert {name for name, layer in net.named_modules() if is_norm(layer)} == by_name != set()


def test_a_neck_of_a_width_takes_the_whole_network_below_its_classifier_as_the_frozen_part() -> None:
    plain = small_network("classification").eval()
    net = tune(small_network("classification"), training(tune="head", neck_width=7)).eval()
    images = torch.randn(4, 3, 16, 16)
    features = net.features(images)
    assert torch.equal(features.activation, plain.hidden(plain.features(images)))
    assert (net.hidden(features).shape, net(images).shape) == ((4, 7), (4, 5))
    assert [name for name, weight in net.named_parameters() if not weight.requires_grad] == [
        name for name, _ in net.named_parameters() if name.startswith("body.")
    ]


def test_a_neck_of_no_width_is_a_linear_probe() -> None:
    plain = small_network("classification").eval()
    net = tune(small_network("classification"), training(tune="head", neck_width=0)).eval()
    images = torch.randn(4, 3, 16, 16)
    assert torch.equal(net.hidden(net.features(images)), plain.hidden(plain.features(images)))
    trains = [(name, tuple(weight.shape)) for name, weight in net.named_parameters() if weight.requires_grad]
    assert trains == [("head.weight", (5, 32)), ("head.bias", (5,))]


def test_vat_above_a_frozen_part_is_refused_instead_of_giving_a_random_direction() -> None:
    net = tune(small_network("classification"), training(tune="head"))
    with pytest.raises(UserError, match="VAT perturbs the input"):
        virtual_adversarial_loss(net, torch.randn(4, 3, 16, 16), 1.0)


@pytest.mark.parametrize(
    ("name", "params", "needs"),
    [
        ("dta", {}, True), ("dta", {"lambda_3": 0.0}, False), ("dta", {"epsilon": 0.0}, False), ("vat", {}, True),
        ("dta_released", {"lambda_3": 0.0}, False), ("vada", {}, True), ("dirt_t", {}, True), ("co_da", {}, True),
        ("fda", {}, True), ("dacs", {}, True), ("mic", {}, True), ("gta", {}, True), ("lsd", {}, True),
        ("daformer", {}, True), ("mcc", {}, False), ("fixmatch", {}, False),
    ],
)  # fmt: skip
def test_what_needs_pixels_says_so(name: str, params: dict[str, float], needs: bool) -> None:
    method = method_plugin(name)
    assert bool(method.need_of_pixels(method.defaults() | params)) is needs


def test_a_player_without_weights_is_told() -> None:
    net = Network(nn.Conv2d(3, 4, 3), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(4, 5))
    how, method = training(tune="head"), method_plugin("mcd")
    with pytest.raises(UserError, match=r"leaves the player .* nothing to train; neck_width"):
        learner.build(method, tune(net, how), method.params({}), Setting(how, 5, (3, 16, 16), 8))


@pytest.mark.parametrize("fields", [{"neck_width": 8}, {"tune": "norm", "neck_width": 8}, {"tune": "tail"}])
def test_what_does_not_go_together_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        training(**fields)


def test_tune_all_leaves_the_backbone_itself() -> None:
    backbone = pretrained.backbone("conv3_fc2")
    assert tuned(backbone, training()) is backbone


@settings(max_examples=10)
@given(st.sampled_from([{"tune": "norm"}, {"tune": "head"}, {"tune": "head", "neck_width": 64}]))
def test_only_a_run_that_tunes_a_part_has_an_identity_of_its_own(fields: dict[str, object]) -> None:
    spec = spec_of("source_only")
    told = dataclasses.replace(spec, training=Training.model_validate(spec.training.model_dump() | {"tune": "all"}))
    other = dataclasses.replace(spec, training=Training.model_validate(spec.training.model_dump() | fields))
    assert spec.id == told.id != other.id
