"""Networks of timm: the only module that knows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
from torch import nn

from dta_bench.errors import UserError
from dta_bench.network import Network


def timm_model(name: str, weights: str) -> Any:
    """timm's ``name`` without its classifier; ``weights`` is ``none``, ``hub`` (downloaded) or a file.

    Raises:
        UserError: ``weights`` names a file that is not there.
    """
    if weights in ("none", "hub"):
        return timm.create_model(name, pretrained=weights == "hub", num_classes=0)
    if not Path(weights).is_file():
        raise UserError(f"weights are {weights!r}, which is no file; they must be none, hub or a file of weights")
    overlay = {"file": weights}
    return timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay)


def resnet(name: str, num_classes: int, weights: str) -> Network:
    """The paper's VisDA network on a bottleneck ResNet (Section 5, "modified ResNet-based models"; released code).

    CAdD masks the 2048-channel map that enters the last bottleneck of layer4, EAdD the vector after the second of three
    fully connected layers. The head holds no BatchNorm.
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
    return Network(body, neck, nn.Linear(1000, num_classes))
