"""DeepLabV3+ (Chen et al., ECCV 2018) on a ResNet-50 dilated to stride 16.

CAdD masks the 2048-channel map of stride 16, EAdD the decoder's 256-channel map of stride 4.
"""

from dta_bench.api import Network, pretrained

task = "segmentation"
channels = 3


def build(num_classes: int, weights: str = "none", image_size: tuple[int, int] | None = None) -> Network:
    return pretrained.smp_network("deeplabv3plus", "resnet50", num_classes, weights, image_size)
