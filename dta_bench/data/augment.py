"""Augment and resize images and label maps.

An augmented view depends on the image and its key alone, whatever worker makes it, in whatever order.
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

from dta_bench.data import colour_operations

cv2.setNumThreads(1)  # a run computes on the cores it was given

Pixels = NDArray[np.uint8] | NDArray[np.float32]
ViewKey = tuple[int, ...]
"""Names one view of one image by non-negative integers: (seed, epoch, domain, cycle, index)."""

CUTS = ("center_crop", "random_crop")
NOISE = r"noise\d*\.?\d+"
ALLOWED = (
    "translateN, hflip, resize, resizeN, resizeHxW, center_crop, random_crop, random_resized_crop, cropHxW, strong, "
    "cutout, photometric, randaugmentN, noiseS; with source: or target: before it for one domain"
)


class Augmentation:
    """The training augmentation of one domain, applied in the order of its names.

    * ``translateN``: shift by whole pixels, up to N in each direction; zeros come in (label maps: ``ignore_index``).
    * ``hflip``: mirror left to right, with probability 1/2.
    * ``resize``: resize to the benchmark's image size.
    * ``resizeN``, ``resizeHxW``: resize to N rows and columns, or to H rows and W columns.
    * ``center_crop``, ``random_crop``: after one of these, cut out the benchmark's image size in the middle or
      anywhere. Evaluation then resizes in the same way and takes the middle.
    * ``random_resized_crop``: cut out 75 to 100 % of the area and resize it to the benchmark's image size. The image's
      shorter side is first reduced to 8/7 of that size (256 for 224), so that decoded images can be stored that small.
    * ``strong``: rotate by up to 30 degrees, shear by up to 10 degrees, scale by 0.8 to 1.2, and blank a rectangle of a
      quarter to a half of each side, as strong views in self-training do.
    * ``cutout``: blank a square of half of each side, anywhere inside the image.
    * ``photometric``: change brightness, contrast, saturation and hue, each with probability 1/2.
    * ``randaugmentN``: N random operations of RandAugment; see :mod:`dta_bench.data.colour_operations`.
    * ``cropHxW``: cut out H rows and W columns anywhere in the image.
    * ``noiseS``: add Gaussian noise of deviation S, last, in the units of the (standardised) input.

    Args:
        names: such as ``translate2``, or ``source:hflip`` for one domain only.
        domain: ``source``, ``target`` or ``evaluation``; names with another domain before the colon are skipped.
        size: the benchmark's image size (height, width) in pixels.
        ignore_index: the label of pixels that come in from outside the image.

    Attributes:
        noise: deviation of the noise.
        python_random: what transforms draw from besides the generator of the key.

    Raises:
        UserError: a name is unknown.
    """

    def __init__(self, names: tuple[str, ...], domain: str, size: tuple[int, int], ignore_index: int = 255) -> None:
        own_names = names_for(names, domain)
        _check_cuts(own_names, size)
        noises = [name for name in own_names if re.fullmatch(NOISE, name)]
        self.noise = sum(float(name.removeprefix("noise")) for name in noises)
        self._transforms = [
            transform for name in own_names if name not in noises for transform in _transforms(name, size, ignore_index)
        ]
        self.python_random = random.Random()

    def __call__(
        self, image: Pixels, key: ViewKey, mask: NDArray[np.uint8] | None = None
    ) -> tuple[Pixels, NDArray[np.uint8] | None]:
        """The view that ``key`` names of an image (H, W, C) and of its label map (H, W), if it has one."""
        moved, moved_mask, rng = self.without_noise(image, key, mask)
        return self._with_noise(moved, rng), moved_mask

    def without_noise(
        self, image: Pixels, key: ViewKey, mask: NDArray[np.uint8] | None = None
    ) -> tuple[Pixels, NDArray[np.uint8] | None, np.random.Generator]:
        """As calling it, before the noise, with the generator that the noise is drawn from.

        ``python_random`` then goes on where the transforms have left it.
        """
        rng = np.random.default_rng(key)
        self.python_random.seed(int(rng.integers(2**63)))  # transforms draw from both generators
        arrays: dict[str, Any] = {"image": image} if mask is None else {"image": image, "mask": mask}
        for transform in self._transforms:
            transform.set_random_state(rng, self.python_random)
            arrays = transform(**arrays)
        return arrays["image"], arrays.get("mask"), rng

    def _with_noise(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        if not self.noise:
            return image
        return image + np.float32(self.noise) * rng.standard_normal(image.shape, dtype=np.float32)


@dataclass(frozen=True)
class Shrink:
    """The size at which a domain's images are stored, which is what the augmentation needs of them.

    A stored image is the same in all epochs. Shrinking twice gives the same as shrinking once.

    Args:
        size: (height, width) in pixels.
        exact: resize to ``size``; otherwise reduce the shorter side to 8/7 of the longer side of ``size``, and leave
            smaller images as they are.
    """

    size: tuple[int, int]
    exact: bool

    def __call__(self, image: Pixels) -> Pixels:
        """Shrink an image (H, W, C)."""
        return resize(image, self.stored_size(image.shape))

    def shrink_labels(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Shrink a label map (H, W) as its image is shrunk."""
        size = self.stored_size(labels.shape)
        return labels if labels.shape == size else resize_labels(labels, size)

    def stored_size(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """The stored (height, width) of an image of this shape."""
        if self.exact:
            return self.size
        shorter, limit = min(shape[:2]), -(-8 * max(self.size) // 7)
        height, width = (side if shorter <= limit else round(side * limit / shorter) for side in shape[:2])
        return height, width


def shrink_for(names: tuple[str, ...], domain: str, size: tuple[int, int]) -> Shrink | None:
    """How a domain's images are shrunk for storage.

    Args:
        names: the benchmark's augmentation.
        domain: ``source`` or ``target``.
        size: the benchmark's image size (height, width) in pixels.

    Returns:
        None if they are stored as they are, since no part of the augmentation changes sizes.
    """
    for name in names_for(names, domain):
        if name in ("resize", "random_resized_crop"):
            return Shrink(size, exact=name == "resize")
        if (stated := stated_size(name)) is not None:
            return Shrink(stated, exact=True)
    return None


def keeps_sizes(names: tuple[str, ...], domain: str, size: tuple[int, int]) -> bool:
    """Whether no part of a domain's augmentation resizes or cuts, so that images must have ``size`` before it."""
    return shrink_for(names, domain, size) is None and not set(names_for(names, domain)) & set(CUTS)


def check(names: tuple[str, ...], size: tuple[int, int], task: str, standardisation: str) -> None:
    """Check the augmentation of a training before any run.

    Args:
        standardisation: of the benchmark.

    Raises:
        UserError: an unknown name, a cut that does not fit, or one of label maps, which are measured whole, or a change
            of colours where images are standardised before it.
    """
    changes = [name for name in names if re.search(r"(^|:)(photometric|randaugment\d+)$", name)]
    if changes and standardisation == "per_sample":
        raise UserError(
            f"augmentation {changes[0]!r} changes colours of 0 to 255, but this benchmark standardises each image by"
            " its own mean and deviation first; allowed there: strong, cutout and what moves pixels"
        )
    for domain in ("source", "target", "evaluation"):
        Augmentation(names, domain, size)
    if task == "segmentation" and evaluation_size(names, size) != size:
        raise UserError(f"augmentation: {' and '.join(CUTS)} are for images of one class; for label maps: cropHxW")


def evaluation_size(names: tuple[str, ...], size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) to which evaluation resizes an image, of which it takes the middle of ``size``."""
    own_names = names_for(names, "evaluation")
    if not set(own_names) & set(CUTS):
        return size
    return next(stated for name in own_names if (stated := stated_size(name)) is not None)


def cut_middle(image: Pixels, size: tuple[int, int]) -> Pixels:
    """The middle (height, width) of an image (H, W, C)."""
    top, left = ((have - want) // 2 for have, want in zip(image.shape, size, strict=False))
    return image[top : top + size[0], left : left + size[1]]


def stated_size(name: str) -> tuple[int, int] | None:
    """The size that ``resizeN`` or ``resizeHxW`` states; None for other names."""
    found = re.fullmatch(r"resize(\d+)(?:x(\d+))?", name)
    return None if found is None else (int(found[1]), int(found[2] or found[1]))


def _check_cuts(names: list[str], size: tuple[int, int]) -> None:
    """``center_crop`` and ``random_crop`` have a stated size before them that is large enough.

    Raises:
        UserError: one has not.
    """
    stated: tuple[int, int] | None = None
    for name in names:
        stated = stated_size(name) or stated
        if name in CUTS and (stated is None or stated[0] < size[0] or stated[1] < size[1]):
            raise UserError(
                f"augmentation {name!r} cuts out {size[0]} x {size[1]} pixels and needs resizeN or resizeHxW of at"
                " least that size before it"
            )


def names_for(names: tuple[str, ...], domain: str) -> list[str]:
    """The augmentation names that apply to a domain, without their prefix."""
    return [name.removeprefix(f"{domain}:") for name in names if name.startswith(f"{domain}:") or ":" not in name]


def resize(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize an image (H, W, C) to (height, width): by averaging over areas if it shrinks, else bilinearly."""
    if image.shape[:2] == size:
        return image
    shrinks = image.shape[0] > size[0]
    resized: Pixels = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized.reshape(*size, -1)


def resize_labels(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize a label map (H, W) to (height, width); each pixel takes the label of its nearest neighbour."""
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
    if (stated := stated_size(name)) is not None:
        return [_Resize(stated)]
    if name in CUTS:
        return [_strictly(A.CenterCrop if name == "center_crop" else A.RandomCrop, *size, p=1.0)]
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
    if name == "cutout":
        half = (0.5, 0.5)
        return [
            _strictly(A.CoarseDropout, num_holes_range=(1, 1), hole_height_range=half, hole_width_range=half, p=1.0)
        ]
    if name == "photometric":
        return list(_strictly(colour_operations.photometric))
    if operations := re.fullmatch(r"randaugment([1-9]\d*)", name):
        return list(_strictly(colour_operations.random_operations, int(operations[1]), ignore_index))
    raise UserError(f"augmentation {name!r} is unknown; allowed: {ALLOWED}")


@dataclass(frozen=True)
class _Resize:
    """As albumentations' ``Resize``, but with the interpolation of evaluation, so that both see the same image."""

    size: tuple[int, int]

    def set_random_state(self, *_: Any) -> None:
        """Nothing here is random."""

    def __call__(self, **arrays: Any) -> dict[str, Any]:
        shrink = Shrink(self.size, exact=True)
        return {key: shrink(value) if key == "image" else shrink.shrink_labels(value) for key, value in arrays.items()}


def _strictly(build: Any, *args: Any, **kwargs: Any) -> Any:
    """Call ``build(...)`` with warnings as errors: albumentations only warns of unknown arguments."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return build(*args, **kwargs)
