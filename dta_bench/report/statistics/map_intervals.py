"""Intervals and standard errors of a mean IoU, which is no mean over images and is counted anew for each draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MapOutcomes:
    """Pixel counts of each target test label map under each seed, of one method or of two, paired by seed and image.

    ``counts`` (seeds, 3, images, K) are pixels right, true and predicted of each class; ``against`` are those of a
    second method, whose score is subtracted. All seeds are tested on the same images.
    """

    counts: Floats
    against: Floats | None = None

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len(self.counts)

    @property
    def images(self) -> int:
        """How many label maps there are."""
        return int(self.counts.shape[2])

    def minus(self, other: MapOutcomes) -> MapOutcomes:
        """The difference of two methods; both must have the same seeds, in the same order, and the same images."""
        return MapOutcomes(self.counts, other.counts)

    def of_seeds(self, rows: Sequence[int]) -> MapOutcomes:
        """The counts of some seeds, by their rows."""
        chosen = list(rows)
        return MapOutcomes(self.counts[chosen], None if self.against is None else self.against[chosen])


def counts(confusions: NDArray[np.int32]) -> Floats:
    """(3, N, K) of confusion matrices (N, K, K): pixels right, true and predicted of each class."""
    right = np.diagonal(confusions, axis1=1, axis2=2)
    return np.stack([right, confusions.sum(axis=2), confusions.sum(axis=1)]).astype(np.float64)


def score(outcomes: MapOutcomes, metric: str) -> float:
    """Pixel accuracy, mean class accuracy or mean IoU of each seed's whole set, averaged over seeds, in percent."""
    return float(_scores(outcomes, metric, np.ones((1, outcomes.images))).mean())


def interval(outcomes: MapOutcomes, metric: str, draws: int) -> tuple[float, float]:
    """As :func:`dta_bench.report.statistics.intervals.interval`: seeds and images are both drawn with replacement."""
    rng = np.random.default_rng(0)
    images = rng.multinomial(outcomes.images, np.full(outcomes.images, 1 / outcomes.images), size=draws)
    seeds = rng.multinomial(outcomes.seeds, np.full(outcomes.seeds, 1 / outcomes.seeds), size=draws)
    scores = (_scores(outcomes, metric, images.astype(np.float64)) * seeds).sum(axis=1) / outcomes.seeds
    low, high = np.quantile(scores, (0.025, 0.975))
    return float(low), float(high)


def standard_error(outcomes: MapOutcomes, metric: str) -> float:
    """Standard error of the score's mean over seeds, in points: spread between seeds, and of images by the jackknife.

    The two are added as variances, as in :func:`dta_bench.report.statistics.intervals.standard_error`.
    """
    by_seed = _scores(outcomes, metric, np.ones((1, outcomes.images)))[0]
    seeds = by_seed.var(ddof=1) / outcomes.seeds if outcomes.seeds > 1 else 0.0
    left_out = 1 - np.eye(outcomes.images)
    without = _scores(outcomes, metric, left_out).mean(axis=1)
    return float(np.sqrt(seeds + (outcomes.images - 1) * without.var()))


def _scores(outcomes: MapOutcomes, metric: str, images: Floats) -> Floats:
    """The metric (draws, seeds) when image ``i`` is there ``images[draw, i]`` times."""
    scores = _metric(outcomes.counts, metric, images)
    return scores if outcomes.against is None else scores - _metric(outcomes.against, metric, images)


def _metric(counts: Floats, metric: str, images: Floats) -> Floats:
    right, truth, guess = np.moveaxis(images @ counts, 1, 0).swapaxes(1, 2)  # (draws, seeds, K) each
    if metric == "accuracy":
        return np.asarray(100 * right.sum(axis=2) / truth.sum(axis=2))
    whole = truth if metric == "mean_class_accuracy" else truth + guess - right
    share = np.divide(right, whole, out=np.full_like(right, np.nan), where=whole > 0)
    return np.asarray(100 * np.nanmean(share, axis=2))
