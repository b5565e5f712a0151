"""Zero-shot predicts as open_clip's own zero-shot classifier does, takes no step, and is one run for all seeds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip.zero_shot_classifier import build_zero_shot_classifier
from small_runs import spec_of
from tiny_clip import CONFIG, drawn_towers, write_tiny_clip
from torch.nn.functional import normalize

from dta_bench.domains.images import Splits
from dta_bench.errors import UserError
from dta_bench.nn import learner
from dta_bench.nn.learner import Learner, Setting
from dta_bench.nn.pretrained import open_clip_network
from dta_bench.nn.tuning import tune
from dta_bench.run import network_file
from dta_bench.run.finish import finish
from dta_bench.run.network_card import card_of
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve_on
from dta_bench.run.train import Run
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.training import Training

NAMES = ("alarm_clock", "dog", "7")
IMAGES = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(2))


def built(weights: str, params: dict[str, Any], **fields: Any) -> Learner:
    training = Training(epochs=3, optimizer="sgd", learning_rate=0.1, batch_size=2, **fields)
    net = tune(open_clip_network(CONFIG, 3, weights), training)
    plugin = method_plugin("zero_shot")
    return learner.build(plugin, net, plugin.params(params), Setting(training, 3, (3, 32, 32), 8, class_names=NAMES))


@pytest.mark.parametrize("fields", [{}, {"tune": "head"}, {"tune": "head", "neck_width": 8}, {"tune": "lora"}])
def test_the_logits_are_those_of_open_clips_own_classifier(out: Path, fields: dict[str, Any]) -> None:
    made = built(str(write_tiny_clip(out)[1]), {"templates": "a photo of a {}. | a sketch of the {}"}, **fields).eval()
    towers, tokens = drawn_towers(), open_clip.SimpleTokenizer()
    templates = ["a photo of a {}.", "a sketch of the {}"]
    named = build_zero_shot_classifier(towers, tokens, ["alarm clock", "dog"], templates)
    number = build_zero_shot_classifier(towers, tokens, ["7"], ['a photo of the number: "{}".'])
    with torch.no_grad():
        vectors = normalize(towers.encode_image(IMAGES), dim=1)
        expected = towers.logit_scale.exp() * vectors @ torch.cat([named, number], dim=1)
        assert torch.allclose(made(IMAGES), expected, atol=1e-4)


def test_nothing_trains(out: Path) -> None:
    made = built(str(write_tiny_clip(out)[1]), {})
    assert made.optimizers == {}
    assert list(made.phases()) == [((), made.loss)]


@pytest.mark.parametrize("templates", ["a photo", "{} and {}", "a {} | photo"])
def test_a_template_has_one_place_for_the_name(templates: str) -> None:
    with pytest.raises(UserError, match=r"templates has the template .*; allowed: text with one \{\}"):
        method_plugin("zero_shot").params({"templates": templates})


def test_a_backbone_without_a_text_tower_is_told() -> None:
    net = open_clip_network(CONFIG, 3)
    net.read_prompts = None
    plugin = method_plugin("zero_shot")
    training = Training(epochs=1, optimizer="sgd", learning_rate=0.1, batch_size=2)
    with pytest.raises(UserError, match=r"this backbone has none .* open_clip/ViT-B-32.openai"):
        learner.build(plugin, net, plugin.params({}), Setting(training, 3, (3, 32, 32), 8))


def spec_on(backbone: str, weights: Path, seed: int = 0, **fields: Any) -> RunSpec:
    plain = spec_of("zero_shot", seed=seed, epochs=5)
    training = Training(**plain.training.model_dump() | {"image_size": (32, 32)} | fields)
    return dataclasses.replace(plain, backbone=backbone, weights=str(weights), training=training)


@pytest.mark.parametrize("fields", [{}, {"tune": "head", "neck_width": 8, "schedule": "cosine"}])
def test_a_run_takes_no_step_is_measured_once_and_is_equal_for_all_seeds(
    out: Path, digits_benchmark: Benchmark, small_splits: Splits, fields: dict[str, Any]
) -> None:
    name, weights = write_tiny_clip(out)
    logits = []
    for seed in (0, 3):
        calls: list[int] = []
        run = Run(resolve_on(spec_on(name, weights, seed, **fields), digits_benchmark, small_splits), Placement())
        finished = finish(run.train_to_the_end(lambda epoch, _, calls=calls: calls.append(epoch)))
        assert calls == [5]
        assert run.total_steps == 0
        logits.append(finished.arrays["target_test_logits"])
    assert (logits[0] == logits[1]).all()


def test_its_network_is_stored_with_the_directions_of_its_prompts(
    out: Path, digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    name, weights = write_tiny_clip(out)
    run = Run(resolve_on(spec_on(name, weights), digits_benchmark, small_splits), Placement())
    made = run.learner.eval()
    kind = network_file.built_by(made, run.resolved.backbone, 10)
    card = card_of(run.spec, run.channels, made.normalisation, len(small_splits.target_train), kind)
    with network_file.temporary_file(network_file.what_predicts(made, card), card) as path:
        loaded = network_file.load(path)
    with torch.no_grad():
        assert torch.allclose(loaded.predicts(IMAGES), made(IMAGES), atol=1e-5)
