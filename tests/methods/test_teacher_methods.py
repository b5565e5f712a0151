"""VAT, self-ensembling, VADA and DIRT-T: their terms, their teachers and averages, and what they do not look at."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from small_learners import batch_of_images, gradients_of, learner_of

from dta_bench.check.method import random_batch, small_network
from dta_bench.methods import dirt_t, dta, se, source_only, vada, vat
from dta_bench.nn.domain_adversarial import domain_logits, domain_loss
from dta_bench.nn.learner import Progress
from dta_bench.nn.losses import kl_divergence
from dta_bench.nn.network import Labelled

P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9]])
Q = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.3, 0.3, 0.4], [0.9, 0.05, 0.05]])


def test_vat_with_entropy_is_dta_without_adversarial_dropout() -> None:
    source, target = batch_of_images()
    params = dataclasses.asdict(vat.Params())
    totals = []
    for method in (vat, dta):
        torch.manual_seed(5)
        totals.append(method.loss(small_network("classification"), source, target, 1, method.Params(**params))["total"])
    assert torch.equal(*totals)


def test_self_ensembling_takes_its_mean_over_the_whole_batch() -> None:
    agreement, sure = se.consistency(P, Q, 0.85)
    assert float(agreement) == pytest.approx(0.120417, abs=1e-6)
    assert float(sure) == 0.25
    assert float(se.consistency(P, Q, 1.0)[0]) == 0
    assert float(se.consistency(P, P, 0.0)[0]) == 0


def test_self_ensemblings_class_balance_is_least_at_the_uniform_prediction() -> None:
    assert float(se.class_balance_bce(P)) == pytest.approx(1.918326, abs=1e-6)
    assert float(se.class_balance_bce(torch.full((4, 3), 1 / 3))) == pytest.approx(1.909543, abs=1e-6)


def test_a_teacher_gets_no_gradient_and_its_statistics_come_from_target_views() -> None:
    learner = learner_of(se)
    before = learner.teacher.body[1].running_mean.clone()
    found = gradients_of(learner)
    assert not any(name.startswith("teacher") for name in found)
    torch.manual_seed(3)
    views = random_batch("classification")[1].again
    expected = 0.9 * before + 0.1 * learner.teacher.body[0](views).mean((0, 2, 3))
    torch.testing.assert_close(learner.teacher.body[1].running_mean, expected)


def test_vada_without_its_terms_is_source_only() -> None:
    learner = learner_of(vada, lambda_d=0.0, lambda_s=0.0, lambda_t=0.0)
    found = gradients_of(learner, ("net",), learner.network_loss)
    alone = gradients_of(learner_of(source_only))
    for name, gradient in alone.items():
        torch.testing.assert_close(found[name], gradient)


def test_vadas_two_domain_losses_sum_to_2_ln_2_for_an_undecided_discriminator() -> None:
    learner = learner_of(vada)
    for weight in learner.discriminator.parameters():
        torch.nn.init.zeros_(weight)
    learner.take(*batch_of_images())
    fooled = learner.gradients(("net",), learner.network_loss)["fooled"]
    told_apart = learner.gradients(("discriminator",), learner.discriminator_loss)["domain"]
    assert float(fooled + told_apart) == pytest.approx(2 * math.log(2))


def test_vadas_network_and_discriminator_cannot_both_be_right() -> None:
    learner = learner_of(vada)
    logits_s, logits_t = domain_logits(learner.discriminator, torch.randn(4, 32), torch.randn(4, 32) + 1)
    of_discriminator, of_network = domain_loss(logits_s, logits_t), domain_loss(logits_t, logits_s)
    assert float((of_discriminator + of_network).detach()) >= 2 * math.log(2)


def test_dirt_t_starts_at_the_first_stages_average_and_agrees_with_its_teacher() -> None:
    first = learner_of(vada)
    torch.nn.init.normal_(first.average.head.weight)
    learner = learner_of(dirt_t, first=first)
    for stage in (learner.net, learner.teacher, learner.average):
        assert torch.equal(stage.head.weight, first.average.head.weight)
    learner.eval()
    target = batch_of_images()[1]
    divergence = kl_divergence(learner.teacher(target.images), learner.net(target.images))
    assert float(divergence.detach()) == pytest.approx(0, abs=1e-7)


def test_dirt_ts_teacher_changes_only_at_a_refresh_and_then_is_the_average() -> None:
    learner = learner_of(dirt_t, first=learner_of(vada), refreshes=2)
    started = learner.teacher.head.weight.clone()
    for iteration in range(4):
        learner.at = Progress(1, iteration, 4)
        learner.step(*batch_of_images())
        kept = torch.equal(learner.teacher.head.weight, started)
        assert kept == (iteration == 0)
        if iteration in (1, 3):
            assert torch.equal(learner.teacher.head.weight, learner.average.head.weight)


def test_dirt_t_does_not_use_the_source() -> None:
    source, target = batch_of_images()
    nothing = Labelled(torch.full_like(source.images, torch.nan), source.labels)
    learner = learner_of(dirt_t, first=learner_of(vada))
    parts = learner.step(nothing, target)
    assert torch.isfinite(parts["total"])
    assert all(torch.isfinite(weight).all() for weight in learner.parameters())
