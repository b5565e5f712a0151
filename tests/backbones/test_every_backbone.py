"""The contract of every backbone: files that are found by themselves, timm families and SMP pairs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from torch import Tensor, nn

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.methods import dta
from dta_bench.nn.network import Features, Labelled, Network, Unlabelled
from dta_bench.nn.pretrained import BackbonePlugin, backbone

Size = tuple[int, int]
SIZES: dict[str, Size] = {"conv3_fc2": (28, 28), "conv9_fc1": (32, 32), "vit_small_dinov2": (56, 56)}
FILES = plugins.names("backbone")

QUICK = [
    "test_resnet", "test_convnext", "test_convnext2", "test_vit", "test_vit2", "test_efficientnet",
    "test_efficientnet_ln", "test_byobnet", "test_nfnet", "test_mambaout", "resnet18", "regnetx_002",
    "mobilenetv3_small_050", "ghostnet_050", "mobileone_s0", "rexnet_100",
]  # fmt: skip
FAMILIES = [
    "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256", "vit_small_patch16_224", "convnext_tiny",
    "densenet121", "vgg11_bn", "efficientnet_b0", "resnetv2_50", "nfnet_f0", "mixer_s32_224", "poolformer_s12",
    "eva02_tiny_patch14_224", "beit_base_patch16_224", "davit_tiny", "edgenext_xx_small", "repvgg_a0", "inception_v3",
    "pvt_v2_b0", "maxvit_rmlp_pico_rw_256", "hrnet_w18_small", "mobilevit_xxs", "dla34", "fastvit_t8", "cait_xxs24_224",
]  # fmt: skip
FIXED_SIZES = {"maxvit_rmlp_pico_rw_256": (256, 256), "inception_v3": (96, 96), "cait_xxs24_224": (224, 224),
                   "mixer_s32_224": (224, 224), "eva02_tiny_patch14_224": (56, 56)}  # fmt: skip
PAIRS = [
    "deeplabv3plus/tu-test_resnet", "upernet/tu-test_convnext", "fpn/tu-test_efficientnet", "dpt/tu-test_vit",
    "segformer/mit_b0", "linknet/tu-test_resnet", "unet/tu-test_byobnet", "manet/tu-test_resnet",
]  # fmt: skip
SLOW_PAIRS = [
    "unet/resnet18", "unetplusplus/resnet18", "fpn/tu-swin_tiny_patch4_window7_224", "deeplabv3/resnet50",
    "upernet/tu-swinv2_tiny_window8_256", "pan/resnet18", "dpt/tu-mixer_s32_224", "fpn/efficientnet-b0",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def slow_after(quick: list[str], slow: list[str]) -> list[Any]:
    """Parameters of a test, the second list marked slow."""
    return [*quick, *(pytest.param(name, marks=pytest.mark.slow) for name in slow)]


LARGE = [
    name for name in FILES
    if name.startswith(("resnet101_", "vit_base_", "deeplabv2_")) or name.endswith(("_1024", "_2048"))
]  # fmt: skip
"""Networks of recipes, on trunks that other files have too, or of another width than another file."""
NAMES = [name for name in FILES if name not in LARGE]
NAMES += ["timm/test_vit", "timm/test_mambaout", "timm/test_nfnet", "smp/dpt/tu-test_vit"]


def size_of(name: str) -> Size:
    return SIZES.get(name, (64, 64))


def images_for(plugin: BackbonePlugin) -> Tensor:
    return torch.randn(2, plugin.channels, *size_of(plugin.name))


def without_values(plugin: BackbonePlugin) -> Network:
    """A network for 5 classes on the meta device, which fills no weights; some read values while they are built."""
    try:
        with torch.device("meta"):
            return plugin.build(5)
    except (UserError, RuntimeError):
        return plugin.build(5).to("meta")


def mask_for(activation: Tensor, axis: int) -> Tensor:
    """Zeros and ones, at random."""
    return torch.rand([n if i in (0, axis) else 1 for i, n in enumerate(activation.shape)]).round()


@pytest.fixture(scope="module", params=slow_after(NAMES, LARGE))
def case(request: pytest.FixtureRequest) -> tuple[BackbonePlugin, Network]:
    """A backbone, and a network for 5 classes in eval; all tests of one run before the next is built."""
    plugin = backbone(request.param, size_of(request.param))
    return plugin, plugin.build(5).eval()


Case = tuple[BackbonePlugin, Network]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_short_and_opens_with_a_docstring(name: str) -> None:
    lines = plugins.path("backbone", name).read_text().splitlines()
    assert len(lines) <= 30
    assert lines[0].startswith('"""')
    assert len(plugins.summary("backbone", name)) > 20


