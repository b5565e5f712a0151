"""SDAT, SimNet, Co-DA and GTA: what they add to a network, and what of it moves, meets or stays."""

from __future__ import annotations

import copy
from types import ModuleType

import pytest
import torch
from torch import Tensor

from dta_bench.check.method import CLASSES, SIDE, TARGETS, TRAINING, batch, made, small
from dta_bench.methods import cdan, co_da, gta, sdat, simnet, vada
from dta_bench.nn import learner
from dta_bench.nn.learner import Learner, Progress, Setting
from dta_bench.nn.network import Unlabelled
from dta_bench.spec import method_plugin


def of(module: ModuleType, **params: object) -> Learner:
    """A method on the small network, half through its run."""
    setting = Setting(TRAINING, CLASSES, (3, SIDE, SIDE), TARGETS)
    torch.manual_seed(7)
    found = learner.build(method_plugin.read("any", module), small("classification"), module.Params(**params), setting)
    found.at = Progress(1, 5, 10)
    return found


def stepped(on: Learner) -> dict[str, Tensor]:
    torch.manual_seed(1)
    source, target = batch("classification")
    on.step(source, target)
    return on.state_dict()


# SDAT


@pytest.mark.parametrize("confusion", [0.0, 1.0])
def test_a_radius_of_nought_is_the_host(confusion: float) -> None:
    host = of(sdat, rho=0.0, confusion=confusion)
    host.step = lambda s, t: Learner.step(host, s, t)  # type: ignore[method-assign]
    found, wanted = stepped(of(sdat, rho=0.0, confusion=confusion)), stepped(host)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_without_mcc_the_host_is_cdan() -> None:
    found, wanted = stepped(of(sdat, rho=0.0)), stepped(of(cdan))
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_climb_is_rho_long_along_the_tasks_gradient_and_spares_the_discriminator() -> None:
    on = of(sdat, rho=0.3)
    on.take(*batch("classification"))
    on.gradients(("all",), on.task_loss)
    gradient = torch.cat([weight.grad.flatten() for weight in on.net.parameters() if weight.grad is not None])
    judge = copy.deepcopy(on.discriminator.state_dict())
    before = on.move_along_gradient()
    moved = torch.cat([(weight - was).detach().flatten() for weight, was in before])
    torch.testing.assert_close(moved, 0.3 * gradient / gradient.norm(), atol=1e-6, rtol=1e-4)
    assert moved.norm().item() == pytest.approx(0.3, rel=1e-4)
    assert all(torch.equal(value, judge[name]) for name, value in on.discriminator.state_dict().items())


def test_weights_come_back_from_the_climb_before_they_are_updated() -> None:
    on = of(sdat, rho=0.5)
    before = {name: weight.clone() for name, weight in on.named_parameters()}
    on.update = lambda _: None  # type: ignore[method-assign]
    stepped(on)
    assert all(torch.equal(weight, before[name]) for name, weight in on.named_parameters())


def test_statistics_count_a_batch_once() -> None:
    on = of(sdat)
    stepped(on)
    assert on.net.body[1].num_batches_tracked == 2  # the source and the target, in the second pass


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


def test_a_batchs_prototypes_are_its_class_means_and_of_absent_classes_those_kept() -> None:
    on, (source, _) = of(simnet), batch("classification")
    source = type(source)(source.images, torch.tensor([0, 3, 3, 0]))
    kept = torch.randn(CLASSES, 32)
    on.similarity.prototypes.copy_(kept)
    on.eval()
    found, rows = on.update_prototypes(source), on.second(source.images)
    torch.testing.assert_close(found[0], (rows[0] + rows[3]) / 2)
    torch.testing.assert_close(found[3], (rows[1] + rows[2]) / 2)
    assert torch.equal(found[[1, 2, 4]], kept[[1, 2, 4]])
    torch.testing.assert_close(on.similarity.prototypes[0], 0.9 * kept[0] + 0.1 * found[0])
    assert torch.equal(on.similarity.prototypes[[1, 2, 4]], kept[[1, 2, 4]])


def test_a_first_class_mean_is_kept_whole() -> None:
    on, (source, _) = of(simnet), batch("classification")
    on.eval()
    found = on.update_prototypes(source)
    torch.testing.assert_close(on.similarity.prototypes, found)


