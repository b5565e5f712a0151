"""Label maps in files: palette, grey or colour pictures that hold the class of each pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from dta_bench.domains.image_files import ImageFiles, open_picture
from dta_bench.domains.images import LabelledImages
from dta_bench.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Colours = Mapping[tuple[int, int, int], int]
"""Colour (red, green, blue) → class index."""


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
        path = self.images.root / self.paths[index]
        if self.colours is None:
            numbers = _read_numbers(path)
            self._check_numbers(path, numbers)
            labels = self.table[numbers]
        else:
            labels = _read_colours(path, self.colours, self.ignored)
        self._check_size(path, labels.shape, self.images.path_of(index))
        return labels

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
                _check_holds_numbers(path, picture)
            width, height = picture.size
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
                f"known: {_as_ranges(np.flatnonzero(self.known))}"
            )

    def _check_size(self, path: Path, shape: tuple[int, ...], image_path: Path) -> None:
        height, width = shape
        with open_picture(image_path, "an image") as picture:
            if picture.size != (width, height):
                raise UserError(
                    f"{path} is {width} x {height} pixels, but its image {image_path} is {picture.size[0]} x "
                    f"{picture.size[1]}; a label map has its image's size"
                )


def fingerprint_entries(images: LabelledImages) -> list[tuple[str, str]]:
    """What :func:`~dta_bench.domains.data_fingerprint.fingerprint` takes of a set whose ids are its image files' paths.

    Returns:
        (path, label) of each file. A label map is a file of its own, whose label is what its numbers stand for.
    """
    labels = images.labels
    if isinstance(labels, LabelMaps):
        return [(path, "") for path in images.ids] + [(path, labels.meaning_digest) for path in labels.paths]
    return list(zip(images.ids, map(str, labels), strict=True))


def _read_numbers(path: Path) -> NDArray[np.uint8]:
    """The numbers stored in a palette or grey file, before a palette turns them into colours."""
    with open_picture(path, "a label map") as picture:
        _check_holds_numbers(path, picture)
        return _decode(path, picture, picture.mode)


def _check_holds_numbers(path: Path, picture: Picture) -> None:
    if picture.mode in ("P", "L"):
        return
    kinds = {"1": "1 bit a pixel", "I": "16 or 32 bits a pixel", "F": "fractions"}
    kind = kinds.get(picture.mode[:1], "colours in the place of numbers")
    raise UserError(f"{path} has {kind} (mode {picture.mode}); a label map is an 8-bit palette (P) or grey (L) image")


def _as_ranges(values: NDArray[np.int64]) -> str:
    """Ascending numbers as text, such as ``0..34, 255``."""
    parts = np.split(values, np.flatnonzero(np.diff(values) > 1) + 1)
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}..{part[-1]}" for part in parts)


def _read_colours(path: Path, colours: Colours, ignored: int) -> NDArray[np.uint8]:
    """The class of each pixel's colour, ``ignored`` where ``colours`` does not name it."""
    with open_picture(path, "a label map") as picture:
        pixels = _decode(path, picture, "RGB").astype(np.uint32)
    packed = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    known = sorted(((r << 16) | (g << 8) | b, index) for (r, g, b), index in colours.items())
    values, classes = (np.array(column) for column in zip(*known, strict=True))
    positions = np.searchsorted(values, packed).clip(max=len(values) - 1)
    return np.where(values[positions] == packed, classes[positions], ignored).astype(np.uint8)


def _decode(path: Path, picture: Picture, mode: str) -> NDArray[np.uint8]:
    try:
        return np.array(picture if picture.mode == mode else picture.convert(mode), dtype=np.uint8)
    except (OSError, SyntaxError) as error:  # PIL calls a broken chunk a syntax error
        raise UserError(f"{path} cannot be read as a label map; get the file again") from error
