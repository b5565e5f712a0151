"""Adversarial masks against brute force, and their true effect on a trained network."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from trained_on_digits import TrainedOnDigits

from dta_bench.nn.adversarial_dropout import (
    adversarial_mask,
    flip_bits,
    flip_budget,
    rescale_to_mean_one,
    stochastic_mask,
)
from dta_bench.nn.losses import kl_divergence
from dta_bench.nn.network import DropoutSite, current_random_state, replaying_draws

GOLDEN_J = torch.tensor([[0.5, -0.2, -0.9, -0.1, 0.3, -0.4, 0.0, -0.05, 0.2, -0.3]])


def best_by_brute_force(m_s: np.ndarray, impact: np.ndarray, flips: int) -> float:
    """The largest J . (m - m^s) over all masks m at most ``flips`` bits from m^s."""
    masks = np.array(list(itertools.product([0.0, 1.0], repeat=len(m_s))))
    allowed = masks[np.abs(masks - m_s).sum(axis=1) <= flips]
    return float(((allowed - m_s) @ impact).max())


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """A start mask, a Jacobian (half the time of small integers, so with ties and zeros) and a number of flips."""
    units = draw(st.integers(1, 8))
    value = draw(st.sampled_from([st.integers(-2, 2).map(float), st.floats(-5, 5)]))
    start = draw(
        st.one_of(st.just([1.0] * units), st.lists(st.sampled_from([0.0, 1.0]), min_size=units, max_size=units))
    )
    impact = draw(st.lists(value, min_size=units, max_size=units))
    return np.array(start), np.array(impact), draw(st.integers(0, units))


@given(problems())
def test_flips_are_optimal_for_the_linearised_divergence(problem: tuple[np.ndarray, np.ndarray, int]) -> None:
    m_s, impact, flips = problem
    mask = flip_bits(torch.from_numpy(m_s)[None], torch.from_numpy(impact)[None], flips / len(m_s))[0].numpy()
    assert (mask - m_s) @ impact == pytest.approx(best_by_brute_force(m_s, impact, flips), abs=1e-9)


@pytest.mark.parametrize("start", ["ones", "random"])
@pytest.mark.parametrize("flips", range(13))
def test_flips_are_optimal_among_all_masks_of_twelve_units(flips: int, start: str) -> None:
    torch.manual_seed(flips)
    impact = torch.randn(1, 12, dtype=torch.float64)
    m_s = torch.ones_like(impact) if start == "ones" else torch.rand_like(impact).round()
    mask = flip_bits(m_s, impact, flips / 12)
    gain = ((mask - m_s) * impact).sum().item()
    assert gain == pytest.approx(best_by_brute_force(m_s[0].numpy(), impact[0].numpy(), flips))


@given(problems(), st.floats(0, 1))
def test_a_mask_stays_binary_and_within_the_budget(problem: tuple[np.ndarray, np.ndarray, int], delta: float) -> None:
    m_s, impact = torch.from_numpy(problem[0])[None], torch.from_numpy(problem[1])[None]
    mask = flip_bits(m_s, impact, delta)
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    assert (mask != m_s).sum() <= delta * mask.numel() + 1e-9


def test_each_sample_is_masked_by_its_own_jacobian() -> None:
    impact = torch.tensor([[-3.0, -1.0, 2.0], [1.0, -1.0, -2.0]])
    assert flip_bits(torch.ones(2, 3), impact, 1 / 3).tolist() == [[0, 1, 1], [1, 1, 0]]


@pytest.mark.parametrize(("delta", "dropped", "kept"), [(0.3, [2, 5, 9], 10 / 7), (0.8, [1, 2, 3, 5, 7, 9], 2.5)])
def test_flipping_from_ones_gives_the_golden_masks(delta: float, dropped: list[int], kept: float) -> None:
    mask = rescale_to_mean_one(flip_bits(torch.ones(1, 10), GOLDEN_J, delta))[0]
    expected = torch.full((10,), kept)
    expected[dropped] = 0
    torch.testing.assert_close(mask, expected)


@pytest.mark.parametrize(
    ("delta", "units", "flips"),
    [(0.0, 10, 0), (0.01, 64, 0), (0.01, 2048, 20), (0.1, 1000, 100), (0.3, 10, 3), (1.0, 7, 7), (1.5, 7, 7)],
)
def test_the_budget_is_the_floor_of_delta_times_units(delta: float, units: int, flips: int) -> None:
    # 0.3 * 10 is 2.9999... in binary.
    assert flip_budget(delta, units) == flips


def test_without_a_budget_the_mask_is_the_start_mask() -> None:
    m_s = torch.tensor([[1.0, 0.0, 1.0]])
    assert torch.equal(flip_bits(m_s, torch.tensor([[-1.0, 1.0, -1.0]]), 0.3), m_s)


def test_a_jacobian_of_zeros_flips_nothing() -> None:
    m_s = torch.tensor([[1.0, 0.0, 1.0]])
    assert torch.equal(flip_bits(m_s, torch.zeros(1, 3), 1.0), m_s)


def test_the_full_budget_can_flip_every_unit() -> None:
    m_s = torch.tensor([[1.0, 0.0, 1.0]])
    assert torch.equal(flip_bits(m_s, torch.tensor([[-1.0, 1.0, -1.0]]), 1.0), 1 - m_s)


def test_rescaling_keeps_the_mean_of_the_mask_at_one() -> None:
    mask = torch.rand(4, 9, 1, 1).round()
    mask[:, 0] = 1
    torch.testing.assert_close(rescale_to_mean_one(mask).mean(dim=(1, 2, 3)), torch.ones(4))


def test_an_all_dropped_mask_stays_zero_when_rescaled() -> None:
    assert torch.equal(rescale_to_mean_one(torch.zeros(2, 5)), torch.zeros(2, 5))


@pytest.mark.parametrize(
    ("shape", "axis", "mask_shape"),
    [
        ((2, 5), 1, (2, 5)),
        ((2, 5, 3, 4), 1, (2, 5, 1, 1)),
        ((2, 6, 5), 2, (2, 1, 5)),
        ((2, 6, 5), -1, (2, 1, 5)),
        ((2, 3, 4, 5), 3, (2, 1, 1, 5)),
    ],
)
def test_a_mask_has_one_bit_per_sample_and_unit(shape: tuple[int, ...], axis: int, mask_shape: tuple[int, ...]) -> None:
    assert stochastic_mask(torch.zeros(shape), 0.5, axis).shape == mask_shape


def test_a_stochastic_mask_keeps_at_its_rate() -> None:
    torch.manual_seed(0)
    mask = stochastic_mask(torch.zeros(100, 1000), 0.9)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert mask.mean().item() == pytest.approx(0.9, abs=0.005)  # five standard errors


def test_a_keep_rate_of_one_drops_nothing() -> None:
    assert torch.equal(stochastic_mask(torch.zeros(3, 50), 1.0), torch.ones(3, 50))


@pytest.fixture
def upper() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(9, 7), nn.Tanh(), nn.Linear(7, 4)).double()


def divergence(upper: nn.Module, x: Tensor, m_s: Tensor, m: Tensor, keep_rate: float) -> float:
    """D[h(x; m^s), h(x; m)] of one sample (Eq. 2), written out."""
    upper.requires_grad_(False)
    p, q = upper(m_s / keep_rate * x).softmax(-1), upper(m * x).softmax(-1)
    return float((p * (p / q).log()).sum())


@pytest.mark.parametrize("keep_rate", [1.0, 0.5])
@pytest.mark.parametrize("flips", [1, 3, 9])
def test_the_mask_is_the_best_for_a_jacobian_taken_by_finite_differences(
    upper: nn.Module, flips: int, keep_rate: float
) -> None:
    x = torch.randn(3, 9, dtype=torch.float64)
    m_s = torch.rand(3, 9, dtype=torch.float64).round()
    found = adversarial_mask(DropoutSite(upper, keep_rate), x, m_s, flips / 9)
    for sample in range(3):
        steps = 1e-5 * torch.eye(9, dtype=torch.float64)
        ones = torch.ones(9, dtype=torch.float64)
        at = [divergence(upper, x[sample], m_s[sample], m, keep_rate) for m in (*(ones + steps), *(ones - steps))]
        impact = (np.array(at[:9]) - np.array(at[9:])) / 2e-5
        gain = ((found - m_s)[sample].numpy() * impact).sum()
        assert gain == pytest.approx(best_by_brute_force(m_s[sample].numpy(), impact, flips), abs=1e-7)


def test_the_impact_of_a_channel_is_the_sum_over_its_pixels() -> None:
    torch.manual_seed(0)
    upper = nn.Sequential(nn.Flatten(), nn.Linear(6 * 4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    x = torch.randn(2, 6, 2, 2, dtype=torch.float64)
    m_s = stochastic_mask(x, 0.5)
    every_pixel = torch.ones_like(x).requires_grad_()
    loss = kl_divergence(upper(m_s * x).detach(), upper(every_pixel * x))
    impact = torch.autograd.grad(loss, every_pixel)[0].sum(dim=(2, 3), keepdim=True)  # a-16
    found = adversarial_mask(DropoutSite(upper, 1.0), x, m_s, 0.5)
    assert torch.equal(found, flip_bits(m_s, impact, 0.5))


@pytest.mark.parametrize("axis", [1, 2])
def test_units_may_lie_on_any_axis(axis: int) -> None:
    torch.manual_seed(0)
    upper = nn.Sequential(nn.Flatten(), nn.Linear(30, 5), nn.Tanh(), nn.Linear(5, 3))
    x = torch.randn(4, 5, 6)
    m_s = stochastic_mask(x, 0.5, axis)
    found = adversarial_mask(DropoutSite(upper, 0.5, axis), x, m_s, 0.5)
    assert found.shape == m_s.shape
    assert 0 < (found != m_s).flatten(1).sum(dim=1).max() <= 0.5 * x.shape[axis]


@pytest.fixture(scope="module")
def trained() -> TrainedOnDigits:
    return TrainedOnDigits()


def repeating_draws(site: DropoutSite) -> Callable[[Tensor], Tensor]:
    draws = current_random_state(torch.device("cpu"))

    def upper(x: Tensor) -> Tensor:
        with replaying_draws(draws):
            return site.upper(x)

    return upper


@pytest.mark.parametrize(("name", "delta", "margin"), [("feature", 0.1, 4), ("classifier", 0.1, 10)])
def test_adversarial_flips_from_a_stochastic_mask_diverge_far_more_than_random_ones(
    trained: TrainedOnDigits, name: str, delta: float, margin: float
) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        site, x = trained.sites(name)
        upper = repeating_draws(site)
        m_s = stochastic_mask(x, site.keep_rate)

        def true(m: Tensor) -> float:
            return kl_divergence(upper(m_s / site.keep_rate * x), upper(m / site.keep_rate * x)).item()

        adversarial = adversarial_mask(DropoutSite(upper, site.keep_rate), x, m_s, delta)
        flips = (adversarial != m_s).flatten(1).sum(1).float().mean()
        assert flips > 0.9 * flip_budget(delta, x.shape[1])
        random = [true(flip_bits(m_s, torch.rand_like(m_s) * (1 - 2 * m_s), delta)) for _ in range(20)]
    assert true(adversarial) > margin * np.mean(random)


@pytest.mark.parametrize("shape", [(3, 8, 1, 1), (3, 8)])
@settings(max_examples=20)
@given(delta=st.floats(0, 1))
def test_masks_keep_their_shape(shape: tuple[int, ...], delta: float) -> None:
    assert flip_bits(torch.ones(shape), torch.randn(shape), delta).shape == shape
