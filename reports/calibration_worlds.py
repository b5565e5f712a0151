"""Simulated worlds of which the truth is known: methods, seeds and test images as the report's statistics suppose.

Image i is hard by u_i for all methods and by w_mi for one; seed s moves method m's expected score by some points.
The probability that the image is predicted right is expit(u_i + w_mi + class + shift), with the shift at which the
expected score over all images of the target is exactly the seed's. So the truth is the generating model's, not the
drawn test set's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dta_bench.report.statistics.crossed_model import CrossedModel, image_covariances
from dta_bench.report.statistics.map_outcomes import MapOutcomes
from dta_bench.report.statistics.outcomes import Outcomes, influences, scores_by_seed

Floats = NDArray[np.float64]

CLASSES = 10
FREQUENCIES = np.linspace(1, 3, CLASSES) / np.linspace(1, 3, CLASSES).sum()
CLASS_SHIFTS = np.linspace(1.2, -1.2, CLASSES)[[3, 7, 0, 9, 5, 1, 8, 2, 6, 4]]
SHARED_SPREAD, OWN_SPREAD = 1.5, 0.7
"""Standard deviations of u and w."""
EXPECTED = {"accuracy": 75.0, "mean_class_accuracy": 75.0, "miou": 60.0}
COLLAPSED_SCORE, COLLAPSES = 10.0, 0.1
SPREADS = ("equal", "half", "one", "t3", "collapse")
POPULATION = 20_000
MAP_CLASSES, PIXELS = 5, 400.0


@dataclass(frozen=True)
class Cell:
    """One cell of the grid; ``spread`` is the standard deviation between seeds in points, where it is equal."""

    metric: str
    kind: str
    spread: float
    seeds: int
    images: int
    methods: int

    @property
    def spreads(self) -> Floats:
        """The standard deviation between the seeds of each method (M,), in points."""
        places = np.arange(self.methods)
        if self.kind == "half":
            return np.where(places % 2 == 0, 4.0, 1.0)
        if self.kind == "one":
            return np.where(places == 0, 8.0, 2.0)
        return np.full(self.methods, self.spread)

    @property
    def truth(self) -> float:
        """The expected score of every method, in percent."""
        expected = EXPECTED[self.metric]
        return (1 - COLLAPSES) * expected + COLLAPSES * COLLAPSED_SCORE if self.kind == "collapse" else expected


def models(cell: Cell, worlds: int, rng: np.random.Generator, in_full: bool | None = None) -> Iterator[CrossedModel]:
    """Models of many worlds, in batches.

    Args:
        in_full: whether every prediction is drawn; None: up to 1,000 images. Otherwise the scores are drawn with the
            covariances that many images give them.
    """
    if in_full is None:
        in_full = cell.images <= 1000
    batch = max(1, min(worlds, 2_000_000 // (cell.methods * cell.seeds * (cell.images if in_full else 1))))
    for start in range(0, worlds, batch):
        count = min(batch, worlds - start)
        expected, collapsed = seed_scores(cell, count, rng)
        yield (_in_full if in_full else _from_covariances)(cell, expected, collapsed, rng)


def models_of(cell: Cell, expected: Floats, rng: np.random.Generator) -> CrossedModel:
    """Models of worlds whose expected scores by seed (W, M, S) are known already; images as :func:`models` has them."""
    draw = _in_full if cell.images <= 1000 else _from_covariances
    return draw(cell, expected, np.zeros(expected.shape, dtype=bool), rng)


def world_of(model: CrossedModel, world: int) -> CrossedModel:
    """One world of a model of many."""
    names = ("means", "own_variances", "image_covariances", "collapsed")
    return dataclasses.replace(model, **{name: getattr(model, name)[world] for name in names})


def seed_scores(cell: Cell, worlds: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """The expected score (W, M, S) of each seed in percent, and whether its run has collapsed."""
    shape = (worlds, cell.methods, cell.seeds)
    effects = rng.standard_t(3, shape) / np.sqrt(3) if cell.kind == "t3" else rng.standard_normal(shape)
    scores = EXPECTED[cell.metric] + cell.spreads[:, None] * effects
    collapsed = rng.random(shape) < COLLAPSES if cell.kind == "collapse" else np.zeros(shape, dtype=bool)
    return np.where(collapsed, COLLAPSED_SCORE, scores), collapsed


def _in_full(cell: Cell, expected: Floats, collapsed: NDArray[np.bool_], rng: np.random.Generator) -> CrossedModel:
    worlds = len(expected)
    by_seed, covariances = np.empty(expected.shape), np.empty((worlds, cell.methods, cell.methods))
    shifts = _shifts(cell.metric, expected)
    for world in range(worlds):
        drawn = _maps(cell, shifts[world], rng) if cell.metric == "miou" else _images(cell, shifts[world], rng)
        by_seed[world] = scores_by_seed(drawn, cell.metric).reshape(cell.methods, cell.seeds)
        values = influences(drawn, cell.metric).reshape(cell.methods, cell.seeds, cell.images)
        averaged = values.mean(axis=1)
        free = max((cell.seeds - 1) * (cell.images - 1), 1)
        residuals = ((values - averaged[:, None]) ** 2).sum(axis=(1, 2)) / free
        covariances[world] = image_covariances(averaged, residuals / cell.seeds)
    return _model(cell, by_seed, covariances, collapsed)


def _from_covariances(
    cell: Cell, expected: Floats, collapsed: NDArray[np.bool_], rng: np.random.Generator
) -> CrossedModel:
    """Scores drawn as sums of many images' parts; the model knows their covariances as it would from many images."""
    worlds = len(expected)
    own, shared, residual = _image_variances(cell.metric)
    covariance = (np.full((cell.methods, cell.methods), shared) + np.eye(cell.methods) * (own - shared)) / cell.images
    of_images = rng.multivariate_normal(np.zeros(cell.methods), covariance, worlds, method="cholesky")
    together = np.sqrt(residual / cell.images) * rng.standard_normal(expected.shape)
    by_seed = expected + np.where(collapsed, 0, of_images[..., None] + together)
    return _model(cell, by_seed, np.broadcast_to(covariance, (worlds, *covariance.shape)), collapsed)


