"""The paper's networks: their sizes, where they are masked, and a step of Drop to Adapt on each."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.methods import dta
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.pretrained import timm_model

# name, classes, image size, activation at CAdD's site, at EAdD's site, logits; for two images
SMALL = [
    ("conv3_fc2", 10, (28, 28), (64, 10, 10), (256,), (10,)),
    ("conv9_fc1", 10, (32, 32), (256, 6, 6), (128,), (10,)),
    ("resnet50", 12, (64, 64), (2048, 2, 2), (1000,), (12,)),
    ("fcn_resnet50", 19, (32, 64), (2048, 1, 2), (32, 32, 64), (19, 32, 64)),
]
NETWORKS = [*SMALL, ("resnet101", 12, (64, 64), (2048, 2, 2), (1000,), (12,))]
Case = tuple[str, int, tuple[int, int], tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def backbone(name: str) -> ModuleType:
    return plugins.load("backbone", name)


def images_for(case: Case) -> Tensor:
    return torch.randn(2, backbone(case[0]).channels, *case[2])


@pytest.mark.parametrize(("name", "parameters"), [("conv3_fc2", 321_546), ("conv9_fc1", 3_123_850)])
def test_the_small_networks_have_the_published_number_of_parameters(name: str, parameters: int) -> None:
    assert sum(p.numel() for p in backbone(name).build(10).parameters()) == parameters


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case[0])
def test_masks_sit_where_the_paper_puts_them(case: Case) -> None:
    with torch.device("meta"):
        net = backbone(case[0]).build(case[1])
        features = net.features(images_for(case))
    assert features.activation.shape == (2, *case[3])
    assert net.hidden(features).shape == (2, *case[4])
    assert net.head(net.hidden(features)).shape == (2, *case[5])


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case[0])
def test_masks_of_ones_give_the_plain_network(case: Case) -> None:
    torch.manual_seed(0)
    net = backbone(case[0]).build(case[1]).eval()
    images = images_for(case)
    with torch.no_grad():
        plain, features = net(images), net.features(images)
        by_features = net.feature_dropout(features).upper(torch.ones(2, case[3][0], 1, 1) * features.activation)
        by_hidden = net.classifier_dropout().upper(net.hidden(features))
    assert torch.equal(by_features, plain)
    assert torch.equal(by_hidden, plain)


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case[0])
def test_a_step_of_drop_to_adapt_is_finite_and_reaches_every_weight(case: Case) -> None:
    torch.manual_seed(0)
    net: Network = backbone(case[0]).build(case[1])
    params = dta.Params(
        delta_c=0.05, delta_e=0.0 if case[0] == "fcn_resnet50" else 0.1, ramp_up_epochs=1, start="stochastic"
    )
    labels = torch.randint(case[1], (2,) if len(case[5]) == 1 else (2, *case[2]))
    terms = dta.loss(net, Labelled(images_for(case), labels), Unlabelled(images_for(case)), 1, params)
    terms["total"].backward()
    assert terms["f_dta"] > 0
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize("name", ["resnet50", "resnet101"])
def test_the_visda_head_has_no_batchnorm_and_three_linear_layers(name: str) -> None:
    with torch.device("meta"):
        net = backbone(name).build(12)
    linear = [m for m in net.modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(2048, 1000), (1000, 1000), (1000, 12)]
    assert not [m for m in net.neck[1:].modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


@pytest.mark.parametrize(("quirk", "size"), [(False, 6), (True, 8)])
def test_the_padding_quirk_grows_the_map_before_the_last_convolution(quirk: bool, size: int) -> None:
    net = backbone("conv9_fc1").build(10, quirk=quirk)
    assert net.features(torch.randn(2, 3, 32, 32)).activation.shape == (2, 256, size, size)


def test_with_the_padding_quirk_the_pool_reads_the_top_left_corner_alone() -> None:
    neck = backbone("conv9_fc1").build(10, quirk=True).eval().neck
    x = torch.randn(1, 256, 8, 8)
    # Padded by 1, the convolution's output pixel (i, j) sees input pixel (i - 1, j - 1); the pool reads i, j < 6.
    outside, inside = x.clone(), x.clone()
    outside[:, :, 5:] = 9.0
    outside[:, :, :, 5:] = 9.0
    inside[:, :, 4] = 9.0
    with torch.no_grad():
        assert torch.equal(neck(outside), neck(x))
        assert not torch.equal(neck(inside), neck(x))


def test_the_segmentation_network_takes_any_size() -> None:
    net = backbone("fcn_resnet50").build(5).eval()
    with torch.no_grad():
        assert net(torch.randn(1, 3, 33, 50)).shape == (1, 5, 33, 50)


def test_the_decoder_uses_every_skip() -> None:
    torch.manual_seed(0)
    net = backbone("fcn_resnet50").build(5).eval()
    features = net.features(torch.randn(1, 3, 64, 64))
    logits = net.hidden(features).sum()
    gradients = torch.autograd.grad(logits, features.skips[:-1])
    assert len(gradients) == 4
    assert all(g.abs().sum() > 0 for g in gradients)


def test_weights_from_a_file_are_those_of_the_file(tmp_path) -> None:
    saved = timm_model("resnet18", "none")
    torch.save(saved.state_dict(), tmp_path / "resnet18.pth")
    loaded = timm_model("resnet18", str(tmp_path / "resnet18.pth"))
    assert all(
        torch.equal(a, b) for a, b in zip(saved.state_dict().values(), loaded.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("name", ["resnet50", "fcn_resnet50"])
def test_a_missing_weights_file_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"nowhere\.pth.*none, hub or a file"):
        backbone(name).build(5, "nowhere.pth")


def test_a_network_without_pretrained_weights_says_so() -> None:
    with pytest.raises(UserError, match="no pretrained weights"):
        backbone("conv9_fc1").build(10, "hub")
