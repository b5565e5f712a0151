"""ViT-S/14 with DINOv2's self-supervised weights (Oquab et al., 2023) on the hub; image sides in multiples of 14.

CAdD masks the 384 channels of all tokens that enter the last block, EAdD the class token's 384-vector.
"""

from dta_bench.api import Network, pretrained

task = "classification"
channels = 3


def build(num_classes: int, weights: str = "none", image_size: tuple[int, int] | None = None) -> Network:
    return pretrained.timm_network("vit_small_patch14_dinov2.lvd142m", num_classes, weights, image_size)