def _model(cell: Cell, by_seed: Floats, covariances: Floats, collapsed: NDArray[np.bool_]) -> CrossedModel:
    return CrossedModel(
        means=by_seed.mean(axis=-1),
        own_variances=by_seed.var(axis=-1, ddof=1) if cell.seeds > 1 else np.zeros(by_seed.shape[:-1]),
        seeds=np.full(cell.methods, cell.seeds),
        image_covariances=covariances,
        images=cell.images,
        collapsed=collapsed.sum(axis=-1),
    )


def _images(cell: Cell, shifts: Floats, rng: np.random.Generator) -> Outcomes:
    """Predictions of every method and seed, (M * S, images)."""
    labels = rng.choice(CLASSES, cell.images, p=FREQUENCIES)
    shared = SHARED_SPREAD * rng.standard_normal(cell.images) + CLASS_SHIFTS[labels]
    own = OWN_SPREAD * rng.standard_normal((cell.methods, 1, cell.images))
    right = rng.random((cell.methods, cell.seeds, cell.images)) < special.expit(shared + own + shifts[..., None])
    return Outcomes(right.reshape(-1, cell.images).astype(np.int8), labels)


def _maps(cell: Cell, shifts: Floats, rng: np.random.Generator) -> MapOutcomes:
    """Pixel counts of every method and seed, (M * S, 3, images, K)."""
    hard, truth = _label_maps(cell.images, cell.methods, rng)
    share = special.expit(hard[:, None] + shifts[..., None, None])
    return MapOutcomes(_pixel_counts(share.reshape(-1, cell.images, MAP_CLASSES), truth))


