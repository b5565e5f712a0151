"""UPerNet (Xiao et al., ECCV 2018) on timm's ConvNeXt-T.

CAdD masks the 768-channel map of stride 32, EAdD the decoder's 256-channel map of stride 4.
"""

from dta_bench.api import Network, pretrained

task = "segmentation"
channels = 3


def build(num_classes: int, weights: str = "none", image_size: tuple[int, int] | None = None) -> Network:
    return pretrained.smp_network("upernet", "tu-convnext_tiny", num_classes, weights, image_size)
