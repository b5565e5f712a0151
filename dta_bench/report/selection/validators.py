"""Label-free rules that need features or mixed images: published definitions, on arrays alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

Floats = NDArray[np.floating]
Indices = NDArray[np.integer]
CLUSTERINGS = 8


def class_ami(features: Floats, guesses: Indices, num_classes: int) -> float:
    """Adjusted mutual information of predicted classes and clusters of features; 1 where they are the same.

    Musgrave et al., *Three new validators* (2022): k-means of the target's features at unit length, a cluster a class.
    It is the mean over ``CLUSTERINGS`` clusterings, each the best of three: a single one moves it by hundredths.

    Args:
        features: (N, D).
        guesses: (N,), the predicted classes.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_mutual_info_score

    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    clusterings = (KMeans(num_classes, n_init=3, random_state=seed).fit_predict(unit) for seed in range(CLUSTERINGS))
    return float(np.mean([adjusted_mutual_info_score(guesses, clusters) for clusters in clusterings]))


def density_ratio(source: Floats, target: Floats, at: Floats) -> Floats:
    """Density ratio p_target/p_source from a logistic regression that tells the domains apart.

    Args:
        source: features (N_s, D) of source images.
        target: features (N_t, D) of target images.
        at: features (N, D) at which the ratio is wanted.

    Returns:
        The ratio (N,) at each of ``at``.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    is_target = np.repeat([0, 1], [len(source), len(target)])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    classifier.fit(np.vstack([source, target]).astype(np.float64), is_target)
    odds = classifier.decision_function(at.astype(np.float64))
    ratio: Floats = np.exp(np.clip(odds, -30, 30)) * len(source) / len(target)
    return ratio


def deep_embedded_validation(weights: Floats, losses: Floats) -> float:
    """DEV's estimate of the target risk (You et al., ICML 2019); lower is better.

    The mean of weighted losses with the weights as control variate: mean(wl) + eta mean(w) - eta,
    eta = -Cov(wl, w)/Var(w), since weights have mean one.

    Args:
        weights: density ratios (N,) of held-out source images.
        losses: their losses (N,).
    """
    weighted = weights * losses
    spread = float(np.var(weights, ddof=1))
    eta = -float(np.cov(weighted, weights, ddof=1)[0, 1]) / spread if spread > 0 else 0.0
    return float(weighted.mean() + eta * weights.mean() - eta)


def cross_entropies(logits: Floats, labels: Indices) -> Floats:
    """The cross-entropy (N,) of each prediction in nats, of logits (N, K) and labels (N,)."""
    log_p = log_softmax(logits.astype(np.float64), axis=1)
    losses: Floats = -log_p[np.arange(len(labels)), labels]
    return losses


def interpolation_consistency(logits: Floats, labels: Indices) -> float:
    """The share of mixed images that are given the predicted class of their larger part (Hu et al., NeurIPS 2023).

    Args:
        logits: (N, K) of the mixed images.
        labels: (N,), the class that was predicted for the larger part of each.
    """
    return float((logits.argmax(axis=1) == labels).mean())


def mean_rank(*criteria: list[float]) -> list[float]:
    """Minus the mean of each candidate's ranks over criteria; rank 1 is the highest value, equals share their ranks."""
    from scipy.stats import rankdata

    ranks = [rankdata([-value for value in values]) for values in criteria]
    return [-float(rank) for rank in np.mean(ranks, axis=0)]
