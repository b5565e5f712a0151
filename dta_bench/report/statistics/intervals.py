"""Intervals and standard errors of a target test score, over seeds and over target images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dta_bench.report.statistics import map_intervals
from dta_bench.report.statistics.map_intervals import MapOutcomes

Floats = NDArray[np.float64]
DRAWS = 2000


@dataclass(frozen=True)
class Outcomes:
    """Whether each target test image is predicted right under each seed, and the true class of each image.

    ``values`` (seeds, images) is 1 where the prediction is right and 0 where it is wrong, or the difference of
    two methods, paired by seed and image. All seeds are tested on the same images.
    """

    values: NDArray[np.int8] | Floats
    labels: NDArray[np.int64]

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len(self.values)

    def minus(self, other: Outcomes) -> Outcomes:
        """The difference of two methods; both must have the same seeds, in the same order, and the same images."""
        return Outcomes(self.values - other.values, self.labels)

    def of_seeds(self, rows: Sequence[int]) -> Outcomes:
        """The outcomes of some seeds, by their rows."""
        return Outcomes(self.values[list(rows)], self.labels)


def minus(one: Outcomes | MapOutcomes, other: Outcomes | MapOutcomes) -> Outcomes | MapOutcomes:
    """The difference of two methods; both must have the same seeds, in the same order, and the same images."""
    if isinstance(one, MapOutcomes) and isinstance(other, MapOutcomes):
        return one.minus(other)
    assert isinstance(one, Outcomes)
    assert isinstance(other, Outcomes)
    return one.minus(other)


def score(outcomes: Outcomes | MapOutcomes, metric: str) -> float:
    """Accuracy, mean class accuracy or mean IoU, averaged over seeds, in percent."""
    if isinstance(outcomes, MapOutcomes):
        return map_intervals.score(outcomes, metric)
    images = np.ones((1, len(outcomes.labels)))
    means = outcomes.values.mean(axis=0)[None]
    return float(_metric(images, means, outcomes.labels, metric)[0])


def interval(outcomes: Outcomes | MapOutcomes, metric: str, draws: int = DRAWS) -> tuple[float, float]:
    """A 95 % percentile interval in percent: seeds and images are both drawn with replacement, by a fixed generator.

    The images of a draw are the same for all of its seeds (Owen's pigeonhole bootstrap, Ann. Appl. Stat. 2007),
    because the seeds share one test set: more seeds do not make it larger. With one seed it covers the images
    alone, and with few seeds it is narrow, for three seeds show little of how far apart seeds can be.
    """
    if isinstance(outcomes, MapOutcomes):
        return map_intervals.interval(outcomes, metric, draws)
    rng = np.random.default_rng(0)
    patterns, labels, counts = _groups(outcomes, metric)
    images = rng.multinomial(counts.sum(), counts / counts.sum(), size=draws).astype(np.float64)
    seeds = rng.multinomial(outcomes.seeds, np.full(outcomes.seeds, 1 / outcomes.seeds), size=draws)
    scores = _metric(images, seeds @ patterns / outcomes.seeds, labels, metric)
    low, high = np.quantile(scores, (0.025, 0.975))
    return float(low), float(high)


def standard_error(outcomes: Outcomes | MapOutcomes, metric: str) -> float:
    """Standard error of the score's mean over seeds, in points: variances between seeds and between images are added.

    It is slightly too large rather than too small, because what seed and image decide together is in both parts. With
    one seed it is that of the images alone.
    """
    if isinstance(outcomes, MapOutcomes):
        return map_intervals.standard_error(outcomes, metric)
    by_seed = np.array([score(Outcomes(row[None], outcomes.labels), metric) for row in outcomes.values])
    seeds = by_seed.var(ddof=1) / outcomes.seeds if outcomes.seeds > 1 else 0.0
    return float(np.sqrt(seeds + _image_variance(outcomes.values.mean(axis=0), outcomes.labels, metric)))


def outcomes(correct: Sequence[NDArray[np.bool_]], labels: NDArray[np.int64]) -> Outcomes:
    """Outcomes of one method.

    Args:
        correct: for each seed, whether each image (N,) is predicted right.
        labels: (N,), the true classes.
    """
    return Outcomes(np.stack(correct).astype(np.int8), labels)


def _metric(images: Floats, values: Floats, labels: NDArray[np.int64], metric: str) -> Floats:
    """The metric (draws,) of ``values`` (draws, groups), where group ``g`` stands for ``images[draw, g]`` images."""
    member = np.eye(int(labels.max()) + 1)[labels]
    right: Floats = (images * values) @ member
    total: Floats = images @ member
    if metric == "accuracy":
        return np.asarray(100 * right.sum(axis=1) / total.sum(axis=1))
    share = np.divide(right, total, out=np.full_like(right, np.nan), where=total > 0)
    return np.asarray(100 * np.nanmean(share, axis=1))


def _groups(outcomes: Outcomes, metric: str) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Images that a metric cannot tell apart are interchangeable: (seeds, groups), labels, sizes.

    For accuracy these are images with the same outcome under every seed, for mean class accuracy
    those of one class too. There are few such groups however many images there are,
    and drawing group sizes is drawing images.
    """
    labels = np.zeros_like(outcomes.labels) if metric == "accuracy" else outcomes.labels
    kind = labels  # a number for each label with its outcomes: numbers are sorted faster than rows
    for row in outcomes.values:
        known, code = np.unique(row, return_inverse=True)
        _, kind = np.unique(len(known) * kind + code, return_inverse=True)
    _, first, counts = np.unique(kind, return_index=True, return_counts=True)
    return outcomes.values[:, first].astype(np.float64), labels[first], counts


def _image_variance(means: Floats, labels: NDArray[np.int64], metric: str) -> float:
    """Variance of the score, in points squared, from the choice of images (of the images of each class)."""
    if metric == "accuracy":
        return float(100**2 * means.var(ddof=1) / len(means))
    parts = [means[labels == k] for k in np.unique(labels)]
    return float(sum(100**2 * p.var(ddof=1) / len(p) for p in parts if len(p) > 1) / len(parts) ** 2)
