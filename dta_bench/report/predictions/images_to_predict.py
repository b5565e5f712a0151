"""The images that a user names: folders, list files and single files; each with the name that its prediction has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dta_bench.benchmarks._pair_list import read_lines
from dta_bench.domains.file_tree import SUFFIXES, list_images, suffix_of
from dta_bench.errors import UserError


@dataclass(frozen=True, order=True)
class NamedImage:
    """An image file, and its name: relative to the folder or list that was given, or as given."""

    name: str
    path: Path


def find_images(given: Sequence[str]) -> list[NamedImage]:
    """All images that a user names, sorted by name.

    A folder stands for all images in it, a file of another type than an image's for a list of them: a path a line,
    relative to the list's folder.

    Raises:
        UserError: something named is not there or holds no image, or two images have the same name.
    """
    found = [image for one in given for image in _images_of(Path(one).expanduser(), one)]
    repeated = [name for name, count in Counter(image.name for image in found).items() if count > 1]
    if repeated:
        raise UserError(
            f"{len(repeated)} names stand for two images, such as {repeated[0]}; name a folder that holds both, or"
            " predict one folder after the other"
        )
    return sorted(found)


def _images_of(path: Path, given: str) -> list[NamedImage]:
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        raise UserError(f"there is no {given}; give folders of images, lists of them, or image files")
    return [NamedImage(given, path)] if suffix_of(path.name) in SUFFIXES else _of_list(path)


def _of_folder(folder: Path) -> list[NamedImage]:
    names = list_images(folder)
    if not names:
        raise UserError(f"{folder} holds no image ({', '.join(sorted(SUFFIXES))})")
    return [NamedImage(name, folder / name) for name in names]


def _of_list(path: Path) -> list[NamedImage]:
    names = [line.strip() for line in read_lines(path) if line.strip()]
    if not names:
        raise UserError(f"{path} names no image; it takes one path per line, relative to {path.parent}")
    if not any((path.parent / name).exists() for name in names):
        raise UserError(
            f"{path} is no image and no list of images: its first line, {names[0]!r}, is no file in {path.parent}; a"
            " list has one path per line and no class"
        )
    return [NamedImage(name, path.parent / name) for name in names]
