"""ConvNeXt-T (Liu et al., CVPR 2022): a newer convolutional network, about as large as a ResNet-50.

CAdD masks the 768-channel map that enters the last block, EAdD the pooled and normalised 768-vector.
"""

from dta_bench.api import Network, pretrained

task = "classification"
channels = 3


def build(num_classes: int, weights: str = "none") -> Network:
    return pretrained.timm_network("convnext_tiny", num_classes, weights)
