"""Predict label maps of whole sets: confusion counts and label-free statistics, in bounded memory.

Of each image remain K x K counts, or means over its pixels and the logits of a few of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import entr
from torch import Tensor, nn
from torch.nn.functional import interpolate

from dta_bench.data.augment import resize_labels
from dta_bench.evaluation import metrics
from dta_bench.evaluation.label_free import IN_USE, label_free_criteria
from dta_bench.nn.network import evaluating

LabelMap = NDArray[np.uint8]
Size = tuple[int, int]

SAMPLE = 64  # pixels of each image whose logits are stored: 7 MB for Cityscapes' target train


@dataclass(frozen=True)
class SetStatistics:
    """Statistics of a set's predictions that need no labels.

    Args:
        entropy: mean entropy over all pixels, in nats.
        mean_p: (K,) mean prediction over all pixels.
        shares: (K,) the share of the pixels that are predicted as each class.
        pixels: (n, K) logits of a fixed sample of ``SAMPLE`` pixels an image.
    """

    entropy: float
    mean_p: NDArray[np.float64]
    shares: NDArray[np.float64]
    pixels: NDArray[np.float32]

    def label_free(self) -> dict[str, float]:
        """Criterion → value: over all pixels if it can be had from means, else over the sample."""
        diversity = float(entr(self.mean_p).sum())
        of_all_pixels = {
            "entropy": self.entropy,
            "diversity": diversity,
            "information": diversity - self.entropy,
            "classes_in_use": float((self.shares >= IN_USE).sum()),
        }
        return label_free_criteria(self.pixels) | of_all_pixels


def confusions(
    network: nn.Module, batches: Iterable[Tensor], labels: Sequence[LabelMap], classes: int, ignore_index: int,
    device: torch.device, window: Size | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
    """Count true and predicted classes of the pixels of each image, at the size of its label map.

    Args:
        network: gives logits (B, K, H, W).
        batches: the images as network input.
        labels: the label map of each image.
        classes: K.
        ignore_index: the label of pixels that do not count.
        device: where to compute.
        window: size of the windows that predict an image, see :func:`sliding_window`; None: the whole image.

    Returns:
        (N, K, K), as :func:`dta_bench.evaluation.metrics.confusion_matrix` for each image, where the logits of a
        smaller image are enlarged, see :func:`predictions`; and the same where predicted labels are enlarged instead.
    """
    counts, of_enlarged_labels = [], []
    every_logits = (one for logits in _logits(network, batches, device, window) for one in logits)
    for truth, logits in zip(labels, every_logits, strict=True):
        size = (truth.shape[0], truth.shape[1])
        counts.append(metrics.confusion_matrix(truth, most_probable(logits, size), classes, ignore_index))
        guess = resize_labels(most_probable(logits), size)
        of_enlarged_labels.append(metrics.confusion_matrix(truth, guess, classes, ignore_index))
    return np.stack(counts), np.stack(of_enlarged_labels)


def predictions(
    network: nn.Module, batches: Iterable[Tensor], device: torch.device, window: Size | None = None,
    sizes: Iterable[Size] | None = None,
) -> Iterator[LabelMap]:  # fmt: skip
    """The most probable class of each pixel, for one image after the other.

    Args:
        network: gives logits (B, K, H, W).
        batches: the images as network input.
        device: where to compute.
        window: size of the windows that predict an image, see :func:`sliding_window`; None: the whole image.
        sizes: (height, width) of each label map; None: the network's input size.
    """
    every_logits = (one for logits in _logits(network, batches, device, window) for one in logits)
    wanted = repeat(None) if sizes is None else sizes
    for logits, size in zip(every_logits, wanted, strict=sizes is not None):
        yield most_probable(logits, size)


def most_probable(logits: Tensor, size: Size | None = None) -> LabelMap:
    """The most probable class of each pixel of one image.

    To a larger size the logits are enlarged first, bilinearly, as papers do; to a smaller one the classes are reduced.

    Args:
        logits: (K, H, W).
        size: (height, width); None: that of the logits.
    """
    height, width = logits.shape[1:]
    size = size or (height, width)
    if size[0] >= height and size[1] >= width and size != (height, width):
        logits = interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]
    labels: LabelMap = logits.argmax(0).to(torch.uint8).cpu().numpy()
    return labels if labels.shape == size else resize_labels(labels, size)


def image_statistics(
    network: nn.Module, batches: Iterable[Tensor], device: torch.device, window: Size | None = None, first: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Statistics of each image's prediction.

    Args:
        network: gives logits (B, K, H, W).
        batches: the images as network input.
        device: where to compute.
        window: size of the windows that predict an image, see :func:`sliding_window`; None: the whole image.
        first: index of the first image in its set, which decides the sampled pixels.

    Returns:
        (N, 1 + 2 K): mean entropy, mean prediction and class shares of each image; and (N, SAMPLE, K): the logits of
        its sampled pixels.
    """
    means, samples, index = [], [], first
    for logits in _logits(network, batches, device, window):
        means.append(_means(logits))
        samples.append(_sample(logits, index).cpu())
        index += len(logits)
    return torch.cat(means).numpy(), torch.cat(samples).numpy()


