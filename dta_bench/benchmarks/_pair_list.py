"""Read the list file of a pair's domain: each line has an image's path, then its class as a name or an index."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from dta_bench.domains.file_names import NamesOnDisk, composed
from dta_bench.domains.image_files import stays_inside_folder
from dta_bench.errors import UserError
from dta_bench.spec import yaml_file

SEPARATORS = " \t,"
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
Entry = tuple[str, int | None]


def read(list_file: Path, folder: Path, names: Mapping[str, int | None], classes: list[str]) -> list[tuple[str, int]]:
    """Read a list.

    Args:
        list_file: the list.
        folder: the folder that its paths are relative to.
        names: composed name → class index; None for a name that the pair leaves out.
        classes: the classes in order, for error messages.

    Returns:
        (path on disk, class index) of the images, in the order of the list.

    Raises:
        UserError: the list cannot be read, or a line cannot be understood, or an image is listed twice.
    """
    on_disk = NamesOnDisk(folder)
    entries = [
        _entry(line.strip(), f"{list_file} line {number}", on_disk, names, classes)
        for number, line in enumerate(read_lines(list_file), 1)
        if line.strip()
    ]
    of_classes = [(path, label) for path, label in entries if label is not None]
    counts = Counter(str(PurePosixPath(path)) for path, _ in of_classes)
    repeated = [path for path, count in counts.items() if count > 1]
    if repeated:
        raise UserError(f"{list_file} names {listed(repeated)} more than once; allowed: once")
    return of_classes


def read_paths(list_file: Path, folder: Path) -> list[str]:
    """Read a list of images without classes: a path a line, relative to ``folder``.

    Returns:
        The paths as they are spelled on disk, in the order of the list.

    Raises:
        UserError: the list cannot be read, a line names no file, or a file is listed twice.
    """
    on_disk = NamesOnDisk(folder)
    paths = []
    for number, line in enumerate(read_lines(list_file), 1):
        if line.strip():
            found = on_disk.find(line.strip())
            if found is None:
                raise UserError(
                    f"{list_file} line {number} is {line.strip()!r}, which is no file in {folder}; expected an image's "
                    "path alone (a list with classes goes under folder and list)"
                )
            paths.append(found)
    repeated = [path for path, count in Counter(paths).items() if count > 1]
    if repeated:
        raise UserError(f"{list_file} names {listed(repeated)} more than once; allowed: once")
    return paths


def listed(names: list[str], most: int = 5) -> str:
    """The first names of many, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def read_lines(list_file: Path) -> list[str]:
    """The list's lines; bytes that are no UTF-8 are kept as they stand in names of files."""
    try:
        content = list_file.read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"{list_file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if content.startswith(UTF16):
        raise UserError(f"{list_file} is UTF-16 text; save it as UTF-8")
    return content.decode("utf-8-sig", errors="surrogateescape").splitlines()


def _entry(line: str, where: str, on_disk: NamesOnDisk, names: Mapping[str, int | None], classes: list[str]) -> Entry:
    """Path and class index of a line, in the first reading of it that names a file on disk."""
    readings = [
        (path, label)
        for path, word in _readings(line)
        if stays_inside_folder(path)
        for label in labels_of_word(word, names, len(classes))
    ]
    for path, label in readings:
        actual = on_disk.find(path)
        if actual is not None:
            return actual, label
    if readings and _is_utf8(readings[0][0]):
        return readings[0]
    raise UserError(_problem(line, where, names, classes))


def _readings(line: str) -> Iterator[tuple[str, str]]:
    """(path, class) of a line, first split at the last space, then at each separator from the left."""
    path, _, word = line.rpartition(" ")
    yield path.strip(), word
    for position, character in enumerate(line):
        if character in SEPARATORS:
            yield line[:position].strip(), line[position + 1 :].strip()


def labels_of_word(word: str, names: Mapping[str, int | None], classes: int) -> list[int | None]:
    """The class index of a word in a list, None for a class that is left out; empty if it is no class."""
    if composed(word) in names:
        return [names[composed(word)]]
    digits = word.lstrip("0") or "0"
    is_index = word.isascii() and word.isdigit() and len(digits) <= 6 and int(digits) < classes
    return [int(digits)] if is_index else []


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _problem(line: str, where: str, names: Mapping[str, int | None], classes: list[str]) -> str:
    if not _is_utf8(line):
        return f"{where} is {line!r}, which is no UTF-8, and no file has a name of these bytes; save the list as UTF-8"
    path, _, word = line.rpartition(" ")
    if not stays_inside_folder(path.strip()):
        return f"{where} is {line!r}; expected a relative path within its folder, then a class"
    of_classes = [name for name, index in names.items() if index is not None]
    return (
        f"{where} has the class {word!r}{yaml_file.suggestion(word, of_classes)}; "
        f"allowed: {', '.join(classes)}, or an index 0..{len(classes) - 1}"
    )
