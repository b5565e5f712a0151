"""What makes each method that method: its signs, its limits, what may move and what may not; golden values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from types import ModuleType

import pytest
import torch
from torch import Tensor

from dta_bench.check.method import CLASSES, SIDE, TARGETS, TRAINING, batch, small
from dta_bench.methods import adr, cdan, dan, dann, dirt_t, dta, jan, mcd, rtn, se, source_only, vada, vat
from dta_bench.nn import learner
from dta_bench.nn.domain_adversarial import domain_logits, domain_loss, reverse_gradient
from dta_bench.nn.learner import Learner, Progress, Setting
from dta_bench.nn.losses import (
    class_balance,
    conditional_entropy,
    kl_divergence,
    l1_discrepancy,
    mean_prediction,
    symmetric_kl,
)
from dta_bench.nn.mmd import mmd_from_kernel, multi_gaussian_kernel, pairwise_squared_distances
from dta_bench.nn.network import Labelled, Unlabelled
from dta_bench.spec import method_plugin

P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9]])
Q = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.3, 0.3, 0.4], [0.9, 0.05, 0.05]])


def of(module: ModuleType, done: float = 0.5, first: Learner | None = None, **params: object) -> Learner:
    """A method on the small network, so far through its run."""
    setting = Setting(TRAINING, CLASSES, (3, SIDE, SIDE), TARGETS, first)
    made = learner.build(method_plugin.read("any", module), small("classification"), module.Params(**params), setting)
    made.at = Progress(1, round(1000 * done), 1000)
    return made


def images() -> tuple[Labelled, Unlabelled]:
    torch.manual_seed(3)
    return batch("classification")


def gradients(of: Learner, players: Sequence[str] = ("all",), loss: object = None) -> dict[str, Tensor]:
    """Each weight's gradient of a loss on one fixed batch, with the same draws every time."""
    of.take(*images())
    torch.manual_seed(4)
    of.gradients(players, loss or of.loss)  # type: ignore[arg-type]
    return {name: weight.grad.clone() for name, weight in of.named_parameters() if weight.grad is not None}


def test_golden_divergences() -> None:
    p, q = P.log(), Q.log()
    assert float(kl_divergence(p, q, "per_sample")) == pytest.approx(0.658364, abs=1e-6)
    assert float(kl_divergence(p, q, "classes")) == pytest.approx(0.219455, abs=1e-6)
    assert float(kl_divergence(q, p, "per_sample")) == pytest.approx(0.663375, abs=1e-6)
    assert float(symmetric_kl(p, q)) == pytest.approx(0.660869, abs=1e-6)
    assert float(conditional_entropy(p)) == pytest.approx(0.731037, abs=1e-6)
    assert float(l1_discrepancy(p, q)) == pytest.approx(0.208333, abs=1e-6)
    assert float(class_balance(p)) == pytest.approx(1.104517, abs=1e-5)


def test_the_discrepancy_of_two_classifiers_lies_between_nought_and_2_over_k() -> None:
    one_hot = 100 * torch.eye(4)
    assert float(l1_discrepancy(one_hot, one_hot)) == 0
    assert float(l1_discrepancy(one_hot, one_hot.roll(1, 1))) == pytest.approx(2 / 4)
    assert float(l1_discrepancy(P.log(), Q.log())) == float(l1_discrepancy(Q.log(), P.log()))


def test_a_mean_prediction_is_the_mean_of_probabilities() -> None:
    torch.testing.assert_close(mean_prediction(P.log(), Q.log()).exp(), (P + Q) / 2)


def test_symmetric_kl_of_a_prediction_and_itself_is_nought() -> None:
    assert float(symmetric_kl(3 * P.log(), 3 * P.log())) == 0


@pytest.mark.parametrize("method", [dann, cdan])
def test_before_the_ramp_rises_adversarial_features_learn_from_the_source_alone(method: ModuleType) -> None:
    found, alone = gradients(of(method, done=0)), gradients(of(source_only))
    for name, gradient in alone.items():
        torch.testing.assert_close(found[name], gradient)


