"""Images that two sets share: the very same pixels, or nearly, as the same picture at another size or stored anew."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dta_bench.domains.images import Image

SIDE = 16
ALIKE = 0.99
"""Correlation from which two small grey pictures count as one. Of MNIST's images, shrunk to 20 px and back, nine in ten
reach it with themselves, and none with another data set's digits; two of its own digits may (one in thirty does)."""
SHARE = 0.01
"""Of a set's images; with fewer near copies than that, likeness may be chance, as between two upright strokes."""
ROWS = 512
Signatures = NDArray[np.float32]


@dataclass(frozen=True)
class Prints:
    """What is remembered of a set's images: ids, SHA-256 of shape and pixels, and small grey pictures (n, 256)."""

    ids: list[str]
    exact: list[str]
    small: Signatures


def digest(image: Image) -> str:
    """SHA-256 of an image's shape and pixels."""
    return hashlib.sha256(f"{image.shape}".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def signature(image: Image) -> Signatures:
    """The image in grey at 16 x 16, its mean taken off, at unit length; zeros for an even image."""
    grey = cv2.resize(image.mean(axis=2, dtype=np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel()
    centred = grey - grey.mean()
    length = np.linalg.norm(centred)
    even: Signatures = np.zeros_like(centred)
    return centred / length if length > 1.0 else even


def shared(one: Prints, other: Prints) -> list[tuple[str, str]]:
    """Pairs of ids with the same pixels; images that both sets hold under one id are no pair."""
    by_digest = dict(zip(one.exact, one.ids, strict=True))
    known = set(one.ids)
    return [
        (by_digest[found], name)
        for name, found in zip(other.ids, other.exact, strict=True)
        if found in by_digest and name not in known
    ]


def alike(one: Prints, other: Prints) -> list[tuple[str, str]]:
    """For each image of ``other`` that has a near copy in ``one``, the nearest one; exact copies are no near ones."""
    if not len(one.ids) or not len(other.ids):
        return []
    exact, known = set(one.exact), set(one.ids)
    pairs = []
    for start in range(0, len(other.ids), ROWS):
        likeness = other.small[start : start + ROWS] @ one.small.T
        nearest = likeness.argmax(axis=1)
        for row in np.flatnonzero(likeness[np.arange(len(nearest)), nearest] >= ALIKE):
            name = other.ids[start + int(row)]
            if other.exact[start + row] not in exact and name not in known:
                pairs.append((one.ids[int(nearest[row])], name))
    return pairs
