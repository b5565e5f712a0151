"""Drawn streets, flat to textured: synthetic to synthetic, GTA5 to Cityscapes in miniature, 11 classes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dta_bench.benchmarks import _street_paint, _street_scenes
from dta_bench.benchmarks._kept import kept
from dta_bench.benchmarks._splits import in_memory
from dta_bench.domains import Benchmark, Domains, LabelledImages

BENCHMARK = Benchmark(
    name="streets_mini",
    task="segmentation",
    classes=_street_scenes.CLASSES,
    source="drawn streets in flat colours (synthetic)",
    target="other drawn streets, textured, noisy and relit (synthetic)",
    image_size=(96, 192),
    headline="miou",
    label_budget=20,
    label_budget_source="ours: 20 drawings, a sixth of target train",
    standardisation="imagenet",
    augmentation=("resize", "hflip"),
    splits_stated="120 + 20 streets of 256 x 512 in flat colours, 120 + 60 others textured, drawn by fixed seeds",
    ignore_index=_street_scenes.IGNORED,
)
SETS = (("flat", 120), ("flat", 20), ("textured", 120), ("textured", 60))


def load(root: Path) -> Domains:
    """Draw the four sets, in half a minute, and keep them under ``root/streets_mini``; then read them back."""
    return in_memory(*(_part(root / "streets_mini", part, *SETS[part]) for part in range(len(SETS))))


def _part(folder: Path, part: int, style: str, count: int) -> LabelledImages:
    def draw() -> dict[str, NDArray[np.uint8]]:
        drawn = [_one(np.random.default_rng((0, part, index)), style) for index in range(count)]
        images, labels = zip(*drawn, strict=True)
        return {"images": np.stack(images), "labels": np.stack(labels)}

    arrays = kept(folder, f"{part}-{style}", (_street_scenes, _street_paint), draw)
    names = [f"{part}-{style}-{index:03d}" for index in range(count)]
    return LabelledImages(list(arrays["images"]), list(arrays["labels"]), names)


def _one(rng: np.random.Generator, style: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    scene = _street_scenes.draw(rng)
    return getattr(_street_paint, style)(scene, rng), scene.labels
