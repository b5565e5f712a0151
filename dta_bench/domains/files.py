"""Images and label maps that lie in files: read when asked for, never from outside their folder."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from dta_bench.domains.images import Image
from dta_bench.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
Colours = Mapping[tuple[int, int, int], int]
"""The class index of each colour (red, green, blue)."""


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

    def file(self, index: int) -> Path:
        """Where an image lies."""
        return self.root / self.paths[index]


@dataclass(frozen=True)
class LabelMaps(Sequence[NDArray[np.uint8]]):
    """Label maps (height, width) uint8, one for each of ``images`` and of its size.

    Palette and grey files hold numbers, each looked up in ``table`` (256 entries); ``known`` (256 entries) says which
    may occur, None: all. Where ``colours`` is given, the files are pictures, and a colour that it does not name becomes
    ``ignored``.
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
            numbers = _indices(path)
            self._check_numbers(path, numbers)
            found = self.table[numbers]
        else:
            found = _classes_of(path, self.colours, self.ignored)
        self._check_size(path, found.shape, self.images.file(index))
        return found

    def check_head(self, index: int) -> None:
        """Insist on the size and the kind of one file, without decoding it.

        Raises:
            UserError: it has another size than its image, or holds no 8-bit numbers.
        """
        path = self.images.root / self.paths[index]
        with _opened(path, "a label map") as picture:
            if self.colours is None:
                _insist_on_numbers(path, picture)
            width, height = picture.size
        self._check_size(path, (height, width), self.images.file(index))

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def meaning(self) -> str:
        """What the numbers or colours of these files stand for, as a digest: a part of the data's fingerprint."""
        colours = sorted(self.colours.items()) if self.colours else None
        stated = self.table.tobytes() + f"{colours} {self.ignored}".encode()
        return hashlib.sha256(stated).hexdigest()[:12]

    def _check_numbers(self, path: Path, numbers: NDArray[np.uint8]) -> None:
        if self.known is None:
            return
        counts = np.bincount(numbers.ravel(), minlength=256)
        strange = [f"{value} ({counts[value]:,} pixels)" for value in np.flatnonzero((counts > 0) & ~self.known)]
        if strange:
            raise UserError(
                f"{path} holds {', '.join(strange)}, which {'is' if len(strange) == 1 else 'are'} no label here; "
                f"known: {_ranges(np.flatnonzero(self.known))}"
            )

    def _check_size(self, path: Path, shape: tuple[int, ...], image: Path) -> None:
        height, width = shape
        with _opened(image, "an image") as picture:  # reads its head alone
            if picture.size != (width, height):
                raise UserError(
                    f"{path} is {width} x {height} pixels, but its image {image} is {picture.size[0]} x "
                    f"{picture.size[1]}; a label map has its image's size"
                )


def read_image(path: Path) -> Image:
    """The file's pixels as RGB.

    Raises:
        UserError: the file is missing, is no image, or is cut off (OpenCV alone fills what is missing with grey).
    """
    import cv2

    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; get the file again") from error
    whole = content and not _is_cut_off(content)
    image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR_RGB) if whole else None
    if image is None:
        raise UserError(f"{path} cannot be read as an image; get the file again, or run prepare to list all such files")
    return np.asarray(image, dtype=np.uint8)


def _is_cut_off(content: bytes) -> bool:
    """Whether a JPEG has no end-of-image after its last start of scan, or a PNG no end chunk."""
    if content.startswith(b"\xff\xd8"):
        return content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda")
    return content.startswith(b"\x89PNG") and b"IEND" not in content[-64:]


def _opened(path: Path, what: str) -> Picture:
    from PIL import Image

    try:
        return Image.open(path)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} cannot be read as {what}; get the file again") from error


def _indices(path: Path) -> NDArray[np.uint8]:
    """The numbers stored in a palette or grey file, before any palette turns them into colours."""
    with _opened(path, "a label map") as picture:
        _insist_on_numbers(path, picture)
        return _pixels(path, picture, picture.mode)


def _insist_on_numbers(path: Path, picture: Picture) -> None:
    if picture.mode in ("P", "L"):
        return
    kinds = {"1": "1 bit a pixel", "I": "16 or 32 bits a pixel", "F": "fractions"}
    kind = kinds.get(picture.mode[:1], "colours in the place of numbers")
    raise UserError(f"{path} has {kind} (mode {picture.mode}); a label map is an 8-bit palette (P) or grey (L) image")


def _ranges(values: NDArray[np.int64]) -> str:
    """``0..34, 255``."""
    parts = np.split(values, np.flatnonzero(np.diff(values) > 1) + 1)
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}..{part[-1]}" for part in parts)


def _classes_of(path: Path, colours: Colours, ignored: int) -> NDArray[np.uint8]:
    """The class of each pixel's colour."""
    with _opened(path, "a label map") as picture:
        pixels = _pixels(path, picture, "RGB").astype(np.uint32)
    packed = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    known = sorted(((r << 16) | (g << 8) | b, index) for (r, g, b), index in colours.items())
    values, classes = (np.array(column) for column in zip(*known, strict=True))
    places = np.searchsorted(values, packed).clip(max=len(values) - 1)
    return np.where(values[places] == packed, classes[places], ignored).astype(np.uint8)


def _pixels(path: Path, picture: Picture, mode: str) -> NDArray[np.uint8]:
    try:
        return np.array(picture if picture.mode == mode else picture.convert(mode), dtype=np.uint8)
    except (OSError, SyntaxError) as error:  # PIL calls a broken chunk a syntax error
        raise UserError(f"{path} cannot be read as a label map; get the file again") from error


def stays_within(path: str) -> bool:
    """Whether a path read from a list is relative and never climbs out of its folder."""
    parts = PurePosixPath(path).parts
    return (
        bool(parts) and not path.startswith(("/", "\\")) and ".." not in parts and ":" not in parts[0]
        and "\0" not in path
    )  # fmt: skip


def images_in(folder: Path) -> list[str]:
    """Every image file under ``folder``, by its path within, sorted; hidden files are passed over."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))


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
            found = (root / path).stat()
            if not stat.S_ISREG(found.st_mode):
                raise OSError("it is no file")
        except OSError as error:
            raise UserError(
                f"{root / path} is missing, though its data set names it; get the data set again"
            ) from error
        total.update(f"{path}\t{found.st_size}\t{label}\n".encode())
    return total.hexdigest()
