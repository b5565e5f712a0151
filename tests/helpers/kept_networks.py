"""Networks without training, as a run's file would hold them, and images to predict."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from small_runs import spec_of

from dta_bench.nn import pretrained
from dta_bench.report.predictions.predictor import Predictor, Views
from dta_bench.run import network_file
from dta_bench.run.network_card import NetworkCard, card_of
from dta_bench.run.network_file import LoadedNetwork
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training

SEGMENTATION = RunSpec(
    "streets_mini", "unet_mini", "none", "source_only", {},
    Training(epochs=1, optimizer="adam", learning_rate=1e-3, batch_size=2, image_size=(32, 64)), LabelSubset(size=4), 0,
)  # fmt: skip


def spread(module: torch.nn.Module) -> None:
    """Weights of which different images get different classes."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))


def untrained(spec: RunSpec) -> LoadedNetwork:
    """The network of a run that was never trained, in evaluation mode."""
    torch.manual_seed(spec.seed)
    card = card_of(spec, 1, pretrained.backbone("conv3_fc2", (28, 28)).build(2).normalisation, 10)
    backbone = pretrained.backbone(spec.backbone, card.benchmark.train_size)
    network = backbone.build(len(card.benchmark.classes)).eval()
    spread(network)
    card = dataclasses.replace(card, channels=backbone.channels, normalisation=network.normalisation)
    return LoadedNetwork(card, network, network)


def saved(loaded: LoadedNetwork, path: Path) -> Path:
    """The file of a network, at a place that stays."""
    with network_file.temporary_file(loaded.network, loaded.card) as file:
        path.write_bytes(file.read_bytes())
    return path


def with_classes(loaded: LoadedNetwork, *classes: str) -> LoadedNetwork:
    """The same network with other names of classes on its card."""
    benchmark = dataclasses.replace(loaded.card.benchmark, classes=classes)
    card: NetworkCard = dataclasses.replace(loaded.card, benchmark=benchmark)
    return dataclasses.replace(loaded, card=card)


def classifier(views: Views = "none", **params: Any) -> Predictor:
    """A predictor of ten classes of small grey images."""
    return Predictor(untrained(spec_of("source_only", **params)), views)


def draw_images(folder: Path, count: int, size: tuple[int, int] = (40, 30), seed: int = 0) -> list[Path]:
    """PNG files of coarse patterns, (height, width) each."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:05d}.png" for index in range(count)]
    for path in paths:
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3)).astype(np.uint8))
        coarse.resize(size[::-1], Image.Resampling.BICUBIC).save(path)
    return paths
