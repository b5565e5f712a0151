"""Label-free criteria: what the logits of target images tell about a run, to select it or to stop it early.

``N`` is the number of predictions and ``K`` the number of classes. Entropies are in nats.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, log_softmax, logsumexp, softmax

Logits = NDArray[np.floating]
Floats = NDArray[np.float64]

IN_USE = 0.01  # a class is in use when at least this share of the predictions is of it
SND_TEMPERATURE = 0.05  # as published
SND_ROWS = 2000  # the cost is quadratic in the predictions, so of more than these a fixed random sample is used


def label_free_criteria(logits: Logits) -> dict[str, float]:
    """Compute every criterion.

    Args:
        logits: (N, K), or (N, K, height, width), where each pixel counts as a prediction of its own.

    Returns:
        Criterion → value.
    """
    rows = as_rows(logits)
    return {
        "entropy": entropy(rows),
        "diversity": diversity(rows),
        "information": diversity(rows) - entropy(rows),
        "bnm": nuclear_norm(rows),
        "snd": soft_neighbourhood_density(rows),
        "classes_in_use": float(classes_in_use(rows)),
    }


def entropy(rows: Logits) -> float:
    """Mean entropy of each prediction, E H(p(y|x)) (Morerio et al., ICLR 2018); low where predictions are confident."""
    log_p = log_softmax(rows.astype(np.float64), axis=1)
    return float(-(np.exp(log_p) * log_p).sum(axis=1).mean())


def diversity(rows: Logits) -> float:
    """Entropy of the mean prediction, H(E p(y|x)); log K if all classes are predicted equally often."""
    return float(entr(softmax(rows.astype(np.float64), axis=1).mean(axis=0)).sum())


def nuclear_norm(rows: Logits) -> float:
    """Nuclear norm of the (N, K) probabilities, divided by N (Cui et al., CVPR 2020).

    It is high where predictions are confident and diverse.
    """
    return float(np.linalg.norm(softmax(rows.astype(np.float64), axis=1), "nuc")) / len(rows)


def soft_neighbourhood_density(rows: Logits, temperature: float = SND_TEMPERATURE) -> float:
    """Mean entropy of each prediction's soft neighbourhood (Saito et al., ICCV 2021); high where those are dense.

    The neighbourhood of a prediction is the softmax of its cosine similarities to all others, divided by
    ``temperature``; the cosine is that of the probabilities.
    """
    if len(rows) > SND_ROWS:
        rows = rows[np.random.default_rng(0).choice(len(rows), SND_ROWS, replace=False)]
    p = softmax(rows.astype(np.float64), axis=1)
    p /= np.linalg.norm(p, axis=1, keepdims=True)
    similarity = p @ p.T / temperature
    np.fill_diagonal(similarity, -np.inf)
    log_q = similarity - logsumexp(similarity, axis=1, keepdims=True)
    np.fill_diagonal(log_q, 0.0)  # a prediction is no neighbour of itself, and 0 log 0 is 0
    q = np.exp(log_q)
    np.fill_diagonal(q, 0.0)
    return float(-(q * log_q).sum(axis=1).mean())


def classes_in_use(rows: Logits) -> int:
    """How many classes at least 1 % of the predictions are of; a small number means a collapsed run."""
    share = np.bincount(rows.argmax(axis=1), minlength=rows.shape[1]) / len(rows)
    return int((share >= IN_USE).sum())


def as_rows(logits: Logits) -> Logits:
    """Reshape (N, K, H, W) to (N*H*W, K); (N, K) stays as it is."""
    return logits if logits.ndim == 2 else np.moveaxis(logits, 1, -1).reshape(-1, logits.shape[1])
