"""The label-free criteria with the soft neighbourhood density in blocks of rows that fit a core's caches.

The numbers are those of :mod:`dta_bench.evaluation.label_free` up to rounding in double precision, a test holds them
together; the density takes a seventh of the time, which counts where a process measures many small runs.
"""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from dta_bench.evaluation.label_free import (
    SND_ROWS,
    SND_TEMPERATURE,
    Logits,
    as_rows,
    classes_in_use,
    diversity,
    entropy,
    nuclear_norm,
)

BLOCK = 128


def label_free_criteria(logits: Logits) -> dict[str, float]:
    """As :func:`dta_bench.evaluation.label_free.label_free_criteria`."""
    rows = as_rows(logits)
    own_entropy, own_diversity = entropy(rows), diversity(rows)
    return {
        "entropy": own_entropy,
        "diversity": own_diversity,
        "information": own_diversity - own_entropy,
        "bnm": nuclear_norm(rows),
        "snd": soft_neighbourhood_density(rows),
        "classes_in_use": float(classes_in_use(rows)),
    }


def soft_neighbourhood_density(rows: Logits, temperature: float = SND_TEMPERATURE) -> float:
    """As :func:`dta_bench.evaluation.label_free.soft_neighbourhood_density`.

    The entropy of a softmax of s is log Z - sum(exp(s) s) / Z, with Z = sum(exp(s)).
    """
    if len(rows) > SND_ROWS:
        rows = rows[np.random.default_rng(0).choice(len(rows), SND_ROWS, replace=False)]
    p = softmax(rows.astype(np.float64), axis=1)
    p /= np.linalg.norm(p, axis=1, keepdims=True)
    total = 0.0
    for first in range(0, len(p), BLOCK):
        similarity = (p[first : first + BLOCK] / temperature) @ p.T
        own = np.arange(len(similarity))
        similarity[own, first + own] = -np.inf  # a prediction is no neighbour of itself
        similarity -= similarity.max(axis=1, keepdims=True)
        weights = np.exp(similarity)
        similarity[own, first + own] = 0.0
        sums = weights.sum(axis=1)
        total += float((np.log(sums) - np.einsum("ij,ij->i", weights, similarity) / sums).sum())
    return total / len(p)
