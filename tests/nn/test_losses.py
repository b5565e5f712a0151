"""KL, entropy, class balance and VAT against closed forms, scipy, and a float64 direction."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

from dta_bench import plugins
from dta_bench.nn.losses import (
    XI,
    adversarial_direction,
    class_balance,
    conditional_entropy,
    kl_divergence,
    l1_discrepancy,
    mean_prediction,
    symmetric_kl,
    virtual_adversarial_loss,
)
from dta_bench.nn.network import current_random_state, frozen_statistics, replaying_draws

P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9]])
Q = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.3, 0.3, 0.4], [0.9, 0.05, 0.05]])
LOGITS = arrays(np.float64, (3, 4), elements=st.floats(-30, 30))


@pytest.mark.parametrize(
    ("p", "q", "reduction", "value"),
    [(P, Q, "per_sample", 0.658364), (P, Q, "classes", 0.219455), (Q, P, "per_sample", 0.663375)],
)
def test_kl_of_the_golden_predictions(p: Tensor, q: Tensor, reduction: str, value: float) -> None:
    assert kl_divergence(p.log(), q.log(), reduction).item() == pytest.approx(value, abs=1e-6)


def test_entropy_of_the_golden_predictions() -> None:
    assert conditional_entropy(P.log()).item() == pytest.approx(0.731037, abs=1e-6)


def test_class_balance_of_the_golden_predictions() -> None:
    # 1.104517 is without the 1e-6 inside the logarithm.
    assert class_balance(P.log()).item() == pytest.approx(1.104517, abs=5e-6)


def test_class_balance_is_least_at_the_uniform_mean() -> None:
    confident_but_balanced = 50 * torch.eye(5)
    assert class_balance(confident_but_balanced).item() == pytest.approx(math.log(5), abs=1e-5)


def test_divergences_of_two_classifiers_of_the_golden_predictions() -> None:
    assert symmetric_kl(P.log(), Q.log()).item() == pytest.approx(0.660869, abs=1e-6)
    assert l1_discrepancy(P.log(), Q.log()).item() == pytest.approx(0.208333, abs=1e-6)


def test_the_l1_discrepancy_lies_between_0_and_2_over_k_and_is_symmetric() -> None:
    one_hot = 100 * torch.eye(4)
    assert float(l1_discrepancy(one_hot, one_hot)) == 0
    assert float(l1_discrepancy(one_hot, one_hot.roll(1, 1))) == pytest.approx(2 / 4)
    assert float(l1_discrepancy(P.log(), Q.log())) == float(l1_discrepancy(Q.log(), P.log()))


def test_a_mean_prediction_is_the_mean_of_probabilities() -> None:
    torch.testing.assert_close(mean_prediction(P.log(), Q.log()).exp(), (P + Q) / 2)


def test_symmetric_kl_of_a_prediction_and_itself_is_zero() -> None:
    assert float(symmetric_kl(3 * P.log(), 3 * P.log())) == 0


@given(LOGITS, LOGITS)
def test_kl_is_that_of_scipy(p_logits: np.ndarray, q_logits: np.ndarray) -> None:
    p, q = scipy.special.softmax(p_logits, axis=1), scipy.special.softmax(q_logits, axis=1)
    ours = kl_divergence(torch.from_numpy(p_logits), torch.from_numpy(q_logits), "per_sample")
    assert ours.item() == pytest.approx(scipy.stats.entropy(p, q, axis=1).mean(), rel=1e-6, abs=1e-9)


@given(LOGITS)
def test_entropy_is_that_of_scipy(logits: np.ndarray) -> None:
    expected = scipy.stats.entropy(scipy.special.softmax(logits, axis=1), axis=1).mean()
    assert conditional_entropy(torch.from_numpy(logits)).item() == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(LOGITS, LOGITS, st.floats(-100, 100))
def test_a_constant_added_to_the_logits_does_not_change_kl(p: np.ndarray, q: np.ndarray, shift: float) -> None:
    a, b = torch.from_numpy(p), torch.from_numpy(q)
    assert kl_divergence(a + shift, b - shift).item() == pytest.approx(kl_divergence(a, b).item(), abs=1e-9)


def test_kl_averaged_over_classes_is_k_times_smaller() -> None:
    p, q = torch.randn(5, 12), torch.randn(5, 12)
    ratio = kl_divergence(p, q, "per_sample") / kl_divergence(p, q, "classes")
    assert ratio.item() == pytest.approx(12, rel=1e-5)


def test_the_gradient_flows_into_both_sides_of_kl() -> None:
    p, q = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(kl_divergence, (p, q))
    assert all(g.abs().sum() > 0 for g in torch.autograd.grad(kl_divergence(p, q), (p, q)))


@pytest.mark.parametrize("gap", [104.0, 200.0, 1e4])
def test_gradients_stay_finite_at_wide_logit_gaps(gap: float) -> None:
    p = torch.tensor([[gap, 0.0, 0.0], [0.0, 0.0, gap]], requires_grad=True)
    q = torch.tensor([[0.0, gap, 0.0], [0.0, 0.0, gap]], requires_grad=True)
    total = kl_divergence(p, q) + conditional_entropy(p) + class_balance(q)
    total.backward()
    assert all(torch.isfinite(x).all() for x in (total, p.grad, q.grad))


@pytest.mark.parametrize("reduction", ["classes", "per_sample"])
def test_kl_of_maps_is_the_mean_over_pixels(reduction: str) -> None:
    p, q = torch.randn(2, 5, 3, 4), torch.randn(2, 5, 3, 4)
    pixels = [kl_divergence(p[..., y, x], q[..., y, x], reduction) for y in range(3) for x in range(4)]
    assert kl_divergence(p, q, reduction).item() == pytest.approx(torch.stack(pixels).mean().item(), rel=1e-5)


def test_entropy_of_maps_is_the_mean_over_pixels() -> None:
    logits = torch.randn(2, 5, 3, 4)
    pixels = [conditional_entropy(logits[..., y, x]) for y in range(3) for x in range(4)]
    assert conditional_entropy(logits).item() == pytest.approx(torch.stack(pixels).mean().item(), rel=1e-5)


def test_class_balance_of_maps_counts_every_pixel_as_a_sample() -> None:
    logits = torch.randn(2, 5, 3, 4)
    samples = torch.stack([logits[b, :, y, x] for b in range(2) for y in range(3) for x in range(4)])
    assert class_balance(logits).item() == pytest.approx(class_balance(samples).item(), rel=1e-5)


@pytest.fixture
def net() -> nn.Module:
    """A small network with BatchNorm and dropout, in training mode."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(8 * 36, 5),
    )  # fmt: skip


