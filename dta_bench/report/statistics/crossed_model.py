"""Scores of several methods as sums of an effect of the seed and an effect of the images; intervals and tests of them.

Every method is trained with some seeds, and all seeds are tested on the same images. What is asked for is the expected
score over training seeds *and* over new images of the same target, so both are random and crossed (Owen, Ann. Appl.
Stat. 2007). The variance of a method's mean score is

    V = s^2 / S + max(B - R / S, 0) / N

with the variance s^2 between its S seeds (:mod:`.seed_variance`), B the variance over the N images of their influence
averaged over seeds, and R the residual variance of seed and image, which s^2 holds already (the analysis of variance of
a crossed design; Searle, Casella and McCulloch, Variance Components, 1992, chapter 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dta_bench.report.statistics.map_outcomes import MapOutcomes
from dta_bench.report.statistics.outcomes import Outcomes, influences, scores_by_seed
from dta_bench.report.statistics.seed_variance import SeedVariances, moderate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

LEVEL = 0.05
"""1 less the coverage of intervals, and the level of tests."""

OWN_LEVEL = 0.0625
"""The same for a method's own variance alone.

A moderated variance is too small for a method that is less steady than the others, and two or three seeds cannot tell
that it is. So no interval is shorter than the one of this level from the method's own seeds, and no difference is
claimed that the two methods' own seeds do not show at this level: each method's interval covers at least 93.75 %.
"""


LEAST_COLLAPSED_SEEDS = 3
"""Seeds from which something is claimed of a method all of whose runs have collapsed.

Collapsed runs agree with each other, so their own variance says nothing of how often a run would not collapse; that two
of two do is chance where one run in ten does, and 25 methods are looked at.
"""


@dataclass(frozen=True)
class Evidence:
    """What is known of one method's score in percent; ``averaged`` (N,) are the images' influences, mean over seeds.

    ``residual`` is the residual variance of seed and image, R; 0 with one seed, for it cannot be told. ``collapsed`` is
    how many of its runs have collapsed.
    """

    by_seed: Floats
    averaged: Floats
    residual: float
    collapsed: int = 0

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len(self.by_seed)

    @property
    def is_testable(self) -> bool:
        """Whether the seeds say how far apart seeds can be (:data:`LEAST_COLLAPSED_SEEDS`)."""
        return bool(_is_testable(np.array(self.seeds), np.array(self.collapsed)))


def _is_testable(seeds: Ints, collapsed: Ints) -> Bools:
    return np.asarray((seeds > 1) & ~((collapsed >= seeds) & (seeds < LEAST_COLLAPSED_SEEDS)))


def evidence(outcomes: Outcomes | MapOutcomes, metric: str, collapsed: int = 0) -> Evidence:
    """The evidence of one method's outcomes; ``collapsed`` is how many of its runs have collapsed."""
    values = influences(outcomes, metric)
    averaged = values.mean(axis=0)
    seeds, images = values.shape
    residual = ((values - averaged) ** 2).sum() / ((seeds - 1) * (images - 1)) if seeds > 1 and images > 1 else 0.0
    return Evidence(scores_by_seed(outcomes, metric), averaged, float(residual), collapsed)


