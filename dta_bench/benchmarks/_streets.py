"""The four sets of drawn streets, which are drawn once and then read from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dta_bench.benchmarks import _street_paint, _street_scenes
from dta_bench.benchmarks._drawing_cache import load_or_draw
from dta_bench.domains.images import LabelledImages

SETS = (  # style and number of streets
    ("flat", 120),
    ("flat", 20),
    ("textured", 120),
    ("textured", 60),
)


def load_or_draw_sets(folder: Path) -> list[LabelledImages]:
    """Source train and validation, target train and test: read from ``folder``, or drawn and written there."""
    return [_part(folder, part, *SETS[part]) for part in range(len(SETS))]


def _part(folder: Path, part: int, style: str, count: int) -> LabelledImages:
    def draw() -> dict[str, NDArray[np.uint8]]:
        streets = [_draw_street(np.random.default_rng((0, part, index)), style) for index in range(count)]
        images, labels = zip(*streets, strict=True)
        return {"images": np.stack(images), "labels": np.stack(labels)}

    arrays = load_or_draw(folder, f"{part}-{style}", (_street_scenes, _street_paint), draw)
    names = [f"{part}-{style}-{index:03d}" for index in range(count)]
    return LabelledImages(list(arrays["images"]), list(arrays["labels"]), names)


def _draw_street(rng: np.random.Generator, style: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Image (height, width, 3) and label map (height, width) of one street."""
    scene = _street_scenes.draw(rng)
    return getattr(_street_paint, style)(scene, rng), scene.labels
