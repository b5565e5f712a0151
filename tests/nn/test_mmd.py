"""Maximum mean discrepancy: golden values from numpy, a loop over all pairs, its gradient, joint kernels."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dta_bench.nn.mmd import (
    ALPHAS,
    mk_mmd,
    mmd_from_kernel,
    multi_gaussian_kernel,
    pairwise_squared_distances,
)

SQUARE = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("bandwidth", "estimator", "golden"), [
    ("all", "biased", 1.792677), ("all", "paired", 0.543534),
    ("offdiag", "biased", 1.761574), ("offdiag", "paired", 0.613741),
])  # fmt: skip
def test_mmd_of_two_squares(bandwidth: str, estimator: str, golden: float) -> None:
    shifted = SQUARE + torch.tensor([1.0, 0.5])
    assert float(mk_mmd(SQUARE, shifted, bandwidth, estimator)) == pytest.approx(golden, abs=1e-5)  # type: ignore[arg-type]


def naive_mmd(x: Tensor, y: Tensor) -> float:
    """The V-statistic, one pair after the other."""
    both = [*x.tolist(), *y.tolist()]
    d = [[sum((a - b) ** 2 for a, b in zip(u, v, strict=True)) for v in both] for u in both]
    mean = sum(map(sum, d)) / len(both) ** 2

    def average(of: range, to: range) -> float:
        kernel = [sum(math.exp(-d[i][j] / (2 * a * mean)) for a in ALPHAS) for i in of for j in to]
        return sum(kernel) / len(kernel)

    s, t = range(len(x)), range(len(x), len(both))
    return average(s, s) + average(t, t) - 2 * average(s, t)


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(2, 6))
def test_mmd_is_the_mean_over_all_pairs_whatever_the_sizes(seed: int, n: int, m: int) -> None:
    x, y = normal(n, 3, seed=seed).double(), 1 + normal(m, 3, seed=seed + 1).double()
    assert float(mk_mmd(x, y)) == pytest.approx(naive_mmd(x, y), abs=1e-9)
    assert float(mk_mmd(x[torch.randperm(n)], y)) == pytest.approx(float(mk_mmd(x, y)), abs=1e-9)


@pytest.mark.parametrize("estimator", ["biased", "paired"])
def test_mmd_of_a_batch_and_itself_is_zero(estimator: str) -> None:
    x = normal(36, 64)
    assert abs(float(mk_mmd(x, x, estimator=estimator))) < 1e-5  # type: ignore[arg-type]


def test_mmd_grows_with_the_shift_of_a_mean() -> None:
    x, y = normal(64, 4), normal(64, 4, seed=1)
    found = [float(mk_mmd(x, y + shift)) for shift in (0, 0.5, 1, 2)]
    assert found == sorted(found)


def test_mmd_tells_a_laplace_from_a_normal_distribution_of_equal_mean_and_variance() -> None:
    torch.manual_seed(0)
    laplace = torch.distributions.Laplace(0.0, math.sqrt(0.5)).sample((512, 1))
    assert float(mk_mmd(normal(512, 1), laplace)) > float(mk_mmd(normal(512, 1), normal(512, 1, seed=1)))


def test_mmds_gradient_is_finite_where_all_features_are_equal() -> None:
    x = torch.ones(4, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(mk_mmd(x, torch.ones(4, 3)), x)
    assert torch.isfinite(gradient).all()


def test_a_bandwidth_is_a_constant_to_the_gradient() -> None:
    x, y = normal(5, 3).double().requires_grad_(), normal(5, 3, seed=1).double()
    (found,) = torch.autograd.grad(mk_mmd(x, y), x)
    mean = float(pairwise_squared_distances(torch.cat([x, y])).detach().mean())
    fixed = torch.stack(
        [torch.exp(-pairwise_squared_distances(torch.cat([x, y])) / (2 * a * mean)) for a in ALPHAS]
    ).sum(0)
    (expected,) = torch.autograd.grad(mmd_from_kernel(fixed, 5), x)
    torch.testing.assert_close(found, expected)


def test_joint_kernels_tell_pairings_apart_whose_marginals_are_equal() -> None:
    """Two classes at two places; the target has the same places and classes, paired the other way."""
    places = torch.tensor([[0.0], [0.0], [3.0], [3.0]])
    classes = torch.eye(2)[[0, 0, 1, 1]]
    swapped = classes.flip(0)
    features, p = torch.cat([places, places]), torch.cat([classes, swapped])
    of_features, of_classes = multi_gaussian_kernel(features), multi_gaussian_kernel(p)
    assert abs(float(mmd_from_kernel(of_features, 4))) < 1e-6
    assert abs(float(mmd_from_kernel(of_classes, 4))) < 1e-6
    assert float(mmd_from_kernel(of_features * of_classes, 4)) > 0.1
    torch.testing.assert_close(mmd_from_kernel(of_features * torch.ones(8, 8), 4), mmd_from_kernel(of_features, 4))
