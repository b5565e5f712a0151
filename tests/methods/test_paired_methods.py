"""SDAT, SimNet, Co-DA and GTA: what they add to a network, and what of it moves, meets or stays."""

from __future__ import annotations

import copy

import pytest
import torch
from small_learners import learner_of
from torch import Tensor

from dta_bench.check.method import CLASSES, SIDE, TARGETS, TRAINING, random_batch, small_learner, small_network
from dta_bench.methods import cdan, co_da, gta, sdat, simnet, vada
from dta_bench.nn import learner as learners
from dta_bench.nn.learner import Learner, Setting
from dta_bench.nn.network import Unlabelled
from dta_bench.spec.method_plugin import method_plugin


def state_after_a_step(learner: Learner) -> dict[str, Tensor]:
    """The state dict after one step on a fixed batch."""
    torch.manual_seed(1)
    source, target = random_batch("classification")
    learner.step(source, target)
    return learner.state_dict()


# SDAT


@pytest.mark.parametrize("confusion", [0.0, 1.0])
def test_a_rho_of_0_is_the_method_without_sdat(confusion: float) -> None:
    host = learner_of(sdat, rho=0.0, confusion=confusion)
    host.step = lambda s, t: Learner.step(host, s, t)  # type: ignore[method-assign]
    found, wanted = state_after_a_step(learner_of(sdat, rho=0.0, confusion=confusion)), state_after_a_step(host)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_without_mcc_a_rho_of_0_is_cdan() -> None:
    found, wanted = state_after_a_step(learner_of(sdat, rho=0.0)), state_after_a_step(learner_of(cdan))
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_weights_move_by_rho_along_the_tasks_gradient_and_the_discriminators_do_not() -> None:
    learner = learner_of(sdat, rho=0.3)
    learner.take(*random_batch("classification"))
    learner.gradients(("all",), learner.task_loss)
    gradient = torch.cat([weight.grad.flatten() for weight in learner.net.parameters() if weight.grad is not None])
    judge = copy.deepcopy(learner.discriminator.state_dict())
    before = learner.move_along_gradient()
    moved = torch.cat([(weight - was).detach().flatten() for weight, was in before])
    torch.testing.assert_close(moved, 0.3 * gradient / gradient.norm(), atol=1e-6, rtol=1e-4)
    assert moved.norm().item() == pytest.approx(0.3, rel=1e-4)
    assert all(torch.equal(value, judge[name]) for name, value in learner.discriminator.state_dict().items())


def test_the_weights_move_back_before_they_are_updated() -> None:
    learner = learner_of(sdat, rho=0.5)
    before = {name: weight.clone() for name, weight in learner.named_parameters()}
    learner.update = lambda _: None  # type: ignore[method-assign]
    state_after_a_step(learner)
    assert all(torch.equal(weight, before[name]) for name, weight in learner.named_parameters())


def test_statistics_count_a_batch_once() -> None:
    learner = learner_of(sdat)
    state_after_a_step(learner)
    assert learner.net.body[1].num_batches_tracked == 2  # the source and the target, in the second pass


# SimNet


def test_similarities_are_bilinear_and_follow_the_order_of_the_classes() -> None:
    similarity, hidden, prototypes = simnet.Similarity(6, 4, 3), torch.randn(5, 6), torch.randn(4, 6)
    form = similarity.of_image.weight.T @ similarity.of_prototype.weight
    torch.testing.assert_close(similarity(hidden, prototypes), hidden @ form @ prototypes.T)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(similarity(hidden, prototypes[order]), similarity(hidden, prototypes)[:, order])


def test_prototypes_at_right_angles_cost_nothing_whatever_their_lengths() -> None:
    assert simnet.distance_from_orthonormal(torch.diag(torch.tensor([1.0, 5.0, 0.1]))).item() == pytest.approx(
        0, abs=1e-10
    )
    assert simnet.distance_from_orthonormal(torch.ones(3, 4)).item() == pytest.approx(6)


