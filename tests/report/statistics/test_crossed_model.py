"""Intervals of the crossed model where one source of chance is absent, and its parts against closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from dta_bench.report.statistics.crossed_model import OWN_LEVEL, crossed_model, evidence, squared_half_width
from dta_bench.report.statistics.outcomes import Outcomes


def outcomes(values: np.ndarray) -> Outcomes:
    return Outcomes(np.asarray(values, dtype=float), np.zeros(np.shape(values)[1], np.int64))


def crossed(seeds: int, images: int, seed: int, spread: float = 0.0) -> Outcomes:
    rng = np.random.default_rng(seed)
    rates = np.clip(0.7 + spread * rng.standard_normal(seeds), 0, 1)
    return outcomes(rng.random((seeds, images)) < rates[:, None])


def test_the_interval_of_one_seed_is_the_t_interval_over_images() -> None:
    values = np.arange(400)[None] < 300
    model = crossed_model([evidence(outcomes(values), "accuracy")])
    expected = stats.t.isf(0.025, 399) * stats.sem(100.0 * values[0])
    assert model.half_widths() == pytest.approx([expected])


def test_where_images_decide_nothing_the_interval_is_the_t_interval_over_seeds() -> None:
    scores = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    model = crossed_model([evidence(outcomes(np.repeat(scores[:, None], 60, axis=1)), "accuracy")])
    assert model.half_widths() == pytest.approx([stats.t.isf(0.025, 4) * stats.sem(100 * scores)])
    assert model.standard_errors == pytest.approx([stats.sem(100 * scores)])


def test_images_are_shared_by_seeds_so_equal_seeds_narrow_nothing() -> None:
    values = np.arange(400)[None] < 300
    one, three = (evidence(outcomes(np.repeat(values, n, axis=0)), "accuracy") for n in (1, 3))
    assert crossed_model([three]).half_widths() == pytest.approx(crossed_model([one]).half_widths())


def test_what_seed_and_image_decide_together_is_counted_once() -> None:
    """Right or wrong by a coin each time: the variance of the mean is p (1 - p) / (S N), not twice it."""
    claimed = [
        crossed_model([evidence(crossed(4, 300, seed), "accuracy")]).standard_errors[0] ** 2 for seed in range(300)
    ]
    assert np.mean(claimed) == pytest.approx(100**2 * 0.7 * 0.3 / 1200, rel=0.15)


def test_a_collapsed_method_has_its_own_variance_and_does_not_widen_the_others() -> None:
    steady = [evidence(crossed(3, 300, seed, 0.02), "accuracy") for seed in range(4)]
    lost = np.arange(300)[None] < np.array([[210], [200], [30]])
    broken = evidence(outcomes(lost), "accuracy", collapsed=1)
    alone = crossed_model(steady).half_widths()
    model = crossed_model([*steady, broken])
    assert model.half_widths()[:4] == pytest.approx(alone)
    assert model.half_widths()[4] > stats.t.isf(0.025, 2) * stats.sem(broken.by_seed) * 0.99
    assert model.means[4] == pytest.approx(broken.by_seed.mean())


def test_no_interval_is_shorter_than_what_a_methods_own_seeds_show_at_their_own_level() -> None:
    calm = [evidence(crossed(3, 20_000, seed), "accuracy") for seed in range(9)]
    wild = evidence(outcomes(np.arange(20_000)[None] < np.array([[15_000], [13_000], [16_000]])), "accuracy")
    own = stats.t.isf(OWN_LEVEL / 2, 2) * stats.sem(wild.by_seed)
    assert crossed_model([*calm, wild]).half_widths()[-1] >= own


def test_others_that_only_lend_their_variance_change_no_mean_and_no_image() -> None:
    evidences = [evidence(crossed(3, 300, seed, 0.03), "accuracy") for seed in range(5)]
    whole, lent = crossed_model(evidences), crossed_model(evidences[:2], others=evidences[2:])
    assert lent.half_widths()[:2] == pytest.approx(whole.half_widths()[:2])
    assert lent.standard_errors[:2] == pytest.approx(whole.standard_errors[:2])


@given(st.integers(2, 5), st.integers(1, 4), st.integers(2, 60), st.integers(0, 200))
def test_a_higher_coverage_never_has_a_narrower_interval(methods: int, seeds: int, images: int, seed: int) -> None:
    model = crossed_model([evidence(crossed(seeds, images, seed + m, 0.1), "accuracy") for m in range(methods)])
    assert (model.half_widths(0.01) >= model.half_widths(0.05)).all()
    assert np.isfinite(model.half_widths(0.05)).all()


def test_half_of_a_width_is_by_the_quantile_of_scipy_stats_to_the_last_digit() -> None:
    degrees = np.array([0.5, 1, 2, 7.25, 399, 1e9, np.inf, 0, np.nan])
    for level in (0.05, 0.01, 0.05 / 630, 1.0):
        expected = stats.t.isf(level / 2, degrees) ** 2 * 3.0
        assert squared_half_width(level, degrees, np.full(9, 3.0)).tobytes() == expected.tobytes()
    assert -special.ndtri(0.025) == stats.norm.isf(0.025)


def test_the_interval_of_two_collapsed_runs_is_that_of_their_mean_over_test_images() -> None:
    """Each names one class of three, another one: their own spread is 0, and the images still decide their mean."""
    first, second = np.arange(27) < 9, (np.arange(27) >= 9) & (np.arange(27) < 18)
    model = crossed_model([evidence(outcomes(np.stack([first, second])), "accuracy", collapsed=2)])
    mean_of_both = 50.0 * (first + second.astype(float))
    assert model.half_widths() == pytest.approx([stats.t.isf(0.025, 26) * stats.sem(mean_of_both)])
