"""Augmentation, one seed a sample: what an image becomes depends on its key alone, not on worker, order or batch.

The only module that knows albumentations.
"""

from __future__ import annotations

import os
import random
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.errors import UserError

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it asks PyPI when imported

import albumentations as A
import cv2

cv2.setNumThreads(1)  # a run computes on the cores it was given

Pixels = NDArray[np.uint8] | NDArray[np.float32]
Key = tuple[int, ...]
"""Non-negative integers that name one view of one sample: (seed, epoch, domain, cycle, index)."""

ALLOWED = (
    "translateN, hflip, resize, random_resized_crop, cropHxW, strong, noiseS; "
    "with source: or target: before it for one domain"
)


class Augmentation:
    """The training augmentation of one domain, built from names such as ``translate2`` or ``source:hflip``.

    * ``translateN``: shift by whole pixels, up to N each way, zeros coming in (masks: ``ignore_index``).
    * ``hflip``: mirror left to right, every other time.
    * ``resize``: to the benchmark's image size.
    * ``random_resized_crop``: a crop of 75 to 100 % of the area, to that size; of an image whose shorter side was
      brought down to 8/7 of it first (256 to 224), so that what is decoded once can be kept.
    * ``strong``: a turn of up to 30 degrees, a shear of up to 10, a scale of 0.8 to 1.2, and a rectangle of a
      quarter to a half of each side blanked, as strong views in self-training have it.
    * ``cropHxW``: a cut of H rows and W columns from anywhere in the image.
    * ``noiseS``: Gaussian noise of deviation S, added last, in the units of the (standardised) input.

    Raises:
        UserError: a name is unknown.
    """

    def __init__(self, names: tuple[str, ...], domain: str, size: tuple[int, int], ignore_index: int = 255) -> None:
        mine = _of(names, domain)
        noises = [name for name in mine if re.fullmatch(r"noise\d*\.?\d+", name)]
        self._noise = sum(float(name.removeprefix("noise")) for name in noises)
        self._parts = [part for name in mine if name not in noises for part in _transforms(name, size, ignore_index)]
        self._python = random.Random()

    def __call__(
        self, image: Pixels, key: Key, mask: NDArray[np.uint8] | None = None
    ) -> tuple[Pixels, NDArray[np.uint8] | None]:
        """The view of ``image`` (H, W, C), and of its label map (H, W), that ``key`` names."""
        rng = np.random.default_rng(key)
        self._python.seed(int(rng.integers(2**63)))  # transforms draw from both
        found: dict[str, Any] = {"image": image} if mask is None else {"image": image, "mask": mask}
        for part in self._parts:
            part.set_random_state(rng, self._python)
            found = part(**found)
        return self._noisy(found["image"], rng), found.get("mask")

    def _noisy(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        if not self._noise:
            return image
        return image + np.float32(self._noise) * rng.standard_normal(image.shape, dtype=np.float32)


@dataclass(frozen=True)
class Shrink:
    """How large the images of a domain are kept, before any view of them: what its first part needs of them.

    Kept images are the same for all epochs. To shrink twice is to shrink once.
    """

    size: tuple[int, int]
    exact: bool
    """Whether they are brought to ``size``, or their shorter side down to 8/7 of its longer one at most."""

    def __call__(self, image: Pixels) -> Pixels:
        """An image (H, W, C) as it is kept."""
        return resize(image, self.of(image.shape))

    def labels(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A label map (H, W) as it is kept beside its image."""
        size = self.of(labels.shape)
        return labels if labels.shape == size else resize_labels(labels, size)

    def of(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """The kept (height, width) of an image of this shape."""
        if self.exact:
            return self.size
        shorter, most = min(shape[:2]), -(-8 * max(self.size) // 7)
        height, width = (side if shorter <= most else round(side * most / shorter) for side in shape[:2])
        return height, width


def shrink(names: tuple[str, ...], domain: str, size: tuple[int, int]) -> Shrink | None:
    """How the images of ``domain`` are kept, or None if they are kept as they come (no part of it changes sizes)."""
    first = next((name for name in _of(names, domain) if name in ("resize", "random_resized_crop")), None)
    return None if first is None else Shrink(size, exact=first == "resize")


def _of(names: tuple[str, ...], domain: str) -> list[str]:
    return [name.removeprefix(f"{domain}:") for name in names if name.startswith(f"{domain}:") or ":" not in name]


def resize(image: Pixels, size: tuple[int, int]) -> Pixels:
    """``image`` at ``size`` (height, width), averaged over areas when it shrinks; itself if it is that size already."""
    if image.shape[:2] == size:
        return image
    shrinks = image.shape[0] > size[0]
    found: Pixels = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return found.reshape(*size, -1)


def look_up(image: NDArray[np.uint8], table: NDArray[np.float32], into: NDArray[np.float32]) -> None:
    """Write ``table[channel, value]`` for each value of an image (H, W, C) into ``into`` (C, H, W)."""
    for plane, values, place in zip(cv2.split(image), table, into, strict=True):
        cv2.LUT(plane, values, dst=place)


def resize_labels(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A label map at ``size``, each pixel that of its nearest neighbour."""
    return cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST)  # type: ignore[no-any-return]


def _transforms(name: str, size: tuple[int, int], ignore_index: int) -> list[Any]:
    if re.fullmatch(r"translate\d+", name):
        border = int(name.removeprefix("translate"))
        pad = _strictly(A.Pad, padding=border, fill=0, fill_mask=ignore_index, p=1.0)
        return [pad, _strictly(A.RandomCrop, *size, p=1.0)]
    if name == "hflip":
        return [_strictly(A.HorizontalFlip, p=0.5)]
    if name == "resize":
        return [_Resize(size)]
    if name == "random_resized_crop":
        return [_strictly(A.RandomResizedCrop, size, scale=(0.75, 1.0), interpolation=cv2.INTER_AREA, p=1.0)]
    if cut := re.fullmatch(r"crop(\d+)x(\d+)", name):
        return [_strictly(A.RandomCrop, *map(int, cut.groups()), p=1.0)]
    if name == "strong":
        warp = _strictly(A.Affine, scale=(0.8, 1.2), rotate=(-30, 30), shear=(-10, 10), fill_mask=ignore_index, p=1.0)
        share = (0.25, 0.5)
        hole = _strictly(
            A.CoarseDropout, num_holes_range=(1, 1), hole_height_range=share, hole_width_range=share, p=1.0
        )
        return [warp, hole]
    raise UserError(f"augmentation {name!r} is unknown; allowed: {ALLOWED}")


@dataclass(frozen=True)
class _Resize:
    """albumentations' ``Resize``, but with the interpolation of evaluation, so that both see the same image."""

    size: tuple[int, int]

    def set_random_state(self, *_: Any) -> None:
        """Nothing here is random."""

    def __call__(self, **found: Any) -> dict[str, Any]:
        whole = Shrink(self.size, exact=True)
        return {key: whole(value) if key == "image" else whole.labels(value) for key, value in found.items()}


def _strictly(build: Any, *args: Any, **kwargs: Any) -> Any:
    """``build(...)``, with albumentations' warnings (it only warns of unknown arguments) as errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return build(*args, **kwargs)
