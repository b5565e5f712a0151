"""Networks of timm, open_clip and segmentation-models-pytorch (SMP), and backbones by name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dta_bench.nn.pretrained.catalogue import BackbonePlugin, backbone, weights_fingerprint

if TYPE_CHECKING:
    from dta_bench.nn.pretrained.bottleneck import with_bottleneck
    from dta_bench.nn.pretrained.clip_networks import open_clip_network
    from dta_bench.nn.pretrained.deeplabv2 import deeplabv2_resnet
    from dta_bench.nn.pretrained.fcn import fcn_resnet
    from dta_bench.nn.pretrained.paper_resnet import resnet
    from dta_bench.nn.pretrained.smp_networks import smp_network
    from dta_bench.nn.pretrained.timm_networks import timm_model, timm_network
    from dta_bench.nn.pretrained.unet import small_unet

__all__ = [
    "BackbonePlugin",
    "backbone",
    "deeplabv2_resnet",
    "fcn_resnet",
    "open_clip_network",
    "resnet",
    "small_unet",
    "smp_network",
    "timm_model",
    "timm_network",
    "weights_fingerprint",
    "with_bottleneck",
]


def __getattr__(name: str) -> Any:
    """Import timm, open_clip and SMP, which takes seconds, only when a backbone needs them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = {"smp_network": "smp_networks", "fcn_resnet": "fcn", "resnet": "paper_resnet", "small_unet": "unet"}
    homes |= {"with_bottleneck": "bottleneck", "deeplabv2_resnet": "deeplabv2", "open_clip_network": "clip_networks"}
    module = homes.get(name, "timm_networks")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
