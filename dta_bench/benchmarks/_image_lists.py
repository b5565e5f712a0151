"""Read classification sets from ``image_list.txt``: each line has an image's path in the folder and its class index."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dta_bench.domains.image_files import ImageFiles, require_path, stays_inside_folder
from dta_bench.domains.images import LabelledImages
from dta_bench.errors import UserError


def read(root: Path, folder: str, classes: int, instruction: str) -> LabelledImages:
    """List the images of ``root/folder/image_list.txt``, which are read when they are asked for.

    Args:
        root: the data root.
        folder: the set's folder under the root.
        classes: the number of classes.
        instruction: tells the user what to put where, if the list is missing.

    Returns:
        The images, whose ids are their paths under ``root``.

    Raises:
        UserError: the list is missing, cannot be read, is empty, or has a malformed line.
    """
    list_file = root / folder / "image_list.txt"
    require_path(list_file, instruction)
    try:
        lines = list_file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{list_file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    entries = [_entry(line, f"{list_file} line {number}", classes) for number, line in numbered]
    if not entries:
        raise UserError(f"{list_file} names no image; get the data set again")
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
