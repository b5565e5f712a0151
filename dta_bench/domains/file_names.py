"""Find files that are spelled differently on disk: in another Unicode form, or with the separators of Windows."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePosixPath

from dta_bench.domains.image_files import stays_inside_folder


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC), in which ``é`` is one character; macOS writes it as two."""
    return unicodedata.normalize("NFC", name)


class NamesOnDisk:
    """Names in a folder, each folder listed at most once.

    Args:
        folder: the folder that paths are relative to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, dict[str, str]] = {}

    def find(self, path: str) -> str | None:
        """The path as it is spelled on disk: as given, in another Unicode form, or with ``/`` for ``\\``.

        Returns:
            None if there is no such file in the folder.
        """
        for spelling in dict.fromkeys([path, path.replace("\\", "/")]):
            if stays_inside_folder(spelling):
                found = spelling if os.path.lexists(self._folder / spelling) else self._by_parts(spelling)
                if found is not None:
                    return found
        return None

    def _by_parts(self, path: str) -> str | None:
        actual = ""
        for part in PurePosixPath(path).parts:
            name = self._names_in(actual).get(composed(part))
            if name is None:
                return None
            actual = f"{actual}/{name}" if actual else name
        return actual

    def _names_in(self, folder: str) -> dict[str, str]:
        """Composed name → name on disk; empty for what is no folder."""
        if folder not in self._names:
            try:
                names = sorted(path.name for path in (self._folder / folder).iterdir())
            except (OSError, ValueError):
                names = []
            self._names[folder] = {composed(name): name for name in names}
        return self._names[folder]
