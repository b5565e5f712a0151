"""Images and label maps that lie in files: read when asked for, never from outside their folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import overload

import numpy as np
from numpy.typing import NDArray

from dta_bench.domains import Image
from dta_bench.errors import UserError


@dataclass(frozen=True)
class ImageFiles(Sequence[Image]):
    """Image files as RGB, (height, width, 3) uint8: grey is repeated, an alpha channel dropped, 16 bits cut to 8."""

    root: Path
    paths: Sequence[str]

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> ImageFiles: ...
    def __getitem__(self, index: int | slice) -> Image | ImageFiles:
        if isinstance(index, slice):
            return ImageFiles(self.root, self.paths[index])
        return read_image(self.root / self.paths[index])

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class LabelMaps(Sequence[NDArray[np.uint8]]):
    """Label maps (height, width) uint8, each value of the file looked up in ``table`` (256 entries)."""

    root: Path
    paths: Sequence[str]
    table: NDArray[np.uint8]

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> LabelMaps: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | LabelMaps:
        if isinstance(index, slice):
            return LabelMaps(self.root, self.paths[index], self.table)
        return self.table[_read_indices(self.root / self.paths[index])]

    def __len__(self) -> int:
        return len(self.paths)


def read_image(path: Path) -> Image:
    """The file's pixels as RGB.

    Raises:
        UserError: the file is missing or is no image.
    """
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) if path.is_file() else None
    if image is None:
        raise UserError(f"{path} cannot be read as an image; get the file again, or run prepare to list all such files")
    return np.asarray(image, dtype=np.uint8)


def _read_indices(path: Path) -> NDArray[np.uint8]:
    """The numbers stored in a palette or grey file, before any palette turns them into colours."""
    from PIL import Image as Picture

    try:
        with Picture.open(path) as picture:
            if picture.mode not in ("P", "L"):
                raise UserError(
                    f"{path} has mode {picture.mode}; a label map is an 8-bit palette (P) or grey (L) image"
                )
            return np.array(picture, dtype=np.uint8)
    except OSError as error:
        raise UserError(f"{path} cannot be read as a label map; get the file again") from error


def stays_within(path: str) -> bool:
    """Whether a path read from a list is relative and never climbs out of its folder."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith(("/", "\\")) and ".." not in parts and ":" not in parts[0]


def wanted(path: Path, what: str) -> None:
    """Insist that ``path`` is there.

    Raises:
        UserError: it is not; ``what`` says what to put where.
    """
    if not path.exists():
        raise UserError(f"{path} is missing: {what}")


def fingerprint(root: Path, entries: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over the sorted (path, size, label) of files under ``root``, whose contents are too large to read.

    Raises:
        UserError: a file is missing.
    """
    total = hashlib.sha256()
    for path, label in sorted(entries):
        try:
            size = (root / path).stat().st_size
        except OSError as error:
            raise UserError(
                f"{root / path} is missing, though its data set names it; get the data set again"
            ) from error
        total.update(f"{path}\t{size}\t{label}\n".encode())
    return total.hexdigest()