def test_its_logits_have_the_shape_of_its_task(case: Case) -> None:
    plugin, net = case
    with torch.no_grad():
        logits = net(images_for(plugin))
    assert logits.shape == ((2, 5) if plugin.task == "classification" else (2, 5, *size_of(plugin.name)))


def test_masks_of_ones_change_no_bit_and_cached_features_serve_twice(case: Case) -> None:
    plugin, net = case
    images = images_for(plugin)
    with torch.no_grad():
        plain, features = net(images), net.features(images)
        hidden = net.hidden(features)
        for _ in range(2):
            ones = torch.ones_like(mask_for(features.activation, net.feature_axis))
            assert torch.equal(net.feature_dropout(features).upper(ones * features.activation), plain)
            ones = torch.ones_like(mask_for(hidden, net.hidden_axis))
            assert torch.equal(net.classifier_dropout().upper(ones * hidden), plain)


def test_the_upper_part_from_cached_features_is_a_full_forward_with_a_multiplying_hook(case: Case) -> None:
    plugin, net = case
    assert_upper_is_a_hooked_forward(net, images_for(plugin))


def assert_upper_is_a_hooked_forward(net: Network, images: Tensor) -> None:
    with torch.no_grad():
        features = net.features(images)
        mask = mask_for(features.activation, net.feature_axis)
        by_upper = net.feature_dropout(features).upper(mask * features.activation)

        def multiply(_: nn.Module, __: Any, out: Any) -> Any:
            return (mask * out[0], *out[1:]) if isinstance(out, tuple) else mask * out

        with net.body.register_forward_hook(multiply):
            by_hook = net(images)
    assert torch.equal(by_upper, by_hook)
    assert not torch.equal(by_upper, net(images))


def test_the_declared_axis_alone_keeps_its_size_when_images_grow(case: Case) -> None:
    plugin, net = case
    height, width = size_of(plugin.name)
    larger = (2 * height, 3 * width)
    large = without_values(backbone(plugin.name, larger)).eval()
    one = net.features(images_for(plugin)).activation.shape
    other = large.features(torch.empty(2, plugin.channels, *larger, device="meta")).activation.shape
    assert [axis for axis in range(1, len(one)) if one[axis] == other[axis]] == [net.feature_axis]


def test_a_gradient_through_ones_is_the_plain_gradient(case: Case) -> None:
    plugin, net = case
    images = images_for(plugin)

    def gradients(masked: bool) -> list[Tensor | None]:
        net.zero_grad()
        features = net.features(images)
        if masked:
            features = features.masked(torch.ones_like(mask_for(features.activation, net.feature_axis)))
        net.head(net.hidden(features)).square().mean().backward()
        return [p.grad for p in net.parameters()]

    for one, other in zip(gradients(False), gradients(True), strict=True):
        assert (one is None and other is None) or torch.equal(one, other)


@pytest.mark.parametrize("name", ["timm/test_vit", "timm/test_mambaout", "timm/test_nfnet", "smp/dpt/tu-test_vit",
                                  "swin_tiny", "fpn_swin_tiny"])  # fmt: skip