@pytest.mark.parametrize("method", [dan, jan, rtn])
def test_before_the_ramp_rises_nothing_is_aligned(method: ModuleType) -> None:
    made = of(method, done=0)
    made.take(*images())
    found = made.gradients(tuple(made.players()), made.loss)
    assert float(found["total"]) == pytest.approx(float(found["task"]))


def test_cdans_domain_loss_does_not_train_the_classifier() -> None:
    made = of(cdan)
    made.take(*images())
    made.gradients(("all",), lambda s, t: {"total": made.loss(s, t)["domain"]})
    assert made.net.head.weight.grad is None
    assert made.net.body[0].weight.grad is not None


def test_cdan_weighs_all_alike_where_no_prediction_is_sure() -> None:
    with_entropy, without = of(cdan), of(cdan, entropy=False)
    for made in (with_entropy, without):
        torch.nn.init.zeros_(made.net.head.weight)
        torch.nn.init.zeros_(made.net.head.bias)
    found, plain = gradients(with_entropy), gradients(without)
    for name in found:
        torch.testing.assert_close(found[name], plain[name])


def test_dann_mixes_two_separable_domains_until_a_judge_is_at_a_loss() -> None:
    """Domains apart along one of two axes, and a linear feature of both."""
    torch.manual_seed(0)
    source, target = torch.randn(256, 2), torch.randn(256, 2) + torch.tensor([6.0, 0.0])
    feature, judge = torch.nn.Linear(2, 1, bias=False), torch.nn.Linear(1, 1)
    torch.nn.init.ones_(feature.weight)
    both = torch.optim.Adam([*feature.parameters(), *judge.parameters()], lr=0.02)

    def judged_right() -> float:
        with torch.no_grad():
            s, t = judge(feature(source)), judge(feature(target))
        return float(torch.cat([s > 0, t <= 0]).float().mean())

    for step in range(400):
        strength = 1.0 if step >= 100 else 0.0
        s, t = (reverse_gradient(feature(of_domain), strength) for of_domain in (source, target))
        loss = domain_loss(judge(s), judge(t))
        both.zero_grad()
        loss.backward()
        both.step()
        if step == 99:
            assert judged_right() > 0.95
    assert judged_right() < 0.7


def test_jans_maps_start_as_the_identity_and_then_oppose_the_network() -> None:
    plain, adversarial = of(jan, adversarial=False), of(jan)
    hidden, p = torch.randn(8, 32), torch.randn(8, CLASSES).softmax(1)
    torch.testing.assert_close(plain.joint_kernel(hidden, p), adversarial.joint_kernel(hidden, p))
    found = gradients(adversarial, ("net", "maps"))
    for name, gradient in gradients(plain, ("net",)).items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-3)

    def discrepancy(step: float) -> float:
        """JMMD of the fixed batch once the maps have gone ``step`` against their gradient."""
        moved = of(jan)
        moved.take(*images())
        torch.manual_seed(4)
        with torch.no_grad():
            for name, weight in moved.named_parameters():
                if name.startswith("maps"):
                    weight -= step * found[name]
            return float(moved.loss(*moved._pieces[0])["jmmd"])

    assert discrepancy(5.0) > discrepancy(0.0)


def test_jan_with_one_class_is_dan() -> None:
    made = of(jan, adversarial=False)
    hidden = torch.randn(8, 32)
    kernel = made.joint_kernel(hidden, torch.full((8, CLASSES), 1 / CLASSES))
    torch.testing.assert_close(mmd_from_kernel(kernel, 4), mmd_from_kernel(multi_gaussian_kernel(hidden), 4))


