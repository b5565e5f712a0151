"""Label maps in files: palette, grey or colour pictures that hold the class of each pixel."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from dta_bench.domains import picture_file
from dta_bench.domains.decoder_voice import decode_and_listen
from dta_bench.domains.image_files import ImageFiles, open_picture, read_bytes, read_image
from dta_bench.domains.images import LabelledImages, UnlabelledImages
from dta_bench.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Colours = Mapping[tuple[int, int, int], int]
"""Colour (red, green, blue) → class index."""
Value = int | tuple[int, int, int]
"""A number or a colour in a file."""


@dataclass(frozen=True)
class ReadMap:
    """A label map that was read.

    Attributes:
        labels: (height, width).
        unknown: the pixels of each number or colour that stands for no class and is ignored.
        is_jpeg: whether the file is a JPEG, whose values are not those that were saved.
    """

    labels: NDArray[np.uint8]
    unknown: dict[Value, int]
    is_jpeg: bool


@dataclass(frozen=True)
class LabelMaps(Sequence[NDArray[np.uint8]]):
    """Label maps (height, width) uint8, one for each image and of its size, each read when its index is asked for.

    A file holds either numbers (palette or grey) or colours.

    Args:
        images: the images, whose root ``paths`` are relative to.
        paths: the label map files, in the order of the images.
        table: (256,) the label of each number; used where ``colours`` is None.
        colours: the label of each colour, where the files hold colours.
        ignored: the label of a colour that ``colours`` does not name.
        known: (256,) whether each number may occur in a file; None allows all.
    """

    images: ImageFiles
    paths: Sequence[str]
    table: NDArray[np.uint8]
    colours: Colours | None = None
    ignored: int = 255
    known: NDArray[np.bool_] | None = None

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> LabelMaps: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | LabelMaps:
        if isinstance(index, slice):
            return replace(self, images=self.images[index], paths=self.paths[index])
        return self.read(index).labels

    def read(self, index: int) -> ReadMap:
        """Read a label map and count the values that stand for no class.

        Raises:
            UserError: the file is no label map, holds a number that may not occur, or has another size than its image.
        """
        path = self.images.root / self.paths[index]
        if self.colours is None:
            numbers, is_jpeg = _read_numbers(path, self._is_index)
            self._check_numbers(path, numbers)
            labels = self.table[numbers]
            unknown = self._unknown_numbers(numbers)
        else:
            labels, unknown, is_jpeg = _read_colours(path, self.colours, self.ignored)
        self._check_size(path, labels.shape, self.images.path_of(index))
        return ReadMap(labels, unknown, is_jpeg)

    @property
    def _is_index(self) -> bool:
        """Whether a number in a file is the class index or an owner's id, and not a value that the user states."""
        return self.known is not None

    def _unknown_numbers(self, numbers: NDArray[np.uint8]) -> dict[Value, int]:
        """Numbers that the user's values do not name, with their pixels; 255 is ignored by custom."""
        if self._is_index:
            return {}
        counts = np.bincount(numbers.ravel(), minlength=256)
        unknown = np.flatnonzero((counts > 0) & (self.table == self.ignored))
        return {int(value): int(counts[value]) for value in unknown if value != self.ignored}

    def __len__(self) -> int:
        return len(self.paths)

    def check_header(self, index: int) -> None:
        """Check the size and the kind of one file without decoding it.

        Raises:
            UserError: it has another size than its image, or it should hold numbers and is not an 8-bit file.
        """
        path = self.images.root / self.paths[index]
        with open_picture(path, "a label map") as picture:
            if self.colours is None:
                _check_holds_numbers(path, picture, self._is_index)
            width, height = picture.size
        if _orientation(path) >= picture_file.SIDEWAYS:
            width, height = height, width
        self._check_size(path, (height, width), self.images.path_of(index))

    @property
    def meaning_digest(self) -> str:
        """A digest of what the numbers or colours stand for; it is a part of the data's fingerprint."""
        colours = sorted(self.colours.items()) if self.colours else None
        meaning = self.table.tobytes() + f"{colours} {self.ignored}".encode()
        return hashlib.sha256(meaning).hexdigest()[:12]

    def _check_numbers(self, path: Path, numbers: NDArray[np.uint8]) -> None:
        if self.known is None:
            return
        counts = np.bincount(numbers.ravel(), minlength=256)
        unknown = [f"{value} ({counts[value]:,} pixels)" for value in np.flatnonzero((counts > 0) & ~self.known)]
        if unknown:
            raise UserError(
                f"{path} holds {', '.join(unknown)}, which {'is' if len(unknown) == 1 else 'are'} no label here; "
                f"known: {_as_ranges(np.flatnonzero(self.known))}{self._from_one(counts)}"
            )

    def _from_one(self, counts: NDArray[np.int64]) -> str:
        """What to do, if a map's numbers look like class indices that count from 1; else empty."""
        classes = int(np.argmin(self.known)) if self.known is not None else 0  # the first number that is not known
        is_class_index = bool((self.table[:classes] == np.arange(classes)).all())
        highest = int(np.flatnonzero(counts[: self.ignored]).max(initial=0))
        if not is_class_index or highest != classes or counts[0]:
            return ""
        return (
            f". The classes seem to be counted from 1 to {classes} instead of from 0: state values in the pair's file, "
            "1 for the first class"
        )

    def _check_size(self, path: Path, shape: tuple[int, ...], image_path: Path) -> None:
        height, width = shape
        with open_picture(image_path, "an image") as picture:
            stored = picture.size
        if stored == (width, height) and width == height:
            return
        orientation = _orientation(image_path)
        shown = stored[::-1] if orientation >= picture_file.SIDEWAYS else stored
        if shown != (width, height):
            turned = (
                f" as viewers show it (EXIF orientation {orientation}; {stored[0]} x {stored[1]} is stored); "
                "turn the map, or remove the orientation from the image"
            )
            raise UserError(
                f"{path} is {width} x {height} pixels, but its image {image_path} is {shown[0]} x {shown[1]}"
                f"{turned if shown != stored else ''}; a label map has its image's size"
            )


