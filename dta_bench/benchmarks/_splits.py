"""Hold out part of a set by a fixed seed, and take the fingerprint of sets in memory."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.domains.images import Domains, LabelledImages
from dta_bench.errors import UserError


def hold_out_per_class(images: LabelledImages, per_class: int, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Hold out ``per_class`` random images of every class.

    Returns:
        The remaining images, and those held out, both in their old order.

    Raises:
        UserError: a class has ``per_class`` images or fewer.
    """
    labels = np.asarray(images.labels)
    values, counts = np.unique(labels, return_counts=True)
    if counts.min() <= per_class:
        raise UserError(
            f"the source has {counts.min()} images of class {values[counts.argmin()]}; {per_class} of each class are "
            "held out, so more are needed"
        )
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(np.flatnonzero(labels == c))[:per_class] for c in values]
    held_out = np.zeros(len(labels), dtype=bool)
    held_out[np.concatenate(drawn)] = True
    return images.select(np.flatnonzero(~held_out)), images.select(np.flatnonzero(held_out))


def hold_out_share(images: LabelledImages, share: float, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Hold out a random ``share`` (0 to 1) of all images, at least one.

    Returns:
        The remaining images, and those held out, both in their old order.
    """
    order = np.random.default_rng(seed).permutation(len(images))
    held_out = max(1, round(share * len(images)))
    return images.select(np.sort(order[held_out:])), images.select(np.sort(order[:held_out]))


def hold_out_share_per_class(images: LabelledImages, share: float, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Hold out a random ``share`` (0 to 1) of each class, at least one image, so that both sets have every class.

    Returns:
        The remaining images, and those held out, both in their old order.

    Raises:
        UserError: a class has a single image.
    """
    labels = np.asarray(images.labels)
    rng = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) < 2:
            raise UserError(f"{images.ids[members[0]]} is the only image of its class; a class needs two, to be split")
        held_out[members[: min(max(1, round(share * len(members))), len(members) - 1)]] = True
    return images.select(np.flatnonzero(~held_out)), images.select(np.flatnonzero(held_out))


def domains_in_memory(
    source_train: LabelledImages,
    source_validation: LabelledImages,
    target_train: LabelledImages,
    target_test: LabelledImages,
) -> Domains:
    """Group four sets in memory, with their fingerprint: SHA-256 over shapes, pixels and labels, set after set."""
    total = hashlib.sha256()
    for images in (source_train, source_validation, target_train, target_test):
        _add(total, np.stack(list(images.images)))
        _add(total, np.asarray(images.labels))
    return Domains(source_train, source_validation, target_train, target_test, total.hexdigest())


def _add(total: hashlib._Hash, array: NDArray[Any]) -> None:
    total.update(f"{array.shape} {array.dtype.str}".encode())
    total.update(np.ascontiguousarray(array).tobytes())