def _label_maps(images: int, methods: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """How hard each class of each image is for each method (M, N, K), and its true pixels (N, K)."""
    truth = PIXELS * rng.dirichlet(np.linspace(0.4, 2.0, MAP_CLASSES), images)
    shared = SHARED_SPREAD * rng.standard_normal((images, MAP_CLASSES)) + np.linspace(-0.8, 0.8, MAP_CLASSES)
    return shared + OWN_SPREAD * rng.standard_normal((methods, images, MAP_CLASSES)), truth


def _pixel_counts(share: Floats, truth: Floats) -> Floats:
    """(runs, 3, N, K) of the share of pixels that is right; those that are wrong are given to all other classes."""
    right = share * truth
    wrong = truth - right
    guess = right + (wrong.sum(axis=-1, keepdims=True) - wrong) / (MAP_CLASSES - 1)
    return np.stack([right, np.broadcast_to(truth, right.shape), guess], axis=1)


def _shifts(metric: str, scores: Floats) -> Floats:
    """The shift at which the expected score over the whole target is the one given."""
    shifts, expected = _expected_scores(metric)
    return np.interp(scores, expected, shifts)


@cache
def _expected_scores(metric: str) -> tuple[Floats, Floats]:
    """Shifts, and the expected score over the whole target at each, in percent."""
    rng, shifts = np.random.default_rng(12), np.linspace(-9, 9, 181)
    if metric == "miou":
        hard, truth = _label_maps(POPULATION, 1, rng)
        counts = [_pixel_counts(special.expit(hard + shift), truth) for shift in shifts]
        return shifts, np.array([scores_by_seed(MapOutcomes(one), metric)[0] for one in counts])
    by_class = _by_class(shifts)
    weights = FREQUENCIES if metric == "accuracy" else np.full(CLASSES, 1 / CLASSES)
    return shifts, 100 * by_class @ weights


def _by_class(shifts: Floats) -> Floats:
    """Probability (shifts, K) that an image of a class is predicted right, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    spread = np.hypot(SHARED_SPREAD, OWN_SPREAD)
    right = special.expit(spread * nodes + CLASS_SHIFTS[:, None] + np.asarray(shifts)[:, None, None])
    return np.asarray(right @ weights / weights.sum())


@cache
def _image_variances(metric: str) -> tuple[float, float, float]:
    """Of one image's influence in percent squared: variance, covariance of two methods, and residual with the seed."""
    shift = float(_shifts(metric, np.array(EXPECTED[metric])))
    rng = np.random.default_rng(13)
    shared = SHARED_SPREAD * rng.standard_normal((1, CLASSES, 400_000)) + CLASS_SHIFTS[:, None]
    rates = special.expit(shared + OWN_SPREAD * rng.standard_normal((2, CLASSES, 400_000)) + shift)
    if metric == "accuracy":
        weights, centre = FREQUENCIES, (FREQUENCIES[:, None] * rates.mean(axis=2, keepdims=True)[0]).sum()
        centres = np.full((CLASSES, 1), centre)
    else:
        weights, centres = 1 / (CLASSES**2 * FREQUENCIES), rates.mean(axis=2)[0][:, None]
    first, second = rates - centres
    parts = (first**2, first * second, rates[0] * (1 - rates[0]))
    own, both, residual = (100**2 * float(weights @ part.mean(axis=1)) for part in parts)
    return own, both, residual


def image_standard_error(cell: Cell) -> float:
    """The part of a mean score's true standard error that images give, in points; not known in closed form of maps."""
    if cell.metric == "miou":
        return _map_standard_error(cell.images)
    own, _, residual = _image_variances(cell.metric)
    return float(np.sqrt((own + residual / cell.seeds) / cell.images))


@cache
def _map_standard_error(images: int) -> float:
    """The standard deviation of mean IoU over drawn sets of label maps at the expected score, by simulation."""
    rng, shift = np.random.default_rng(14), float(_shifts("miou", np.array(EXPECTED["miou"])))
    scores = []
    for _ in range(500):
        hard, truth = _label_maps(images, 1, rng)
        scores.append(scores_by_seed(MapOutcomes(_pixel_counts(special.expit(hard + shift), truth)), "miou")[0])
    return float(np.std(scores))
