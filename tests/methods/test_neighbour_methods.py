"""NRC and ATDOC: their neighbours against brute force, their terms by hand, what their memories hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from small_learners import batch_of_images, learner_of
from torch import Tensor
from torch.nn.functional import normalize

from dta_bench.check.method import CLASSES, SIDE, TARGETS, TRAINING, small_network
from dta_bench.errors import UserError
from dta_bench.methods import atdoc, knn, nrc, source_smoothed
from dta_bench.nn.learner import Progress, Setting
from dta_bench.nn.network import evaluating


def images() -> Tensor:
    return torch.randn(TARGETS, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))


def nrc_learner(**params: Any) -> nrc.Method:
    made = learner_of(nrc, first=learner_of(source_smoothed), **params)
    made.at = Progress(1, 0, 10)
    made.before_epoch(lambda: images().split(4))
    assert isinstance(made, nrc.Method)
    return made


def test_neighbours_are_those_of_brute_force_without_the_image_itself() -> None:
    torch.manual_seed(0)
    features, index = normalize(torch.randn(12, 4)), torch.tensor([3, 7, 0])
    near, reciprocal, further = nrc.neighbourhood(features, index, 3, 2)
    cosine = (features @ features.T).numpy()
    order = [[int(j) for j in np.argsort(-cosine[i]) if j != i] for i in range(12)]
    for row, i in enumerate(index.tolist()):
        assert near[row].tolist() == order[i][:3]
        assert reciprocal[row].tolist() == [i in order[j][:2] for j in order[i][:3]]
        assert further[row].tolist() == [m for j in order[i][:3] for m in order[j][:2]]


def test_a_bank_smaller_than_the_neighbourhood_gives_all_that_there_is() -> None:
    near, _, further = nrc.neighbourhood(torch.eye(3), torch.tensor([0]), 5, 5)
    assert near.shape == (1, 2)
    assert further.shape == (1, 4)


def test_agreement_by_hand() -> None:
    """Image 0: 0.5 (0.9 0.2 + 0.1 0.8) + 1 (0.9 1); image 1: 2 (0.5)."""
    p = torch.tensor([[0.9, 0.1], [0.5, 0.5]])
    others = torch.tensor([[[0.2, 0.8], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
    weights = torch.tensor([[0.5, 1.0], [2.0, 0.0]])
    assert float(nrc.agreement(p, others, weights)) == pytest.approx((0.5 * 0.26 + 0.9 + 1.0) / 2)


@pytest.mark.parametrize(("self_weight", "expanded", "total"), [(1.0, 0.0, -1.0), (0.0, -0.052, -0.532)])
def test_golden_terms_of_nrc(self_weight: float, expanded: float, total: float) -> None:
    """Two images, p = (.6, .4) and (.4, .6), are each other's only neighbour; a third image keeps apart.

    S_1 . p_0 = .48 with affinity 1. The neighbour's neighbour is the image itself, S_0 . p_0 = .52: with 0.1 in the
    expanded neighbourhood, or with the own weight in its own term. The mean prediction is uniform.
    """
    made = nrc_learner(neighbours=1, expanded=1, self_weight=self_weight)
    angles = torch.tensor([0.0, 60.0, 200.0]).deg2rad()
    made.features = torch.stack([angles.cos(), angles.sin()], 1)
    made.probabilities = torch.tensor([[0.6, 0.4], [0.4, 0.6], [0.5, 0.5]])
    hidden, p = made.features[:2].clone(), made.probabilities[:2].clone()
    made.net.activations = lambda _: (hidden, p.log())  # type: ignore[method-assign]
    source, target = batch_of_images()
    parts = made.loss(source, type(target)(target.images, None, torch.tensor([0, 1])))
    golden = {"near": -0.48, "expanded": expanded, "own": -0.52, "diversity": 0.0, "total": total}
    assert {name: float(value) for name, value in parts.items()} == pytest.approx(golden, abs=1e-6)


def test_before_the_first_epoch_the_bank_is_the_first_stages_view_of_target_train_and_later_it_stays() -> None:
    made = nrc_learner()
    with torch.no_grad(), evaluating(made.net):
        hidden, logits = made.net.activations(images())
    torch.testing.assert_close(made.features, normalize(hidden.flatten(1)))
    torch.testing.assert_close(made.probabilities, logits.softmax(1))
    made.at = Progress(2, 5, 10)
    before = made.features.clone()
    made.before_epoch(lambda: (images() + 1).split(4))
    assert torch.equal(made.features, before)


def test_a_step_of_nrc_replaces_the_rows_of_its_batch_alone() -> None:
    made = nrc_learner()
    before = made.features.clone()
    made.step(*batch_of_images())
    changed = (made.features != before).any(1)
    assert changed.tolist() == [row < 4 for row in range(TARGETS)]


def test_nrc_uses_no_source() -> None:
    source, target = batch_of_images()
    ends = []
    for labels in (source.labels, (source.labels + 1) % CLASSES):
        made = nrc_learner()
        torch.manual_seed(1)
        made.step(type(source)(source.images + labels.float().mean(), labels), target)
        ends.append([weight.clone() for weight in made.net.parameters()])
    assert all(map(torch.equal, *ends))


def test_sharpening_by_hand_is_as_much_of_each_class() -> None:
    sharp = atdoc.sharpen(torch.tensor([[0.8, 0.2], [0.4, 0.6]]))
    torch.testing.assert_close(sharp, torch.tensor([[0.64 / 0.8, 0.04 / 0.4], [0.16 / 0.8, 0.36 / 0.4]]))
    torch.testing.assert_close(sharp.sum(0), torch.ones(2))


def test_the_pseudo_label_is_that_of_the_nearest_others() -> None:
    memory = normalize(torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]]))
    q = torch.tensor([[0.0, 1.0], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6]])
    found = atdoc.aggregate(torch.tensor([[5.0, 0.0]]), torch.tensor([0]), memory, q, 1)
    torch.testing.assert_close(found, q[1:2])
    two = atdoc.aggregate(torch.tensor([[5.0, 0.0]]), torch.tensor([0]), memory, q, 2)
    torch.testing.assert_close(two, q[[1, 3]].mean(0, keepdim=True))


def test_golden_terms_of_atdoc() -> None:
    """Two confident images (weights .9, .6) with CE -log .8 and -log .5, half through the run at weight .2."""
    made = learner_of(atdoc, done=0.5, neighbours=1)
    assert isinstance(made, atdoc.Method)
    made.features = torch.eye(4)
    made.sharpened = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.9, 0.1], [0.4, 0.6]])
    hidden = torch.tensor([[0.1, 0.0, 1.0, 0.0], [0.0, 0.1, 0.0, 1.0]])
    logits = torch.tensor([[0.8, 0.2], [0.5, 0.5]]).log()
    made.net.activations = lambda _: (hidden, logits)  # type: ignore[method-assign]
    source, target = batch_of_images()
    parts = made.loss(source, type(target)(target.images, None, torch.tensor([0, 1])))
    pseudo = -(0.9 * np.log(0.8) + 0.6 * np.log(0.5)) / 1.5
    assert float(parts["pseudo"]) == pytest.approx(pseudo, rel=1e-6) == pytest.approx(0.41114, abs=1e-4)
    assert float((parts["total"] - parts["task"]).detach()) == pytest.approx(0.1 * pseudo, rel=1e-5)


def test_after_a_step_the_memory_is_the_new_networks_view_of_the_batch() -> None:
    made = learner_of(atdoc)
    assert isinstance(made, atdoc.Method)
    source, target = batch_of_images()
    made.step(source, target)
    with torch.no_grad(), evaluating(made.net):
        hidden, logits = made.net.activations(target.images)
    torch.testing.assert_close(made.features[:4], normalize(hidden.flatten(1)))
    torch.testing.assert_close(made.sharpened[:4], atdoc.sharpen(logits.softmax(1)))
    torch.testing.assert_close(made.sharpened[4:], torch.full_like(made.sharpened[4:], 1 / CLASSES))


@pytest.mark.parametrize("module", [nrc, atdoc, knn])
def test_a_bank_is_not_shared_by_several_devices(module: Any) -> None:
    several = TRAINING.model_copy(update={"devices": 2})
    setting = Setting(several, CLASSES, (3, SIDE, SIDE), TARGETS)
    with pytest.raises(UserError, match=r"bank of images.* devices 2, allowed: 1"):
        module.Method(small_network("classification"), module.Params(), setting)
