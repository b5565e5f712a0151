"""ResNet-50 with the bottleneck of 1000 that AFN has in the Transfer Learning Library, with dropout.

CAdD masks the 2048-channel map that enters the last bottleneck block, EAdD the 1000-vector that enters the classifier.
"""

from dta_bench.api import Network, pretrained

task = "classification"
channels = 3


def build(num_classes: int, weights: str = "none") -> Network:
    network = pretrained.timm_network("resnet50.tv_in1k", num_classes, weights)
    return pretrained.with_bottleneck(network, 1000, dropout=0.5)
