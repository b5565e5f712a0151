"""Low-rank adapters: at first they change nothing, they alone train, and merged they are plain weights."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from dta_bench.errors import UserError
from dta_bench.nn import pretrained
from dta_bench.nn.learner import Learner, Setting, build
from dta_bench.nn.lora import LowRank, merge_adapters
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.tuning import tune
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.training import Training

TRAINING = Training(epochs=2, optimizer="adam", learning_rate=1e-2, batch_size=4, tune="lora", lora_rank=3)


def network() -> Network:
    """A network of linear layers."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Flatten(2), nn.Linear(16, 12))
    mean = nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 8), nn.ReLU(), nn.Flatten(1), nn.Linear(24, 6))
    return Network(body, mean, nn.Linear(6, 5), feature_axis=2)


def learner() -> Learner:
    method = method_plugin("source_only")
    return build(method, tune(network(), TRAINING), method.params({}), Setting(TRAINING, 5, (3, 4, 4), 8))


def batch() -> tuple[Labelled, Unlabelled]:
    torch.manual_seed(1)
    images = torch.randn(2, 4, 3, 4, 4)
    return Labelled(images[0], torch.tensor([0, 1, 2, 3])), Unlabelled(images[1], None, torch.arange(4))


def test_a_network_with_new_adapters_gives_the_logits_of_the_one_without() -> None:
    images = batch()[0].images
    plain = network()
    torch.testing.assert_close(tune(network(), TRAINING)(images), plain(images), rtol=0, atol=0)


def test_adapters_and_the_new_classifier_alone_train() -> None:
    of = learner()
    before = {name: value.clone() for name, value in of.net.named_parameters()}
    for _ in range(2):
        of.step(*batch())
    changed = {name for name, value in of.net.named_parameters() if not torch.equal(value, before[name])}
    adapters = {name for name in before if name.endswith((".a", ".b"))}
    assert changed == adapters | {"head.weight", "head.bias"}
    assert len(adapters) == 2 * 3


def test_what_an_adapter_adds_is_the_product_of_its_factors() -> None:
    weight = torch.randn(4, 6)
    adapter = LowRank(weight, 2)
    torch.nn.init.normal_(adapter.b)
    torch.testing.assert_close(adapter(weight), weight + adapter.b @ adapter.a)
    assert torch.linalg.matrix_rank(adapter(weight) - weight) == 2
    pointwise = weight.view(4, 6, 1, 1)
    torch.testing.assert_close(adapter(pointwise), (weight + adapter.b @ adapter.a).view(4, 6, 1, 1))


def test_merged_it_is_a_plain_network_of_the_same_logits() -> None:
    of = learner()
    for _ in range(3):
        of.step(*batch())
    images, merged = batch()[0].images, copy.deepcopy(of.net)
    merge_adapters(merged)
    torch.testing.assert_close(merged(images), of.net(images))
    assert [*merged.state_dict()] == [*network().state_dict()]  # in their order, by which timm's names are found
    assert not any(parametrize.is_parametrized(layer) for layer in merged.modules())


def test_a_restored_learner_goes_on_bit_for_bit(tmp_path: Path) -> None:
    of, other = learner(), learner()
    of.step(*batch())
    torch.save(of.position(), tmp_path / "position.pt")
    other.restore(torch.load(tmp_path / "position.pt", weights_only=True))
    of.step(*batch())
    other.step(*batch())
    for one, two in zip(of.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("model", ["test_vit", "test_convnext", "vit_tiny_patch16_224"])
def test_blocks_of_timm_models_get_adapters(model: str) -> None:
    net = tune(pretrained.backbone(f"timm/{model}", (160, 160)).build(5), TRAINING)
    adapted = [name for name, layer in net.named_modules() if isinstance(layer, LowRank)]
    assert any(".mlp.fc1." in name for name in adapted)
    assert all(any(part in name for part in (".mlp.", ".attn.", "head")) for name in adapted), adapted
    assert net(torch.randn(2, 3, 160, 160)).shape == (2, 5)


def test_a_backbone_without_linear_layers_is_refused() -> None:
    net = Network(nn.Conv2d(3, 4, 3), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(4, 5))
    with pytest.raises(UserError, match="tune lora adapts linear layers"):
        tune(net, TRAINING)


def test_adapters_are_those_of_peft() -> None:
    peft = pytest.importorskip("peft")
    torch.manual_seed(2)
    plain, images = network(), batch()[0].images
    theirs = peft.get_peft_model(
        copy.deepcopy(plain),
        peft.LoraConfig(r=3, lora_alpha=3, target_modules=["body.1", "neck.1", "neck.4"], lora_dropout=0.0),
    )
    ours = tune(plain, TRAINING)
    for name, layer in theirs.base_model.model.named_modules():
        if hasattr(layer, "lora_A"):
            adapter = ours.get_submodule(name).parametrizations.weight[0]
            layer.lora_B["default"].weight.data.normal_()
            adapter.a.data.copy_(layer.lora_A["default"].weight)
            adapter.b.data.copy_(layer.lora_B["default"].weight)
    torch.testing.assert_close(ours(images), theirs(images))
