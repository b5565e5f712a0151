"""MIC: its masks, what the masked loss is, its hosts, and that without its weight it is the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from small_learners import batch_of_images, learner_of
from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.check.method import CLASSES, SIDE, TARGETS, TRAINING, random_batch, small_network
from dta_bench.errors import UserError
from dta_bench.methods import daformer, mic, sdat
from dta_bench.nn import learner
from dta_bench.nn.learner import Progress, Setting
from dta_bench.nn.network import without_dropout
from dta_bench.spec.method_plugin import method_plugin


def on_maps(**params: Any) -> mic.Method:
    setting = Setting(TRAINING, CLASSES, (3, SIDE, SIDE), TARGETS)
    made = learner.build(method_plugin("mic"), small_network("segmentation"), mic.Params(**params), setting)
    made.at = Progress(1, 500, 1000)
    assert isinstance(made, mic.Method)
    return made


def of_images(**params: Any) -> mic.Method:
    made = learner_of(mic, **params)
    assert isinstance(made, mic.Method)
    return made


def test_a_mask_is_blocks_of_zeros_and_ones() -> None:
    mask = mic.block_mask(torch.ones(5, 3, 32, 64), 0.25, 0.7)
    assert mask.shape == (5, 1, 32, 64)
    blocks = mask.unfold(2, 8, 8).unfold(3, 8, 8).flatten(4)
    assert set(mask.unique().tolist()) == {0, 1}
    assert torch.equal(blocks.amin(-1), blocks.amax(-1))


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.7, 1.0])
def test_the_share_of_masked_blocks_is_the_ratio(ratio: float) -> None:
    torch.manual_seed(0)
    assert 1 - float(mic.block_mask(torch.ones(500, 1, 32, 32), 0.25, ratio).mean()) == pytest.approx(ratio, abs=0.02)


def test_a_block_larger_than_the_image_masks_all_or_nothing() -> None:
    assert mic.block_mask(torch.ones(3, 1, 6, 6), 1.0, 0.5).flatten(1).std(1).tolist() == [0, 0, 0]


@pytest.mark.parametrize("host", ["sdat", "mcc", "dann", "source_only"])
def test_a_step_without_its_weight_is_the_hosts(host: str) -> None:
    ends = []
    for one in (of_images(host=host, weight=0.0), learner_of(mic.HOSTS[host], **mic.CHANGED.get(host, {}))):
        torch.manual_seed(2)
        for module in one.modules():  # a discriminator is drawn after other random numbers
            if hasattr(module, "reset_parameters") and not list(module.children()):
                module.reset_parameters()
        torch.manual_seed(3)
        one.step(*batch_of_images())
        ends.append([weight.clone() for weight in one.net.parameters()])
    torch.testing.assert_close(*ends)


def test_golden_masked_loss() -> None:
    """The mean over images of the teacher's confidence times the cross-entropy of the masked image."""
    made = of_images(host="source_only", jitter=0.0, ratio=0.0)
    target = batch_of_images()[1].images
    torch.manual_seed(1)
    with torch.no_grad(), without_dropout(made.teacher):
        confidence, labels = made.teacher(target).softmax(1).max(1)
    logits = torch.tensor([[2.0, 0.0, 0.0, 0.0, 0.0]]).repeat(4, 1)
    made.net.forward = lambda _: logits  # type: ignore[method-assign]
    expected = float((confidence * cross_entropy(logits, labels, reduction="none")).mean())
    assert float(made.masked_loss(target)) == pytest.approx(expected, rel=1e-5)


def test_everything_is_masked_at_ratio_one() -> None:
    made = of_images(host="source_only", ratio=1.0)
    seen: list[Tensor] = []
    made.net.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    made.masked_loss(batch_of_images()[1].images)
    assert float(seen[-1].abs().max()) == 0


def test_the_teacher_is_the_mean_of_the_weights_and_then_their_moving_average() -> None:
    made = of_images(host="source_only", keep=0.9)
    history = [next(made.net.parameters()).detach().clone()]
    for iteration in range(2):
        made.at = Progress(1, iteration, 1000)
        made.step(*batch_of_images())
        history.append(next(made.net.parameters()).detach().clone())
    torch.testing.assert_close(next(made.teacher.parameters()), torch.stack(history).mean(0))
    made.at = Progress(1, 50, 1000)
    before = next(made.teacher.parameters()).clone()
    made.step(*batch_of_images())
    torch.testing.assert_close(next(made.teacher.parameters()), 0.9 * before + 0.1 * next(made.net.parameters()))


def test_on_label_maps_it_shares_the_teacher_of_daformer_and_its_rare_classes() -> None:
    made = on_maps()
    assert isinstance(made.host, daformer.Method)
    assert not hasattr(made, "teacher")
    images = random_batch("segmentation")[1].images
    torch.manual_seed(2)
    expected = made.host.pseudo_labels(images)
    torch.manual_seed(2)
    assert all(map(torch.equal, made.pseudo_labels(images), expected))
    counts = np.array([[90, 10], [100, 0]])
    np.testing.assert_array_equal(
        mic.source_odds(mic.Params(), counts), daformer.source_odds(daformer.Params(), counts)
    )


def test_images_of_one_class_are_drawn_as_ever() -> None:
    assert mic.source_odds(mic.Params(), np.eye(3, dtype=np.int64)) is None


def test_sdat_takes_the_masked_loss_into_both_gradients_with_the_same_mask() -> None:
    made = of_images()
    assert isinstance(made.host, sdat.Method)
    masked: list[Tensor] = []
    block_mask = mic.block_mask

    def noted(*of: Any) -> Tensor:
        masked.append(block_mask(*of))
        return masked[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mic, "block_mask", noted)
        made.step(*batch_of_images())
    assert len(masked) == 2
    assert torch.equal(*masked)


def test_the_masked_loss_moves_the_network() -> None:
    grown = []
    for weight in (0.0, 1.0):
        made = of_images(host="source_only", weight=weight, keep=1.0)
        torch.manual_seed(3)
        made.step(*batch_of_images())
        grown.append(next(made.net.parameters()).detach().clone())
    assert not torch.equal(*grown)


def test_a_host_of_another_task_and_one_that_it_cannot_stand_on_are_refused() -> None:
    with pytest.raises(UserError, match="the host daformer does segmentation, but these data are for classification"):
        of_images(host="daformer")
    with pytest.raises(UserError, match=r"host is 'mcd'.*source_only"):
        mic.Params(host="mcd")


def test_hosts_are_methods_of_one_loss_that_predict_by_the_network() -> None:
    for name, module in mic.HOSTS.items():
        plugin = method_plugin(name)
        own = getattr(module, "Method", learner.Learner)
        assert plugin.module is module
        assert own.phases is learner.Learner.phases
        assert own.forward is learner.Learner.forward
        assert plugin.second_view is None
        assert plugin.first_stage is None
        assert "source_only_epochs" not in mic.CHANGED.get(name, {})
