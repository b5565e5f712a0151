"""DeepLab-v2 on a bottleneck ResNet of timm, as AdaptSegNet, AdvEnt, FDA and DACS have it; SMP has later ones."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate

from dta_bench.nn.network import Network
from dta_bench.nn.pretrained.timm_networks import normalisation, timm_model

STRIDE = 8
DILATIONS = (6, 12, 18, 24)


class Classifier(nn.Module):
    """The sum of four dilated convolutions from a map of ``channels``, enlarged eight times to the images' size."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        branches = [nn.Conv2d(channels, num_classes, 3, padding=rate, dilation=rate) for rate in DILATIONS]
        for branch in branches:
            nn.init.normal_(branch.weight, 0, 0.01)
        self.branches = nn.ModuleList(branches)

    def forward(self, hidden: Tensor) -> Tensor:
        logits = sum(branch(hidden) for branch in self.branches)
        return interpolate(logits, scale_factor=STRIDE, mode="bilinear", align_corners=True)


def deeplabv2_resnet(name: str, num_classes: int, weights: str) -> Network:
    """DeepLab-v2 with one classifier, on a ResNet whose last two stages are dilated instead of strided.

    CAdD masks the 2048-channel map that enters the last bottleneck of layer4, EAdD the one that enters the classifier.
    Images need a height and width that are multiples of 8.

    Args:
        name: of a ResNet with bottlenecks in timm, such as resnet101.
        num_classes: K.
        weights: of the encoder: ``none``, ``hub``, or the path of a file.
    """
    trunk = timm_model(name, weights)
    for layer, dilation in ((trunk.layer3, 2), (trunk.layer4, 4)):
        _dilate(layer, dilation)
    body = nn.Sequential(
        trunk.conv1, trunk.bn1, trunk.act1, trunk.maxpool, trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4[:2]
    )
    head = Classifier(trunk.num_features, num_classes)
    return Network(body, trunk.layer4[2], head, normalisation=normalisation(trunk, weights))


def _dilate(layer: Any, dilation: int) -> None:
    """Replace a stage's stride by a dilation of its 3x3 convolutions."""
    layer[0].downsample[0].stride = (1, 1)
    for block in layer:
        block.conv2.stride = (1, 1)
        block.conv2.dilation = block.conv2.padding = (dilation, dilation)