IMAGES = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def inputs_of(net: nn.Module) -> list[Tensor]:
    """Every batch that ``net`` is run on from now."""
    seen: list[Tensor] = []
    net.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().clone()))
    return seen


def test_the_perturbation_has_length_epsilon_on_every_sample(net: nn.Module) -> None:
    seen = inputs_of(net)
    virtual_adversarial_loss(net, IMAGES, 3.5)
    lengths = (seen[-1] - IMAGES).flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((4,), 3.5), rtol=1e-5, atol=0)


def test_the_probe_has_length_xi_on_every_sample(net: nn.Module) -> None:
    seen = inputs_of(net)
    virtual_adversarial_loss(net, IMAGES, 3.5, xi=0.5)
    lengths = (seen[1] - IMAGES).flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((4,), 0.5), rtol=1e-5, atol=0)


def test_a_clean_pass_that_is_handed_in_is_not_run_again(net: nn.Module) -> None:
    torch.manual_seed(3)
    alone = virtual_adversarial_loss(net, IMAGES, 3.5)
    torch.manual_seed(3)
    draws = current_random_state(IMAGES.device)
    logits = net(IMAGES)
    seen = inputs_of(net)
    handed_in = virtual_adversarial_loss(net, IMAGES, 3.5, clean=(logits, draws))
    assert len(seen) == 2
    assert handed_in.item() == pytest.approx(alone.item(), rel=1e-6)


def test_all_passes_draw_the_same_dropout_masks(net: nn.Module) -> None:
    # A perturbation of no length to speak of changes the prediction only if the masks change.
    assert virtual_adversarial_loss(net, IMAGES, 1e-6).item() < 1e-8


def test_the_random_numbers_that_follow_do_not_repeat_those_of_the_passes(net: nn.Module) -> None:
    before = torch.get_rng_state()
    virtual_adversarial_loss(net, IMAGES, 3.5)
    assert not torch.equal(torch.get_rng_state(), before)


def test_no_batchnorm_buffer_moves(net: nn.Module) -> None:
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    virtual_adversarial_loss(net, IMAGES, 3.5).backward()
    for name, buffer in net.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_the_probe_gives_no_parameter_a_gradient(net: nn.Module) -> None:
    adversarial_direction(net, IMAGES, net(IMAGES).detach(), current_random_state(IMAGES.device), XI)
    assert all(p.grad is None for p in net.parameters())


