"""Moves by whole pixels: drawn on the host for each image, in the order of its transforms, and done on the device."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

Shape = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class Flip:
    """Mirror left to right, with probability 1/2."""

    columns: ClassVar[int] = 1

    def draw(self, shape: Shape, python_random: random.Random) -> tuple[tuple[int, ...], Shape]:
        """Draw for one image of a shape; what was drawn, and the shape afterwards."""
        return (int(python_random.random() < 0.5),), shape

    def move(self, pixels: Tensor, drawn: Tensor, _: float) -> Tensor:
        """Move a batch (B, H, W, C) by what was drawn, (B, columns); nothing comes in."""
        return torch.where(drawn.bool()[:, :, None, None], pixels.flip(2), pixels)


@dataclass(frozen=True)
class Shift:
    """Cut ``size`` out of an image with ``most`` pixels around it, anywhere.

    Attributes:
        most: the largest shift in each direction.
        size: of what is cut out.
    """

    most: int
    size: Shape
    columns: ClassVar[int] = 2

    def draw(self, shape: Shape, python_random: random.Random) -> tuple[tuple[int, ...], Shape]:
        """Draw for one image of a shape; the first row and column in the padded image, and the shape afterwards."""
        rooms = (have + 2 * self.most - want + 1 for have, want in zip(shape, self.size, strict=True))
        return tuple(int(room * python_random.random()) for room in rooms), self.size

    def move(self, pixels: Tensor, drawn: Tensor, fill: float) -> Tensor:
        """Move a batch (B, H, W, C) by what was drawn, (B, columns); ``fill`` comes in."""
        most, (height, width) = self.most, self.size
        padded = pad(pixels, (0, 0, most, most, most, most), value=fill)
        rows = drawn[:, :1] + torch.arange(height, device=pixels.device)
        columns = drawn[:, 1:] + torch.arange(width, device=pixels.device)
        images = torch.arange(len(pixels), device=pixels.device)
        return padded[images[:, None, None], rows[:, :, None], columns[:, None, :]]


Move = Flip | Shift
