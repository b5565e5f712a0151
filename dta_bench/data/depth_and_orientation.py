"""Tell what the files of a set store that their decoded images do not show: orientation, depth, further bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dta_bench.domains.image_files import ImageFiles, read_bytes
from dta_bench.domains.images import LabelledImages, SelectedItems, UnlabelledImages
from dta_bench.domains.picture_file import StoredPicture, stored_picture

MAX_LISTED = 3  # of many files, so many are listed
NEARLY_BLACK = 2**12  # 16-bit files whose values all lie below it decode to fewer than 16 of 256 grey levels


def look_at(images: LabelledImages | UnlabelledImages, index: int) -> StoredPicture | None:
    """What the file of an image stores; None for images that no file of this package's reader holds."""
    sequence: Any = images.images
    while isinstance(sequence, SelectedItems):
        sequence, index = sequence.locate(index)
    return stored_picture(read_bytes(sequence.path_of(index))) if isinstance(sequence, ImageFiles) else None


def describe(
    name: str, images: LabelledImages | UnlabelledImages, stored: Iterable[StoredPicture | None]
) -> tuple[list[str], list[str]]:
    """Notes and problems of one set.

    Args:
        name: the set's name.
        images: the set.
        stored: what is stored in the file of each image; None where nothing is known.
    """
    known = [(one, picture) for one, picture in zip(images.ids, stored, strict=True) if picture is not None]
    turned = [f"{one} ({picture.orientation})" for one, picture in known if picture.orientation != 1]
    longer = [f"{one} ({picture.extra_bytes:,} bytes)" for one, picture in known if picture.extra_bytes]
    cmyk = [one for one, picture in known if picture.is_cmyk]
    notes = []
    if turned:
        has_maps = isinstance(images, LabelledImages) and not isinstance(images.labels, np.ndarray)
        maps = "" if not has_maps else ", and their label maps taken as drawn on that view"
        notes.append(
            f"{name}: {_count(turned)} turned by the file's EXIF orientation, as viewers do{maps}: {_listed(turned)}"
        )
    if longer:
        notes.append(f"{name}: {_count(longer)} followed by further bytes, which are not read: {_listed(longer)}")
    if cmyk:
        notes.append(f"{name}: {_count(cmyk)} CMYK, converted to RGB without a colour profile: {_listed(cmyk)}")
    depth_notes, problems = _describe_depth(name, images, known)
    return notes + depth_notes, problems


def _describe_depth(
    name: str, images: LabelledImages | UnlabelledImages, known: list[tuple[str, StoredPicture]]
) -> tuple[list[str], list[str]]:
    deep = [(one, picture.highest) for one, picture in known if picture.highest is not None]
    if not deep:
        return [], []
    sequence: Any = images.images
    while isinstance(sequence, SelectedItems):
        sequence = sequence.items
    highest, bits = max(value for _, value in deep), sequence.bits
    opening = f"{name}: {_count(deep)} of 16 bits, with values up to {highest:,} of 65,535"
    listed = _listed([one for one, _ in deep])
    if bits is not None:
        return [f"{opening}; the upper 8 of {bits} bits are read, as the pair states: {listed}"], []
    if highest >= NEARLY_BLACK:
        return [f"{opening}; the upper 8 bits are read: {listed}"], []
    guess = max(9, highest.bit_length())
    return [], [
        f"{opening}; the upper 8 bits are read, so these images are nearly black. State how many bits hold numbers, "
        f"such as bits: {guess}, in the domain of the pair (bits: 16 if they are dark): {listed}"
    ]


def _count(items: list[Any]) -> str:
    return f"{len(items):,} image{'s are' if len(items) > 1 else ' is'}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_LISTED:,} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more
