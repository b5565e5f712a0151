"""ResNet-50 with three fully connected layers, as the paper takes it for VisDA-2017 (224 px)."""

from dta_bench.nn.network import Network
from dta_bench.nn.pretrained import resnet

task = "classification"
channels = 3


def build(num_classes: int, weights: str = "none") -> Network:
    return resnet("resnet50", num_classes, weights)
