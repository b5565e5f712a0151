"""Image files in a folder: list them, and read one when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, overload

import numpy as np

from dta_bench.domains.images import Image
from dta_bench.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


@dataclass(frozen=True)
class ImageFiles(Sequence[Image]):
    """Image files, each read when its index is asked for, as by :func:`read_image`.

    ``paths`` are relative to ``root``.
    """

    root: Path
    paths: Sequence[str]

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> ImageFiles: ...
    def __getitem__(self, index: int | slice) -> Image | ImageFiles:
        if isinstance(index, slice):
            return ImageFiles(self.root, self.paths[index])
        return read_image(self.path_of(index))

    def __len__(self) -> int:
        return len(self.paths)

    def path_of(self, index: int) -> Path:
        """The file of an image."""
        return self.root / self.paths[index]


def read_image(path: Path) -> Image:
    """Read an image file as RGB.

    Returns:
        (height, width, 3) uint8. Grey is repeated for the three channels, an alpha channel is dropped, and 16 bits
        are cut to the upper 8.

    Raises:
        UserError: the file is missing, is no image, or is cut off (OpenCV alone would fill the missing part with grey).
    """
    import cv2

    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; get the file again") from error
    is_complete = content and not _is_cut_off(content)
    image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR_RGB) if is_complete else None
    if image is None:
        raise UserError(f"{path} cannot be read as an image; get the file again, or run prepare to list all such files")
    return np.asarray(image, dtype=np.uint8)


def _is_cut_off(content: bytes) -> bool:
    """Whether a JPEG has no end-of-image marker after its last start of scan, or a PNG has no end chunk."""
    if content.startswith(b"\xff\xd8"):
        return content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda")
    return content.startswith(b"\x89PNG") and b"IEND" not in content[-64:]


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
