"""A small U-Net for drawn scenes on a CPU: maps of strides 2 to 16 with 16 to 96 channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from dta_bench.nn.network import Network

WIDTHS = (16, 32, 64, 96)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Body(nn.Module):
    """Images to the deepest map and, as skips, the three maps before it and the images themselves."""

    def __init__(self) -> None:
        super().__init__()
        pairs = zip((3, *WIDTHS[:-1]), WIDTHS, strict=True)
        self.stages = nn.ModuleList(nn.Sequential(_conv(a, b, stride=2), _conv(b, b)) for a, b in pairs)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = [images]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return (maps[-1], *maps[-2::-1])


class Neck(nn.Module):
    """Three steps up to stride 2, each with the skip of its size, and an interpolation to the images' size."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout2d(0.1)
        pairs = zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)
        self.ups = nn.ModuleList(_conv(a + b, b) for a, b in pairs)

    def forward(self, x: Tensor, *skips: Tensor) -> Tensor:
        x = self.drop(x)
        for up, skip in zip(self.ups, skips, strict=False):
            x = up(torch.cat([interpolate(x, skip.shape[2:], mode="bilinear"), skip], dim=1))
        return interpolate(x, skips[-1].shape[2:], mode="bilinear")


def small_unet(num_classes: int) -> Network:
    """A U-Net for K classes and RGB images of any size.

    CAdD masks the deepest map (above it is a channel dropout), EAdD the decoder's last map, at the images' size.
    """
    return Network(Body(), Neck(), nn.Conv2d(WIDTHS[0], num_classes, 1))
