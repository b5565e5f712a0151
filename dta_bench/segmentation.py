"""Label maps of whole sets, image after image: confusion counts and label-free statistics, in bounded memory.

An image leaves K x K counts, or its part of means over all pixels and the logits of a few of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import entr
from torch import Tensor, nn

from dta_bench import metrics
from dta_bench.augment import resize_labels
from dta_bench.label_free import IN_USE, label_free
from dta_bench.network import evaluating

LabelMap = NDArray[np.uint8]
Size = tuple[int, int]

SAMPLE = 64  # pixels an image whose logits are kept: 7 MB for Cityscapes' target train


@dataclass(frozen=True)
class Survey:
    """What predictions say without labels: of all pixels, and of a fixed sample of ``SAMPLE`` pixels an image.

    ``entropy`` in nats and ``mean_p`` (K,) are means over all pixels, ``shares`` (K,) the share of pixels that each
    class takes, ``pixels`` (n, K) the logits of the sample.
    """

    entropy: float
    mean_p: NDArray[np.float64]
    shares: NDArray[np.float64]
    pixels: NDArray[np.float32]

    def label_free(self) -> dict[str, float]:
        """Every criterion of :mod:`dta_bench.label_free`: of all pixels where it is a mean, else of the sample."""
        diversity = float(entr(self.mean_p).sum())
        of_all = {
            "entropy": self.entropy,
            "diversity": diversity,
            "information": diversity - self.entropy,
            "classes_in_use": float((self.shares >= IN_USE).sum()),
        }
        return label_free(self.pixels) | of_all


def confusions(
    network: nn.Module, batches: Iterable[Tensor], labels: Sequence[LabelMap], classes: int, ignore_index: int,
    device: torch.device, window: Size | None = None,
) -> NDArray[np.int64]:  # fmt: skip
    """Counts (N, K, K) of each image at its label map's own resolution, to which its prediction is enlarged."""
    predicted = predictions(network, batches, device, window)
    found = [
        metrics.confusion_matrix(truth, resize_labels(guess, (truth.shape[0], truth.shape[1])), classes, ignore_index)
        for truth, guess in zip(labels, predicted, strict=True)
    ]
    return np.stack(found)


def predictions(
    network: nn.Module, batches: Iterable[Tensor], device: torch.device, window: Size | None = None
) -> Iterator[LabelMap]:
    """The likeliest class of each pixel, an image after the other, at the size of the network's input."""
    for logits in _logits(network, batches, device, window):
        yield from logits.argmax(1).to(torch.uint8).cpu().numpy()


def survey(network: nn.Module, batches: Iterable[Tensor], device: torch.device, window: Size | None = None) -> Survey:
    """Entropy, mean prediction and class shares of all pixels; images of a set are all seen at one size."""
    images, sums, pixels = 0, torch.zeros(0), []
    for logits in _logits(network, batches, device, window):
        sums = _sums(logits) + (sums if images else 0)
        pixels.append(_sample(logits, images).cpu())
        images += len(logits)
    means = (sums / images).numpy()
    classes = len(means) // 2
    return Survey(float(means[0]), means[1 : classes + 1], means[classes + 1 :], torch.cat(pixels).numpy())


def _sums(logits: Tensor) -> Tensor:
    """Mean entropy, mean prediction and class shares of each image, added up over a batch: (1 + 2 K,)."""
    log_p = logits.log_softmax(1)
    p = log_p.exp()
    chosen = logits.argmax(1).flatten(1)
    shares = torch.stack([one.bincount(minlength=logits.shape[1]) for one in chosen]) / chosen.shape[1]
    parts = [-(p * log_p).sum(1).flatten(1).double().mean(1)[:, None], p.flatten(2).double().mean(2)]
    return torch.cat([*parts, shares], dim=1).sum(0).cpu()


def _sample(logits: Tensor, first: int) -> Tensor:
    """The logits (n, K) of ``SAMPLE`` pixels an image; which they are depends on the image's place in its set alone."""
    flat = logits.flatten(2)
    chosen = [np.random.default_rng(first + i).integers(flat.shape[2], size=SAMPLE) for i in range(len(flat))]
    return torch.cat(
        [image[:, torch.from_numpy(one).to(flat.device)].T for image, one in zip(flat, chosen, strict=True)]
    )


def _logits(
    network: nn.Module, batches: Iterable[Tensor], device: torch.device, window: Size | None
) -> Iterator[Tensor]:
    """Logits (B, K, H, W) of each batch, in evaluation mode, which is left before the caller goes on."""
    for images in batches:
        with evaluating(network), torch.no_grad():
            moved = images.to(device, non_blocking=True)
            logits = network(moved) if window is None else sliding(network, moved, window)
        yield logits.float()


def sliding(network: nn.Module, images: Tensor, window: Size) -> Tensor:
    """Logits (B, K, H, W), averaged over windows of ``window`` (height, width) that overlap by a third or more.

    Windows larger than the image are cut to it.
    """
    height, width = images.shape[2:]
    h, w = min(window[0], height), min(window[1], width)
    total, count = None, images.new_zeros(1, 1, height, width)
    for top in _starts(height, h):
        for left in _starts(width, w):
            here = (..., slice(top, top + h), slice(left, left + w))
            logits = network(images[here]).float()
            if total is None:
                total = logits.new_zeros(len(images), logits.shape[1], height, width)
            total[here] += logits
            count[here] += 1
    assert total is not None
    averaged: Tensor = total / count
    return averaged


def _starts(length: int, window: int) -> list[int]:
    """Evenly spread beginnings of windows, the first at 0 and the last at the end, two thirds apart or less."""
    steps = -(-(length - window) // max(1, 2 * window // 3))
    return [round(i * (length - window) / max(steps, 1)) for i in range(steps + 1)]
