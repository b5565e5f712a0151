"""Every shipped backbone, and families of timm and SMP, pass the pre-flight of a sweep and are counted by profile."""

import dataclasses
from pathlib import Path

import pytest

from dta_bench import plugins
from dta_bench.cost import flops, measure
from dta_bench.cost.step import ConfiguredMethod
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.nn.pretrained import backbone
from dta_bench.run import preflight
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import Training

SHIPPED = sorted(path.stem for path in Path(plugins.path("backbone", "conv3_fc2")).parent.glob("[a-z]*.py"))
FAMILIES = [
    "beit_base_patch16_224",
    "cait_xxs24_224",
    "coatnet_nano_rw_224",
    "convit_tiny",
    "convmixer_768_32",
    "convnext_atto",
    "convnextv2_atto",
    "cs3darknet_s",
    "davit_tiny",
    "deit_tiny_patch16_224",
    "densenet121",
    "dla34",
    "dpn48b",
    "edgenext_xx_small",
    "efficientnet_b0",
    "efficientvit_b0",
    "eva02_tiny_patch14_224",
    "fastvit_t8",
    "focalnet_tiny_srf",
    "gcvit_xxtiny",
    "ghostnet_050",
    "gmlp_ti16_224",
    "hgnet_tiny",
    "hiera_tiny_224",
    "hrnet_w18_small",
    "inception_next_atto",
    "inception_v3",
    "lcnet_035",
    "mambaout_femto",
    "maxvit_rmlp_nano_rw_256",
    "mixer_s32_224",
    "mobilenetv3_small_050",
    "mobilenetv4_conv_small_035",
    "mobilevit_xxs",
    "mvitv2_tiny",
    "nextvit_small",
    "nfnet_f0",
    "pit_ti_224",
    "poolformer_s12",
    "pvt_v2_b0",
    "regnety_002",
    "repvgg_a0",
    "resmlp_12_224",
    "resnet18",
    "rexnet_100",
    "selecsls42",
    "starnet_s1",
    "swin_tiny_patch4_window7_224",
    "swinv2_tiny_window8_256",
    "tiny_vit_5m_224",
    "tresnet_m",
    "twins_svt_small",
    "vgg11",
    "visformer_tiny",
    "vit_tiny_patch16_224",
    "vovnet39a",
    "xception41",
    "xcit_nano_12_p16_224",
]
PAIRS = [
    "deeplabv3/resnet18",
    "deeplabv3plus/resnet18",
    "dpt/tu-vit_tiny_patch16_224",
    "fpn/densenet121",
    "fpn/mit_b0",
    "fpn/resnet18",
    "fpn/tu-convnext_atto",
    "fpn/tu-pvt_v2_b0",
    "linknet/resnet18",
    "manet/resnet18",
    "pan/resnet18",
    "segformer/mit_b0",
    "segformer/resnet18",
    "unet/dpn68",
    "unet/efficientnet-b0",
    "unet/mit_b0",
    "unet/mobilenet_v2",
    "unet/mobileone_s0",
    "unet/xception",
    "unetplusplus/resnet18",
    "upernet/mit_b0",
    "upernet/resnet18",
    "upernet/tu-convnext_atto",
    "upernet/tu-swin_tiny_patch4_window7_224",
]
SIZES = {"swinv2_tiny_window8_256": 256, "maxvit_rmlp_nano_rw_256": 256}


def fitting_benchmark(name: str) -> object:
    """A benchmark whose images the backbone takes, small where the backbone does not care."""
    plugin = backbone(name)
    if plugin.channels == 1:
        return benchmark_of("digits")
    if name == "unet_mini":
        return benchmark_of("streets_mini")
    if plugin.task == "segmentation":
        size = (224, 224) if "tu-vit" in name or "swin" in name else (128, 256)
        return dataclasses.replace(benchmark_of("gta5_cityscapes"), image_size=size, crop=None)
    side = SIZES.get(name.removeprefix("timm/"), 32 if name == "conv9_fc1" else 224)
    return dataclasses.replace(benchmark_of("visda"), image_size=(side, side), crop=None)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SHIPPED, *(f"timm/{f}" for f in FAMILIES), *(f"smp/{p}" for p in PAIRS)])
def test_a_backbone_passes_the_preflight_and_its_step_is_counted(name: str) -> None:
    benchmark = fitting_benchmark(name)
    plugin = backbone(name, benchmark.image_size)
    training = Training(epochs=1, optimizer="sgd", learning_rate=0.01, batch_size=8)
    preflight.check(plugin, benchmark, training)
    method = method_plugin("dta")
    dta = ConfiguredMethod(method, method.params_type(start="stochastic"))
    flops._NETWORKS.clear()  # some benchmarks here share a name and differ in size
    net, shape = flops.meta_network(benchmark, name)
    assert measure.flops(net, dta, shape) > measure.flops(net, flops.SOURCE_ONLY, shape) > 0
    assert measure.saved_bytes(net, dta, shape) > 0
