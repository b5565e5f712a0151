"""SHOT and FixMatch: labels from the network itself, by hand, by loops, and what must not be looked at."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dta_bench.check.method import random_batch, small_learner, train_epochs
from dta_bench.methods import fixmatch, shot
from dta_bench.nn.learner import Progress
from dta_bench.nn.network import Labelled
from dta_bench.spec.method_plugin import method_plugin

P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9]])


# SHOT


def test_the_information_of_four_predictions_by_hand() -> None:
    assert shot.information_loss(P.log()).item() == pytest.approx(-0.361741, abs=1e-6)


def test_the_information_loss_is_least_for_confident_predictions_of_all_classes_equally_often() -> None:
    sure = 1000.0 * torch.eye(4).repeat(3, 1)
    assert shot.information_loss(sure).item() == pytest.approx(-math.log(4), abs=1e-6)


def by_loops(features: Tensor, p: Tensor) -> list[int]:
    """The two rounds as the paper tells them, an image at a time."""
    rows = [torch.cat([f, torch.ones(1)]) / torch.cat([f, torch.ones(1)]).norm() for f in features]
    classes = list(range(p.shape[1]))

    def nearest(weights: list[list[float]]) -> list[int]:
        centroids = {}
        for k in classes:
            total = sum(w[k] for w in weights)
            if total:
                centroids[k] = sum(w[k] * row for w, row in zip(weights, rows, strict=True)) / total
        cosine = [{k: float(row @ c / (row.norm() * c.norm())) for k, c in centroids.items()} for row in rows]
        return [max(by_class, key=by_class.__getitem__) for by_class in cosine]

    first = nearest(p.tolist())
    return nearest([[float(k == label) for k in classes] for label in first])


@given(st.integers(0, 2**31))
@settings(max_examples=20)
def test_pseudo_labels_are_the_nearest_centroids_of_two_rounds(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    features, p = torch.randn(20, 6, generator=generator), (2 * torch.randn(20, 4, generator=generator)).softmax(1)
    assert shot.nearest_centroid_labels(features, p).tolist() == by_loops(features, p)


def test_renaming_the_classes_renames_the_pseudo_labels() -> None:
    torch.manual_seed(0)
    features, p, names = torch.randn(30, 5), torch.randn(30, 4).softmax(1), torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(
        names[shot.nearest_centroid_labels(features, p)], shot.nearest_centroid_labels(features, p[:, names.argsort()])
    )


def test_a_class_that_the_first_round_left_empty_gets_no_image() -> None:
    features = torch.tensor([[1.0, 0], [0.9, 0], [0, 1], [0, 0.9]])
    p = torch.tensor([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.1, 0.6, 0.3], [0.1, 0.6, 0.3]])
    assert set(shot.nearest_centroid_labels(features, p).tolist()) == {0, 1}


def test_shot_starts_from_the_first_stage_and_does_not_change_its_classifier() -> None:
    learner = small_learner(method_plugin("shot"), "classification")
    first = learner.setting.first
    assert first is not None
    for found, wanted in zip(learner.net.parameters(), first.net.parameters(), strict=True):
        assert torch.equal(found, wanted)
    before = copy.deepcopy(learner.net.state_dict())
    train_epochs(learner, "classification", [1, 2])
    moved = {
        name.split(".")[0] for name, value in learner.net.named_parameters() if not torch.equal(value, before[name])
    }
    assert moved == {"body", "neck"}


def test_shot_does_not_use_the_source() -> None:
    ends = []
    for blind in (False, True):
        learner, (source, target) = (
            small_learner(method_plugin("shot"), "classification"),
            random_batch("classification"),
        )
        target = type(target)(torch.linspace(-1, 1, target.images.numel()).view_as(target.images), None, target.index)
        learner.before_epoch(lambda target=target: [target.images, target.images])
        nothing = Labelled(torch.full_like(source.images, torch.nan), torch.full_like(source.labels, -1))
        torch.manual_seed(1)
        learner.step(nothing if blind else source, target)
        ends.append(learner.net.body[0].weight.detach().clone())
    assert torch.equal(*ends)


# FixMatch


def test_only_confident_weak_views_give_labels_and_the_mean_is_over_all() -> None:
    strong = torch.randn(4, 3)
    rows = -strong.log_softmax(1)[[1, 3], [1, 2]]
    assert fixmatch.confident_cross_entropy(P.log(), strong, 0.75).item() == pytest.approx(
        rows.sum().item() / 4, abs=1e-6
    )
    assert fixmatch.confident_cross_entropy(P.log(), strong, 1.0) == 0


def test_no_gradient_goes_through_the_weak_view() -> None:
    weak, strong = torch.randn(6, 3, requires_grad=True), torch.randn(6, 3, requires_grad=True)
    fixmatch.confident_cross_entropy(weak, strong, 0.0).backward()
    assert weak.grad is None
    assert strong.grad is not None


def test_self_training_starts_after_the_warm_up() -> None:
    learner = small_learner(method_plugin("fixmatch"), "classification")
    learner.params = fixmatch.Params(threshold=0.0, warm_up_epochs=2)
    for epoch, starts in ((2, False), (3, True)):
        learner.at = Progress(epoch, epoch, 10)
        assert bool(learner.loss(*random_batch("classification"))["own"]) is starts


def test_a_teacher_gives_the_labels_and_is_a_moving_average_of_the_network() -> None:
    source, target = random_batch("classification")
    learner = fixmatch.Method(
        small_learner(method_plugin("fixmatch"), "classification").net,
        fixmatch.Params(teacher=True, keep=0.9),
        small_learner(method_plugin("fixmatch"), "classification").setting,
    )
    learner.start()
    old = [weight.clone() for weight in learner.teacher.parameters()]
    learner.at = Progress(2, 5, 10)
    learner.step(source, target)
    for before, after, new in zip(old, learner.teacher.parameters(), learner.net.parameters(), strict=True):
        torch.testing.assert_close(after - before, 0.1 * (new - before))
        assert after.grad is None
