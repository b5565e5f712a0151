"""What each seed predicts on each target test image, and the scores that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dta_bench.report.statistics import map_outcomes
from dta_bench.report.statistics.map_outcomes import MapOutcomes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """Whether each target test image is predicted right under each seed, and the true class of each image.

    ``values`` (seeds, images) is 1 where the prediction is right and 0 where it is wrong. All seeds are tested on the
    same images.
    """

    values: NDArray[np.int8] | Floats
    labels: NDArray[np.int64]

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len(self.values)

    @property
    def images(self) -> int:
        """How many images there are."""
        return len(self.labels)

    def of_seeds(self, rows: Sequence[int]) -> Outcomes:
        """The outcomes of some seeds, by their rows."""
        return Outcomes(self.values[list(rows)], self.labels)


def outcomes(correct: Sequence[NDArray[np.bool_]], labels: NDArray[np.int64]) -> Outcomes:
    """Outcomes of one method.

    Args:
        correct: for each seed, whether each image (N,) is predicted right.
        labels: (N,), the true classes.
    """
    return Outcomes(np.stack(correct).astype(np.int8), labels)


def scores_by_seed(outcomes: Outcomes | MapOutcomes, metric: str) -> Floats:
    """Accuracy, mean class accuracy or mean IoU of each seed (S,), in percent."""
    if isinstance(outcomes, MapOutcomes):
        return map_outcomes.scores_by_seed(outcomes, metric)
    weights = _weights(outcomes.labels, metric)
    return np.asarray(100 * (outcomes.values * weights).sum(axis=1))


def influences(outcomes: Outcomes | MapOutcomes, metric: str) -> Floats:
    """By how many points each image moves each seed's score, times the number of images: (S, N), in percent.

    The mean over images is 0. The variance over images, divided by their number, is the score's variance from the
    choice of images: for accuracy the binomial one, for mean class accuracy that of a mean over classes, for mean
    IoU the jackknife's (Efron, The Jackknife, the Bootstrap and Other Resampling Plans, 1982, chapter 3).
    """
    if isinstance(outcomes, MapOutcomes):
        return map_outcomes.influences(outcomes, metric)
    centred = outcomes.values - _means_of_strata(outcomes, metric)
    return np.asarray(100 * outcomes.images * _weights(outcomes.labels, metric) * centred)


def _weights(labels: NDArray[np.int64], metric: str) -> Floats:
    """The weight of each image (N,) in the score; they add up to 1."""
    if metric == "accuracy":
        return np.full(len(labels), 1 / len(labels))
    _, member, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(1 / (len(counts) * counts[member]))


def _means_of_strata(outcomes: Outcomes, metric: str) -> Floats:
    """The mean outcome of each seed, over all images or over those of the image's class: (S, N) or (S, 1)."""
    if metric == "accuracy":
        return np.asarray(outcomes.values.mean(axis=1, keepdims=True))
    _, member, counts = np.unique(outcomes.labels, return_inverse=True, return_counts=True)
    one_hot = np.eye(len(counts))[member]
    return np.asarray((outcomes.values @ one_hot / counts)[:, member])
