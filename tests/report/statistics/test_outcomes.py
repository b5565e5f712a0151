"""Scores and influences of images, against scores without each image and against the evaluation's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.evaluation import metrics
from dta_bench.report.statistics.map_outcomes import MapOutcomes, counts
from dta_bench.report.statistics.outcomes import Outcomes, influences, scores_by_seed

CLASSES = ["a", "b", "c"]
METRICS = ("accuracy", "mean_class_accuracy", "miou")


def drawn(seeds: int, images: int, seed: int = 0) -> Outcomes:
    rng = np.random.default_rng(seed)
    values = rng.random((seeds, images)) < rng.uniform(0.5, 0.9, (seeds, 1))
    return Outcomes(values.astype(np.int8), rng.integers(4, size=images))


def confusions(seeds: int, images: int, seed: int = 0) -> np.ndarray:
    """(seeds, images, 3, 3): images differ in size and difficulty, seeds a little."""
    rng = np.random.default_rng(seed)
    rates = rng.uniform(0.3, 0.95, (1, images, 3, 1)) + 0.02 * rng.standard_normal((seeds, 1, 1, 1))
    sizes = rng.integers(20, 400, (1, images, 3, 1))
    right = np.eye(3) * rates + (1 - np.eye(3)) * (1 - rates) / 2
    return np.round(sizes * right).astype(np.int32)


def maps(found: np.ndarray) -> MapOutcomes:
    return MapOutcomes(np.stack([counts(one) for one in found]))


def test_accuracy_is_the_share_of_right_predictions_of_each_seed() -> None:
    outcomes = drawn(3, 50)
    assert scores_by_seed(outcomes, "accuracy") == pytest.approx(100 * outcomes.values.mean(axis=1))


def test_the_class_mean_weighs_classes_alike_and_leaves_out_an_absent_one() -> None:
    labels = np.array([0] * 90 + [3] * 10)
    outcomes = Outcomes((labels == 0).astype(np.int8)[None], labels)
    assert scores_by_seed(outcomes, "mean_class_accuracy") == pytest.approx([50])


@pytest.mark.parametrize("metric", METRICS)
def test_a_score_of_label_maps_is_that_of_each_seeds_summed_matrix(metric: str) -> None:
    found = confusions(3, 20)
    by_seed = [metrics.scores(one.sum(axis=0), CLASSES, segmentation=True).means()[metric] for one in found]
    assert scores_by_seed(maps(found), metric) == pytest.approx(by_seed)


def test_a_class_that_no_label_map_has_is_left_out_of_the_mean_iou() -> None:
    found = np.zeros((1, 2, 3, 3), dtype=np.int32)
    found[0, :, 0, 0], found[0, :, 1, 0], found[0, :, 1, 1] = 10, 5, 5
    assert scores_by_seed(maps(found), "miou") == pytest.approx([100 * (10 / 15 + 5 / 10) / 2])


@pytest.mark.parametrize("metric", METRICS)
def test_an_influence_is_what_the_score_lacks_without_the_label_map(metric: str) -> None:
    found = confusions(2, 8)
    without = np.array(
        [[scores_by_seed(maps(np.delete(found[s : s + 1], i, axis=1)), metric)[0] for i in range(8)] for s in range(2)]
    )
    expected = 7 * (without.mean(axis=1, keepdims=True) - without)
    assert influences(maps(found), metric) == pytest.approx(expected)


def test_an_influence_on_accuracy_is_the_deviation_from_it() -> None:
    outcomes = drawn(2, 30)
    expected = 100 * outcomes.values - scores_by_seed(outcomes, "accuracy")[:, None]
    assert influences(outcomes, "accuracy") == pytest.approx(expected)


@given(st.integers(1, 4), st.integers(2, 40), st.integers(0, 99), st.sampled_from(METRICS[:2]))
def test_influences_add_up_to_nothing(seeds: int, images: int, seed: int, metric: str) -> None:
    assert influences(drawn(seeds, images, seed), metric).sum(axis=1) == pytest.approx(np.zeros(seeds), abs=1e-8)


@pytest.mark.parametrize("metric", METRICS[:2])
def test_their_variance_is_that_of_the_score_over_new_images(metric: str) -> None:
    """Many test sets from one population: the spread of their scores is what one set's influences estimate."""
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(4), [4000, 2000, 1500, 500])
    population = Outcomes((rng.random((1, 8000)) < np.array([0.9, 0.7, 0.5, 0.3])[labels]).astype(np.int8), labels)
    rows = rng.integers(8000, size=(600, 400))
    sets = [Outcomes(population.values[:, chosen], labels[chosen]) for chosen in rows]
    seen = np.var([scores_by_seed(one, metric)[0] for one in sets])
    assert np.mean([influences(one, metric).var() / 400 for one in sets]) == pytest.approx(seen, rel=0.15)


def test_the_same_holds_of_the_mean_iou_of_label_maps() -> None:
    population, rng = confusions(1, 4000), np.random.default_rng(3)
    sets = [maps(population[:, rng.integers(4000, size=80)]) for _ in range(400)]
    seen = np.var([scores_by_seed(one, "miou")[0] for one in sets])
    assert np.mean([influences(one, "miou").var() / 80 for one in sets]) == pytest.approx(seen, rel=0.2)


def test_influences_of_twenty_thousand_label_maps_need_no_square_of_their_number() -> None:
    found = MapOutcomes(np.random.default_rng(0).uniform(1, 9, (1, 3, 20_000, 4)))
    assert influences(found, "miou").shape == (1, 20_000)  # a square matrix of them would take 3 GB