def fingerprint_entries(images: LabelledImages) -> list[tuple[str, str]]:
    """What :func:`~dta_bench.domains.data_fingerprint.fingerprint` takes of a set whose ids are its image files' paths.

    Returns:
        (path, label) of each file. A label map is a file of its own, whose label is what its numbers stand for.
    """
    labels = images.labels
    stated_bits = getattr(images.images, "bits", None)
    bits = f"{stated_bits} bits" if stated_bits else ""
    if isinstance(labels, LabelMaps):
        return [(path, bits) for path in images.ids] + [(path, labels.meaning_digest) for path in labels.paths]
    return list(zip(images.ids, [f"{label} {bits}".rstrip() for label in labels], strict=True))


def unlabelled_entries(images: UnlabelledImages) -> list[tuple[str, str]]:
    """As :func:`fingerprint_entries`, of a set without labels."""
    bits = getattr(images.images, "bits", None)
    return [(path, f"{bits} bits" if bits else "") for path in images.ids]


def _orientation(path: Path) -> int:
    with path.open("rb") as file:
        return picture_file.orientation(file)


def _read_numbers(path: Path, is_index: bool) -> tuple[NDArray[np.uint8], bool]:
    """The numbers stored in a palette or grey file, before a palette turns them into colours; whether it is a JPEG."""
    with open_picture(path, "a label map") as picture:
        _check_holds_numbers(path, picture, is_index)
        return _decode(path, picture.mode), picture.format == "JPEG"


def _check_holds_numbers(path: Path, picture: Picture, is_index: bool) -> None:
    if is_index and picture.mode == "L" and (bits := _bits_of_grey_png(picture)) in (2, 4):
        raise UserError(
            f"{path} has {bits} bits a pixel, which readers scale to 0..255; a label map is an 8-bit palette (P) or "
            "grey (L) image, or state the scaled numbers as values"
        )
    if picture.mode in ("P", "L"):
        return
    kinds = {"1": "1 bit a pixel", "I": "16 or 32 bits a pixel", "F": "fractions"}
    kind = kinds.get(picture.mode[:1], "colours in the place of numbers")
    raise UserError(f"{path} has {kind} (mode {picture.mode}); a label map is an 8-bit palette (P) or grey (L) image")


def _bits_of_grey_png(picture: Picture) -> int:
    """Bits a pixel of a grey PNG, 8 for other files: its raw mode is L, L;2 or L;4."""
    tile = getattr(picture, "tile", None)
    raw_mode = str(tile[0].args) if picture.format == "PNG" and tile else ""
    return int(raw_mode[2:]) if raw_mode in ("L;2", "L;4") else 8


def _as_ranges(values: NDArray[np.int64]) -> str:
    """Ascending numbers as text, such as ``0..34, 255``."""
    parts = np.split(values, np.flatnonzero(np.diff(values) > 1) + 1)
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}..{part[-1]}" for part in parts)


def _read_colours(path: Path, colours: Colours, ignored: int) -> tuple[NDArray[np.uint8], dict[Value, int], bool]:
    """The class of each pixel's colour, ``ignored`` where ``colours`` does not name it.

    Returns:
        The classes, the pixels of each colour that is not named, and whether the file is a JPEG.
    """
    with open_picture(path, "a label map") as picture:
        is_jpeg = picture.format == "JPEG"
        pixels = _decode(path, "RGB").astype(np.uint32)
    packed = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    known = sorted(((r << 16) | (g << 8) | b, index) for (r, g, b), index in colours.items())
    values, classes = (np.array(column) for column in zip(*known, strict=True))
    positions = np.searchsorted(values, packed).clip(max=len(values) - 1)
    is_known = values[positions] == packed
    unknown, counts = np.unique(packed[~is_known], return_counts=True)
    unnamed: dict[Value, int] = {
        (int(colour) >> 16, int(colour) >> 8 & 255, int(colour) & 255): int(count)
        for colour, count in zip(unknown, counts, strict=True)
    }
    return np.where(is_known, classes[positions], ignored).astype(np.uint8), unnamed, is_jpeg


def _decode(path: Path, mode: str) -> NDArray[np.uint8]:
    """The pixels as viewers show them: turned as an EXIF orientation says."""
    content = read_bytes(path)
    try:
        pixels, _ = decode_and_listen(lambda: _as_array(content, mode))
    except (OSError, SyntaxError, ValueError) as error:  # PIL calls a broken chunk a syntax error
        raise UserError(f"{path} cannot be read as a label map; get the file again") from error
    if content.startswith(picture_file.JPEG):
        read_image(path)  # names a damaged JPEG, of which Pillow says nothing
    return picture_file.turn(pixels, picture_file.orientation(io.BytesIO(content)))


def _as_array(content: bytes, mode: str) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as picture:
        return np.array(picture if picture.mode == mode else picture.convert(mode), dtype=np.uint8)