def test_jans_kernel_of_predictions_is_a_fixed_gaussian() -> None:
    made = of(jan, adversarial=False)
    p = P[:, [0, 1, 2]]
    kernel = made.joint_kernel(torch.ones(4, 32), p) / 5  # equal features: each of five Gaussians is 1
    torch.testing.assert_close(kernel, torch.exp(-pairwise_squared_distances(p) / 1.68))


def test_rtns_classifiers_agree_where_the_residual_is_nought_and_entropy_never_trains_it() -> None:
    made = of(rtn)
    torch.nn.init.zeros_(made.residual[2].weight)
    logits = torch.randn(4, CLASSES)
    assert torch.equal(logits + made.residual(logits), logits)
    made.take(*images())
    made.gradients(("all",), lambda s, t: {"total": made.loss(s, t)["entropy"]})
    assert all(weight.grad is None for weight in made.residual.parameters())
    assert made.net.head.weight.grad is not None


def test_rtns_source_loss_trains_the_residual_and_the_classifier() -> None:
    made = of(rtn)
    made.take(*images())
    made.gradients(("all",), lambda s, t: {"total": made.loss(s, t)["task"]})
    assert all(weight.grad is not None for weight in [*made.residual.parameters(), made.net.head.weight])


@pytest.mark.parametrize("fusion", ["logits", "softmax"])
def test_rtns_fused_tensor_holds_every_product(fusion: str) -> None:
    hidden, logits = torch.randn(2, 3), torch.randn(2, 4)
    seen = logits if fusion == "logits" else logits.softmax(1)
    expected = [[h * z for h in row for z in zs] for row, zs in zip(hidden.tolist(), seen.tolist(), strict=True)]
    torch.testing.assert_close(of(rtn, fusion=fusion).fuse(hidden, logits), torch.tensor(expected))


def test_mcds_heads_differ_from_the_start_and_its_phases_pull_apart_and_together() -> None:
    made = of(mcd)
    assert not torch.equal(made.net.head.weight, made.second.weight)
    target = images()[1]

    def discrepancy() -> float:
        made.eval()
        with torch.no_grad():
            found = float(l1_discrepancy(*made.both_logits(target.images)))
        made.train()
        return found

    def descend(players: tuple[str, ...], loss: object) -> float:
        before = discrepancy()
        for group in (group for own in made.optimizers.values() for group in own.param_groups):
            group["lr"] = 1e-2
        for _ in range(60):
            made.take(*images())
            made.gradients(players, loss)  # type: ignore[arg-type]
            made.update(players)
        return discrepancy() - before

    assert descend(("heads",), made.classifiers_loss) > 0
    assert descend(("features",), made.features_loss) < 0


def test_adrs_two_draws_agree_where_no_unit_is_dropped() -> None:
    made = of(adr, keep_rate=1.0)
    hidden = torch.randn(4, 32)
    assert float(symmetric_kl(made.logits_with_dropout(hidden), made.logits_with_dropout(hidden)).detach()) == 0


def test_adrs_clean_classifier_never_moves_the_features() -> None:
    made, other = of(adr), of(adr)
    torch.nn.init.normal_(other.clean.weight, std=5.0)
    players = ("features", "head", "clean")
    found, changed = gradients(made, players, made.source_loss), gradients(other, players, other.source_loss)
    assert not torch.equal(found["clean.weight"], changed["clean.weight"])
    assert all(torch.equal(found[name], changed[name]) for name in found if not name.startswith("clean"))


def test_vat_with_entropy_is_dta_without_adversarial_dropout() -> None:
    source, target = images()
    params = dataclasses.asdict(vat.Params())
    totals = []
    for method in (vat, dta):
        torch.manual_seed(5)
        totals.append(method.loss(small("classification"), source, target, 1, method.Params(**params))["total"])
    assert torch.equal(*totals)


def test_self_ensembling_counts_sure_teachers_over_the_whole_batch() -> None:
    agreement, sure = se.consistency(P, Q, 0.85)
    assert float(agreement) == pytest.approx(0.120417, abs=1e-6)
    assert float(sure) == 0.25
    assert float(se.consistency(P, Q, 1.0)[0]) == 0
    assert float(se.consistency(P, P, 0.0)[0]) == 0


