"""The probability of being the best: at its ends, and as often right as it says over drawn worlds."""

import numpy as np
import pytest

from dta_bench.report.statistics.best_of import probabilities_of_best
from dta_bench.report.statistics.crossed_model import CrossedModel


def model(means: np.ndarray, variances: np.ndarray, seeds: int = 3) -> CrossedModel:
    methods = len(means)
    return CrossedModel(
        means, variances, np.full(methods, seeds), np.full((methods, methods), 0.5), 1000, np.full(methods, False)
    )


def test_equal_means_give_each_the_same_probability() -> None:
    assert probabilities_of_best(model(np.full(5, 70.0), np.full(5, 4.0))) == pytest.approx(np.full(5, 0.2))


def test_one_far_above_the_others_is_the_best_for_sure() -> None:
    found = probabilities_of_best(model(np.array([70.0, 71.0, 95.0]), np.full(3, 1.0)))
    assert found[2] > 0.99


def test_they_add_up_to_one() -> None:
    found = probabilities_of_best(model(np.array([70.0, 74.0, 73.0, 60.0]), np.array([1.0, 4.0, 2.0, 9.0])))
    assert found.sum() == pytest.approx(1)


def test_what_is_called_the_best_with_a_probability_is_the_best_at_least_as_often() -> None:
    """Eight methods whose true scores spread by 2 points, three seeds that spread by 2: 1,500 worlds."""
    rng = np.random.default_rng(0)
    claimed, right = [], []
    for _ in range(1500):
        truth = rng.normal(70, 2, 8)
        scores = truth[:, None] + rng.normal(0, 2, (8, 3)) + rng.normal(0, np.sqrt(0.5))
        found = probabilities_of_best(model(scores.mean(axis=1), scores.var(axis=1, ddof=1)), draws=400)
        claimed.append(found.max())
        right.append(found.argmax() == truth.argmax())
    claims, hits = np.array(claimed), np.array(right)
    assert claims.mean() == pytest.approx(hits.mean(), abs=0.1)
    for low, high in ((0.2, 0.4), (0.4, 0.6), (0.6, 0.8)):
        group = (claims >= low) & (claims < high)
        assert claims[group].mean() < hits[group].mean() + 0.05


def test_a_singular_estimate_of_the_errors_still_gives_probabilities() -> None:
    covariances = np.array([[0.5, -1.0], [-1.0, 0.5]])
    of_two = CrossedModel(
        np.array([70.0, 72.0]), np.zeros(2), np.full(2, 2), covariances, 1000, np.full(2, False)
    )  # fmt: skip
    found = probabilities_of_best(of_two)
    assert found.sum() == pytest.approx(1)
    assert found[1] >= found[0]


@pytest.mark.filterwarnings("error")
def test_an_estimate_of_the_errors_that_is_no_covariance_gives_probabilities_without_a_warning() -> None:
    """Images whose estimated covariances are larger than their variances allow."""
    covariances = np.array([[0.5, 3.0, 0.1], [3.0, 0.5, 0.1], [0.1, 0.1, 0.5]])
    of_three = CrossedModel(
        np.array([60.0, 70.0, 80.0]), np.zeros(3), np.full(3, 2), covariances, 1000, np.full(3, False)
    )  # fmt: skip
    found = probabilities_of_best(of_three)
    assert found.sum() == pytest.approx(1)
    assert found.argmax() == 2
