"""Blocks of alignment methods: reversal, discriminators, maps, kernels, averages; golden values from numpy."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from dta_bench.nn.domain_adversarial import (
    MultilinearMap,
    discriminator,
    domain_loss,
    entropy_weights,
    judged,
    ramp,
    reversed_gradient,
    rows,
)
from dta_bench.nn.mmd import ALPHAS, gaussians, mk_mmd, mmd, squared_distances
from dta_bench.nn.teachers import follow, frozen, warmed_up

P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9]])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_reversal_negates_the_features_gradient_and_spares_the_discriminators(strength: float) -> None:
    judge, features = discriminator(5, 7), normal(6, 5)

    def gradients(reverse: bool) -> list[Tensor]:
        leaf = features.clone().requires_grad_()
        seen = reversed_gradient(leaf, strength) if reverse else leaf
        loss = domain_loss(*judged(judge, seen[:3], seen[3:]))
        return list(torch.autograd.grad(loss, [leaf, *judge.parameters()]))

    plain, turned = gradients(False), gradients(True)
    torch.testing.assert_close(turned[0], -strength * plain[0])
    assert all(torch.equal(a, b) for a, b in zip(plain[1:], turned[1:], strict=True))


@pytest.mark.parametrize(("done", "expected"), [(0, 0), (0.1, 0.462), (0.25, 0.848), (0.5, 0.987), (1, 1.0)])
def test_the_ramp_is_danns(done: float, expected: float) -> None:
    assert ramp(done) == pytest.approx(expected, abs=5e-4)


def test_a_discriminator_that_knows_nothing_loses_ln_2_on_each_domain() -> None:
    assert float(domain_loss(torch.zeros(3), torch.zeros(5))) == pytest.approx(math.log(2))


def test_source_is_domain_one() -> None:
    assert float(domain_loss(torch.full((3,), 20.0), torch.full((3,), -20.0))) < 1e-6


def test_a_map_gives_one_row_for_each_place_with_its_units() -> None:
    hidden = normal(2, 3, 4, 5)
    found = rows(hidden)
    expected = [hidden[b, :, i, j] for b, i, j in itertools.product(range(2), range(4), range(5))]
    assert torch.equal(found, torch.stack(expected))
    assert torch.equal(rows(hidden.permute(0, 2, 3, 1), 3), found)


def test_the_multilinear_map_holds_all_products_class_by_class() -> None:
    found = MultilinearMap(2, 2, width=9)(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(found, torch.tensor([[0.25, 0.5, 0.75, 1.5]]))


def test_the_multilinear_maps_class_blocks_sum_to_the_features() -> None:
    features, p = normal(4, 6), normal(4, 3).softmax(1)
    mapped = MultilinearMap(6, 3, width=9)(features, p)
    torch.testing.assert_close(mapped.view(4, 3, 6).sum(1), features)


def test_the_randomised_map_keeps_inner_products_on_average_and_its_matrices() -> None:
    torch.manual_seed(0)
    features, p = normal(2, 8), normal(2, 4, seed=1).softmax(1)
    drawn = [MultilinearMap(8, 4, width=500, largest=8) for _ in range(200)]
    inner = torch.stack([(of(features, p)[0] * of(features, p)[1]).sum() for of in drawn])
    expected = (features[0] @ features[1]) * (p[0] @ p[1])
    assert abs(inner.mean() - expected) < 4 * inner.std() / math.sqrt(len(drawn))
    assert {"of_features", "of_classes"} <= drawn[0].state_dict().keys()


def test_cdans_weights_trust_sure_predictions_and_have_mean_one() -> None:
    golden = torch.tensor([0.967774, 1.020749, 0.892994, 1.118483])
    torch.testing.assert_close(entropy_weights(P), golden, atol=1e-6, rtol=0)
    torch.testing.assert_close(entropy_weights(torch.full((5, 4), 0.25)), torch.ones(5))


SQUARE = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


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
def test_mmd_of_a_batch_and_itself_is_nought(estimator: str) -> None:
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
    mean = float(squared_distances(torch.cat([x, y])).detach().mean())
    fixed = torch.stack([torch.exp(-squared_distances(torch.cat([x, y])) / (2 * a * mean)) for a in ALPHAS]).sum(0)
    (expected,) = torch.autograd.grad(mmd(fixed, 5), x)
    torch.testing.assert_close(found, expected)


def test_joint_kernels_see_a_pairing_that_no_marginal_shows() -> None:
    """Two classes at two places; the target has the same places and classes, paired the other way."""
    places = torch.tensor([[0.0], [0.0], [3.0], [3.0]])
    classes = torch.eye(2)[[0, 0, 1, 1]]
    swapped = classes.flip(0)
    features, p = torch.cat([places, places]), torch.cat([classes, swapped])
    of_features, of_classes = gaussians(features), gaussians(p)
    assert abs(float(mmd(of_features, 4))) < 1e-6
    assert abs(float(mmd(of_classes, 4))) < 1e-6
    assert float(mmd(of_features * of_classes, 4)) > 0.1
    torch.testing.assert_close(mmd(of_features * torch.ones(8, 8), 4), mmd(of_features, 4))


def test_an_average_moves_by_its_share_of_the_step() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    average, old = frozen(net), [p.detach().clone() for p in net.parameters()]
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn_like(weight))
    net(torch.randn(4, 3))
    follow(average, net, 0.9)
    for before, after, moved in zip(old, net.parameters(), average.parameters(), strict=True):
        torch.testing.assert_close(moved - before, 0.1 * (after - before))
        assert not moved.requires_grad
    assert not torch.equal(average[1].running_mean, net[1].running_mean)
    follow(average, net, 0.0, buffers=True)
    assert all(torch.equal(a, b) for a, b in zip(average.state_dict().values(), net.state_dict().values(), strict=True))


@pytest.mark.parametrize(("iteration", "expected"), [(0, 0), (1, 0.5), (9, 0.9), (99, 0.99), (10_000, 0.99)])
def test_a_young_average_forgets_sooner(iteration: int, expected: float) -> None:
    assert warmed_up(0.99, iteration) == pytest.approx(expected)