def test_self_ensemblings_balance_is_least_at_the_uniform_prediction() -> None:
    assert float(se.class_balance_bce(P)) == pytest.approx(1.918326, abs=1e-6)
    assert float(se.class_balance_bce(torch.full((4, 3), 1 / 3))) == pytest.approx(1.909543, abs=1e-6)


def test_a_teacher_gets_no_gradient_and_its_statistics_come_from_target_views() -> None:
    made = of(se)
    before = made.teacher.body[1].running_mean.clone()
    found = gradients(made)
    assert not any(name.startswith("teacher") for name in found)
    torch.manual_seed(3)
    views = batch("classification")[1].again
    expected = 0.9 * before + 0.1 * made.teacher.body[0](views).mean((0, 2, 3))
    torch.testing.assert_close(made.teacher.body[1].running_mean, expected)


def test_vada_without_its_terms_is_source_only() -> None:
    made = of(vada, lambda_d=0.0, lambda_s=0.0, lambda_t=0.0)
    found = gradients(made, ("net",), made.network_loss)
    alone = gradients(of(source_only))
    for name, gradient in alone.items():
        torch.testing.assert_close(found[name], gradient)


def test_vadas_two_domain_losses_at_a_judge_that_knows_nothing_sum_to_2_ln_2() -> None:
    made = of(vada)
    for weight in made.discriminator.parameters():
        torch.nn.init.zeros_(weight)
    made.take(*images())
    fooled = made.gradients(("net",), made.network_loss)["fooled"]
    told = made.gradients(("discriminator",), made.discriminator_loss)["domain"]
    assert float(fooled + told) == pytest.approx(2 * math.log(2))


def test_vadas_network_and_judge_pull_the_domains_in_opposite_directions() -> None:
    made = of(vada)
    s, t = torch.randn(4, 32), torch.randn(4, 32) + 1
    told = domain_loss(*domain_logits(made.discriminator, s, t))
    taken, fooled = domain_logits(made.discriminator, s, t)
    swapped = domain_loss(fooled, taken)
    assert float(told + swapped) >= 2 * math.log(2)


def test_dirt_t_starts_at_the_first_stages_average_and_agrees_with_its_teacher() -> None:
    first = of(vada)
    torch.nn.init.normal_(first.average.head.weight)
    made = of(dirt_t, first=first)
    for stage in (made.net, made.teacher, made.average):
        assert torch.equal(stage.head.weight, first.average.head.weight)
    made.eval()
    target = images()[1]
    assert float(kl_divergence(made.teacher(target.images), made.net(target.images))) == pytest.approx(0, abs=1e-7)


def test_dirt_ts_teacher_stands_still_between_refreshes_and_then_is_the_average() -> None:
    made = of(dirt_t, first=of(vada), refreshes=2)
    started = made.teacher.head.weight.clone()
    for iteration in range(4):
        made.at = Progress(1, iteration, 4)
        made.step(*images())
        kept = torch.equal(made.teacher.head.weight, started)
        assert kept == (iteration == 0)
        if iteration in (1, 3):
            assert torch.equal(made.teacher.head.weight, made.average.head.weight)


def test_dirt_t_does_not_look_at_the_source() -> None:
    source, target = images()
    nothing = Labelled(torch.full_like(source.images, torch.nan), source.labels)
    made = of(dirt_t, first=of(vada))
    parts = made.step(nothing, target)
    assert torch.isfinite(parts["total"])
    assert all(torch.isfinite(weight).all() for weight in made.parameters())


def test_source_only_never_looks_at_the_target() -> None:
    source, target = images()
    nothing = Unlabelled(torch.full_like(target.images, torch.nan))
    loss = source_only.loss(small("classification"), source, nothing, 1, source_only.Params())["total"]
    assert torch.isfinite(loss)
