"""Read the CSV file of a labelled subset: each row has an image's path, and its class or the path of its mask."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from dta_bench.benchmarks._pair_list import labels_of_word, listed, read_lines
from dta_bench.domains.file_names import NamesOnDisk
from dta_bench.errors import UserError
from dta_bench.spec import yaml_file

DELIMITERS = (",", ";", "\t")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Table(Generic[Value]):
    """The rows of a labelled subset, (image, class index or mask), and sentences on the rows that were left out."""

    rows: list[tuple[str, Value]]
    notes: list[str] = field(default_factory=list)


def read_classes(
    path: Path, folder: str, root: Path, names: Mapping[str, int | None], classes: list[str]
) -> Table[int]:
    """Read rows ``path,class``.

    Args:
        path: the file.
        folder: the folder of the target's images; a row's path is relative to it, else to the data root.
        root: the data root.
        names: composed name → class index; None for a name that the pair leaves out.
        classes: the classes in order, for error messages.

    Raises:
        UserError: the file cannot be read, no row has a class, or a row names no file or no class.
    """
    filled, notes = _filled_rows(path, "class")
    found, left_out = list[tuple[str, int]](), Counter[str]()
    finder = _Finder(folder, root)
    for where, image, word in filled:
        labels = labels_of_word(word, names, len(classes))
        if not labels:
            known = [name for name, index in names.items() if index is not None]
            raise UserError(
                f"{where} has the class {word!r}{yaml_file.suggestion(word, known)}; allowed: {', '.join(classes)}, "
                f"or an index 0..{len(classes) - 1}; a class that the source lacks (open-set adaptation) is not "
                "handled: name it in leave_out to leave its images out"
            )
        if labels[0] is None:
            left_out[word] += 1
        else:
            found.append((finder.find(image, where), labels[0]))
    if left_out:
        words = ", ".join(f"{word} {count}" for word, count in left_out.items())
        notes.append(
            f"{path.name} has images of classes in leave_out, which are not measured: {words}; a target with classes "
            "that the source lacks is open-set adaptation, which is not handled"
        )
    return Table(_without_repetition(path, found), notes)


def read_masks(path: Path, folder: str, root: Path) -> Table[str]:
    """Read rows ``path,mask``; a mask's path is relative to the file's own folder, else to the data root.

    Raises:
        UserError: the file cannot be read, no row has a mask, or a row names no file.
    """
    filled, notes = _filled_rows(path, "mask")
    images, masks = _Finder(folder, root), _Finder(_relative(path.parent, root), root)
    found = [(images.find(image, where), masks.find(mask, where)) for where, image, mask in filled]
    return Table(_without_repetition(path, found), notes)


def count_empty(path: Path, column: str) -> int:
    """How many rows of a table have nothing in the column."""
    return sum(not value for _, _, value in _rows(path, column))


def _filled_rows(path: Path, column: str) -> tuple[list[tuple[str, str, str]], list[str]]:
    """(where, path, value) of each row with a value, and a sentence on the others."""
    rows = list(_rows(path, column))
    filled = [row for row in rows if row[2]]
    if not filled:
        raise UserError(f"{path} has no row with a {column}: fill the column {column} of the images that you label")
    if len(filled) == len(rows):
        return filled, []
    empty = len(rows) - len(filled)
    return filled, [f"{path.name}: {empty} of {len(rows)} rows have no {column} yet and are left out"]


def _rows(path: Path, column: str) -> Iterator[tuple[str, str, str]]:
    """(where, path, value) of each row below the head."""
    if not path.is_file():
        raise UserError(f"{path} is missing: a CSV file path,{column}, or a folder of labelled images")
    lines = read_lines(path)
    delimiter = next((one for one in DELIMITERS if lines and lines[0].lower().startswith(f"path{one}{column}")), ",")
    for number, row in enumerate(csv.reader(lines, delimiter=delimiter), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and [cell.lower() for cell in cells[:2]] == ["path", column]):
            continue
        if len(cells) < 2 or any(cells[2:]):
            raise UserError(f"{path} line {number} is {','.join(row)!r}; expected two cells: path,{column}")
        yield f"{path} line {number}", cells[0], cells[1]


class _Finder:
    """Finds the file that a row names: in a folder under the data root, else under the root itself."""

    def __init__(self, folder: str, root: Path) -> None:
        self._places = [(folder, NamesOnDisk(root / folder)), (".", NamesOnDisk(root))]
        self._folder = folder

    def find(self, path: str, where: str) -> str:
        """The path relative to the data root, as it is spelled on disk."""
        for folder, names in self._places:
            if (found := names.find(path)) is not None:
                return found if folder == "." else f"{folder}/{found}"
        raise UserError(f"{where} names {path}, which is no file in {self._folder} or under the data root")


def _without_repetition(path: Path, rows: list[tuple[str, Value]]) -> list[tuple[str, Value]]:
    repeated = [image for image, count in Counter(image for image, _ in rows).items() if count > 1]
    if repeated:
        raise UserError(f"{path} names {listed(repeated)} more than once; allowed: once")
    if not rows:
        raise UserError(f"{path} has no image of a class of the pair")
    return rows


def _relative(folder: Path, root: Path) -> str:
    return folder.relative_to(root).as_posix() if folder.is_relative_to(root) else str(folder)
