"""ResNet-50 with the bottleneck of 2048 and the two-layer classifier that MDD has on Office-Home.

CAdD masks the 2048-channel map that enters the last bottleneck block, EAdD the 2048-vector that enters the classifier.
"""

from dta_bench.api import Network, pretrained

task = "classification"
channels = 3


def build(num_classes: int, weights: str = "none") -> Network:
    network = pretrained.timm_network("resnet50.tv_in1k", num_classes, weights)
    return pretrained.with_bottleneck(network, 2048, dropout=0.5, hidden=2048)
