"""A run of low-rank adapters on a transformer: stopped and resumed bit for bit, and merged in what is kept of it."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import figures, resumed_after_two_steps, spec_of

from dta_bench.domains.images import Splits
from dta_bench.nn import pretrained
from dta_bench.nn.lora import LowRank, merge_adapters
from dta_bench.nn.tuning import tuned
from dta_bench.run import network_file
from dta_bench.run import train as training
from dta_bench.run.network_card import card_of
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve_on
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import RunSpec

CPU = torch.device("cpu")
LORA = {"tune": "lora", "image_size": (160, 160), "augmentation": (), "iterations_per_epoch": 3, "batch_size": 4}


def enlarge(image: Any) -> Any:
    """An image six times as large, cut to 160 pixels."""
    return image.repeat(6, 0).repeat(6, 1)[:160, :160]


def enlarged(splits: Splits) -> Splits:
    """The sets with each image enlarged."""
    return dataclasses.replace(
        splits,
        **{
            field.name: dataclasses.replace(own, images=[enlarge(image) for image in own.images])
            for field in dataclasses.fields(splits)
            if dataclasses.is_dataclass(own := getattr(splits, field.name))
        },
    )


def lora_spec() -> RunSpec:
    spec = spec_of("source_only", epochs=2)
    return dataclasses.replace(spec, backbone="timm/test_vit", training=spec.training.model_copy(update=LORA))


def test_a_file_of_merged_weights_is_read_as_one_with_adapters_is() -> None:
    """So is what ``export`` writes."""
    spec = lora_spec()
    spec = dataclasses.replace(spec, training=spec.training.model_copy(update={"image_size": (32, 32)}))
    backbone = tuned(pretrained.backbone(spec.backbone, (32, 32)), spec.training)
    network = backbone.build(10).eval()
    for layer in network.modules():
        if isinstance(layer, LowRank):
            torch.nn.init.normal_(layer.b)
    card = card_of(spec, 3, network.normalisation, 10, "backbone")
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected, written = network(images), network
        for _ in ("with adapters", "merged"):
            with network_file.temporary_file(written, card) as path:
                written = network_file.load(path).network
            assert not any(isinstance(layer, LowRank) for layer in written.modules())
            torch.testing.assert_close(written(images), expected)


@pytest.mark.slow  # a transformer takes images of 160 pixels
def test_it_goes_on_bit_for_bit_and_ends_as_a_plain_network(
    digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path
) -> None:
    spec, small_splits = lora_spec(), enlarged(small_splits)
    whole = training.train(resolve_on(spec, digits_benchmark, small_splits), Placement(CPU))
    resumed = resumed_after_two_steps(lambda: resolve_on(spec, digits_benchmark, small_splits), tmp_path / "run.pt")
    assert figures(resumed) == figures(whole)
    network, images = resumed.network.eval(), torch.randn(2, 3, 160, 160)
    assert any(isinstance(layer, LowRank) for layer in network.modules())
    with torch.no_grad():
        adapted = network(images)
        merge_adapters(network)
        torch.testing.assert_close(network(images), adapted)
    assert not any(isinstance(layer, LowRank) for layer in network.modules())
