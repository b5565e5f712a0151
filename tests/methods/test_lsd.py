"""LSD: what its judge and generator give, who moves when, and that each is pulled where the paper says."""

from __future__ import annotations

import pytest
import torch
from drawn_streets import falls
from torch import Tensor

from dta_bench.check.method import batch, made
from dta_bench.methods import lsd
from dta_bench.spec.method_plugin import method_plugin


def learner() -> lsd.Method:
    return made(method_plugin("lsd"), "segmentation")


def test_the_judge_tells_four_kinds_at_each_place_and_a_class_at_each_pixel() -> None:
    kinds, classes = lsd.Discriminator(3, 19, 8, 64)(torch.zeros(2, 3, 64, 128))
    assert kinds.shape == (2, 4, 4, 8)
    assert classes.shape == (2, 19, 64, 128)


def test_the_judge_has_no_more_layers_than_fit() -> None:
    assert lsd.Discriminator(3, 5, 8, 4)(torch.zeros(1, 3, 4, 4))[0].shape == (1, 4, 1, 1)


def test_what_is_redrawn_has_the_size_of_the_image_and_its_range() -> None:
    of, (source, _) = learner(), batch("segmentation")
    drawn = of.redraw(of._hidden(source.images), source.images)
    assert drawn.shape == source.images.shape
    assert drawn.abs().max() <= 1


def test_a_verdict_is_the_cross_entropy_with_one_kind_everywhere() -> None:
    logits = torch.randn(2, 4, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    by_hand = -logits.log_softmax(1)[:, lsd.TARGET].mean()
    torch.testing.assert_close(lsd.kind_loss(logits, lsd.TARGET), by_hand)


def test_each_phase_moves_its_own_player_alone() -> None:
    of = learner()
    of.take(*batch("segmentation"))
    order = []
    for players, loss in of.phases():
        before = {name: weight.clone() for name, weight in of.named_parameters()}
        of.gradients(players, loss)
        of.update(players)
        moved = {n.split(".")[0] for n, weight in of.named_parameters() if not torch.equal(weight, before[n])}
        assert moved == set(players)
        order += players
    assert order == ["judge", "generator", "net"]


def test_the_judges_and_the_generators_phases_leave_the_networks_statistics_alone() -> None:
    of = learner()
    of.take(*batch("segmentation"))
    before = {name: value.clone() for name, value in of.net.named_buffers()}
    for players, loss in list(of.phases())[:2]:
        of.gradients(players, loss)
    assert all(torch.equal(value, before[name]) for name, value in of.net.named_buffers())


def told(of: lsd.Method, images: Tensor, kind: int) -> Tensor:
    with torch.no_grad():
        return of.judge(of.redraw(of._hidden(images), images))[0].softmax(1)[:, kind].mean()


@pytest.mark.parametrize(("domain", "kind"), [(0, lsd.TARGET), (1, lsd.SOURCE)])
def test_the_network_is_pulled_to_where_a_domain_is_redrawn_as_the_other(domain: int, kind: int) -> None:
    of, pair = learner(), batch("segmentation")
    of.params = lsd.Params(adversarial=100.0)
    of.eval()
    before = told(of, pair[domain].images, kind)
    for _ in range(20):
        of.take(*pair)
        of.gradients(("net",), of.network_loss)
        of.update(("net",))
    assert told(of, pair[domain].images, kind) > before


def test_the_generator_learns_to_redraw() -> None:
    of = learner()
    pair = batch("segmentation")
    losses = [float(of.step(*pair)["redrawn"]) for _ in range(30)]
    assert losses[-1] < losses[0]


def test_without_its_weights_the_networks_loss_is_source_onlys() -> None:
    of, (source, target) = learner(), batch("segmentation")
    of.params = lsd.Params(adversarial=0, auxiliary=0)
    of.eval()
    parts = of.network_loss(source, target)
    torch.testing.assert_close(parts["total"], parts["task"])
    wanted = torch.nn.functional.cross_entropy(of.net(source.images), source.labels, ignore_index=255)
    torch.testing.assert_close(parts["task"], wanted)


def test_it_trains_on_drawn_streets() -> None:
    assert falls("lsd", width=8)
