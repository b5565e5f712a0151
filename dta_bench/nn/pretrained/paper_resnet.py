"""The paper's ResNets for VisDA-2017: a ResNet of timm and three fully connected layers."""

from __future__ import annotations

from torch import nn

from dta_bench.nn.network import Network
from dta_bench.nn.pretrained.timm_networks import normalisation, timm_model


def resnet(name: str, num_classes: int, weights: str) -> Network:
    """The paper's VisDA network on a bottleneck ResNet (Section 5, "modified ResNet-based models"; released code).

    CAdD masks the 2048-channel map that enters the last bottleneck of layer4, EAdD the vector after the second of three
    fully connected layers, between which there is no BatchNorm.

    Args:
        name: of a ResNet with bottlenecks in timm, such as resnet50.
        num_classes: K.
        weights: as for :func:`timm_model`; the three layers always start from random weights.
    """
    trunk = timm_model(name, weights)
    stem = (trunk.conv1, trunk.bn1, trunk.act1, trunk.maxpool)
    first, second, last = trunk.layer4
    body = nn.Sequential(*stem, trunk.layer1, trunk.layer2, trunk.layer3, first, nn.Dropout2d(0.1), second)
    neck = nn.Sequential(
        last, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(2048, 1000), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.Linear(1000, 1000), nn.ReLU(inplace=True),
    )  # fmt: skip
    head = nn.Linear(1000, num_classes)
    return Network(body, neck, head, normalisation=normalisation(trunk, weights), new=neck[3:])
