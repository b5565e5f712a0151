"""DeepLab-v2 on a ResNet-101, the network of AdaptSegNet, AdvEnt, FDA and DACS on road scenes.

CAdD masks the map that enters the last bottleneck of layer4 (stride 8), EAdD the 2048-channel map that enters the
classifier, four dilated convolutions whose sum is enlarged to the images' size. There is no dropout above CAdD's mask,
so DTA needs ``start: stochastic``.
"""

from dta_bench.api import Network, pretrained

task = "segmentation"
channels = 3


def build(num_classes: int, weights: str = "none") -> Network:
    return pretrained.deeplabv2_resnet("resnet101.tv_in1k", num_classes, weights)