@dataclass(frozen=True)
class CrossedModel:
    """The means of M methods with their two sources of chance; arrays may have leading axes, one entry a world.

    Args:
        means: (..., M) in percent.
        own_variances: (..., M), variance between each method's seeds, in points squared; anything where it has one.
        seeds: (M,), how many seeds each has.
        image_covariances: (..., M, M) of the means, in points squared, from the choice of images.
        images: how many there are.
        collapsed: (..., M), how many runs of each method have collapsed. Where one has, the method's variance is its
            own, and is no measure for the others.
        pooled: (..., M), methods whose variance says what a usual one is; None: all that have two seeds or more and
            have not collapsed.
    """

    means: Floats
    own_variances: Floats
    seeds: Ints
    image_covariances: Floats
    images: int
    collapsed: Ints
    pooled: Bools | None = None

    @cached_property
    def moderated(self) -> SeedVariances:
        """Each method's variance between seeds, moderated; a collapsed method has its own."""
        degrees = (self.seeds - 1).astype(np.float64)
        steady = (self.collapsed == 0) & (degrees > 0)
        pooled = steady if self.pooled is None else steady & self.pooled
        shrunk = moderate(self.own_variances, degrees, pooled)
        return SeedVariances(
            np.where(steady, shrunk.variances, self.own_variances),
            np.where(steady, shrunk.degrees, degrees),
            shrunk.together,
        )

    @cached_property
    def testable(self) -> Bools:
        """(..., M): whether the method's seeds say how far apart its seeds can be (:data:`LEAST_COLLAPSED_SEEDS`)."""
        return _is_testable(self.seeds, self.collapsed)

    @cached_property
    def image_variances(self) -> Floats:
        """(..., M) in points squared."""
        return np.asarray(np.diagonal(self.image_covariances, axis1=-2, axis2=-1))

    @cached_property
    def standard_errors(self) -> Floats:
        """(..., M) in points; over images alone where a method is not :attr:`testable`."""
        return np.sqrt(np.where(self.testable, self.moderated.variances / self.seeds, 0) + self.image_variances)

    def half_widths(self, level: float = LEVEL) -> Floats:
        """Half the width (..., M) of each mean's interval, in points; over images alone where it is not testable.

        The squares of the seeds' and of the images' half widths are added (Howe, JASA 1974), which holds where a sum
        of variances with Satterthwaite's degrees of freedom does not: seeds that agree by chance take no part away.
        """
        of_images = squared_half_width(level, self.images - 1, self.image_variances)
        steady = self.moderated.variances / self.seeds, np.maximum(self.moderated.degrees, 1)
        moderated = squared_half_width(level, steady[1], steady[0]) + of_images
        own_level, own = level * OWN_LEVEL / LEVEL, self.own_variances / self.seeds
        alone = squared_half_width(own_level, np.maximum(self.seeds - 1, 1), own) + squared_half_width(
            own_level, self.images - 1, self.image_variances
        )
        return np.sqrt(np.where(self.testable, np.maximum(moderated, alone), of_images))


def crossed_model(
    evidences: Sequence[Evidence], compared: Sequence[bool] | None = None, others: Sequence[Evidence] = ()
) -> CrossedModel:
    """The model of several methods, tested on the same images.

    Args:
        evidences: one a method.
        compared: whether each method's variance helps to say what a usual one is; None: all.
        others: methods that do nothing but that. They come last, without an effect of images.
    """
    everyone = [*evidences, *others]
    averaged = np.stack([e.averaged for e in evidences])
    covariances = np.zeros((len(everyone), len(everyone)))
    # what of seed and image together is taken from the images' variance here comes with the seeds' own, if that counts
    residuals = np.array([e.residual / e.seeds if e.is_testable else 0.0 for e in evidences])
    covariances[: len(evidences), : len(evidences)] = image_covariances(averaged, residuals)
    helps = [*([True] * len(evidences) if compared is None else compared), *[True] * len(others)]
    return CrossedModel(
        means=np.array([e.by_seed.mean() for e in everyone]),
        own_variances=np.array([e.by_seed.var(ddof=1) if e.seeds > 1 else 0.0 for e in everyone]),
        seeds=np.array([e.seeds for e in everyone]),
        image_covariances=covariances,
        images=averaged.shape[1],
        collapsed=np.array([e.collapsed for e in everyone]),
        pooled=np.array(helps),
    )


def image_covariances(averaged: Floats, residuals: Floats) -> Floats:
    """Covariances (..., M, M) of the methods' means from the choice of images, in points squared.

    Args:
        averaged: (..., M, N), the images' influences averaged over seeds.
        residuals: (..., M), R / S of each method: what remains of seed and image together.
    """
    images = averaged.shape[-1]
    if images < 2:
        return np.zeros((*averaged.shape[:-1], averaged.shape[-2]))
    covariances = averaged @ np.swapaxes(averaged, -1, -2) / (images - 1)
    places = np.arange(averaged.shape[-2])
    covariances[..., places, places] = np.maximum(covariances[..., places, places] - residuals, 0)
    return np.asarray(covariances / images)


def squared_half_width(level: float | Floats, degrees: Floats | Ints | int, variances: Floats) -> Floats:
    """The square of half the width of a t interval, in points squared; ``level`` is 1 less its coverage."""
    return np.asarray(special.stdtrit(degrees, np.asarray(level) / 2) ** 2 * variances)
