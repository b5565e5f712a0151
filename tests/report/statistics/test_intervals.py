"""Intervals and standard errors against closed forms, brute force and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dta_bench.report.statistics.intervals import Outcomes, _groups, interval, score, standard_error

METRICS = ("accuracy", "mean_class_accuracy")


def one_seed(right: int, images: int) -> Outcomes:
    values = np.zeros((1, images))
    values[0, :right] = 1
    return Outcomes(values, np.zeros(images, np.int64))


def crossed(seeds: int, images: int, rng: np.random.Generator, spread: float = 0.0) -> Outcomes:
    """Seeds differ in their rate of success; images are alike."""
    rates = np.clip(0.7 + spread * rng.standard_normal(seeds), 0, 1)
    values = rng.random((seeds, images)) < rates[:, None]
    return Outcomes(values.astype(float), rng.integers(4, size=images))


def test_one_seeds_interval_is_the_binomial_one() -> None:
    low, high = interval(one_seed(300, 400), "accuracy", draws=20_000)
    expected = 100 * stats.binom.ppf([0.025, 0.975], 400, 0.75) / 400
    assert (low, high) == pytest.approx(tuple(expected), abs=0.3)


def test_one_seeds_standard_error_is_that_of_a_share() -> None:
    expected = 100 * np.sqrt(0.75 * 0.25 / 399)
    assert standard_error(one_seed(300, 400), "accuracy") == pytest.approx(expected)


def test_images_are_shared_by_seeds_so_equal_seeds_narrow_nothing() -> None:
    one = one_seed(300, 400)
    three = Outcomes(np.repeat(one.values, 3, axis=0), one.labels)
    assert interval(three, "accuracy") == interval(one, "accuracy")
    assert standard_error(three, "accuracy") == pytest.approx(standard_error(one, "accuracy"))


def test_where_images_decide_nothing_the_standard_error_is_that_of_the_seeds() -> None:
    values = np.repeat(np.array([[0.0], [1.0], [1.0], [0.0]]), 50, axis=1)
    outcomes = Outcomes(values, np.zeros(50, np.int64))
    assert standard_error(outcomes, "accuracy") == pytest.approx(stats.sem([0, 100, 100, 0]))


@pytest.mark.parametrize("metric", METRICS)
def test_drawing_groups_is_drawing_images_one_by_one(metric: str) -> None:
    outcomes = crossed(3, 60, np.random.default_rng(1), spread=0.1)
    rng = np.random.default_rng(2)
    drawn = []
    for _ in range(10_000):
        seeds, images = rng.integers(3, size=3), rng.integers(60, size=60)
        drawn.append(score(Outcomes(outcomes.values[np.ix_(seeds, images)], outcomes.labels[images]), metric))
    expected = np.quantile(drawn, (0.025, 0.975))
    assert interval(outcomes, metric, draws=20_000) == pytest.approx(tuple(expected), abs=0.8)


@pytest.mark.parametrize("metric", METRICS)
def test_the_standard_error_is_the_spread_of_repeated_experiments(metric: str) -> None:
    rng = np.random.default_rng(3)
    found = [crossed(8, 120, rng, spread=0.05) for _ in range(400)]
    truth = np.std([score(one, metric) for one in found])
    claimed = np.sqrt(np.mean([standard_error(one, metric) ** 2 for one in found]))
    # Never too small; too large by what seed and image decide together, at most a factor of sqrt(2).
    assert 0.95 * truth < claimed < 1.5 * truth


def test_class_mean_weighs_classes_alike() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    outcomes = Outcomes((labels == 0).astype(float)[None], labels)
    assert score(outcomes, "accuracy") == pytest.approx(90)
    assert score(outcomes, "mean_class_accuracy") == pytest.approx(50)


def test_an_absent_class_is_left_out_of_the_class_mean() -> None:
    labels = np.array([0, 0, 3, 3])
    assert score(Outcomes(np.array([[1.0, 1, 0, 1]]), labels), "mean_class_accuracy") == pytest.approx(75)


def test_pairing_removes_what_two_methods_share() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(4, size=500)
    hard = rng.random(500) < 0.4
    one = Outcomes(np.where(hard, 0.0, 1.0)[None], labels)
    other = Outcomes(np.where(hard | (rng.random(500) < 0.05), 0.0, 1.0)[None], labels)
    alone = np.hypot(standard_error(one, "accuracy"), standard_error(other, "accuracy"))
    assert standard_error(one.minus(other), "accuracy") < alone / 3


@given(st.integers(1, 4), st.integers(2, 40), st.integers(0, 100), st.sampled_from(METRICS))
def test_the_interval_is_ordered_within_0_to_100_and_the_same_each_time(
    seeds: int, images: int, seed: int, metric: str
) -> None:
    outcomes = crossed(seeds, images, np.random.default_rng(seed), spread=0.2)
    low, high = interval(outcomes, metric, draws=200)
    assert 0 <= low <= high <= 100
    assert interval(outcomes, metric, draws=200) == (low, high)


def test_accuracy_does_not_know_of_classes_and_the_class_mean_does() -> None:
    mixed = crossed(2, 200, np.random.default_rng(5), spread=0.1)
    sorted_out = Outcomes(mixed.values, np.sort(mixed.labels))
    assert interval(mixed, "accuracy") == interval(sorted_out, "accuracy")
    assert interval(mixed, "mean_class_accuracy") != interval(sorted_out, "mean_class_accuracy")


@given(st.integers(1, 3), st.integers(2, 40), st.integers(0, 2**31 - 1), st.sampled_from(METRICS))
def test_a_metric_of_all_groups_is_that_of_all_images(seeds: int, images: int, seed: int, metric: str) -> None:
    outcomes = crossed(seeds, images, np.random.default_rng(seed), spread=0.2)
    patterns, labels, counts = _groups(outcomes, metric)
    one_by_one = Outcomes(np.repeat(patterns, counts, axis=1), np.repeat(labels, counts))
    assert counts.sum() == images
    assert score(one_by_one, metric) == pytest.approx(score(outcomes, metric))
