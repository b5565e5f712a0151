"""What predictions say without labels: published definitions, each against another way of computing it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from dta_bench.evaluation import label_free
from dta_bench.evaluation.label_free import label_free_criteria as criteria

LOGITS = arrays(np.float64, (7, 4), elements=st.floats(-20, 20))
SURE = 30 * np.eye(4)  # each class predicted once, surely


def probabilities(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@given(LOGITS)
def test_entropies_are_those_of_scipy(logits: np.ndarray) -> None:
    p = probabilities(logits)
    assert label_free.entropy(logits) == pytest.approx(stats.entropy(p, axis=1).mean(), abs=1e-9)
    assert label_free.diversity(logits) == pytest.approx(stats.entropy(p.mean(axis=0)), abs=1e-9)


@given(LOGITS)
def test_information_is_the_mutual_information_of_image_and_class(logits: np.ndarray) -> None:
    p = probabilities(logits)
    expected = np.mean([stats.entropy(row, p.mean(axis=0)) for row in p])  # mean KL to the marginal
    assert criteria(logits)["information"] == pytest.approx(expected, abs=1e-9)


@given(LOGITS)
def test_bnm_is_the_sum_of_singular_values(logits: np.ndarray) -> None:
    p = probabilities(logits)
    gram = np.clip(np.linalg.eigvalsh(p.T @ p), 0, None)  # the eigenvalues of P'P are the squares of singular values
    assert label_free.nuclear_norm(logits) == pytest.approx(np.sqrt(gram).sum() / 7, abs=1e-6)


def test_bnm_is_highest_for_sure_and_even_predictions() -> None:
    even = label_free.nuclear_norm(SURE)
    assert even == pytest.approx(1)  # |P|_* of the identity is 4, over 4 predictions
    assert label_free.nuclear_norm(SURE[[0, 0, 0, 0]]) == pytest.approx(0.5)  # rank one: sqrt(4) / 4
    assert label_free.nuclear_norm(np.zeros((4, 4))) < even


@given(LOGITS)
def test_snd_is_the_entropy_of_each_row_of_cosines_by_brute_force(logits: np.ndarray) -> None:
    p = probabilities(logits)
    found = []
    for i, row in enumerate(p):
        cosines = [row @ other / np.linalg.norm(row) / np.linalg.norm(other) for j, other in enumerate(p) if j != i]
        weights = np.exp(np.array(cosines) / 0.05 - max(cosines) / 0.05)
        found.append(stats.entropy(weights))
    assert label_free.soft_neighbourhood_density(logits) == pytest.approx(np.mean(found), abs=1e-8)


def test_snd_prefers_dense_clusters_to_scattered_predictions() -> None:
    dense = np.repeat(SURE, 25, axis=0)
    scattered = np.random.default_rng(0).normal(size=(100, 4)) * 3
    assert label_free.soft_neighbourhood_density(dense) == pytest.approx(np.log(24), abs=1e-3)  # 24 equal neighbours
    assert label_free.soft_neighbourhood_density(scattered) < np.log(24)


def test_snd_of_many_predictions_is_that_of_a_sample() -> None:
    logits = np.random.default_rng(0).normal(size=(6000, 5))
    few = label_free.soft_neighbourhood_density(logits)
    assert few == label_free.soft_neighbourhood_density(logits)  # always the same sample
    assert 0 < few < np.log(2000)


def test_a_class_is_in_use_from_one_percent_on() -> None:
    logits = np.zeros((1000, 3))
    logits[:, 0] = 1
    logits[:10, 1] = 2  # 1.0 %
    logits[10:19, 2] = 2  # 0.9 %
    assert criteria(logits)["classes_in_use"] == 2


def test_pixels_of_a_map_count_as_predictions_of_their_own() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 4, 3, 5))
    pixels = np.array([maps[n, :, y, x] for n in range(2) for y in range(3) for x in range(5)])
    assert criteria(maps) == pytest.approx(criteria(pixels))
