"""Differences of pairs of methods: intervals and p values from the crossed model of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dta_bench.report.statistics.crossed_model import (
    LEVEL,
    OWN_LEVEL,
    Bools,
    CrossedModel,
    Floats,
    Ints,
    squared_half_width,
)

LEAST_P = 1e-12
"""No smaller p value is told apart."""


@dataclass(frozen=True)
class PairModel:
    """Differences of P pairs of methods, given by their places; seeds are not paired, images are.

    Nothing is assumed of a seed number that both methods have: it starts other networks and other batches.
    """

    model: CrossedModel
    first: Ints
    second: Ints

    @cached_property
    def points(self) -> Floats:
        """The first mean less the second (..., P), in points."""
        return np.asarray(self.model.means[..., self.first] - self.model.means[..., self.second])

    @cached_property
    def image_variances(self) -> Floats:
        """(..., P), of the differences, paired by image."""
        covariances, own = self.model.image_covariances, self.model.image_variances
        shared = covariances[..., self.first, self.second]
        return np.maximum(own[..., self.first] + own[..., self.second] - 2 * shared, 0)

    @cached_property
    def testable(self) -> Bools:
        """(..., P): both methods are testable. Of one seed nothing is known of training's own chance."""
        testable = self.model.testable
        return np.asarray(testable[..., self.first] & testable[..., self.second])

    @cached_property
    def seed_parts(self) -> tuple[Floats, Floats]:
        """Variance of the differences from seeds and its degrees of freedom, moderated; by Welch and Satterthwaite.

        A variance that is pooled is one estimate, however often it is added: no pair has more degrees of freedom than
        the pooled methods have together.
        """
        moderated = self.model.moderated
        variances, degrees = moderated.variances / self.model.seeds, np.maximum(moderated.degrees, 1)
        one, other = ((variances[..., side], degrees[..., side]) for side in (self.first, self.second))
        summed = one[0] + other[0]
        squares = one[0] ** 2 / one[1] + other[0] ** 2 / other[1]
        freedom = np.divide(summed**2, squares, out=np.ones_like(summed), where=squares > 0)
        most = np.maximum(moderated.together, np.maximum(one[1], other[1]))
        return summed, np.clip(freedom, 1, most)

    @cached_property
    def own_parts(self) -> tuple[Floats, Floats]:
        """As :attr:`seed_parts`, from the two methods' own seeds alone; degrees of freedom are the smaller one's."""
        own, degrees = self.model.own_variances / self.model.seeds, np.maximum(self.model.seeds - 1, 1)
        fewer = np.minimum(degrees[self.first], degrees[self.second]).astype(np.float64)
        summed = own[..., self.first] + own[..., self.second]
        return summed, np.broadcast_to(fewer, summed.shape)

    @cached_property
    def standard_errors(self) -> Floats:
        """(..., P) in points; over images alone where a method is not testable."""
        return np.sqrt(np.where(self.testable, self.seed_parts[0], 0) + self.image_variances)

    def half_widths(self, level: float = LEVEL) -> Floats:
        """Half the width (..., P) of each difference's interval; over images alone where a method is not testable."""
        of_images = squared_half_width(level, self.model.images - 1, self.image_variances)
        both = np.maximum(self.moderated_half_widths(level), self.own_half_widths(level))
        return np.where(self.testable, both, np.sqrt(of_images))

    def moderated_half_widths(self, level: float | Floats) -> Floats:
        """Half the width (..., P) by moderated variances alone: a larger difference has a p value below ``level``."""
        return self._half_widths(level, *self.seed_parts)

    def own_half_widths(self, level: float | Floats = LEVEL) -> Floats:
        """Half the width (..., P) by the two methods' own variances, at the level that goes with ``level``."""
        return self._half_widths(np.minimum(np.asarray(level) * OWN_LEVEL / LEVEL, 1), *self.own_parts)

    def p_values(self) -> tuple[Floats, Floats]:
        """Two-sided p values (..., P) of a difference of zero: by moderated variances, and by the methods' own seeds.

        The second is on the scale of the first: it is below 0.05 where the interval from the methods' own seeds, of
        :data:`OWN_LEVEL`, leaves out zero. Not a number where a method is not testable.
        """
        distance = np.abs(self.points)
        by_each = (_p_values(distance, widths) for widths in (self.moderated_half_widths, self.own_half_widths))
        moderated, own = (np.where(self.testable, p, np.nan) for p in by_each)
        return moderated, own

    def _half_widths(self, level: float | Floats, seeds: Floats, degrees: Floats) -> Floats:
        of_images = squared_half_width(level, self.model.images - 1, self.image_variances)
        return np.sqrt(squared_half_width(level, degrees, seeds) + of_images)


def all_pairs(model: CrossedModel) -> PairModel:
    """Every pair of methods, in the order of ``itertools.combinations``."""
    return PairModel(model, *np.triu_indices(len(model.seeds), 1))


def _p_values(distance: Floats, half_widths: Callable[[Floats], Floats]) -> Floats:
    """The level at which half a width is the distance, by bisection of the logarithm; 1 for a distance of 0."""
    low, high = np.full(distance.shape, np.log(LEAST_P)), np.zeros(distance.shape)
    for _ in range(50):
        middle = (low + high) / 2
        wider = half_widths(np.exp(middle)) > distance
        low, high = np.where(wider, middle, low), np.where(wider, high, middle)
    return np.where(distance > 0, np.exp(high), 1.0)
