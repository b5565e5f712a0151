"""ResNet-50 as SHOT has it: a bottleneck of 256 with BatchNorm, without ReLU, and a classifier with weight norm.

CAdD masks the 2048-channel map that enters the last bottleneck block, EAdD the 256-vector that enters the classifier.
"""

from dta_bench.api import Network, pretrained

task = "classification"
channels = 3


def build(num_classes: int, weights: str = "none") -> Network:
    network = pretrained.timm_network("resnet50.tv_in1k", num_classes, weights)
    return pretrained.with_bottleneck(network, relu=False, weight_norm=True)