def test_the_loss_gives_every_parameter_a_gradient(net: nn.Module) -> None:
    virtual_adversarial_loss(net, IMAGES, 3.5).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_the_clean_side_is_detached(net: nn.Module) -> None:
    logits = net(IMAGES)
    virtual_adversarial_loss(net, IMAGES, 3.5, clean=(logits, current_random_state(IMAGES.device))).backward()
    assert logits.grad_fn is not None
    logits.sum().backward()  # raises if the loss had already run back through the clean pass


@pytest.mark.parametrize("requires_grad", [False, True])
def test_the_batch_is_not_modified(net: nn.Module, requires_grad: bool) -> None:
    images = IMAGES.clone().requires_grad_(requires_grad)
    virtual_adversarial_loss(net, images, 3.5).backward()
    assert images.requires_grad is requires_grad
    assert images.grad is None
    assert torch.equal(images, IMAGES)


def test_with_epsilon_zero_no_pass_is_run(net: nn.Module) -> None:
    seen = inputs_of(net)
    assert virtual_adversarial_loss(net, IMAGES, 0.0).item() == 0
    assert not seen


def test_the_adversarial_direction_beats_every_random_one(net: nn.Module) -> None:
    net.eval()
    logits = net(IMAGES).detach()
    adversarial = virtual_adversarial_loss(net, IMAGES, 0.5).item()
    noise = [nn.functional.normalize(torch.randn(4, 108), dim=1).view_as(IMAGES) for _ in range(50)]
    random = [kl_divergence(logits, net(IMAGES + 0.5 * n)).item() for n in noise]
    assert adversarial > 2 * max(random)


def test_a_network_that_ignores_its_input_gets_a_finite_perturbation_of_length_epsilon() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(108, 5))
    nn.init.zeros_(net[1].weight)
    seen = inputs_of(net)
    assert virtual_adversarial_loss(net, IMAGES, 3.5).item() == 0
    torch.testing.assert_close((seen[-1] - IMAGES).flatten(1).norm(dim=1), torch.full((4,), 3.5), rtol=1e-5, atol=0)


def test_gradients_stay_finite_where_logits_lie_200_apart() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(108, 5))
    net[1].bias.data = torch.tensor([200.0, 0.0, 0.0, 0.0, 0.0])
    loss = virtual_adversarial_loss(net, IMAGES, 100.0)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_vat_takes_segmentation_logits() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 5, 1))
    seen = inputs_of(net)
    loss = virtual_adversarial_loss(net, IMAGES, 3.5, reduction="per_sample")
    clean, perturbed = net(IMAGES), net(seen[2])
    pixels = [kl_divergence(clean[..., y, x], perturbed[..., y, x], "per_sample") for y in range(6) for x in range(6)]
    assert loss.item() == pytest.approx(torch.stack(pixels).mean().item(), rel=1e-4)


def exact_direction(net: nn.Module, images: Tensor, start: Tensor, draws: object) -> Tensor:
    """The limit of the probe's gradient at xi -> 0, J^T (diag p - p p^T) J d, by forward and reverse mode."""

    def logits(x: Tensor) -> Tensor:
        with replaying_draws(draws):
            return net(x)

    out, moved = torch.func.jvp(logits, (images,), (start,))
    p = out.softmax(1)
    metric = p * (moved - (p * moved).sum(1, keepdim=True))
    _, pull = torch.func.vjp(logits, images)
    return pull(metric)[0]


def test_the_direction_on_a_resnet_in_float32_is_that_of_float64_at_xi_to_zero() -> None:
    torch.manual_seed(0)
    net = plugins.load("backbone", "resnet50").build(12)
    images = torch.randn(8, 3, 64, 64)
    draws = current_random_state(images.device)
    with frozen_statistics(net):
        with replaying_draws(draws), torch.no_grad():
            logits = net(images)
        torch.manual_seed(5)
        found = adversarial_direction(net, images, logits, draws, XI)
        torch.manual_seed(5)
        start = nn.functional.normalize(torch.randn_like(images).flatten(1), dim=1).view_as(images)
        expected = exact_direction(net.double(), images.double(), start.double(), draws)
    cosine = nn.functional.cosine_similarity(found.double().flatten(1), expected.flatten(1))
    assert cosine.min() >= 0.99
