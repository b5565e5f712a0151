"""Deep CORAL and BSP: their terms against NumPy, and what they align."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_learners import batch_of_images, learner_of

from dta_bench.methods import bsp, cdan, coral

S = torch.tensor([[1.0, 2.0, 0.5], [0.0, -1.0, 2.0], [3.0, 0.5, 1.0], [-1.0, 1.0, 0.0]])
T = torch.tensor([[0.5, 0.0, 1.0], [2.0, 2.0, -1.0], [1.0, -2.0, 0.0], [0.0, 1.0, 3.0], [1.5, 0.5, 0.5]])


def test_corals_distance_is_that_of_numpys_covariances() -> None:
    difference = np.cov(S.numpy(), rowvar=False) - np.cov(T.numpy(), rowvar=False)
    expected = np.linalg.norm(difference, "fro") ** 2 / (4 * 3**2)
    assert float(coral.coral(S, T)) == pytest.approx(expected, rel=1e-5)


def test_corals_distance_by_hand() -> None:
    """Variances 2 and 8 of one unit: (2 - 8)^2 / 4."""
    assert float(coral.coral(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [4.0]]))) == pytest.approx(9)


def test_corals_distance_sees_no_shift_of_the_mean() -> None:
    assert float(coral.coral(S, S + 5)) == pytest.approx(0, abs=1e-8)


def test_bsps_term_is_the_largest_eigenvalue_of_the_gram_matrix() -> None:
    expected = np.linalg.eigvalsh((S.T @ S).numpy())[-1]
    assert float(bsp.largest_squared(S)) == pytest.approx(expected, rel=1e-5)


def test_bsps_term_by_hand() -> None:
    assert float(bsp.largest_squared(torch.diag(torch.tensor([3.0, -5.0, 1.0])))) == pytest.approx(25)


def test_bsps_term_of_the_golden_example() -> None:
    assert float(bsp.largest_squared(torch.tensor([[3.0, 0.0, 4.0], [0.0, 2.0, 0.0]]))) == pytest.approx(25)


def test_bsps_term_of_a_matrix_of_rank_one_is_its_squared_length() -> None:
    rows = torch.outer(S[:, 0], T[0])
    assert float(bsp.largest_squared(rows)) == pytest.approx(float(rows.square().sum()), rel=1e-5)


def test_bsps_gradient_moves_the_largest_singular_value_alone() -> None:
    rows = torch.diag(torch.tensor([3.0, 5.0, 1.0])).requires_grad_()
    bsp.largest_squared(rows).backward()
    torch.testing.assert_close(rows.grad, torch.diag(torch.tensor([0.0, 10.0, 0.0])))


def test_without_the_penalty_bsp_is_cdan() -> None:
    ends = []
    for learner in (learner_of(bsp, penalty=0.0), learner_of(cdan)):
        torch.manual_seed(3)
        learner.step(*batch_of_images())
        ends.append([weight.clone() for weight in learner.net.parameters()])
    assert all(map(torch.equal, *ends))


def test_corals_gradient_reaches_the_features_of_both_domains() -> None:
    s, t = S.clone().requires_grad_(), T.clone().requires_grad_()
    coral.coral(s, t).backward()
    assert s.grad is not None
    assert t.grad is not None
    assert s.grad.abs().sum() > 0
    assert t.grad.abs().sum() > 0