def test_the_target_never_enters_the_prototypes() -> None:
    ends = []
    for other in (False, True):
        on, (source, target) = of(simnet), batch("classification")
        source = type(source)(torch.linspace(-1, 1, source.images.numel()).view_as(source.images), torch.arange(4))
        torch.manual_seed(0)
        on.loss(source, Unlabelled(target.images + 5 * other))
        ends.append(on.similarity.prototypes.clone())
    assert torch.equal(*ends)


# Co-DA


def test_models_of_equal_weights_agree_and_differ_in_nothing() -> None:
    on = of(co_da, redraw=False)
    on.eval()
    source, target = batch("classification")
    parts = on.networks_loss(source, target)
    assert parts["disagreement"] == 0
    assert parts["difference"] == 0


def test_the_second_network_starts_from_other_weights() -> None:
    on = of(co_da)
    assert not torch.equal(on.one.net.head.weight, on.two.net.head.weight)


def test_the_difference_is_rewarded_up_to_nu_and_not_pulled_at_beyond() -> None:
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
    on = of(co_da, agreement=0.0, diversity=0.0, **plain)
    alone = []
    for one in (on.one, on.two):
        single = vada.Method(copy.deepcopy(one.net), vada.Params(**plain), on.setting)
        single.load_state_dict(one.state_dict())
        single.start()
        single.at = on.at
        alone.append(single)
    for each in (on, *alone):
        each.eval()
        stepped(each)
    for one, single in zip((on.one, on.two), alone, strict=True):
        for found, wanted in zip(one.parameters(), single.parameters(), strict=True):
            torch.testing.assert_close(found, wanted)


# GTA


def test_drawn_images_are_of_the_judges_size_and_range() -> None:
    on = of(gta, width=4, noise=8)
    drawn = on.generate(torch.randn(3, 32), torch.tensor([0, 1, 2]))
    assert drawn.shape == (3, 3, 32, 32)
    assert drawn.abs().max() <= 1
    assert gta.to_discriminator_input(10 * torch.randn(2, 3, 9, 40)).shape == (2, 3, 32, 32)
    assert gta.to_discriminator_input(10 * torch.randn(2, 3, 9, 40)).abs().max() <= 1


def test_a_target_image_is_drawn_in_the_slot_after_the_classes() -> None:
    on, seen = of(gta, width=4, noise=8), list[Tensor]()
    on.generator.register_forward_pre_hook(lambda _, of: seen.append(of[0]))
    on.generate(torch.zeros(2, 32), torch.tensor([1, 4]))
    on.generate(torch.zeros(2, 32), None)
    slots = torch.cat(seen)[:, : CLASSES + 1, 0, 0]
    assert slots.argmax(1).tolist() == [1, 4, CLASSES, CLASSES]
    assert seen[0].shape == (2, CLASSES + 1 + 32 + 8, 1, 1)


def test_the_features_learn_through_a_generator_and_a_judge_at_rest() -> None:
    on = of(gta, width=4, noise=8)
    source, target = batch("classification")
    on.take(source, target)
    on.gradients(("net",), lambda s, t: {"total": on.network_loss(s, t)["fooled"]})
    assert on.net.body[0].weight.grad is not None
    assert on.net.body[0].weight.grad.any()
    assert on.net.head.weight.grad is None
    assert all(weight.grad is None for part in (on.generator, on.judge) for weight in part.parameters())


def test_the_judges_phase_leaves_no_trace_in_the_networks_statistics() -> None:
    on = of(gta, width=4, noise=8)
    before = copy.deepcopy(on.net.state_dict())
    on.take(*batch("classification"))
    for phase in (on.discriminator_loss, on.generator_loss):
        on.gradients(("judge",) if phase == on.discriminator_loss else ("generator",), phase)
    assert all(torch.equal(value, before[name]) for name, value in on.net.state_dict().items())


def test_players_have_the_rates_of_the_run_and_of_the_paper() -> None:
    on = made(method_plugin.method_plugin("gta"), "classification")
    rates = {name: (type(own).__name__, own.param_groups[0]["lr"]) for name, own in on.optimizers.items()}
    assert rates["generator"] == rates["judge"] == ("Adam", 5e-4)
    assert rates["net"][1] == TRAINING.learning_rate
