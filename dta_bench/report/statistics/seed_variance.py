"""The variance between seeds of each method, shrunk towards what the other methods show.

Two or three seeds say little of how far apart seeds can be: where they happen to agree, their own variance is near 0,
and any test that trusts it finds differences. Smyth (Stat. Appl. Genet. Mol. Biol. 2004) lets every method's variance
come from one scaled inverse chi-squared distribution, estimates that from all methods, and gives each the posterior
mean of its variance. Where methods are alike this is nearly a pooled variance; where they are not it is nearly each
method's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_SHARE = 1e-5
"""A variance counts as at least this share of the median one: a logarithm of 0 would decide everything."""


@dataclass(frozen=True)
class SeedVariances:
    """The variance between seeds of each method (..., M) in points squared, and its degrees of freedom."""

    variances: Floats
    degrees: Floats
    together: Floats
    """(..., 1): degrees of freedom of all methods that were pooled; infinite where nothing was learned from others."""


def moderate(variances: Floats, degrees: Floats, pooled: Bools) -> SeedVariances:
    """Shrink each method's variance towards that of the pooled ones.

    Args:
        variances: (..., M), each method's own variance between seeds, in points squared.
        degrees: (M,), seeds less one.
        pooled: (..., M), the methods that say what a usual variance is. Those that are outside of the pool and have
            degrees of freedom are shrunk too; of none or of one pooled method nothing is learned.

    Returns:
        The posterior variance (d0 s0^2 + d s^2) / (d0 + d) with d0 + d degrees of freedom, but never more than the
        pooled methods have together.
    """
    weight = pooled.astype(np.float64)
    count = weight.sum(axis=-1, keepdims=True)
    together = (weight * degrees).sum(axis=-1, keepdims=True)
    prior, strength = _prior(_kept_above_zero(variances, pooled), degrees, weight, count)
    with np.errstate(invalid="ignore"):  # infinity times 0, of which the branch is not taken
        shrunk = (strength * prior + degrees * variances) / (strength + degrees)
    posterior = np.where(np.isinf(strength), prior, shrunk)
    learned = count >= 2
    freedom = np.minimum(strength + degrees, np.maximum(together, degrees))
    return SeedVariances(
        np.where(learned, posterior, variances),
        np.where(learned, freedom, np.broadcast_to(degrees, variances.shape)),
        np.where(learned, together, np.inf),
    )


def trigamma_inverse(values: Floats) -> Floats:
    """The y with trigamma(y) = value, by Newton's method (Smyth 2004, appendix)."""
    y = 0.5 + 1 / values
    for _ in range(50):
        trigamma = special.polygamma(1, y)
        step = trigamma * (1 - trigamma / values) / special.polygamma(2, y)
        y = y + step
        if np.max(np.abs(step) / y, initial=0) < 1e-10:
            break
    return np.asarray(y)


def _prior(variances: Floats, degrees: Floats, weight: Floats, count: Floats) -> tuple[Floats, Floats]:
    """s0^2 and d0 (..., 1) by the mean and the variance of the logarithms of the pooled variances."""
    half = np.maximum(degrees, 1) / 2
    logs = np.log(variances) - special.digamma(half) + np.log(half)
    methods = np.maximum(count, 2)
    centre = (weight * logs).sum(axis=-1, keepdims=True) / np.maximum(count, 1)
    spread = (weight * (logs - centre) ** 2).sum(axis=-1, keepdims=True) / (methods - 1)
    spread = spread - (weight * special.polygamma(1, half)).sum(axis=-1, keepdims=True) / np.maximum(count, 1)
    unequal = spread > 0  # otherwise chance alone explains how much the variances differ: they are pooled
    strength = 2 * trigamma_inverse(np.where(unequal, spread, 1.0))
    scale = np.exp(centre + special.digamma(strength / 2) - np.log(strength / 2))
    together = (weight * degrees).sum(axis=-1, keepdims=True)
    mean = (weight * degrees * variances).sum(axis=-1, keepdims=True) / np.maximum(together, 1)
    return np.where(unequal, scale, mean), np.where(unequal, strength, np.inf)


def _kept_above_zero(variances: Floats, pooled: Bools) -> Floats:
    known = np.where(pooled, variances, np.nan)
    with np.errstate(all="ignore"):
        median = np.nanmedian(np.where(pooled.any(axis=-1, keepdims=True), known, 1.0), axis=-1, keepdims=True)
    least = np.maximum(LEAST_SHARE * median, np.finfo(np.float64).tiny)
    return np.asarray(np.maximum(np.where(pooled, variances, 1.0), least))
