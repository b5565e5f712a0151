"""The "modified FCN" of MCD and ADR on a ResNet-50 (stride 32), the paper's network for GTA5 to Cityscapes.

CAdD masks the map that enters the last bottleneck of layer4. No layer is fully connected, so the paper has no EAdD here
(delta_e is 0). There is no dropout above CAdD's mask, so DTA needs ``start: stochastic``.
"""

from dta_bench.api import Network, pretrained

task = "segmentation"
channels = 3


def build(num_classes: int, weights: str = "none") -> Network:
    return pretrained.fcn_resnet("resnet50", num_classes, weights)
