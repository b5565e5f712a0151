"""A feature pyramid network (Kirillov et al., CVPR 2019) on timm's Swin-T, built for the benchmark's image size.

CAdD masks the 768-channel map of stride 32, EAdD the pyramid's 128-channel map of stride 4.
"""

from dta_bench.api import Network, pretrained

task = "segmentation"
channels = 3


def build(num_classes: int, weights: str = "none", image_size: tuple[int, int] | None = None) -> Network:
    return pretrained.smp_network("fpn", "tu-swin_tiny_patch4_window7_224", num_classes, weights, image_size)
