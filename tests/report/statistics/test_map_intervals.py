"""Intervals of a mean IoU against images drawn one by one, and against a case with a known answer."""

import numpy as np
import pytest

from dta_bench.evaluation import metrics
from dta_bench.report.statistics.intervals import interval, minus, score, standard_error
from dta_bench.report.statistics.map_intervals import MapOutcomes, counts

CLASSES = ["a", "b", "c"]
METRICS = ("accuracy", "mean_class_accuracy", "miou")


def confusions(seeds: int, images: int, seed: int = 0) -> np.ndarray:
    """(seeds, images, 3, 3): images differ in size and difficulty, seeds a little."""
    rng = np.random.default_rng(seed)
    rates = rng.uniform(0.3, 0.95, (1, images, 3, 1)) + 0.02 * rng.standard_normal((seeds, 1, 1, 1))
    sizes = rng.integers(20, 400, (1, images, 3, 1))
    right = np.eye(3) * rates + (1 - np.eye(3)) * (1 - rates) / 2
    return np.round(sizes * right).astype(np.int32)


def outcomes(found: np.ndarray) -> MapOutcomes:
    return MapOutcomes(np.stack([counts(one) for one in found]))


@pytest.mark.parametrize("metric", METRICS)
def test_the_score_is_that_of_each_seeds_summed_matrix(metric: str) -> None:
    found = confusions(3, 20)
    by_seed = [metrics.scores(one.sum(axis=0), CLASSES, segmentation=True).means()[metric] for one in found]
    assert score(outcomes(found), metric) == pytest.approx(np.mean(by_seed))


@pytest.mark.parametrize("metric", METRICS)
def test_the_interval_is_that_of_sets_drawn_image_by_image(metric: str) -> None:
    found, rng = confusions(3, 30), np.random.default_rng(7)
    drawn = []
    for _ in range(1500):
        images, seeds = rng.integers(30, size=30), rng.integers(3, size=3)
        each = [metrics.scores(found[s][images].sum(axis=0), CLASSES, segmentation=True) for s in seeds]
        drawn.append(np.mean([one.means()[metric] for one in each]))
    assert interval(outcomes(found), metric) == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))), abs=0.35)


def test_the_standard_error_of_one_seed_is_the_spread_of_new_sets_of_images() -> None:
    """Many test sets from one population: the spread of their mIoU is what a single set's standard error estimates."""
    population, rng = confusions(1, 4000), np.random.default_rng(3)
    sets = [outcomes(population[:, rng.integers(4000, size=80)]) for _ in range(200)]
    spread = np.std([score(one, "miou") for one in sets])
    assert np.mean([standard_error(one, "miou") for one in sets[:40]]) == pytest.approx(spread, rel=0.15)


def test_a_method_less_itself_is_nothing_for_sure() -> None:
    one = outcomes(confusions(3, 20))
    same = minus(one, one)
    assert score(same, "miou") == 0
    assert standard_error(same, "miou") == 0
    assert interval(same, "miou") == (0, 0)


def test_pairing_by_image_narrows_a_difference() -> None:
    hard = confusions(3, 40)
    better = hard.copy()
    better[..., 0, 1] = better[..., 0, 1] * 9 // 10
    paired = standard_error(minus(outcomes(better), outcomes(hard)), "miou")
    assert paired < standard_error(outcomes(hard), "miou") / 3


def test_a_class_that_a_set_does_not_have_is_left_out_of_its_mean() -> None:
    found = np.zeros((1, 2, 3, 3), dtype=np.int32)
    found[0, :, 0, 0], found[0, :, 1, 0], found[0, :, 1, 1] = 10, 5, 5
    assert score(outcomes(found), "miou") == pytest.approx(100 * (10 / 15 + 5 / 10) / 2)
