"""ResNet-101 with three fully connected layers, a network of the paper for VisDA-2017 (224 px).

CAdD masks the 2048-channel map that enters the last bottleneck, EAdD the 1000-vector that enters the last linear layer.
"""

from dta_bench.api import Network, pretrained

task = "classification"
channels = 3


def build(num_classes: int, weights: str = "none") -> Network:
    return pretrained.resnet("resnet101", num_classes, weights)
