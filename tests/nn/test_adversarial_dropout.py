"""Adversarial masks against brute force, and their true effect on a trained network."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch import Tensor, nn

from dta_bench.nn.adversarial_dropout import (
    TargetPass,
    adversarial_mask,
    flip_bits,
    flip_budget,
    rescale_to_mean_one,
    stochastic_mask,
)
from dta_bench.nn.losses import kl_divergence
from dta_bench.nn.network import DropoutSite, Network, current_random_state, frozen_statistics, replaying_draws

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


class Trained:
    """A small convolutional network, briefly trained on scikit-learn's digits, and images it has not seen."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        images, labels = load_digits(return_X_y=True)
        x, y = torch.tensor(images / 8 - 1, dtype=torch.float32).view(-1, 1, 8, 8), torch.tensor(labels)
        body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 40, 3, padding=1), nn.BatchNorm2d(40), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        neck = nn.Sequential(
            nn.Conv2d(40, 40, 3, padding=1), nn.BatchNorm2d(40), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.5), nn.Linear(160, 100), nn.ReLU(),
        )  # fmt: skip
        self.net, self.images = Network(body, neck, nn.Linear(100, 10)), x[1500:1628]
        optimizer = torch.optim.Adam(self.net.parameters(), 1e-3)
        for batch in torch.randint(1500, (80, 64)):
            optimizer.zero_grad()
            nn.functional.cross_entropy(self.net(x[batch]), y[batch]).backward()
            optimizer.step()
        self.net.zero_grad(set_to_none=True)

    def sites(self, name: str) -> tuple[DropoutSite, Tensor]:
        features = self.net.features(self.images)
        if name == "feature":
            return self.net.feature_dropout(features), features.activation
        return self.net.classifier_dropout(), self.net.hidden(features)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained()


def with_same_draws(site: DropoutSite) -> Callable[[Tensor], Tensor]:
    draws = current_random_state(torch.device("cpu"))

    def upper(x: Tensor) -> Tensor:
        with replaying_draws(draws):
            return site.upper(x)

    return upper


@pytest.mark.parametrize(("name", "delta", "margin"), [("feature", 0.1, 4), ("classifier", 0.1, 10)])
def test_adversarial_flips_from_a_stochastic_mask_diverge_far_more_than_random_ones(
    trained: Trained, name: str, delta: float, margin: float
) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        site, x = trained.sites(name)
        upper = with_same_draws(site)
        m_s = stochastic_mask(x, site.keep_rate)

        def true(m: Tensor) -> float:
            return kl_divergence(upper(m_s / site.keep_rate * x), upper(m / site.keep_rate * x)).item()

        adversarial = adversarial_mask(DropoutSite(upper, site.keep_rate), x, m_s, delta)
        flips = (adversarial != m_s).flatten(1).sum(1).float().mean()
        assert flips > 0.9 * flip_budget(delta, x.shape[1])
        random = [true(flip_bits(m_s, torch.rand_like(m_s) * (1 - 2 * m_s), delta)) for _ in range(20)]
    assert true(adversarial) > margin * np.mean(random)


@pytest.mark.parametrize(("mask", "margin"), [("feature", 2), ("hidden", 2)])
def test_adversarial_drops_from_ones_diverge_far_more_than_random_ones(
    trained: Trained, mask: str, margin: float
) -> None:
    torch.manual_seed(1)
    clean = TargetPass(trained.net, trained.images, "ones", mask_features=True, mask_hidden=True)
    p = clean.logits.detach()
    deltas = (0.1, 0.0) if mask == "feature" else (0.0, 0.1)
    adversarial = next(q for q in clean.adversarial_logits(*deltas) if q is not None)
    with torch.no_grad(), frozen_statistics(trained.net):
        features = clean.features
        random = []
        for _ in range(20):
            m_f = rescale_to_mean_one(flip_bits(clean.m_f, -torch.rand_like(clean.m_f), deltas[0]))
            m_c = rescale_to_mean_one(flip_bits(clean.m_c, -torch.rand_like(clean.m_c), deltas[1]))
            hidden = trained.net.hidden(features.masked(m_f))
            random.append(kl_divergence(p, trained.net.head(m_c * hidden)).item())
    assert kl_divergence(p, adversarial).item() > margin * np.mean(random)


