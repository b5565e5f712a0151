"""Find images that two sets share: with the same pixels, or nearly, as the same picture at another size."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dta_bench.domains.images import Image

SIDE = 16  # pixels of a thumbnail's side
NEAR_COPY_CORRELATION = 0.99
"""Two thumbnails with this correlation or more count as one picture. Nine in ten of MNIST's images reach it with
themselves shrunk to 20 px and back, and none with a digit of another data set; of its own digits, one in thirty reaches
it with another one, and simple shapes far more often. So it is a possibility, which a person looks at."""
ROWS = 512  # images that are compared at a time, to bound the memory
Thumbnails = NDArray[np.float32]


@dataclass(frozen=True)
class ImageSignatures:
    """What identifies the images of a set.

    Args:
        ids: the images' ids.
        digests: SHA-256 of each image's shape and pixels.
        thumbnails: (n, 256) each image's :func:`thumbnail`.
    """

    ids: list[str]
    digests: list[str]
    thumbnails: Thumbnails


def digest(image: Image) -> str:
    """SHA-256 of an image's shape and pixels."""
    return hashlib.sha256(f"{image.shape}".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def thumbnail(image: Image) -> Thumbnails:
    """Shrink an image to 16 x 16 grey pixels, subtract their mean, and scale them to unit length.

    Returns:
        (256,) float; zeros for an image of one colour.
    """
    grey = cv2.resize(image.mean(axis=2, dtype=np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel()
    centred = grey - grey.mean()
    length = np.linalg.norm(centred)
    zeros: Thumbnails = np.zeros_like(centred)
    return centred / length if length > 1.0 else zeros


def exact_copies(one: ImageSignatures, other: ImageSignatures) -> list[tuple[str, str]]:
    """Pairs (id in ``one``, id in ``other``) of images with the same pixels.

    An image that both sets hold under one id is no pair.
    """
    id_of_digest = dict(zip(one.digests, one.ids, strict=True))
    ids = set(one.ids)
    return [
        (id_of_digest[other_digest], name)
        for name, other_digest in zip(other.ids, other.digests, strict=True)
        if other_digest in id_of_digest and name not in ids
    ]


def near_copies(one: ImageSignatures, other: ImageSignatures) -> list[tuple[str, str]]:
    """Pairs (id in ``one``, id in ``other``) of images that look the same and are no exact copies.

    Each image of ``other`` is paired with the most similar one at most.
    """
    if not len(one.ids) or not len(other.ids):
        return []
    digests, ids = set(one.digests), set(one.ids)
    pairs = []
    for start in range(0, len(other.ids), ROWS):
        correlation = other.thumbnails[start : start + ROWS] @ one.thumbnails.T
        nearest = correlation.argmax(axis=1)
        for row in np.flatnonzero(correlation[np.arange(len(nearest)), nearest] >= NEAR_COPY_CORRELATION):
            name = other.ids[start + int(row)]
            if other.digests[start + row] not in digests and name not in ids:
                pairs.append((one.ids[int(nearest[row])], name))
    return pairs
