"""What an image is known by: the contents of its file, or its pixels, whatever set or benchmark it is in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from dta_bench.domains import content_digests
from dta_bench.domains.image_files import ImageFiles
from dta_bench.domains.images import Image
from dta_bench.errors import UserError

DIGEST = 16  # bytes


def digests(images: Sequence[Image], ids: Sequence[str], fingerprint: str) -> list[bytes]:
    """A digest of each image, the same wherever the image is found.

    An image of a file is known by the file's contents, one in memory by its pixels, and any other, which nobody can
    read without its benchmark, by its id and the data's fingerprint.

    Args:
        images: the images.
        ids: their ids.
        fingerprint: of the data.

    Raises:
        UserError: a file is missing.
    """
    found: list[bytes | None] = [None] * len(images)
    files: list[tuple[int, ImageFiles, int]] = []
    for number in range(len(images)):
        items, index = _origin(images, number)
        if isinstance(items, ImageFiles):
            files.append((number, items, index))
        elif isinstance(items, list | tuple):
            found[number] = _of_pixels(items[index])
        else:
            found[number] = _digest(b"id", fingerprint.encode(), ids[number].encode("utf-8", "surrogateescape"))
    contents = _of_contents([items.path_of(index) for _, items, index in files])
    for (number, items, _), content in zip(files, contents, strict=True):
        found[number] = _digest(b"file", str(items.bits).encode(), content)
    return [one for one in found if one is not None]


def _origin(items: Sequence[Any], index: int) -> tuple[Sequence[Any], int]:
    """The sequence that really holds an item, below all selections of it, and the item's index there."""
    while (locate := getattr(items, "locate", None)) is not None:
        items, index = locate(index)
    return items, index


def _of_contents(paths: Sequence[Any]) -> list[bytes]:
    states = []
    for path in paths:
        try:
            states.append(path.stat())
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}; get the file again") from error
    return content_digests.digests_of(paths, states) if paths else []


def _of_pixels(image: Image) -> bytes:
    return _digest(b"pixels", str((image.shape, image.dtype)).encode(), np.ascontiguousarray(image).tobytes())


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=DIGEST)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()


def with_view(view: str, image: bytes) -> bytes:
    """The key of one view of an image.

    Args:
        view: what is made of the image before the network sees it, in words.
        image: the image's digest.
    """
    return _digest(b"view", view.encode(), image)
