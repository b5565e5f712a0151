"""The modified FCN of MCD and ADR on a bottleneck ResNet of timm, which the paper uses too; SMP has no FCN."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate

from dta_bench.nn.network import Network
from dta_bench.nn.pretrained.timm_networks import normalisation, timm_model


class Body(nn.Module):
    """Images to the map that CAdD masks (stride 32), the maps of strides 16, 8, 4 and 2, and the images themselves."""

    def __init__(self, trunk: Any) -> None:
        super().__init__()
        self.stride_2, self.stride_4 = nn.Sequential(trunk.conv1, trunk.bn1, trunk.act1), trunk.maxpool
        self.stride_8, self.stride_16 = nn.Sequential(trunk.layer1, trunk.layer2), trunk.layer3
        self.stride_32 = trunk.layer4[:2]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        at_2 = self.stride_2(images)
        at_4 = self.stride_4(at_2)
        at_8 = self.stride_8(at_4)
        at_16 = self.stride_16(at_8)
        return self.stride_32(at_16), at_16, at_8, at_4, at_2, images


class Up(nn.Module):
    """Enlarge a map to the skip's size, convolve it (5x5), and add the skip's 1x1 projection.

    Args:
        inputs: channels of the map.
        outputs: channels of the result, and of the skip.
        skip: whether the skip is added; False at the last step, where the skip is the image and only gives the size.
    """

    def __init__(self, inputs: int, outputs: int, skip: bool = True) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(inputs, outputs, 5, padding=2), nn.BatchNorm2d(outputs))
        self.skip = nn.Sequential(nn.Conv2d(outputs, outputs, 1), nn.BatchNorm2d(outputs)) if skip else None

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.conv(interpolate(x, skip.shape[2:], mode="bilinear"))
        return (x if self.skip is None else x + self.skip(skip)).relu()


class Neck(nn.Module):
    """The last bottleneck, then five steps up to the images' size."""

    def __init__(self, bottleneck: nn.Module) -> None:
        super().__init__()
        self.bottleneck = bottleneck
        self.ups = nn.ModuleList([Up(2048, 1024), Up(1024, 512), Up(512, 64), Up(64, 64), Up(64, 32, skip=False)])

    def forward(self, x: Tensor, *skips: Tensor) -> Tensor:
        x = self.bottleneck(x)
        for up, skip in zip(self.ups, skips, strict=True):
            x = up(x, skip)
        return x


def fcn_resnet(name: str, num_classes: int, weights: str) -> Network:
    """The modified FCN on a ResNet of timm.

    CAdD masks the 2048-channel map that enters the last bottleneck of layer4, EAdD the decoder's 32-channel map.

    Args:
        name: of a ResNet with bottlenecks in timm, such as resnet50.
        num_classes: K.
        weights: of the encoder: ``none``, ``hub``, or the path of a file.
    """
    trunk = timm_model(name, weights)
    head = nn.Sequential(nn.Conv2d(32, num_classes, 1), nn.Conv2d(num_classes, num_classes, 3, padding=1))
    neck = Neck(trunk.layer4[2])
    return Network(Body(trunk), neck, head, normalisation=normalisation(trunk, weights), new=[neck.ups])
