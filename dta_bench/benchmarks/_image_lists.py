"""Classification sets given as ``image_list.txt``: a line an image, its path within the folder and its class index."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dta_bench.domains.image_files import ImageFiles, require_path, stays_inside_folder
from dta_bench.domains.images import LabelledImages
from dta_bench.errors import UserError


def read(root: Path, folder: str, classes: int, what: str) -> LabelledImages:
    """The images that ``root/folder/image_list.txt`` names, unread; ids are their paths under ``root``.

    Raises:
        UserError: the list is missing (``what`` says what to put there) or a line of it is malformed.
    """
    source = root / folder / "image_list.txt"
    require_path(source, what)
    try:
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{source} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    entries = [_entry(line, f"{source} line {number}", classes) for number, line in numbered]
    if not entries:
        raise UserError(f"{source} names no image; get the data set again")
    paths = [f"{folder}/{path}" for path, _ in entries]
    labels = np.array([label for _, label in entries], dtype=np.int64)
    return LabelledImages(ImageFiles(root, paths), labels, paths)


def _entry(line: str, where: str, classes: int) -> tuple[str, int]:
    path, _, label = line.strip().rpartition(" ")
    if len(label) > 4 or not (label.isascii() and label.isdigit() and int(label) < classes):
        raise UserError(f"{where} is {line.strip()!r}; expected a path and a class index 0..{classes - 1}")
    if not stays_inside_folder(path):
        raise UserError(f"{where} names {path!r}, which is not a relative path within its folder")
    return path.strip(), int(label)
