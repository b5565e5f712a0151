"""The prediction interval of one run: it holds the score of a further run on further images as often as it says."""

import numpy as np
import pytest
from scipy import stats

from dta_bench.report.statistics.crossed_model import crossed_model, evidence
from dta_bench.report.statistics.one_run import half_widths_of_one_run
from dta_bench.report.statistics.outcomes import Outcomes


def outcomes(values: np.ndarray) -> Outcomes:
    return Outcomes(np.asarray(values, dtype=float), np.zeros(np.shape(values)[1], np.int64))


def half_width(values: np.ndarray, images: int) -> float:
    found = evidence(outcomes(values), "accuracy")
    return float(half_widths_of_one_run(crossed_model([found]), np.array([found.residual]), images)[0])


def test_where_images_decide_nothing_it_is_the_prediction_interval_of_a_normal_sample() -> None:
    scores = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    expected = stats.t.isf(0.025, 4) * 100 * scores.std(ddof=1) * np.sqrt(1 + 1 / 5)
    assert half_width(np.repeat(scores[:, None], 60, axis=1), 60) == pytest.approx(expected)


def test_where_seeds_decide_nothing_it_is_that_of_a_mean_of_so_many_further_images() -> None:
    values = np.repeat(np.arange(400)[None] < 300, 3, axis=0)
    expected = stats.t.isf(0.025, 399) * 100 * values[0].std(ddof=1) * np.sqrt(1 / 400 + 1 / 50)
    assert half_width(values, 50) == pytest.approx(expected)


def test_fewer_images_make_it_wider_and_one_seed_has_none() -> None:
    values = np.random.default_rng(0).random((3, 200)) < 0.7
    assert half_width(values, 20) > half_width(values, 200) > half_width(values, 20_000)
    assert np.isnan(half_width(values[:1], 200))


@pytest.mark.parametrize(("seeds", "methods", "tested", "further"), [
    (2, 4, 300, 300), (3, 2, 200, 50), (3, 4, 150, 1000), (5, 1, 300, 30),
])  # fmt: skip
def test_it_holds_a_further_run_on_further_images_in_95_of_100_worlds(
    seeds: int, methods: int, tested: int, further: int
) -> None:
    """Images are of unequal difficulty, a seed moves all of them (standard deviation 3 points), and there is noise."""
    rng, worlds, held = np.random.default_rng(7), 300, 0
    for _ in range(worlds):
        hardness = rng.beta(3, 1.2, tested + further)
        rates = np.clip(hardness + rng.normal(0, 0.03, (methods, seeds + 1, 1)), 0, 1)
        right = rng.random((methods, seeds + 1, tested + further)) < rates
        known = [evidence(outcomes(right[m, :seeds, :tested]), "accuracy") for m in range(methods)]
        model = crossed_model(known)
        half = half_widths_of_one_run(model, np.array([one.residual for one in known]), further)[0]
        score = 100 * right[0, seeds, tested:].mean()
        held += abs(score - model.means[0]) <= half
    assert held / worlds > 0.95 - 3 * np.sqrt(0.95 * 0.05 / worlds)
