"""LSD: what its judge and generator give, who moves when, and that each is pulled where the paper says."""

from __future__ import annotations

import pytest
import torch
from drawn_streets import loss_falls
from torch import Tensor

from dta_bench.check.method import random_batch, small_learner
from dta_bench.methods import lsd
from dta_bench.spec.method_plugin import method_plugin


def lsd_learner() -> lsd.Method:
    return small_learner(method_plugin("lsd"), "segmentation")


def test_the_discriminator_gives_four_kinds_at_each_place_and_a_class_at_each_pixel() -> None:
    kinds, classes = lsd.Discriminator(3, 19, 8, 64)(torch.zeros(2, 3, 64, 128))
    assert kinds.shape == (2, 4, 4, 8)
    assert classes.shape == (2, 19, 64, 128)


def test_the_discriminator_has_no_more_layers_than_fit() -> None:
    assert lsd.Discriminator(3, 5, 8, 4)(torch.zeros(1, 3, 4, 4))[0].shape == (1, 4, 1, 1)


def test_redrawn_images_have_the_size_of_the_originals_and_their_range() -> None:
    learner, (source, _) = lsd_learner(), random_batch("segmentation")
    redrawn = learner.redraw(learner._hidden(source.images), source.images)
    assert redrawn.shape == source.images.shape
    assert redrawn.abs().max() <= 1


def test_the_kind_loss_is_the_cross_entropy_with_one_kind_everywhere() -> None:
    logits = torch.randn(2, 4, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    by_hand = -logits.log_softmax(1)[:, lsd.TARGET].mean()
    torch.testing.assert_close(lsd.kind_loss(logits, lsd.TARGET), by_hand)


def test_each_phase_updates_its_own_player_alone() -> None:
    learner = lsd_learner()
    learner.take(*random_batch("segmentation"))
    order = []
    for players, loss in learner.phases():
        before = {name: weight.clone() for name, weight in learner.named_parameters()}
        learner.gradients(players, loss)
        learner.update(players)
        moved = {n.split(".")[0] for n, weight in learner.named_parameters() if not torch.equal(weight, before[n])}
        assert moved == set(players)
        order += players
    assert order == ["judge", "generator", "net"]


def test_the_discriminators_and_the_generators_phases_leave_the_networks_statistics_alone() -> None:
    learner = lsd_learner()
    learner.take(*random_batch("segmentation"))
    before = {name: value.clone() for name, value in learner.net.named_buffers()}
    for players, loss in list(learner.phases())[:2]:
        learner.gradients(players, loss)
    assert all(torch.equal(value, before[name]) for name, value in learner.net.named_buffers())


def mean_probability(learner: lsd.Method, images: Tensor, kind: int) -> Tensor:
    with torch.no_grad():
        return learner.judge(learner.redraw(learner._hidden(images), images))[0].softmax(1)[:, kind].mean()


@pytest.mark.parametrize(("domain", "kind"), [(0, lsd.TARGET), (1, lsd.SOURCE)])
def test_the_network_is_pulled_to_where_a_domain_is_redrawn_as_the_other(domain: int, kind: int) -> None:
    learner, pair = lsd_learner(), random_batch("segmentation")
    learner.params = lsd.Params(adversarial=100.0)
    learner.eval()
    before = mean_probability(learner, pair[domain].images, kind)
    for _ in range(20):
        learner.take(*pair)
        learner.gradients(("net",), learner.network_loss)
        learner.update(("net",))
    assert mean_probability(learner, pair[domain].images, kind) > before


def test_the_generator_learns_to_redraw() -> None:
    learner = lsd_learner()
    pair = random_batch("segmentation")
    losses = [float(learner.step(*pair)["redrawn"]) for _ in range(8)]
    assert losses[-1] < losses[0]


def test_without_its_weights_the_networks_loss_is_source_onlys() -> None:
    learner, (source, target) = lsd_learner(), random_batch("segmentation")
    learner.params = lsd.Params(adversarial=0, auxiliary=0)
    learner.eval()
    parts = learner.network_loss(source, target)
    torch.testing.assert_close(parts["total"], parts["task"])
    wanted = torch.nn.functional.cross_entropy(learner.net(source.images), source.labels, ignore_index=255)
    torch.testing.assert_close(parts["task"], wanted)


def test_its_loss_falls_on_drawn_streets() -> None:
    assert loss_falls("lsd", width=8)
