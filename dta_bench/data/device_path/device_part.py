"""The device's part of making network input: standardise bytes, move them, and add noise, drawn or counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dta_bench.data.device_path import counted_there
from dta_bench.data.device_path.moves import Move
from dta_bench.data.standardise import LEAST_DEVIATION, moments
from dta_bench.nn.network import Normalisation

MOVES, NOISE, STREAMS = "{} moves", "{} noise", "{} streams"
"""Names of the arrays that travel beside the images of a name."""


class DevicePart:
    """Makes network input of what the host has written; equal to the host's way but for the last digits.

    Nothing here waits for the device.

    Args:
        moves: by whole pixels, in their order.
        noise: deviation of the noise.
        normalisation: channel moments of values from 0 to 1; None: each image by its own mean and deviation, before it
            is moved.
        channels: of the images.
        device: where it is done.
    """

    def __init__(
        self,
        moves: Sequence[Move],
        noise: float,
        normalisation: Normalisation | None,
        channels: int,
        device: torch.device,
    ) -> None:
        self._moves, self._noise = moves, noise
        self._moments: tuple[Tensor, Tensor] | None = None
        if normalisation is not None:  # kept there: to copy them for each batch would wait for the device
            mean, deviation = (torch.from_numpy(values).to(device) for values in moments(normalisation, channels))
            self._moments = mean, deviation

    def images(self, parts: Mapping[str, Tensor], name: str) -> Tensor:
        """The images of a name, (B, H, W, C) bytes, as network input.

        Returns:
            (B, C, H, W) float32, in memory with the channels last.
        """
        pixels = parts[name] if self._moments is not None else _per_sample(parts[name])
        pixels = self.moved(pixels, parts.get(MOVES.format(name)), 0).float()
        if self._noise:
            pixels = pixels + self._noise * _noise(parts, name, pixels.shape[1:])
        if self._moments is not None:
            pixels = (pixels - self._moments[0]) / self._moments[1]
        return pixels.permute(0, 3, 1, 2)

    def moved(self, pixels: Tensor, drawn: Tensor | None, fill: float) -> Tensor:
        """Pixels or labels (B, H, W, C) after all moves; ``fill`` comes in from outside."""
        first = 0
        for move in self._moves:
            assert drawn is not None
            pixels = move.move(pixels, drawn[:, first : first + move.columns], fill)
            first += move.columns
        return pixels


def _noise(parts: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
    """The noise of the images of a name: as the host drew it, or counted of what names it."""
    streams = parts.get(STREAMS.format(name))
    return parts[NOISE.format(name)] if streams is None else counted_there.normals(streams, shape)


def _per_sample(images: Tensor) -> Tensor:
    """Subtract each image's mean and divide by its deviation, over all pixels and channels."""
    values = images.float()
    centred = values - values.mean(dim=(1, 2, 3), keepdim=True)
    deviation = centred.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return centred / deviation.clamp(min=LEAST_DEVIATION)
