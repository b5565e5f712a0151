"""DANN, CDAN, DAN, JAN and RTN: what each aligns, what learns from it and what does not."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from small_learners import batch_of_images, gradients_of, learner_of

from dta_bench.check.method import CLASSES
from dta_bench.methods import cdan, dan, dann, jan, rtn, source_only
from dta_bench.nn.domain_adversarial import domain_loss, reverse_gradient
from dta_bench.nn.mmd import mmd_from_kernel, multi_gaussian_kernel, pairwise_squared_distances

P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9]])


@pytest.mark.parametrize("method", [dann, cdan])
def test_at_the_start_of_the_ramp_features_learn_from_the_source_alone(method: ModuleType) -> None:
    found, alone = gradients_of(learner_of(method, done=0)), gradients_of(learner_of(source_only))
    for name, gradient in alone.items():
        torch.testing.assert_close(found[name], gradient)


@pytest.mark.parametrize("method", [dan, jan, rtn])
def test_at_the_start_of_the_ramp_the_discrepancy_has_no_weight(method: ModuleType) -> None:
    learner = learner_of(method, done=0)
    learner.take(*batch_of_images())
    found = learner.gradients(tuple(learner.players()), learner.loss)
    assert float(found["total"]) == pytest.approx(float(found["task"]))


def test_cdans_domain_loss_does_not_train_the_classifier() -> None:
    learner = learner_of(cdan)
    learner.take(*batch_of_images())
    learner.gradients(("all",), lambda s, t: {"total": learner.loss(s, t)["domain"]})
    assert learner.net.head.weight.grad is None
    assert learner.net.body[0].weight.grad is not None


def test_cdans_weights_are_equal_where_all_predictions_are_uniform() -> None:
    with_entropy, without = learner_of(cdan), learner_of(cdan, entropy=False)
    for learner in (with_entropy, without):
        torch.nn.init.zeros_(learner.net.head.weight)
        torch.nn.init.zeros_(learner.net.head.bias)
    found, plain = gradients_of(with_entropy), gradients_of(without)
    for name in found:
        torch.testing.assert_close(found[name], plain[name])


def test_gradient_reversal_mixes_two_separable_domains_until_a_discriminator_fails() -> None:
    """Domains apart along one of two axes, and a linear feature of both."""
    torch.manual_seed(0)
    source, target = torch.randn(256, 2), torch.randn(256, 2) + torch.tensor([6.0, 0.0])
    feature, discriminator = torch.nn.Linear(2, 1, bias=False), torch.nn.Linear(1, 1)
    torch.nn.init.ones_(feature.weight)
    both = torch.optim.Adam([*feature.parameters(), *discriminator.parameters()], lr=0.02)

    def share_told_apart() -> float:
        with torch.no_grad():
            s, t = discriminator(feature(source)), discriminator(feature(target))
        return float(torch.cat([s > 0, t <= 0]).float().mean())

    for step in range(400):
        strength = 1.0 if step >= 100 else 0.0
        s, t = (reverse_gradient(feature(of_domain), strength) for of_domain in (source, target))
        loss = domain_loss(discriminator(s), discriminator(t))
        both.zero_grad()
        loss.backward()
        both.step()
        if step == 99:
            assert share_told_apart() > 0.95
    assert share_told_apart() < 0.7


def test_jans_maps_start_as_the_identity_and_are_trained_to_raise_the_discrepancy() -> None:
    plain, adversarial = learner_of(jan, adversarial=False), learner_of(jan)
    hidden, p = torch.randn(8, 32), torch.randn(8, CLASSES).softmax(1)
    torch.testing.assert_close(plain.joint_kernel(hidden, p), adversarial.joint_kernel(hidden, p))
    found = gradients_of(adversarial, ("net", "maps"))
    for name, gradient in gradients_of(plain, ("net",)).items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-3)

    def discrepancy(step: float) -> float:
        """JMMD of the fixed batch once the maps have gone ``step`` against their gradient."""
        moved = learner_of(jan)
        moved.take(*batch_of_images())
        torch.manual_seed(4)
        with torch.no_grad():
            for name, weight in moved.named_parameters():
                if name.startswith("maps"):
                    weight -= step * found[name]
            return float(moved.loss(*moved._pieces[0])["jmmd"])

    assert discrepancy(5.0) > discrepancy(0.0)


def test_jan_with_one_class_is_dan() -> None:
    learner = learner_of(jan, adversarial=False)
    hidden = torch.randn(8, 32)
    kernel = learner.joint_kernel(hidden, torch.full((8, CLASSES), 1 / CLASSES))
    torch.testing.assert_close(mmd_from_kernel(kernel, 4), mmd_from_kernel(multi_gaussian_kernel(hidden), 4))


def test_jans_kernel_of_predictions_is_a_fixed_gaussian() -> None:
    learner = learner_of(jan, adversarial=False)
    p = P[:, [0, 1, 2]]
    kernel = learner.joint_kernel(torch.ones(4, 32), p) / 5  # equal features: each of five Gaussians is 1
    torch.testing.assert_close(kernel, torch.exp(-pairwise_squared_distances(p) / 1.68))


def test_rtns_classifiers_agree_where_the_residual_is_zero_and_entropy_never_trains_it() -> None:
    learner = learner_of(rtn)
    torch.nn.init.zeros_(learner.residual[2].weight)
    logits = torch.randn(4, CLASSES)
    assert torch.equal(logits + learner.residual(logits), logits)
    learner.take(*batch_of_images())
    learner.gradients(("all",), lambda s, t: {"total": learner.loss(s, t)["entropy"]})
    assert all(weight.grad is None for weight in learner.residual.parameters())
    assert learner.net.head.weight.grad is not None


def test_rtns_source_loss_trains_the_residual_and_the_classifier() -> None:
    learner = learner_of(rtn)
    learner.take(*batch_of_images())
    learner.gradients(("all",), lambda s, t: {"total": learner.loss(s, t)["task"]})
    assert all(weight.grad is not None for weight in [*learner.residual.parameters(), learner.net.head.weight])


@pytest.mark.parametrize("fusion", ["logits", "softmax"])
def test_rtns_fused_tensor_has_every_product(fusion: str) -> None:
    hidden, logits = torch.randn(2, 3), torch.randn(2, 4)
    seen = logits if fusion == "logits" else logits.softmax(1)
    expected = [[h * z for h in row for z in zs] for row, zs in zip(hidden.tolist(), seen.tolist(), strict=True)]
    torch.testing.assert_close(learner_of(rtn, fusion=fusion).fuse(hidden, logits), torch.tensor(expected))
