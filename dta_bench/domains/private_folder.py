"""Folders of this user alone, also in places where other users can make files, such as ``/tmp``."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


def make_private(folder: Path) -> Path:
    """Make ``folder`` if it is missing, and make sure that it is this user's alone (mode 0700).

    A link in its place is refused, wherever it leads: another user may have planted it.

    Returns: ``folder``.

    Raises:
        OSError: it cannot be made, is a link or no folder, or is another user's.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # another process of this user may have made it just now
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise OSError(f"{folder} is a link, and another user may have planted it")
    if not stat.S_ISDIR(status.st_mode):
        raise OSError(f"{folder} is not a folder")
    if status.st_uid != os.geteuid():
        raise OSError(f"{folder} is another user's")
    if stat.S_IMODE(status.st_mode) & 0o777 != 0o700:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.fchmod(opened, 0o700)
        finally:
            os.close(opened)
    return folder
