"""Batches on the device, of what the host has written of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from dta_bench.data.device_path.copied_ahead import Batch, copied_ahead
from dta_bench.data.device_path.device_part import MOVES, DevicePart
from dta_bench.data.device_path.division import Division
from dta_bench.nn.network import Labelled, Normalisation, Unlabelled
from dta_bench.spec.benchmark import Benchmark


class Receiver:
    """Makes batches of the bytes of ``source``, ``target`` and, for methods with a second view, ``second``.

    Args:
        divisions: name of the images → how their augmentation is divided.
        benchmark: gives the standardisation, and the label of pixels that come in from outside.
        channels: 1 or 3, as the network takes them.
        normalisation: channel means and deviations of the network's weights.
        device: where the batches are given.
    """

    def __init__(
        self,
        divisions: Mapping[str, Division],
        benchmark: Benchmark,
        channels: int,
        normalisation: Normalisation,
        device: torch.device,
    ) -> None:
        self._ignored, self._device = benchmark.ignore_index, device
        by_channel = _by_channel(benchmark, normalisation)
        self._parts = {
            name: DevicePart(own.moves, own.noise, by_channel, channels, device) for name, own in divisions.items()
        }

    def receive(self, batches: Iterable[Batch]) -> Iterator[tuple[Labelled, Unlabelled]]:
        """Give batches that lie on the host on the device."""
        for batch in copied_ahead(batches, self._device):
            images = {name: part.images(batch, name) for name, part in self._parts.items()}
            labelled = Labelled(images["source"], self._labels(batch))
            yield labelled, Unlabelled(images["target"], images.get("second"), batch["index"])

    def _labels(self, batch: Batch) -> Tensor:
        """Labels (B,), or label maps (B, H, W), which move with their images."""
        labels = batch["labels"]
        if labels.ndim == 1:
            return labels
        moves = batch.get(MOVES.format("source"))
        return self._parts["source"].moved(labels[..., None], moves, self._ignored)[..., 0].long()


def standardised_there(
    batches: Iterable[Tensor], benchmark: Benchmark, channels: int, normalisation: Normalisation, device: torch.device
) -> Iterator[Tensor]:
    """Network input on the device, of batches (B, H, W, C) of bytes on the host, which are not augmented.

    Returns:
        (B, C, H, W) float32 each.
    """
    part = DevicePart((), 0.0, _by_channel(benchmark, normalisation), channels, device)
    for batch in copied_ahead(({"images": images} for images in batches), device):
        yield part.images(batch, "images")


def _by_channel(benchmark: Benchmark, normalisation: Normalisation) -> Normalisation | None:
    return None if benchmark.standardisation == "per_sample" else normalisation
