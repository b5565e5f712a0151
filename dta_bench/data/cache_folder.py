"""The folder of all stores of one kind (decoded images, or features): where it is, what is in it, how room is made.

Only what this package has made is ever removed: a store has our name and our marker, and of its files only those that
a store has.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from dta_bench.domains.private_folder import make_private
from dta_bench.errors import UserError

FORMAT = 1
FOLDER_VARIABLE, LIMIT_VARIABLE = "DTA_BENCH_CACHE", "DTA_BENCH_CACHE_GB"
"""The environment variables for the folder of all stores (``off``: no cache) and for their limit in GiB."""
DEFAULT_GB = 32.0
CONTENT, MARKER, USED = "data.mdb", "made-by-dta-bench", "used"
Kind = Literal["images", "features"]
FEATURES = "*.features"
"""The files that hold features."""
FILES = (CONTENT, "lock.mdb", FEATURES, "*.writing", "*.lock", USED, MARKER)
"""The files of a store, as patterns. The marker goes last: without it, nobody would remove the rest."""
_NAME = re.compile(r"(images|features)-[0-9a-f]{16}")


def folder_of_stores(kind: Kind = "images") -> Path | None:
    """The folder in which this user's stores of a kind lie, which need not exist; None if the user wants none.

    It is a folder of its own inside the one that the user named, which may hold other things.
    """
    given = os.environ.get(FOLDER_VARIABLE, "")
    if given.lower() == "off":
        return None
    try:
        parent = Path(given).expanduser() if given else Path(tempfile.gettempdir())
    except RuntimeError as error:
        raise UserError(f"{FOLDER_VARIABLE} is {given!r}, but no home folder is known; set HOME") from error
    return parent / f"dta-bench-{kind}-{os.geteuid()}"


def make_store(folder: Path, fingerprint: str, kind: Kind = "images") -> Path:
    """Make the folder of a store, or find it, and mark it as ours and as used now.

    A store of features outlives the machine's boot, since each of its files has a checksum.

    Args:
        folder: the folder of all stores of this kind.
        fingerprint: of the data, or of what computed the features.

    Raises:
        OSError: a folder cannot be made, or is not this user's alone.
    """
    boot = _boot() if kind == "images" else ""
    name = hashlib.sha256(f"{FORMAT} {boot} {fingerprint}".encode()).hexdigest()[:16]
    store = make_private(make_private(folder) / f"{kind}-{name}")
    for file in (MARKER, USED):
        (store / file).touch()
    return store


def make_room(folder: Path, own_store: Path, limit: int) -> None:
    """Remove other stores, those unused for longest first, until half of the limit is free."""
    for oldest in sorted((store for store in stores(folder) if store != own_store), key=_last_used):
        if used_bytes(folder) <= limit // 2:
            return
        _remove(oldest)


def stores(folder: Path) -> list[Path]:
    """The stores in ``folder``; whatever else lies there is none."""
    return sorted(
        path
        for path in folder.iterdir()
        if _NAME.fullmatch(path.name) and not path.is_symlink() and (path / MARKER).is_file()
    )


def used_bytes(folder: Path) -> int:
    """Bytes on disk that all stores in ``folder`` take together."""
    total = 0
    for store in stores(folder):
        for file in (store / CONTENT, *store.glob(FEATURES)):
            with contextlib.suppress(OSError):  # removed meanwhile
                total += 512 * file.stat().st_blocks
    return total


def bytes_to_take(folder: Path, limit: int) -> int:
    """What all stores may take together: ``limit``, but at most half of what the disk has left."""
    return min(limit, used_bytes(folder) + shutil.disk_usage(folder).free // 2)


def limit_in_bytes() -> int:
    """The limit that the user set for all stores together.

    Raises:
        UserError: the environment variable is no number.
    """
    given = os.environ.get(LIMIT_VARIABLE, "") or str(DEFAULT_GB)
    try:
        return max(0, int(float(given) * 2**30))
    except (ValueError, OverflowError) as error:
        raise UserError(f"{LIMIT_VARIABLE} is {given!r}; allowed: a number of gibibytes, 0 for none") from error


def _remove(store: Path) -> None:
    """Remove a store's own files, and its folder if nothing else is in it.

    A process that has the store open can still read the removed file.
    """
    with contextlib.suppress(OSError):
        for pattern in FILES:
            for file in store.glob(pattern):
                file.unlink(missing_ok=True)
        store.rmdir()


def _last_used(store: Path) -> float:
    try:
        return (store / USED).stat().st_mtime
    except OSError:
        return 0.0


def _boot() -> str:
    """Identifies this boot of the machine, so that a store that a crash may have damaged is not read again."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
