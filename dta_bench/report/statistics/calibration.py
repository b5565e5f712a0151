"""How well probabilities fit: expected calibration error and Brier score, from stored logits.

In NumPy, because a report needs no torch; tests hold the error to that of torchmetrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

BINS = 15


@dataclass(frozen=True)
class Calibration:
    """How well the probabilities of a set of images fit their labels.

    Attributes:
        error: expected calibration error in percent: in 15 bins of equal width, the distance between mean confidence
            and accuracy, weighted by the images in the bin (Guo et al., 2017).
        brier: the squared distance of the probabilities from the true class, summed over classes: 0 to 2.
    """

    error: float
    brier: float
    bins: NDArray[np.float64]
    """Of each bin the images, the sum of their confidences, and how many are right, (3, bins)."""


def calibration(logits: NDArray[Any], labels: NDArray[np.int64]) -> Calibration:
    """Measure (n, K) logits against (n,) labels."""
    probabilities = softmax(logits.astype(np.float64), axis=1)
    confidence, guesses = probabilities.max(axis=1), probabilities.argmax(axis=1)
    edges = np.linspace(0, 1, BINS + 1, dtype=np.float32)
    bins = np.digitize(confidence.astype(np.float32), edges)  # full confidence is a bin of its own, as in torchmetrics
    right = guesses == labels
    sums = [
        np.bincount(bins, weights=of_each, minlength=BINS + 2) for of_each in (np.ones(len(bins)), confidence, right)
    ]
    gaps = sums[1] - sums[2]
    one_hot = np.eye(logits.shape[1])[labels]
    return Calibration(
        error=100 * float(np.abs(gaps).sum()) / len(labels),
        brier=float(np.square(probabilities - one_hot).sum(axis=1).mean()),
        bins=np.stack(sums),
    )
