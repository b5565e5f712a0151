"""The "modified FCN" on ResNet-50 of MCD and ADR, stride 32, which the paper takes for GTA5 to Cityscapes.

CAdD masks the map that enters the last bottleneck of layer4; no layer is fully connected, so delta_e is 0.
No dropout lies above that map: DTA needs ``start: stochastic`` here.
"""

from dta_bench.nn.network import Network
from dta_bench.nn.pretrained import fcn_resnet

task = "segmentation"
channels = 3


def build(num_classes: int, weights: str = "none") -> Network:
    return fcn_resnet("resnet50", num_classes, weights)