def test_prototypes_are_the_batchs_class_means_and_for_absent_classes_the_running_ones() -> None:
    learner, (source, _) = learner_of(simnet), random_batch("classification")
    source = type(source)(source.images, torch.tensor([0, 3, 3, 0]))
    kept = torch.randn(CLASSES, 32)
    learner.similarity.prototypes.copy_(kept)
    learner.eval()
    found, rows = learner.update_prototypes(learner.second(source.images), source.labels), learner.second(source.images)
    torch.testing.assert_close(found[0], (rows[0] + rows[3]) / 2)
    torch.testing.assert_close(found[3], (rows[1] + rows[2]) / 2)
    assert torch.equal(found[[1, 2, 4]], kept[[1, 2, 4]])
    torch.testing.assert_close(learner.similarity.prototypes[0], 0.9 * kept[0] + 0.1 * found[0])
    assert torch.equal(learner.similarity.prototypes[[1, 2, 4]], kept[[1, 2, 4]])


def test_the_first_mean_of_a_class_is_its_running_prototype() -> None:
    learner, (source, _) = learner_of(simnet), random_batch("classification")
    learner.eval()
    found = learner.update_prototypes(learner.second(source.images), source.labels)
    torch.testing.assert_close(learner.similarity.prototypes, found)


def test_the_target_never_enters_the_prototypes() -> None:
    ends = []
    for other in (False, True):
        learner, (source, target) = learner_of(simnet), random_batch("classification")
        source = type(source)(torch.linspace(-1, 1, source.images.numel()).view_as(source.images), torch.arange(4))
        torch.manual_seed(0)
        learner.loss(source, Unlabelled(target.images + 5 * other))
        ends.append(learner.similarity.prototypes.clone())
    assert torch.equal(*ends)


def test_left_out_an_images_class_has_the_mean_of_its_others_as_prototype() -> None:
    features = torch.tensor([[1.0, 0.0], [3.0, 0.0], [5.0, 6.0], [0.0, 8.0]])
    running = torch.tensor([[0.0, 0.0], [7.0, 7.0]])
    found = simnet.means_of_others(features, torch.tensor([0, 0, 0, 1]), running)
    torch.testing.assert_close(found, torch.tensor([[4.0, 3.0], [3.0, 3.0], [2.0, 0.0], [7.0, 7.0]]))


