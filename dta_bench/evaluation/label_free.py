"""What predictions say without any label: the criteria that choose a run, or stop one, from its logits alone.

Logits are (N, K), or (N, K, H, W) whose pixels count as predictions of their own. Entropies are in nats.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, log_softmax, logsumexp, softmax

Logits = NDArray[np.floating]
Floats = NDArray[np.float64]

IN_USE = 0.01  # a class is in use when it takes at least this share of the predictions
SND_TEMPERATURE = 0.05  # as published
SND_ROWS = 2000  # neighbourhoods are quadratic in the number of predictions; more are sampled, always the same


def label_free(logits: Logits) -> dict[str, float]:
    """Every criterion of these predictions by its name."""
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
    """Mean conditional entropy H(p(y|x)) (Morerio et al., ICLR 2018); low where predictions are sure."""
    log_p = log_softmax(rows.astype(np.float64), axis=1)
    return float(-(np.exp(log_p) * log_p).sum(axis=1).mean())


def diversity(rows: Logits) -> float:
    """Entropy of the mean prediction, H(E p(y|x)); log K where all classes are predicted alike."""
    return float(entr(softmax(rows.astype(np.float64), axis=1).mean(axis=0)).sum())


def nuclear_norm(rows: Logits) -> float:
    """Nuclear norm of the (N, K) probabilities over N (Cui et al., CVPR 2020); high where sure and diverse."""
    return float(np.linalg.norm(softmax(rows.astype(np.float64), axis=1), "nuc")) / len(rows)


def soft_neighbourhood_density(rows: Logits, temperature: float = SND_TEMPERATURE) -> float:
    """Mean entropy of each prediction's soft neighbours (Saito et al., ICCV 2021); high where neighbourhoods are dense.

    Probabilities are scaled to unit length; a prediction's neighbours are a softmax over its cosines to all others,
    divided by ``temperature``.
    """
    if len(rows) > SND_ROWS:
        rows = rows[np.random.default_rng(0).choice(len(rows), SND_ROWS, replace=False)]
    p = softmax(rows.astype(np.float64), axis=1)
    p /= np.linalg.norm(p, axis=1, keepdims=True)
    similar = p @ p.T / temperature
    np.fill_diagonal(similar, -np.inf)
    log_q = similar - logsumexp(similar, axis=1, keepdims=True)
    np.fill_diagonal(log_q, 0.0)  # its own share is zero, and 0 log 0 is 0
    q = np.exp(log_q)
    np.fill_diagonal(q, 0.0)
    return float(-(q * log_q).sum(axis=1).mean())


def classes_in_use(rows: Logits) -> int:
    """How many classes take at least 1 % of the predictions; few mean a collapsed run."""
    share = np.bincount(rows.argmax(axis=1), minlength=rows.shape[1]) / len(rows)
    return int((share >= IN_USE).sum())


def as_rows(logits: Logits) -> Logits:
    """(N, K) as it is, (N, K, H, W) as (N*H*W, K)."""
    return logits if logits.ndim == 2 else np.moveaxis(logits, 1, -1).reshape(-1, logits.shape[1])
