"""List the files of a folder and say of each what it is: an image, known junk, or something else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from dta_bench.errors import UserError

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
JUNK_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}  # of Windows and macOS
JUNK_FOLDERS = {
    "__macosx", "@eadir", "@__thumb", "#recycle", "$recycle.bin", "system volume information", "lost+found",
}  # fmt: skip
"""What macOS, NAS devices, Windows and Linux file systems leave in folders, in lower case."""

Kind = Literal["image", "junk", "other", "not_regular"]
FileKey = tuple[int, int, str]
"""Device and inode of the folder that a file lies in, and its name: the same by whichever links it is reached."""


@dataclass
class FileTree:
    """What lies in a folder.

    Attributes:
        kinds: path → what the file is. A path is relative to the folder and has ``/``.
        keys: path → the file's key.
        links_passed_over: links to folders that are read already, or that hold the link itself.
    """

    kinds: dict[str, Kind] = field(default_factory=dict)
    keys: dict[str, FileKey] = field(default_factory=dict)
    links_passed_over: list[str] = field(default_factory=list)

    def images(self) -> list[str]:
        """Paths of the images, sorted."""
        return sorted(path for path, kind in self.kinds.items() if kind == "image")


def read_tree(folder: Path) -> FileTree:
    """List all files under a folder; see :func:`read_trees`."""
    return read_trees([folder])[0]


def read_trees(folders: Sequence[Path]) -> list[FileTree]:
    """List all files under some folders, each real folder once.

    Links to folders are followed after all real folders are read. A link is passed over if its folder was read already,
    or if it points to a folder that it lies in.

    Raises:
        UserError: a folder cannot be read.
    """
    walk = _Walk([FileTree() for _ in folders])
    links = [(number, folder) for number, folder in enumerate(folders) if folder.is_symlink()]
    for number, folder in enumerate(folders):
        if (number, folder) not in links:
            walk.read(number, folder, "")
    for number, folder in links:
        walk.read(number, folder, "")
    walk.follow_links(folders)
    return walk.trees


def list_images(folder: Path) -> list[str]:
    """Paths of all image files under ``folder``, relative to it and sorted; hidden files and known junk are left out.

    Links to folders are followed; see :func:`read_trees`.
    """
    return read_tree(folder).images()


def is_junk(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or is left behind by an operating system."""
    return name.startswith(".") or name.casefold() in JUNK_FILES | JUNK_FOLDERS


def key_of(path: Path) -> FileKey:
    """A file's key, by whichever links it is reached.

    Raises:
        OSError: its folder does not exist.
    """
    status = path.parent.stat()
    return status.st_dev, status.st_ino, path.name


@dataclass(frozen=True)
class DataFolder:
    """A folder that a domain's images or masks lie in, for the count of its files.

    Attributes:
        path: the folder.
        unused: what an image in it is called that is in none of the sets, such as ``not_listed``.
        left_out: names of its folders that the user leaves out.
    """

    path: Path
    unused: str
    left_out: frozenset[str] = frozenset()


class _Walk:
    """The folders that were read so far, and the links to folders that are still to be followed."""

    def __init__(self, trees: list[FileTree]) -> None:
        self.trees = trees
        self._read: set[tuple[int, int]] = set()
        self._links: list[tuple[int, str]] = []

    def follow_links(self, folders: Sequence[Path]) -> None:
        """Read the folders that links point to, and those that links in these point to."""
        while self._links:
            links, self._links = sorted(self._links), []
            for number, relative in links:
                path = folders[number] / relative
                if _holds_itself(path) or not self.read(number, folders[number], relative):
                    self.trees[number].links_passed_over.append(relative)

    def read(self, number: int, folder: Path, relative: str, in_junk: bool = False) -> bool:
        """Read a folder and the real folders in it; returns False for one that was read already."""
        waiting = [(relative, in_junk)]
        is_new = False
        while waiting:
            relative, in_junk = waiting.pop()
            key, entries = _entries(folder / relative, in_junk)
            if key in self._read:
                continue
            is_new = True
            self._read.add(key)
            for entry in entries:
                path = f"{relative}/{entry.name}" if relative else entry.name
                entry_is_junk = in_junk or is_junk(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((path, entry_is_junk))
                elif _leads_to_folder(entry):
                    if entry_is_junk:
                        self.trees[number].links_passed_over.append(path)
                    else:
                        self._links.append((number, path))
                else:
                    self.trees[number].kinds[path] = "junk" if entry_is_junk else _kind(entry)
                    self.trees[number].keys[path] = (*key, entry.name)
        return is_new


def _entries(folder: Path, in_junk: bool) -> tuple[tuple[int, int], list[os.DirEntry[str]]]:
    """A folder's device and inode, and what lies in it; a folder of junk that cannot be read counts as empty."""
    key = (0, 0)
    try:
        status = folder.stat()
        key = (status.st_dev, status.st_ino)
        with os.scandir(folder) as entries:
            return key, list(entries)
    except (OSError, ValueError) as error:
        if in_junk:
            return key, []
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"the folder {folder} cannot be read: {reason}") from error


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _holds_itself(link: Path) -> bool:
    """Whether a link points to a folder that it lies in."""
    folder, location = Path(os.path.realpath(link)), Path(os.path.realpath(link.parent))
    return location.is_relative_to(folder)


def _kind(entry: os.DirEntry[str]) -> Kind:
    """What a file is by its name; a link that leads nowhere counts as the file that it stands for."""
    try:
        is_regular = entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())
    except OSError:
        is_regular = True
    if not is_regular:
        return "not_regular"
    return "image" if suffix_of(entry.name) in SUFFIXES else "other"


def suffix_of(name: str) -> str:
    """A file's suffix in lower case, such as ``.png``; empty if it has none."""
    return PurePosixPath(name).suffix.lower()
