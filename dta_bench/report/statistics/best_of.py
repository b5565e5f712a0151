"""How probable it is that a configuration is the best of those that it was compared with."""

from __future__ import annotations

import numpy as np
from scipy import special

from dta_bench.report.statistics.crossed_model import LEVEL, CrossedModel, Floats

DRAWS = 4000


def probabilities_of_best(model: CrossedModel, draws: int = DRAWS) -> Floats:
    """The probability (M,) that each method's expected score is the highest of all, from the crossed model.

    The true scores are taken to come from one normal distribution, whose variance is what the spread of the means
    exceeds their own errors by (an empirical Bayes estimate; DerSimonian and Laird, Control. Clin. Trials 1986). Means
    that differ no more than by chance give each method 1 / M. Drawn by a fixed generator.
    """
    errors = np.diag(_seed_variances(model)) + model.image_covariances
    methods = len(model.seeds)
    centred = np.eye(methods) - 1 / methods  # what all methods share decides no rank
    spread = model.means @ centred @ model.means / (methods - 1) if methods > 1 else 0.0
    by_chance = np.trace(centred @ errors) / max(methods - 1, 1)
    between = max(float(spread - by_chance), 0.0)
    if between == 0:
        return np.full(methods, 1 / methods)
    # estimated covariances can be singular, as where runs collapse alike: the pseudo-inverse is the inverse elsewhere
    gain = between * np.linalg.pinv(between * np.eye(methods) + errors, hermitian=True)
    expected = model.means.mean() + gain @ (model.means - model.means.mean())
    covariance = _without_negative(between * (np.eye(methods) - gain))
    drawn = np.random.default_rng(0).multivariate_normal(expected, covariance, draws, "ignore", method="eigh")
    return np.bincount(drawn.argmax(axis=1), minlength=methods) / draws


def _without_negative(covariance: Floats) -> Floats:
    """The nearest covariance matrix: estimated errors can make one that gives some difference a negative variance."""
    symmetric = (covariance + covariance.T) / 2
    values, vectors = np.linalg.eigh(symmetric)
    if values.min() >= 0:
        return symmetric
    return (vectors * values.clip(0)) @ vectors.T  # type: ignore[no-any-return]


def _seed_variances(model: CrossedModel) -> Floats:
    """Variances of the means from seeds (M,), as wide as a normal distribution with their t intervals."""
    moderated = model.moderated
    ratio = special.stdtrit(np.maximum(moderated.degrees, 1), LEVEL / 2) / special.ndtri(LEVEL / 2)
    return np.where(model.seeds > 1, ratio**2 * moderated.variances / model.seeds, 0.0)
