"""A store of features: files of rows in a private folder, written whole or not at all, mapped into memory.

Every row has a key, and lies in one of :data:`BUCKETS` groups of files by its key. A process that computes what a group
lacks holds the group's lock; the others compute other groups, then read what it has written. Each file has a checksum:
one that is torn or damaged counts as not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from safetensors.numpy import save

from dta_bench.data import cache_folder

BUCKETS = 16
SUFFIX = ".features"
KEY = 16  # bytes of a key
Rows = NDArray[Any]


class FeatureStore:
    """Rows of numbers by key; without a folder they are kept in this process alone.

    Args:
        folder: the store's own folder; None for none.
        limit: bytes that all stores of features may take together.
    """

    def __init__(self, folder: Path | None, limit: int = 0) -> None:
        self.folder, self.limit = folder, limit
        self.error = 0.0
        """The largest relative error of a row that a smaller precision made, of all rows read or written so far."""
        self._rows: dict[bytes, tuple[Rows, int]] = {}
        self._read: set[str] = set()
        self._is_full = False

    def __contains__(self, key: bytes) -> bool:
        return key in self._rows

    def locate(self, key: bytes) -> tuple[Rows, int]:
        """The array that holds a row, mapped into memory, and the row's number in it."""
        return self._rows[key]

    def refresh(self) -> None:
        """Read what other processes have written since."""
        if self.folder is None:
            return
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            if path.name not in self._read:
                with contextlib.suppress(OSError):  # gone, or no more files may be open: the file may still be whole
                    self._take(path)
                    self._read.add(path.name)

    def _take(self, path: Path) -> None:
        found = _open(path)
        if found is None:
            with contextlib.suppress(OSError):
                path.unlink()
            return
        keys, rows, error = found
        self.error = max(self.error, error)
        self._rows |= {key: (rows, number) for number, key in enumerate(keys)}

    def add(self, keys: Sequence[bytes], rows: Rows, error: float) -> None:
        """Keep rows of one group.

        Args:
            keys: of the rows.
            rows: (keys, ...).
            error: the largest relative error of these rows.
        """
        path = self._write(keys, rows, error)
        if path is not None:
            self._read.add(path.name)
            with contextlib.suppress(OSError):
                if (found := _open(path)) is not None:
                    rows = found[1]  # mapped: the memory of this process is free again
        self.error = max(self.error, error)
        self._rows |= {key: (rows, number) for number, key in enumerate(keys)}

    def _write(self, keys: Sequence[bytes], rows: Rows, error: float) -> Path | None:
        if self.folder is None or self._is_full:
            return None
        if cache_folder.used_bytes(self.folder.parent) + rows.nbytes > self.limit:
            self._stop(f"the limit of {self.limit / 2**30:.1f} GiB is reached ({cache_folder.LIMIT_VARIABLE})")
            return None
        content = save(
            {"keys": np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY), "rows": rows},
            metadata={"error": repr(error), "checksum": _checksum(keys, rows)},
        )
        name = f"{bucket_of(keys[0]):02x}-{hashlib.blake2b(b''.join(keys), digest_size=8).hexdigest()}"
        try:
            return _write_whole(self.folder / f"{name}{SUFFIX}", content)
        except OSError as problem:
            self._stop(problem.strerror or str(problem))
            return None

    def _stop(self, why: str) -> None:
        self._is_full = True
        warnings.warn(f"further features are kept in this process alone: {why}", stacklevel=4)

    @contextlib.contextmanager
    def alone(self, bucket: int, wait: bool) -> Iterator[bool]:
        """Within the block no other process computes rows of this group.

        Args:
            bucket: the group.
            wait: wait for a process that does; otherwise the block is told that one does.
        """
        if self.folder is None:
            yield True
            return
        lock = FileLock(self.folder / f"{bucket:02x}.lock", timeout=-1 if wait else 0)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        except OSError:  # a file system without locks: two processes may then compute the same
            yield True
            return
        try:
            yield True
        finally:
            lock.release()


def bucket_of(key: bytes) -> int:
    """The group of a key."""
    return key[0] % BUCKETS


def by_bucket(keys: Iterable[bytes]) -> dict[int, list[bytes]]:
    """Keys by their group, each once."""
    groups: dict[int, list[bytes]] = {}
    for key in dict.fromkeys(keys):
        groups.setdefault(bucket_of(key), []).append(key)
    return groups


def open_store(fingerprint: str) -> FeatureStore:
    """Open the store of what one frozen network computes, and make room for it.

    Args:
        fingerprint: of the network, its weights and the libraries that compute with it.

    Raises:
        UserError: the limit in the environment variable is no number, or the folder's home is unknown.
    """
    folder, limit = cache_folder.folder_of_stores("features"), cache_folder.limit_in_bytes()
    if folder is None or not limit:
        return FeatureStore(None)
    try:
        own = cache_folder.make_store(folder, fingerprint, "features")
        cache_folder.make_room(folder, own, limit)
        store = FeatureStore(own, cache_folder.bytes_to_take(folder, limit))
        store.refresh()
        return store
    except OSError as error:
        advice = f"set {cache_folder.FOLDER_VARIABLE} to a folder of your own"
        warnings.warn(f"features are kept in this process alone, {folder}: {error}; {advice}", stacklevel=2)
        return FeatureStore(None)


def _checksum(keys: Sequence[bytes], rows: Rows) -> str:
    digest = hashlib.blake2b(b"".join(keys), digest_size=16)
    digest.update(np.ascontiguousarray(rows).data)
    return digest.hexdigest()


def _open(path: Path) -> tuple[list[bytes], Rows, float] | None:
    """Keys, rows (mapped into memory) and error of a file; None if it is not whole.

    Raises:
        OSError: the file cannot be read now, which says nothing of what is in it.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > 2**20:
                return None
            header = json.loads(file.read(length))
        arrays = {name: _map(path, header[name], 8 + length) for name in ("keys", "rows")}
        keys = [one.tobytes() for one in arrays["keys"]]
        about = header["__metadata__"]
        if len(keys) != len(arrays["rows"]) or about["checksum"] != _checksum(keys, arrays["rows"]):
            return None
        return keys, arrays["rows"], float(about["error"])
    except (ValueError, KeyError, TypeError):
        return None


_TYPES = {"U8": np.uint8, "F16": np.float16, "F32": np.float32}


def _map(path: Path, about: dict[str, Any], start: int) -> Rows:
    first, _ = about["data_offsets"]
    return np.memmap(path, _TYPES[about["dtype"]], "r", start + first, tuple(about["shape"]))


def _write_whole(path: Path, content: bytes) -> Path:
    handle, name = tempfile.mkstemp(suffix=".writing", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
