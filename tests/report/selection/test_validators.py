"""Rules that need features or mixed images: published definitions, each against another way of computing it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm
from sklearn.metrics import adjusted_mutual_info_score

from dta_bench.report.selection import validators

RNG = np.random.default_rng(0)
CENTRES = 10 * np.eye(4)[:, :4]
TRUE = np.arange(200) % 4
CLUSTERS = (CENTRES[TRUE] + RNG.normal(size=(200, 4))).astype(np.float32)


def test_class_ami_of_clear_clusters_is_that_of_the_labels_themselves() -> None:
    guesses = np.where(RNG.random(200) < 0.7, TRUE, RNG.integers(0, 4, 200))
    assert validators.class_ami(CLUSTERS, TRUE, 4) == pytest.approx(1)
    expected = adjusted_mutual_info_score(TRUE, guesses)
    assert validators.class_ami(CLUSTERS, guesses, 4) == pytest.approx(expected)


def test_class_ami_does_not_care_for_names_or_lengths() -> None:
    assert validators.class_ami(3 * CLUSTERS, (TRUE + 1) % 4, 4) == pytest.approx(1)
    assert abs(validators.class_ami(CLUSTERS, RNG.permutation(TRUE), 4)) < 0.05  # adjusted for chance


def test_class_ami_hardly_depends_on_the_start_of_k_means(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blurred clusters, as features of a half-trained network are: less spread over starts than a single one."""
    rng = np.random.default_rng(1)
    truth = np.arange(300) % 10
    features = (np.eye(10)[truth] + rng.normal(0, 0.45, (300, 10))).astype(np.float32)
    guesses = np.where(rng.random(300) < 0.6, truth, rng.integers(0, 10, 300))

    def spread(clusterings: int) -> float:
        monkeypatch.setattr(validators, "CLUSTERINGS", clusterings)
        orders = (np.random.default_rng(order).permutation(300) for order in range(4))  # of the images: other starts
        return float(np.std([validators.class_ami(features[order], guesses[order], 10) for order in orders]))

    assert spread(validators.CLUSTERINGS) < 0.6 * spread(1)


def test_the_density_ratio_of_two_normals_is_recovered() -> None:
    source, target = RNG.normal(0, 1, (20000, 1)), RNG.normal(0.5, 1, (10000, 1))
    at = np.linspace(-1.5, 2, 9)[:, None]
    expected = norm.pdf(at, 0.5) / norm.pdf(at)
    np.testing.assert_allclose(validators.density_ratio(source, target, at), expected[:, 0], rtol=0.1)


def test_dev_is_the_regression_of_weighted_losses_read_where_weights_are_one() -> None:
    weights, losses = RNG.gamma(2, 0.5, 300), RNG.exponential(size=300)
    slope, intercept = np.polyfit(weights, weights * losses, 1)
    assert validators.deep_embedded_validation(weights, losses) == pytest.approx(intercept + slope)


def test_dev_of_equal_weights_is_the_mean_loss() -> None:
    losses = RNG.exponential(size=50)
    assert validators.deep_embedded_validation(np.ones(50), losses) == pytest.approx(losses.mean())


def test_dev_sees_a_risk_that_source_validation_does_not() -> None:
    """Source N(0,1), target N(1,1), loss x squared: risk 1 on the source, 2 on the target."""
    x = RNG.normal(0, 1, 40000)
    weights = norm.pdf(x, 1) / norm.pdf(x)
    assert validators.deep_embedded_validation(weights, x**2) == pytest.approx(2, abs=0.15)


@given(arrays(np.float64, (5, 3), elements=st.floats(-20, 20)))
def test_cross_entropies_are_minus_the_log_of_the_probability_of_the_label(logits: np.ndarray) -> None:
    labels = np.array([0, 1, 2, 0, 1])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(validators.cross_entropies(logits, labels), -np.log(p[range(5), labels]), atol=1e-6)


def test_consistency_is_the_share_of_mixes_that_keep_the_larger_part() -> None:
    logits = np.eye(3)[[0, 1, 2, 2]]
    assert validators.interpolation_consistency(logits, np.array([0, 1, 2, 0])) == 0.75


def test_mean_rank_shares_equal_places() -> None:
    assert validators.mean_rank([3.0, 1.0, 2.0], [5.0, 5.0, 1.0]) == [-1.25, -2.25, -2.5]
