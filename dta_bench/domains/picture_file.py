"""What the bytes of a picture file say besides its pixels: its end, its orientation, its depth, and its damage."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

JPEG, PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
HOLE = bytes(64)
"""So many zeros in a row inside a JPEG's scan are a hole, unless its codes can write a blank area so."""
_MARKER = re.compile(rb"\xff+[\x01\xc0-\xcf\xd8-\xfe]")  # stuffed bytes and restart markers belong to a scan
START_OF_SCAN, END_OF_IMAGE, HUFFMAN_TABLES = 0xDA, 0xD9, 0xC4
SEQUENTIAL_FRAMES = (0xC0, 0xC1)


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, first byte after it, first byte after its segment) of a JPEG up to its end of image."""
    position = 2
    while marker := _MARKER.search(content, position):
        code, start = content[marker.end() - 1], marker.end()
        has_length = code not in (0x01, 0xD8, END_OF_IMAGE)
        position = start + max(2, int.from_bytes(content[start : start + 2], "big")) if has_length else start
        yield code, start, position
        if code == END_OF_IMAGE:
            return


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, first byte of the data, first byte after the chunk) of a PNG up to its end."""
    position = len(PNG)
    while position + 12 <= len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        kind, start = content[position + 4 : position + 8], position + 8
        position = start + length + 4
        yield kind, start, position
        if kind == b"IEND":
            return


def end_of(content: bytes) -> int | None:
    """The first byte after a JPEG or a PNG; None if it is cut off. Other formats end with their content."""
    if content.startswith(JPEG):
        return next((end for code, _, end in _jpeg_segments(content) if code == END_OF_IMAGE), None)
    if content.startswith(PNG):
        end = next((end for kind, _, end in _png_chunks(content) if kind == b"IEND"), None)
        return end if end is not None and end <= len(content) else None
    return len(content)


def is_cut_off(content: bytes) -> bool:
    """Whether a JPEG or a PNG ends before its picture does; bytes that follow the picture are no fault."""
    usual_ends = content.endswith(b"\xff\xd9") or b"IEND" in content[-12:]
    return not usual_ends and end_of(content) is None


def damage(content: bytes, said: str) -> str:
    """Why the pixels of a decoded file are not its picture, in words; empty if nothing was noticed.

    Args:
        content: the file.
        said: what the decoder wrote to standard error.
    """
    serious = [line for line in said.splitlines() if _is_serious(line, content)]
    if serious:
        return f"the decoder says: {serious[0]}"
    return "zeros in its middle" if content.startswith(JPEG) and _has_hole(content) else ""


def _is_serious(line: str, content: bytes) -> bool:
    """Whether a decoder's line means lost pixels; padding before the end of a JPEG, for example, is harmless."""
    if extraneous := re.search(r"(\d+) extraneous bytes before marker 0xd9", line):
        body = content[: (end_of(content) or len(content)) - 2]
        return len(body) - len(body.rstrip(b"\0\xff")) < int(extraneous[1])
    return line.startswith(("Corrupt JPEG", "Premature end", "Inconsistent progression", "[ERROR", "libpng error"))


def _has_hole(content: bytes) -> bool:
    if HOLE not in content:
        return False
    segments = list(_jpeg_segments(content))
    scans = [end for code, _, end in segments if code == START_OF_SCAN]
    if not scans or not any(code in SEQUENTIAL_FRAMES for code, _, _ in segments):
        return False
    first_symbols = [
        symbol
        for code, start, end in segments
        if code == HUFFMAN_TABLES
        for symbol in _first_symbols(content[start + 2 : end])
    ]
    in_scan = content.find(HOLE, scans[0], end_of(content) or len(content)) >= 0
    return in_scan and bool(first_symbols) and 0 not in first_symbols and not _is_padding(content, scans[-1])


def _first_symbols(tables: bytes) -> Iterator[int]:
    """What zero bits stand for in each table of AC coefficients; 0 is the end of a block, as in a blank area."""
    position = 0
    while position + 17 <= len(tables):
        if tables[position] >> 4 == 1 and position + 17 < len(tables):
            yield tables[position + 17]
        position += 17 + sum(tables[position + 1 : position + 17])


def _is_padding(content: bytes, start: int) -> bool:
    """Whether all holes lie directly before the end of the image."""
    body = content[start : (end_of(content) or len(content)) - 2].rstrip(b"\0\xff")
    return HOLE not in body


def orientation(file: BinaryIO) -> int:
    """How EXIF says that the stored pixels are to be turned: 1 (as they are) to 8; TIFFs are turned by all readers.

    It reads the headers alone, wherever they stand in the file.
    """
    from PIL import Image

    exif = Image.Exif()
    head = file.read(12)
    file.seek(0)
    try:
        if head.startswith(PNG):
            exif.load(_exif_of_png(file))
        elif head.startswith(JPEG) or head[8:] == b"WEBP":
            exif = Image.open(file).getexif()
        found = exif.get(0x0112, 1)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, Image.DecompressionBombError):
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _exif_of_png(file: BinaryIO) -> bytes:
    file.seek(len(PNG))
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            return b"Exif\0\0" + file.read(length)
        file.seek(length + 4, io.SEEK_CUR)
    return b""


SIDEWAYS = 5
"""Orientations from this one on exchange height and width."""


def turn(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn stored pixels (height, width) or (height, width, 3) as an orientation says, to what viewers show."""
    if orientation >= SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
        orientation = {5: 1, 6: 2, 7: 3, 8: 4}[orientation]
    if orientation in (2, 3):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels[::-1] if orientation in (3, 4) else pixels)


@dataclass(frozen=True)
class StoredPicture:
    """What a file stores that its decoded image does not show.

    Attributes:
        orientation: see :func:`orientation`.
        extra_bytes: bytes after the picture's end.
        highest: the highest value of a file of 16 bits a sample; None for 8 bits.
        is_cmyk: whether the colours are those of print.
    """

    orientation: int = 1
    extra_bytes: int = 0
    highest: int | None = None
    is_cmyk: bool = False


def stored_picture(content: bytes) -> StoredPicture:
    """Look at a file that can be decoded."""
    end = end_of(content)
    return StoredPicture(
        orientation(io.BytesIO(content)),
        len(content) - end if end else 0,
        _highest_of_16_bits(content),
        _is_cmyk_jpeg(content),
    )


def _highest_of_16_bits(content: bytes) -> int | None:
    import cv2

    may_be_deep = (content.startswith(PNG) and content[24] == 16) or content[:2] in (b"II", b"MM", b"P5", b"P6")
    if not may_be_deep:
        return None
    pixels = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    return int(pixels.max()) if pixels is not None and pixels.dtype.itemsize == 2 else None


def _is_cmyk_jpeg(content: bytes) -> bool:
    """Whether a JPEG's frame has four components."""
    frames = (0xC0, 0xC1, 0xC2)
    return content.startswith(JPEG) and any(
        code in frames and content[start + 7 : start + 8] == b"\x04" for code, start, _ in _jpeg_segments(content)
    )
