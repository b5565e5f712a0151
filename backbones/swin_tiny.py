"""Swin-T (Liu et al., ICCV 2021), its windows fitted to the benchmark's image size.

CAdD masks the 768 channels (last axis) of the map that enters the last block, EAdD the pooled 768-vector.
"""

from dta_bench.api import Network, pretrained

task = "classification"
channels = 3


def build(num_classes: int, weights: str = "none", image_size: tuple[int, int] | None = None) -> Network:
    return pretrained.timm_network("swin_tiny_patch4_window7_224", num_classes, weights, image_size)
