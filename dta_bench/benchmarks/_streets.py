"""The four sets of drawn streets, drawn once and kept in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dta_bench.benchmarks import _street_paint, _street_scenes
from dta_bench.benchmarks._kept import kept
from dta_bench.domains.images import LabelledImages

SETS = (("flat", 120), ("flat", 20), ("textured", 120), ("textured", 60))


def drawn(folder: Path) -> list[LabelledImages]:
    """Source train and validation, target train and test, from ``folder`` where they have been drawn before."""
    return [_part(folder, part, *SETS[part]) for part in range(len(SETS))]


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