def test_a_step_of_drop_to_adapt_is_finite_and_perturbs(name: str) -> None:
    plugin = backbone(name, size_of(name))
    net = plugin.build(5)
    labels = torch.randint(5, (2,) if plugin.task == "classification" else (2, *size_of(name)))
    start = "ones" if plugin.task == "classification" else "stochastic"
    params = dta.Params(delta_c=0.05, delta_e=0.1, ramp_up_epochs=1, start=start)
    terms = dta.loss(net, Labelled(images_for(plugin), labels), Unlabelled(images_for(plugin)), 1, params)
    terms["total"].backward()
    assert terms["f_dta"] > 0
    assert terms["c_dta"] > 0
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in net.parameters())


def with_distinct_weights(model: nn.Module) -> nn.Module:
    """A model no two weights of which are equal, so that a weight is found by its value."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    return model.eval()


def gradients_by_value(model: nn.Module) -> dict[bytes, Tensor | None]:
    """The gradient of each weight, by the weight's value."""
    return {p.detach().numpy().tobytes(): p.grad for p in model.parameters()}


def assert_equal_to_plain(net: Network, plain: nn.Module, images: Tensor) -> None:
    """Logits and all gradients, bit for bit; and the upper part alone is the network's."""
    assert_upper_is_a_hooked_forward(net, images)
    logits, expected = net(images), plain(images)
    assert torch.equal(logits, expected)
    logits.square().mean().backward()
    expected.square().mean().backward()
    ours, theirs = gradients_by_value(net), gradients_by_value(plain)
    for value, gradient in ours.items():
        assert (gradient is None and theirs[value] is None) or torch.equal(gradient, theirs[value])
    assert not any(gradient is not None for value, gradient in theirs.items() if value not in ours)


def plain_timm_model(name: str, size: Size) -> nn.Module:
    try:
        return timm.create_model(name, num_classes=5, img_size=size)
    except TypeError:
        return timm.create_model(name, num_classes=5)


@pytest.mark.parametrize("name", slow_after(QUICK, FAMILIES))
def test_a_timm_model_by_name_is_the_plain_model_bit_for_bit(name: str, tmp_path: Path) -> None:
    size = FIXED_SIZES.get(name, (64, 64))
    plain = with_distinct_weights(plain_timm_model(name, size))
    torch.save(plain.state_dict(), tmp_path / "weights.pth")
    net = backbone(f"timm/{name}", size).build(5, str(tmp_path / "weights.pth")).eval()
    assert_equal_to_plain(net, plain, torch.randn(2, 3, *size))


@pytest.mark.parametrize("pair", slow_after(PAIRS, SLOW_PAIRS))
def test_an_smp_pair_by_name_is_the_plain_model_bit_for_bit(pair: str, tmp_path: Path) -> None:
    decoder, encoder = pair.split("/")
    size = (128, 128) if decoder == "pan" else (64, 64)
    extras: dict[str, Any] = {"num_classes": 0} if decoder == "dpt" else {}
    if any(part in encoder for part in ("vit", "swin", "mixer")):
        extras["img_size"] = size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = with_distinct_weights(
            smp.create_model(decoder, encoder_name=encoder, encoder_weights=None, classes=5, **extras)
        )
    torch.save(plain.state_dict(), tmp_path / "weights.pth")
    net = backbone(f"smp/{pair}", size).build(5, str(tmp_path / "weights.pth")).eval()
    assert_equal_to_plain(net, plain, torch.randn(2, 3, *size))


@pytest.mark.parametrize(("name", "shape", "axis"), [
    ("timm/test_resnet", (2, 192, 4, 4), 1),
    ("timm/test_vit", (2, 17, 64), 2),
    ("timm/swin_tiny_patch4_window7_224", (2, 2, 2, 768), 3),
    ("timm/test_mambaout", (2, 2, 2, 64), 3),
])  # fmt: skip
def test_channels_are_found_whatever_the_layout(name: str, shape: tuple[int, ...], axis: int) -> None:
    net = backbone(name, (64, 64)).build(5).eval()
    features: Features = net.features(torch.randn(2, 3, 64, 64))
    assert (tuple(features.activation.shape), net.feature_axis) == (shape, axis)
