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

from dta_bench.data.augment import resize_labels
from dta_bench.evaluation import metrics
from dta_bench.evaluation.label_free import IN_USE, label_free
from dta_bench.nn.network import evaluating

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
        """Every label-free criterion: over all pixels where it is a mean, else over the sample."""
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


def seen(
    network: nn.Module, batches: Iterable[Tensor], device: torch.device, window: Size | None = None, first: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Of each image: mean entropy, mean prediction and class shares (N, 1 + 2 K); its sample's logits (N, SAMPLE, K).

    ``first`` is the place in its set of the first image.
    """
    means, samples, place = [], [], first
    for logits in _logits(network, batches, device, window):
        means.append(_means(logits))
        samples.append(_sample(logits, place).cpu())
        place += len(logits)
    return torch.cat(means).numpy(), torch.cat(samples).numpy()


def survey(means: NDArray[np.float64], samples: NDArray[np.float32]) -> Survey:
    """A whole set, whose images count alike, from what was :func:`seen` of each."""
    entropy, *rest = means.mean(axis=0)
    mean_p, shares = np.split(np.array(rest), 2)
    return Survey(float(entropy), mean_p, shares, samples.reshape(-1, samples.shape[-1]))


def _means(logits: Tensor) -> Tensor:
    """Mean entropy, mean prediction and class shares of each image of a batch: (B, 1 + 2 K)."""
    log_p = logits.log_softmax(1)
    p = log_p.exp()
    chosen = logits.argmax(1).flatten(1)
    shares = torch.stack([one.bincount(minlength=logits.shape[1]) for one in chosen]) / chosen.shape[1]
    parts = [-(p * log_p).sum(1).flatten(1).double().mean(1)[:, None], p.flatten(2).double().mean(2)]
    return torch.cat([*parts, shares], dim=1).cpu()


def _sample(logits: Tensor, first: int) -> Tensor:
    """The logits (B, SAMPLE, K) of some pixels of each image; its place in its set alone says of which."""
    flat = logits.flatten(2)
    chosen = [np.random.default_rng(first + i).integers(flat.shape[2], size=SAMPLE) for i in range(len(flat))]
    return torch.stack(
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