def test_the_shared_passes_give_the_masks_of_the_definition() -> None:
    torch.manual_seed(0)
    net = deterministic()
    images = torch.randn(4, 3, 6, 6)
    clean = TargetPass(net, images, "stochastic", mask_features=True, mask_hidden=True)
    p_f, p_c = clean.adversarial_logits(0.3, 0.2)

    def upper_f(x: Tensor) -> Tensor:
        return net.head(clean.m_c / 0.5 * net.neck(x))

    m_f = adversarial_mask(DropoutSite(upper_f, 0.9), clean.features.activation, clean.m_f, 0.3)
    m_c = adversarial_mask(DropoutSite(net.head, 0.5), clean.hidden, clean.m_c, 0.2)
    assert not torch.equal(m_f, clean.m_f)
    assert not torch.equal(m_c, clean.m_c)
    torch.testing.assert_close(p_f, upper_f(m_f / 0.9 * clean.features.activation))
    torch.testing.assert_close(p_c, net.head(m_c / 0.5 * clean.hidden))


def deterministic() -> Network:
    """A network without dropout of its own, so that only m^s is drawn."""
    body = nn.Sequential(nn.Conv2d(3, 10, 3), nn.ReLU())
    neck = nn.Sequential(nn.Conv2d(10, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(20, 15), nn.Tanh())
    return Network(body, neck, nn.Linear(15, 4))


@pytest.mark.parametrize("start", ["stochastic", "ones"])
def test_finding_masks_gives_no_parameter_a_gradient_and_changes_no_statistics(trained: Trained, start: str) -> None:
    clean = TargetPass(trained.net, trained.images, start, mask_features=True, mask_hidden=True)  # type: ignore[arg-type]
    before = {name: buffer.clone() for name, buffer in trained.net.named_buffers()}
    clean.adversarial_logits(0.1, 0.1)
    assert all(p.grad is None for p in trained.net.parameters())
    assert all(torch.equal(buffer, before[name]) for name, buffer in trained.net.named_buffers())


def test_the_masked_predictions_give_the_body_gradients(trained: Trained) -> None:
    first = trained.net.body[0].weight
    for start in ("stochastic", "ones"):
        clean = TargetPass(trained.net, trained.images, start, mask_features=True, mask_hidden=True)  # type: ignore[arg-type]
        for masked in clean.adversarial_logits(0.1, 0.1):
            assert masked is not None
            (gradient,) = torch.autograd.grad(masked.square().sum(), first, retain_graph=True)
            assert gradient.abs().sum() > 0


def test_with_a_budget_below_one_unit_no_pass_is_run(trained: Trained) -> None:
    clean = TargetPass(trained.net, trained.images, "stochastic", mask_features=True, mask_hidden=True)
    runs: list[int] = []
    handle = trained.net.neck.register_forward_hook(lambda *_: runs.append(1))
    assert clean.adversarial_logits(0.024, 0.0099) == (None, None)  # 40 channels, 100 units
    assert not runs
    handle.remove()


def test_replaying_the_clean_pass_gives_its_logits(trained: Trained) -> None:
    clean = TargetPass(trained.net, trained.images, "stochastic", mask_features=True, mask_hidden=True)
    with replaying_draws(clean.draws), frozen_statistics(trained.net):
        assert torch.equal(clean.forward(trained.images), clean.logits)


@pytest.mark.parametrize("shape", [(3, 8, 1, 1), (3, 8)])
@settings(max_examples=20)
@given(delta=st.floats(0, 1))
def test_masks_keep_their_shape(shape: tuple[int, ...], delta: float) -> None:
    assert flip_bits(torch.ones(shape), torch.randn(shape), delta).shape == shape
