"""Digests of files' contents, kept so that a file is read once: again only when it has changed.

What is kept of a file is its digest beside its size, inode, mtime and ctime in nanoseconds. It lies in the user's own
cache folder, one file for each machine; where that cannot be used, every process reads all files. No program can choose
the ctime of a file, so contents that were exchanged under the old size and mtime are read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock, Timeout

from dta_bench.domains.private_folder import make_private
from dta_bench.errors import UserError

FORMAT = 1
FOLDER_VARIABLE = "XDG_CACHE_HOME"
SETTLED_NS = 2 * 10**9
"""The digest of a file that changed less than this long before it was read is not kept: the file could change again
within one tick of its file system's clock, which would leave its ctime as it is."""
LOCK_SECONDS = 3600
BATCH = 500  # rows that one query asks for
MUCH = 2 * 2**30  # bytes to read of which the user is told
SMALL = 2**20  # bytes of a file that is read at once

Key = tuple[int, int, int, int, int]
"""Device, inode, size, mtime and ctime of a file: while these stay, so do its contents."""


def digests_of(paths: Sequence[Path], states: Sequence[os.stat_result]) -> list[bytes]:
    """The BLAKE2b digest of each file's bytes (32 bytes), read from the file or known from before.

    Of several processes on a machine that need the same files, one reads them and the others wait for it.

    Args:
        paths: the files.
        states: of these files, as ``stat`` gives them.

    Raises:
        UserError: a file cannot be read.
    """
    keys = [_key(state) for state in states]
    file = _file()
    known = _known(file, keys)
    if all(key in known for key in keys):
        return [known[key] for key in keys]
    with _alone(file):
        known = _known(file, keys)
        missing = {key: path for key, path in zip(keys, paths, strict=True) if key not in known}
        started = time.time_ns()
        read = _read(missing)
        _keep(file, {key: digest for key, digest in read.items() if max(key[-2:]) < started - SETTLED_NS})
    return [read[key] if key in read else known[key] for key in keys]


def _key(state: os.stat_result) -> Key:
    device, inode = (number if number < 2**63 else number - 2**64 for number in (state.st_dev, state.st_ino))
    return device, inode, state.st_size, state.st_mtime_ns, state.st_ctime_ns  # sqlite's integers have a sign


def _read(paths: Mapping[Key, Path]) -> dict[Key, bytes]:
    size = sum(key[2] for key in paths)
    if size > MUCH:
        print(
            f"reading {len(paths):,} files ({size / 2**30:.1f} GiB) once, to know the data by their contents",
            file=sys.stderr,
        )
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # reading and hashing release Python's lock
        return dict(zip(paths, pool.map(_digest, paths.values()), strict=True))


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            content = file.read(SMALL)
            digest = hashlib.blake2b(content, digest_size=32)
            while content:
                content = file.read(SMALL)
                digest.update(content)
            return digest.digest()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; get the file again") from error


def _file() -> Path | None:
    """The file of this machine's kept digests, in a folder that is this user's alone; None without such a folder."""
    try:
        cache = Path(os.environ.get(FOLDER_VARIABLE) or "~/.cache").expanduser()
        if not cache.is_absolute():
            return None
        folder = make_private(cache / "dta-bench")
    except (OSError, RuntimeError):  # no folder can be made, it is not this user's alone, or no home is known
        return None
    machine = hashlib.sha256(platform.node().encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return folder / f"contents-{FORMAT}-{machine}.sqlite"


@contextlib.contextmanager
def _alone(file: Path | None) -> Iterator[None]:
    """Within the block no other process of this machine reads files for their digests, if that can be had."""
    with contextlib.ExitStack() as stack:
        if file is not None:
            with contextlib.suppress(OSError, Timeout):
                stack.enter_context(FileLock(file.with_suffix(".lock"), timeout=LOCK_SECONDS))
        yield


def _known(file: Path | None, keys: Sequence[Key]) -> dict[Key, bytes]:
    """The kept digests of these files, as far as their state is the same."""
    inodes: dict[int, list[int]] = {}
    for device, inode, *_ in keys:
        inodes.setdefault(device, []).append(inode)
    wanted, known = set(keys), dict[Key, bytes]()
    with _harmless_failures(file), contextlib.closing(_connect(file)) as store:
        for device, numbers in inodes.items():
            for start in range(0, len(numbers), BATCH):
                batch = numbers[start : start + BATCH]
                marks = ",".join("?" * len(batch))
                query = f"SELECT * FROM contents WHERE device = ? AND inode IN ({marks})"
                known |= {row[:5]: row[5] for row in store.execute(query, (device, *batch)) if row[:5] in wanted}
    return known


def _keep(file: Path | None, digests: Mapping[Key, bytes]) -> None:
    with _harmless_failures(file), contextlib.closing(_connect(file)) as store, store:
        rows = ((*key, digest) for key, digest in digests.items())
        store.executemany("INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?, ?, ?)", rows)


def _connect(file: Path | None) -> sqlite3.Connection:
    store = sqlite3.connect(file or ":memory:", timeout=30)
    columns = "device INTEGER, inode INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER, digest BLOB"
    store.execute(f"CREATE TABLE IF NOT EXISTS contents ({columns}, PRIMARY KEY (device, inode)) WITHOUT ROWID")
    return store


@contextlib.contextmanager
def _harmless_failures(file: Path | None) -> Iterator[None]:
    """A store that cannot be used (locked, a full disk) is as good as an empty one; a damaged one is removed."""
    try:
        yield
    except sqlite3.OperationalError:
        pass
    except sqlite3.DatabaseError:
        with contextlib.suppress(OSError):
            (file or Path()).unlink()
