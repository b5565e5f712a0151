"""Image files in a folder: list them, and read one when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from dta_bench.domains import picture_file
from dta_bench.domains.decoder_voice import decode_and_listen
from dta_bench.domains.images import Image
from dta_bench.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


@dataclass(frozen=True)
class ImageFiles(Sequence[Image]):
    """Image files, each read when its index is asked for, as by :func:`read_image`.

    ``paths`` are relative to ``root``; ``bits`` is as in :func:`read_image`.
    """

    root: Path
    paths: Sequence[str]
    bits: int | None = None

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> ImageFiles: ...
    def __getitem__(self, index: int | slice) -> Image | ImageFiles:
        if isinstance(index, slice):
            return ImageFiles(self.root, self.paths[index], self.bits)
        return read_image(self.path_of(index), self.bits)

    def __len__(self) -> int:
        return len(self.paths)

    def path_of(self, index: int) -> Path:
        """The file of an image."""
        return self.root / self.paths[index]


def read_image(path: Path, bits: int | None = None) -> Image:
    """Read an image file as RGB, turned as its EXIF orientation says: as viewers show it.

    Args:
        path: the file.
        bits: how many bits of a file of 16 bits hold numbers, 9 to 16; None: all 16.

    Returns:
        (height, width, 3) uint8. Grey is repeated for the three channels, an alpha channel is dropped, and of more than
        8 bits the upper 8 are taken (in a TIFF of colours without ``bits``, rounded). Bytes that follow the picture in
        its file are not read.

    Raises:
        UserError: the file is missing, is no image, is cut off or damaged (OpenCV alone would fill the missing part
            with grey), has more than 16 bits, or holds more than ``bits`` allow.
    """
    content = read_bytes(path)
    is_complete = bool(content) and not picture_file.is_cut_off(content)
    image, said = decode_and_listen(lambda: _decode(content, bits)) if is_complete else (None, "")
    if image is None:
        if samples := re.search(r"images with (\d+)-bit samples", said):
            raise UserError(
                f"{path} has {samples[1]} bits a sample (float or large integer numbers); an image has 8 or 16: "
                "convert the file"
            )
        raise UserError(f"{path} cannot be read as an image; get the file again, or run prepare to list all such files")
    if damage := picture_file.damage(content, said):
        raise UserError(f"{path} is damaged ({damage}); get the file again, or leave it out by --skip-unreadable")
    return _as_eight_bits(path, image, bits)


def read_bytes(path: Path) -> bytes:
    """Read a file whole.

    Raises:
        UserError: it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; get the file again") from error


def _decode(content: bytes, bits: int | None) -> NDArray[Any] | None:
    """The pixels as RGB, with all their bits where ``bits`` are stated; None if they cannot be decoded."""
    import cv2

    stored = np.frombuffer(content, dtype=np.uint8)
    try:
        image = cv2.imdecode(stored, cv2.IMREAD_COLOR_RGB)
        if image is None or bits is None:
            return image if image is None else np.asarray(image)
        deep = cv2.imdecode(stored, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)  # RGB of a deep TIFF is garbled in OpenCV 5
    except cv2.error:  # more pixels than OpenCV takes
        return None
    return np.asarray(image if deep is None or deep.dtype == np.uint8 else deep[:, :, ::-1])


def _as_eight_bits(path: Path, image: NDArray[Any], bits: int | None) -> Image:
    if image.dtype == np.uint8 or bits is None:
        return np.asarray(image, dtype=np.uint8)
    lowest, highest = int(image.min()), int(image.max())
    if lowest < 0 or highest >= 2**bits:
        raise UserError(
            f"{path} holds {lowest}..{highest}, but {bits} bits hold 0..{2**bits - 1}; mend the pair's bits"
        )
    return np.ascontiguousarray(image >> (bits - 8)).astype(np.uint8)


def open_picture(path: Path, kind: str) -> Picture:
    """Open a file with Pillow, which reads its header and decodes no pixel yet.

    Args:
        path: the file.
        kind: what the file should be, for the error message: ``"an image"`` or ``"a label map"``.

    Raises:
        UserError: the file is missing or is no picture.
    """
    from PIL import Image

    try:
        return Image.open(path)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} cannot be read as {kind}; get the file again") from error


def stays_inside_folder(path: str) -> bool:
    """Whether a path that was read from a list is relative and never leaves its folder."""
    parts = PurePosixPath(path).parts
    return (
        bool(parts) and not path.startswith(("/", "\\")) and ".." not in parts and ":" not in parts[0]
        and "\0" not in path
    )  # fmt: skip


def require_path(path: Path, instruction: str) -> None:
    """Check that a file or folder exists.

    Args:
        path: the file or folder.
        instruction: tells the user what to put where, for the error message.

    Raises:
        UserError: it does not exist.
    """
    if not path.exists():
        raise UserError(f"{path} is missing: {instruction}")
