"""The passes of a target batch that share their work: their masks, their gradients, and what they leave unchanged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from trained_on_digits import TrainedOnDigits

from dta_bench.nn.adversarial_dropout import TargetPass, adversarial_mask, flip_bits, rescale_to_mean_one
from dta_bench.nn.losses import kl_divergence
from dta_bench.nn.network import DropoutSite, Network, frozen_statistics, replaying_draws


@pytest.fixture(scope="module")
def trained() -> TrainedOnDigits:
    return TrainedOnDigits()


@pytest.mark.parametrize(("mask", "margin"), [("feature", 2), ("hidden", 2)])
def test_adversarial_drops_from_ones_diverge_far_more_than_random_ones(
    trained: TrainedOnDigits, mask: str, margin: float
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
    net = network_without_dropout()
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


def network_without_dropout() -> Network:
    """A network without dropout of its own, so that only m^s is drawn."""
    body = nn.Sequential(nn.Conv2d(3, 10, 3), nn.ReLU())
    neck = nn.Sequential(nn.Conv2d(10, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(20, 15), nn.Tanh())
    return Network(body, neck, nn.Linear(15, 4))


@pytest.mark.parametrize("start", ["stochastic", "ones"])
def test_finding_masks_gives_no_parameter_a_gradient_and_changes_no_statistics(
    trained: TrainedOnDigits, start: str
) -> None:
    clean = TargetPass(trained.net, trained.images, start, mask_features=True, mask_hidden=True)  # type: ignore[arg-type]
    before = {name: buffer.clone() for name, buffer in trained.net.named_buffers()}
    clean.adversarial_logits(0.1, 0.1)
    assert all(p.grad is None for p in trained.net.parameters())
    assert all(torch.equal(buffer, before[name]) for name, buffer in trained.net.named_buffers())


def test_the_masked_predictions_give_the_body_gradients(trained: TrainedOnDigits) -> None:
    first = trained.net.body[0].weight
    for start in ("stochastic", "ones"):
        clean = TargetPass(trained.net, trained.images, start, mask_features=True, mask_hidden=True)  # type: ignore[arg-type]
        for masked in clean.adversarial_logits(0.1, 0.1):
            assert masked is not None
            (gradient,) = torch.autograd.grad(masked.square().sum(), first, retain_graph=True)
            assert gradient.abs().sum() > 0


def test_with_a_budget_below_one_unit_no_pass_is_run(trained: TrainedOnDigits) -> None:
    clean = TargetPass(trained.net, trained.images, "stochastic", mask_features=True, mask_hidden=True)
    runs: list[int] = []
    handle = trained.net.neck.register_forward_hook(lambda *_: runs.append(1))
    assert clean.adversarial_logits(0.024, 0.0099) == (None, None)  # 40 channels, 100 units
    assert not runs
    handle.remove()


def test_replaying_the_clean_pass_gives_its_logits(trained: TrainedOnDigits) -> None:
    clean = TargetPass(trained.net, trained.images, "stochastic", mask_features=True, mask_hidden=True)
    with replaying_draws(clean.draws), frozen_statistics(trained.net):
        assert torch.equal(clean.forward(trained.images), clean.logits)