@pytest.mark.parametrize("leave_out", [False, True])
def test_an_images_logits_of_its_class_see_its_own_feature_unless_it_is_left_out(leave_out: bool) -> None:
    learner, (source, _) = learner_of(simnet, leave_out=leave_out), random_batch("classification")
    learner.eval()
    source = type(source)(source.images, torch.tensor([0, 0, 1, 1]))
    hidden, features = torch.randn(4, 32), learner.second(source.images).detach().requires_grad_()
    learner.second = torch.nn.Identity()
    _, logits = learner.prototypes_and_logits(hidden, type(source)(features, source.labels))
    (gradient,) = torch.autograd.grad(logits[0, 0], features)
    assert bool(gradient[0].abs().sum() > 0) != leave_out
    assert gradient[1].abs().sum() > 0
    prototypes, _ = learner.prototypes_and_logits(hidden, type(source)(features, source.labels))
    others = learner.similarity(hidden, prototypes)
    torch.testing.assert_close(logits[:, 2:], others[:, 2:], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(logits[0, 1], others[0, 1])


# Co-DA


def test_models_of_equal_weights_have_no_disagreement_and_no_difference() -> None:
    learner = learner_of(co_da, redraw=False)
    learner.eval()
    source, target = random_batch("classification")
    parts = learner.networks_loss(source, target)
    assert parts["disagreement"] == 0
    assert parts["difference"] == 0


def test_the_second_network_starts_from_other_weights() -> None:
    learner = learner_of(co_da)
    assert not torch.equal(learner.one.net.head.weight, learner.two.net.head.weight)


def test_the_difference_gets_a_gradient_up_to_nu_and_none_beyond() -> None:
    near = torch.tensor([[1.0, 0.0]], requires_grad=True)
    far = torch.tensor([[10.0, 0.0]], requires_grad=True)
    for features, value, slope in ((near, 1.0, [2.0, 0.0]), (far, 10.0, [0.0, 0.0])):
        found = co_da.difference(features, torch.zeros(1, 2)).clamp_max(10.0)
        found.backward()
        assert found.item() == value
        assert features.grad is not None
        assert features.grad[0].tolist() == slope


def test_two_disjoint_predictions_disagree_by_two() -> None:
    sure = 1000.0 * torch.eye(2)
    assert co_da.disagreement(sure, sure.flip(0)).item() == pytest.approx(2)


def test_without_its_terms_each_model_takes_the_step_of_a_vada_of_its_own() -> None:
    plain = {"lambda_s": 0.0, "lambda_t": 0.0}  # whose draws two models would share
    learner = learner_of(co_da, agreement=0.0, diversity=0.0, **plain)
    alone = []
    for one in (learner.one, learner.two):
        single = vada.Method(copy.deepcopy(one.net), vada.Params(**plain), learner.setting)
        single.load_state_dict(one.state_dict())
        single.start()
        single.at = learner.at
        alone.append(single)
    for each in (learner, *alone):
        each.eval()
        state_after_a_step(each)
    for one, single in zip((learner.one, learner.two), alone, strict=True):
        for found, wanted in zip(one.parameters(), single.parameters(), strict=True):
            torch.testing.assert_close(found, wanted)


# GTA


def test_generated_images_have_the_discriminators_size_and_range() -> None:
    learner = learner_of(gta, width=4, noise=8)
    drawn = learner.generate(torch.randn(3, 32), torch.tensor([0, 1, 2]))
    assert drawn.shape == (3, 3, 32, 32)
    assert drawn.abs().max() <= 1
    assert gta.to_discriminator_input(10 * torch.randn(2, 3, 9, 40)).shape == (2, 3, 32, 32)
    assert gta.to_discriminator_input(10 * torch.randn(2, 3, 9, 40)).abs().max() <= 1


def test_a_target_images_condition_is_the_slot_after_the_classes() -> None:
    learner, seen = learner_of(gta, width=4, noise=8), list[Tensor]()
    learner.generator.register_forward_pre_hook(lambda _, of: seen.append(of[0]))
    learner.generate(torch.zeros(2, 32), torch.tensor([1, 4]))
    learner.generate(torch.zeros(2, 32), None)
    slots = torch.cat(seen)[:, : CLASSES + 1, 0, 0]
    assert slots.argmax(1).tolist() == [1, 4, CLASSES, CLASSES]
    assert seen[0].shape == (2, CLASSES + 1 + 32 + 8, 1, 1)


def test_the_features_learn_through_the_fixed_generator_and_discriminator() -> None:
    learner = learner_of(gta, width=4, noise=8)
    source, target = random_batch("classification")
    learner.take(source, target)
    learner.gradients(("net",), lambda s, t: {"total": learner.network_loss(s, t)["fooled"]})
    assert learner.net.body[0].weight.grad is not None
    assert learner.net.body[0].weight.grad.any()
    assert learner.net.head.weight.grad is None
    assert all(weight.grad is None for part in (learner.generator, learner.judge) for weight in part.parameters())


def test_the_discriminators_and_generators_phases_do_not_change_the_networks_statistics() -> None:
    learner = learner_of(gta, width=4, noise=8)
    before = copy.deepcopy(learner.net.state_dict())
    learner.take(*random_batch("classification"))
    for phase in (learner.discriminator_loss, learner.generator_loss):
        learner.gradients(("judge",) if phase == learner.discriminator_loss else ("generator",), phase)
    assert all(torch.equal(value, before[name]) for name, value in learner.net.state_dict().items())


def test_the_network_has_the_runs_learning_rate_and_the_others_the_papers() -> None:
    learner = small_learner(method_plugin("gta"), "classification")
    rates = {name: (type(own).__name__, own.param_groups[0]["lr"]) for name, own in learner.optimizers.items()}
    assert rates["generator"] == rates["judge"] == ("Adam", 5e-4)
    assert rates["net"][1] == TRAINING.learning_rate


def test_of_a_pretrained_network_the_head_alone_starts_from_other_weights() -> None:
    setting = Setting(TRAINING, CLASSES, (3, SIDE, SIDE), TARGETS, has_weights=True)
    made = learners.build(method_plugin("co_da"), small_network("classification"), co_da.Params(), setting)
    one, two = (dict(model.net.named_parameters()) for model in (made.one, made.two))
    assert {name for name in one if not torch.equal(one[name], two[name])} == {"head.weight", "head.bias"}
