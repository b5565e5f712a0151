"""DACS and DAFormer's training: what is pasted where, who teaches, which images are drawn, how far features moved."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from drawn_streets import BENCHMARK, draw_streets, loss_falls
from hypothesis import given, settings
from hypothesis import strategies as st

from dta_bench.check.method import random_batch, small_learner
from dta_bench.data.batches import Batches, class_counts
from dta_bench.domains.images import Splits
from dta_bench.methods import dacs, daformer
from dta_bench.nn import class_mix
from dta_bench.nn.learner import Progress
from dta_bench.nn.network import IMAGENET, current_random_state, without_dropout
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve_on
from dta_bench.run.train import Run
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training

# Class mixing


@given(st.integers(0, 2**31), st.integers(1, 6))
@settings(max_examples=30)
def test_the_mask_has_all_pixels_of_half_the_classes_rounded_up_and_no_ignored_ones(seed: int, classes: int) -> None:
    torch.manual_seed(seed)
    labels = torch.randint(classes, (12, 15))
    labels[:3] = 255
    present = set(labels.unique().tolist()) - {255}
    mask = class_mix.class_mix_mask(labels)
    chosen = set(labels[mask].unique().tolist())
    assert len(chosen) == (len(present) + 1) // 2
    assert chosen <= present
    assert torch.equal(mask, torch.isin(labels, torch.tensor(sorted(chosen))))


def test_the_mask_of_a_map_without_labels_is_empty() -> None:
    assert not class_mix.class_mix_mask(torch.full((4, 4), 255)).any()


def test_a_mixed_image_is_source_under_the_mask_and_target_elsewhere() -> None:
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[0, 1:3] = True
    above, below = torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    assert torch.equal(class_mix.paste(mask, above, below), mask[:, None].expand(2, 3, 4, 4).float())


def test_pixels_count_by_their_weights_and_ignored_ones_as_0() -> None:
    logits, labels, weights = torch.randn(1, 3, 2, 2), torch.tensor([[[0, 1], [2, 255]]]), torch.rand(1, 2, 2)
    log_p = logits.log_softmax(1)
    wanted = -sum(weights[0, i, j] * log_p[0, labels[0, i, j], i, j] for i, j in ((0, 0), (0, 1), (1, 0))) / 4
    torch.testing.assert_close(class_mix.weighted_cross_entropy(logits, labels, weights), wanted)


def test_changed_colours_stay_in_range_and_without_strength_only_the_blur_acts() -> None:
    torch.manual_seed(0)
    mean, deviation = (torch.tensor(of).view(-1, 1, 1) for of in (IMAGENET.mean, IMAGENET.std))
    natural = torch.rand(6, 3, 24, 32)
    changed = class_mix.jitter_and_blur((natural - mean) / deviation, 0.25, IMAGENET) * deviation + mean
    assert changed.min() > -1e-5
    assert changed.max() < 1 + 1e-5
    assert (changed - natural).abs().amax((1, 2, 3)).gt(0.01).sum() >= 3
    even = torch.full((4, 3, 24, 32), 0.3)
    torch.testing.assert_close(
        class_mix.jitter_and_blur((even - mean) / deviation, 0.0, IMAGENET) * deviation + mean, even
    )


# The teacher


def test_the_teacher_goes_a_share_of_the_way_and_keeps_its_batchnorm_statistics() -> None:
    learner = small_learner(method_plugin("dacs"), "segmentation")
    old = {name: value.clone() for name, value in learner.teacher.state_dict().items()}
    learner.at = Progress(1, 3, 10)
    learner.step(*random_batch("segmentation"))
    new = dict(learner.net.named_parameters())
    for name, weight in learner.teacher.named_parameters():
        torch.testing.assert_close(weight - old[name], 0.25 * (new[name] - old[name]))
        assert weight.grad is None
    assert all(torch.equal(value, old[name]) for name, value in learner.teacher.named_buffers())


def test_the_teacher_drops_nothing_and_normalises_by_its_batch() -> None:
    learner, images = small_learner(method_plugin("dacs"), "segmentation"), random_batch("segmentation")[1].images
    with without_dropout(learner.teacher):
        once, again, other = learner.teacher(images), learner.teacher(images), learner.teacher(3 * images)
    assert torch.equal(once, again)
    torch.testing.assert_close(other, once, atol=1e-3, rtol=1e-3)  # the first layer is normalised by its batch
    assert all(layer.training for layer in learner.teacher.modules())


def test_a_target_pixels_weight_is_the_share_of_confident_pixels_of_its_image() -> None:
    learner, images = small_learner(method_plugin("dacs"), "segmentation"), random_batch("segmentation")[1].images
    with torch.no_grad(), without_dropout(learner.teacher):
        confidence = learner.teacher(images).softmax(1).amax(1)
    learner.params = dacs.Params(threshold=float(confidence.median()))
    _, weights = learner.pseudo_labels(images)
    wanted = (confidence > confidence.median()).float().mean((1, 2))
    torch.testing.assert_close(weights, wanted[:, None, None].expand_as(weights))


# DAFormer


def test_rare_classes_are_drawn_by_the_softmax_of_their_rarity() -> None:
    shares = np.array([0.6, 0.3, 0.09, 0.01])
    assert daformer.class_probabilities(shares, 0.5) == pytest.approx(
        [0.112998, 0.205896, 0.313366, 0.367739], abs=1e-6
    )
    assert daformer.class_probabilities(shares, 0.01) == pytest.approx([0, 0, 0.000335, 0.999665], abs=1e-6)


@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=8), st.floats(0.01, 2))
@settings(max_examples=30)
def test_class_probabilities_sum_to_1_and_grow_with_rarity(shares: list[float], temperature: float) -> None:
    normalised = np.array(shares) / sum(shares)
    probabilities = daformer.class_probabilities(normalised, temperature)
    assert probabilities.sum() == pytest.approx(1)
    assert (np.diff(probabilities[np.argsort(normalised)]) <= 1e-12).all()


def test_images_are_drawn_for_a_class_among_those_that_show_enough_of_it() -> None:
    counts = np.array([[900, 100], [999, 1], [1000, 0]])
    common, rare = daformer.class_probabilities(counts.sum(0) / 3000, 0.5)
    found = daformer.source_odds(daformer.Params(temperature=0.5, least_share=0.003), counts)
    assert found == pytest.approx([common / 3 + rare, common / 3, common / 3])


def test_a_class_that_no_image_shows_enough_of_is_still_drawn_for() -> None:
    counts = np.array([[999, 1], [1000, 0]])
    found = daformer.source_odds(daformer.Params(temperature=0.01), counts)
    assert found == pytest.approx([1, 0], abs=1e-6)


def test_batches_follow_the_odds_and_are_the_same_again() -> None:
    source, target = draw_streets("flat"), draw_streets("textured").without_labels()
    odds = np.array([0.5, 0.5, 0, 0, 0, 0, 0, 0])
    batches = [Batches(source, target, BENCHMARK, 2, 0, 3, source_odds=odds) for _ in range(2)]
    wanted = {labels.tobytes() for labels in source.labels[:2]} | {
        labels[:, ::-1].tobytes() for labels in source.labels[:2]
    }
    for epoch in (1, 2):
        for (one, _), (other, _) in zip(*(drawn_batches.epoch(epoch) for drawn_batches in batches), strict=True):
            assert torch.equal(one.images, other.images)
            assert {labels.astype(np.uint8).tobytes() for labels in one.labels.numpy()} <= wanted


def test_pixels_are_counted_by_class_and_image() -> None:
    source = draw_streets("flat")
    counts = class_counts(source, 11)
    assert counts[3].tolist() == [(source.labels[3] == k).sum() for k in range(11)]


def test_the_feature_distance_is_0_at_the_start_and_grows() -> None:
    learner = small_learner(method_plugin("daformer"), "segmentation")
    source, target = random_batch("segmentation")

    def distance() -> float:
        draws = current_random_state(torch.device("cpu"))
        return learner.feature_distance(learner.net.features(source.images).activation, source, draws).item()

    learner.params = daformer.Params(region_share=0.0)
    assert distance() == 0
    learner.step(source, target)
    assert distance() > 0
    assert not any(weight.requires_grad for weight in learner.anchor.parameters())


def test_in_evaluation_mode_the_anchor_drops_nothing() -> None:
    made = small_learner(method_plugin("daformer"), "segmentation")
    made.params = daformer.Params(anchor="evaluation", region_share=0.0)
    modes: list[bool] = []
    made.anchor.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    made.step(*random_batch("segmentation"))
    assert modes == [False]
    assert made.anchor.training


def test_a_place_is_a_thing_where_most_of_its_pixels_are_of_one_thing_class() -> None:
    labels = torch.zeros(1, 4, 8, dtype=torch.long)
    labels[0, :, :4] = torch.tensor([[5, 5, 5, 5], [5, 5, 5, 5], [5, 5, 7, 7], [5, 255, 7, 7]])
    found = daformer.thing_regions(labels, torch.tensor([5, 7]), 8, torch.Size((2, 4)), 0.75)
    assert found.tolist() == [[[True, True, False, False], [True, True, False, False]]]
    strict = daformer.thing_regions(labels, torch.tensor([5]), 6, torch.Size((2, 4)), 0.8)
    assert strict.tolist() == [[[True, True, False, False], [False, False, False, False]]]


def test_the_top_and_bottom_rows_of_pseudo_labels_have_weight_0() -> None:
    learner, images = small_learner(method_plugin("daformer"), "segmentation"), random_batch("segmentation")[1].images
    learner.params = daformer.Params(threshold=0.0, ignore_top=2 / 16, ignore_bottom=4 / 16)
    _, weights = learner.pseudo_labels(images)
    assert weights.amax((0, 2)).tolist() == [0] * 2 + [1] * 10 + [0] * 4
    assert weights.amin((0, 2)).tolist() == weights.amax((0, 2)).tolist()


@pytest.mark.parametrize("method", ["dacs", "daformer"])
def test_its_loss_falls_on_drawn_streets(method: str) -> None:
    assert loss_falls(method)


def test_a_run_draws_its_source_images_as_its_method_says() -> None:
    source, target = draw_streets("flat"), draw_streets("textured")
    splits = Splits(source, source, target.without_labels(), target, target, "")
    params = dataclasses.asdict(daformer.Params())
    own = Training(epochs=1, optimizer="adam", learning_rate=1e-3, batch_size=2)
    for method, method_params in (("daformer", params), ("dacs", {k: params[k] for k in vars(dacs.Params())})):
        spec = RunSpec("streets_mini", "unet_mini", "none", method, method_params, own, LabelSubset(size=2), 0)
        odds = Run(resolve_on(spec, BENCHMARK, splits), Placement(torch.device("cpu"))).batches.source_odds
        if method == "daformer":
            assert odds == pytest.approx(daformer.source_odds(daformer.Params(), class_counts(source, 11)))
        else:
            assert odds is None
