"""Moderated variances against Bayes' rule by integration, against a known prior, and at the ends of what they do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from dta_bench.report.statistics.seed_variance import moderate, trigamma_inverse

ALL = np.array([True] * 6)


def of(variances: list[float], seeds: int, pooled: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    values = np.array(variances)
    mask = np.full(len(values), True) if pooled is None else pooled
    found = moderate(values, np.full(len(values), seeds - 1.0), mask)
    return found.variances, found.degrees


@given(st.floats(1e-3, 1e3))
def test_trigamma_inverse_is_the_inverse_of_trigamma(value: float) -> None:
    assert special.polygamma(1, trigamma_inverse(np.array([value]))) == pytest.approx([value], rel=1e-6)


def test_variances_that_differ_by_chance_alone_are_pooled() -> None:
    found, degrees = of([3.0, 4.0, 5.0, 4.0, 3.5, 4.5], seeds=3)
    assert found == pytest.approx(np.full(6, 4.0))
    assert degrees == pytest.approx(np.full(6, 12.0))


def test_variances_that_differ_by_more_are_drawn_together_and_keep_their_order() -> None:
    own = [0.01, 0.02, 30.0, 40.0, 0.03, 50.0]
    found, degrees = of(own, seeds=5)
    assert list(np.argsort(found)) == list(np.argsort(own))
    assert own[0] < found[0]
    assert found[5] < own[5]
    assert (degrees > 4).all()
    assert (degrees < 24).all()


def test_the_prior_that_made_the_variances_is_found_again() -> None:
    """Variances s0^2 F(d, d0), as Smyth's model draws them: his moments give back d0 = 6 and s0^2 = 4."""
    variances = 4.0 * stats.f.rvs(2, 6, size=20_000, random_state=np.random.default_rng(0))
    found = moderate(variances, np.full(20_000, 2.0), np.full(20_000, True))
    strength = found.degrees[0] - 2
    assert strength == pytest.approx(6, rel=0.1)
    assert (found.variances[0] * (strength + 2) - 2 * variances[0]) / strength == pytest.approx(4, rel=0.05)


def test_the_posterior_variance_is_that_of_bayes_rule() -> None:
    """1 / E[1 / sigma^2] of a scaled inverse chi-squared prior and a chi-squared sample variance, integrated."""
    variances = 4.0 * stats.f.rvs(3, 5, size=4000, random_state=np.random.default_rng(1))
    found = moderate(variances, np.full(4000, 3.0), np.full(4000, True))
    strength = found.degrees[0] - 3
    scale = (found.variances[0] * (strength + 3) - 3 * variances[0]) / strength

    def weight(precision: float) -> float:
        prior = stats.gamma.pdf(precision, strength / 2, scale=2 / (strength * scale))
        return float(prior * stats.gamma.pdf(variances[0], 1.5, scale=2 / (3 * precision)))

    top = integrate.quad(lambda tau: tau * weight(tau), 0, 50 / scale, limit=200)[0]
    bottom = integrate.quad(weight, 0, 50 / scale, limit=200)[0]
    assert found.variances[0] == pytest.approx(bottom / top, rel=1e-3)


def test_one_method_alone_keeps_its_own_variance_and_degrees_of_freedom() -> None:
    assert of([3.0], seeds=3) == (pytest.approx([3.0]), pytest.approx([2.0]))


def test_a_method_outside_of_the_pool_says_nothing_of_the_others() -> None:
    pooled = np.array([True, True, True, False])
    found, _ = of([4.0, 4.1, 3.9, 900.0], seeds=3, pooled=pooled)
    assert found[:3] == pytest.approx(np.full(3, 4.0))


def test_seeds_that_agree_to_the_last_image_have_the_others_variance() -> None:
    found, _ = of([0.0, 4.0, 5.0, 4.5], seeds=2)
    assert found[0] > 0
    assert np.isfinite(found).all()


def test_worlds_are_moderated_one_by_one() -> None:
    rng = np.random.default_rng(2)
    worlds = rng.chisquare(2, (50, 6)) * 2
    together = moderate(worlds, np.full(6, 2.0), np.full((50, 6), True))
    for world, variances in enumerate(worlds):
        alone = moderate(variances, np.full(6, 2.0), ALL)
        assert together.variances[world] == pytest.approx(alone.variances)
        assert together.degrees[world] == pytest.approx(alone.degrees)
