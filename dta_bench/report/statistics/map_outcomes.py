"""Pixel counts of each target test label map under each seed, and the scores that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MapOutcomes:
    """Pixel counts of each target test label map under each seed.

    ``counts`` (seeds, 3, images, K) are pixels right, true and predicted of each class. All seeds are tested on the
    same images.
    """

    counts: Floats

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len(self.counts)

    @property
    def images(self) -> int:
        """How many label maps there are."""
        return int(self.counts.shape[2])

    def of_seeds(self, rows: Sequence[int]) -> MapOutcomes:
        """The counts of some seeds, by their rows."""
        return MapOutcomes(self.counts[list(rows)])


def counts(confusions: NDArray[np.int32]) -> Floats:
    """(3, N, K) of confusion matrices (N, K, K): pixels right, true and predicted of each class."""
    right = np.diagonal(confusions, axis1=1, axis2=2)
    return np.stack([right, confusions.sum(axis=2), confusions.sum(axis=1)]).astype(np.float64)


def scores_by_seed(outcomes: MapOutcomes, metric: str) -> Floats:
    """Pixel accuracy, mean class accuracy or mean IoU of each seed's whole set (S,), in percent."""
    return _score(outcomes.counts.sum(axis=2), metric)


def influences(outcomes: MapOutcomes, metric: str) -> Floats:
    """The jackknife's influence values (S, N) in percent: (N - 1) (score without the image, averaged, less its own).

    A score without one image is computed from the totals less that image's counts, so that memory grows with the
    number of images and not with its square.
    """
    totals = outcomes.counts.sum(axis=2, keepdims=True)
    without = _score(np.moveaxis(totals - outcomes.counts, 2, 1), metric)  # (S, N)
    return np.asarray((outcomes.images - 1) * (without.mean(axis=1, keepdims=True) - without))


def _score(counts: Floats, metric: str) -> Floats:
    """The metric in percent of ``counts`` (..., 3, K): pixels right, true and predicted of each class."""
    right, truth, guess = np.moveaxis(counts, -2, 0)
    if metric == "accuracy":
        return np.asarray(100 * right.sum(axis=-1) / truth.sum(axis=-1))
    whole = truth if metric == "mean_class_accuracy" else truth + guess - right
    share = np.divide(right, whole, out=np.full_like(right, np.nan), where=whole > 0)
    return np.asarray(100 * np.nanmean(share, axis=-1))
