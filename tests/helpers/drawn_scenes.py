"""A small segmentation benchmark of drawn scenes."""

from __future__ import annotations

import numpy as np

from dta_bench.domains.images import LabelledImages
from dta_bench.spec.benchmark import Benchmark

SCENES = Benchmark(
    name="drawn_scenes",
    task="segmentation",
    classes=("ground", "sky", "thing", "nowhere"),
    source="drawn",
    target="drawn",
    image_size=(64, 64),
    headline="miou",
    label_budget=4,
    label_budget_source="a test's",
    standardisation="imagenet",
    augmentation=("resize", "hflip"),
)


def scenes(count: int, seed: int, size: tuple[int, int] = (64, 96)) -> LabelledImages:
    """Ground, sky and a thing, with a strip that is ignored; ``nowhere`` is in none of them."""
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for _ in range(count):
        label = np.zeros(size, dtype=np.uint8)
        label[: rng.integers(20, 40)] = 1
        top, left = rng.integers(10, 40, 2)
        label[top : top + 16, left : left + 24] = 2
        image = np.array([[90, 80, 70], [120, 160, 240], [200, 40, 40]], dtype=np.uint8)[label]
        label[:, -4:] = 255
        images.append(np.clip(image + rng.normal(0, 12, image.shape), 0, 255).astype(np.uint8))
        labels.append(label)
    return LabelledImages(images, labels, [f"{seed}-{i}" for i in range(count)])