def set_statistics(means: NDArray[np.float64], samples: NDArray[np.float32]) -> SetStatistics:
    """Join the :func:`image_statistics` of a whole set, in which every image counts the same."""
    entropy, *rest = means.mean(axis=0)
    mean_p, shares = np.split(np.array(rest), 2)
    return SetStatistics(float(entropy), mean_p, shares, samples.reshape(-1, samples.shape[-1]))


def _means(logits: Tensor) -> Tensor:
    """Mean entropy, mean prediction and class shares of each image of a batch, (B, 1 + 2 K)."""
    log_p = logits.log_softmax(1)
    p = log_p.exp()
    predicted = logits.argmax(1).flatten(1)
    shares = torch.stack([one.bincount(minlength=logits.shape[1]) for one in predicted]) / predicted.shape[1]
    parts = [-(p * log_p).sum(1).flatten(1).double().mean(1)[:, None], p.flatten(2).double().mean(2)]
    return torch.cat([*parts, shares], dim=1).cpu()


def _sample(logits: Tensor, first: int) -> Tensor:
    """The logits (B, SAMPLE, K) of some pixels of each image, which its index in its set alone decides."""
    flat = logits.flatten(2)
    chosen = [np.random.default_rng(first + i).integers(flat.shape[2], size=SAMPLE) for i in range(len(flat))]
    return torch.stack(
        [image[:, torch.from_numpy(one).to(flat.device)].T for image, one in zip(flat, chosen, strict=True)]
    )


def _logits(
    network: nn.Module, batches: Iterable[Tensor], device: torch.device, window: Size | None
) -> Iterator[Tensor]:
    """Logits (B, K, H, W) of each batch; the network is in evaluation mode only while it computes them."""
    for images in batches:
        with evaluating(network), torch.no_grad():
            on_device = images.to(device, non_blocking=True)
            logits = network(on_device) if window is None else sliding_window(network, on_device, window)
        yield logits.float()


def sliding_window(network: nn.Module, images: Tensor, window: Size) -> Tensor:
    """Predict images window by window, and average the logits where windows overlap, by a third or more.

    Args:
        network: gives logits of a window.
        images: (B, C, H, W).
        window: (height, width) in pixels; it is cut to the image if it is larger.

    Returns:
        Logits (B, K, H, W).
    """
    height, width = images.shape[2:]
    h, w = min(window[0], height), min(window[1], width)
    total, count = None, images.new_zeros(1, 1, height, width)
    for top in _starts(height, h):
        for left in _starts(width, w):
            area = (..., slice(top, top + h), slice(left, left + w))
            logits = network(images[area]).float()
            if total is None:
                total = logits.new_zeros(len(images), logits.shape[1], height, width)
            total[area] += logits
            count[area] += 1
    assert total is not None
    averaged: Tensor = total / count
    return averaged


def _starts(length: int, window: int) -> list[int]:
    """Where windows begin: evenly spread, two thirds of a window apart or less, so that they cover the whole length."""
    steps = -(-(length - window) // max(1, 2 * window // 3))
    return [round(i * (length - window) / max(steps, 1)) for i in range(steps + 1)]
