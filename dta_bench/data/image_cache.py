"""Decode once: images as they are kept (:class:`~dta_bench.data.augment.Shrink`) in a memory-mapped store.

All runs of a machine share it. A store belongs to the fingerprint of one benchmark's data, so other data find another;
the oldest stores make room for new ones, and together they stay within a bound. LMDB lets any number of processes
read and write at once, and a killed writer leaves nothing behind. A lost store costs one more decoding, no number.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import struct
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

import lmdb
import numpy as np
from numpy.typing import NDArray

from dta_bench.data import augment
from dta_bench.data.augment import Shrink
from dta_bench.domains.benchmark import Benchmark
from dta_bench.domains.images import LabelledImages, Splits, UnlabelledImages, is_lazy
from dta_bench.errors import UserError

FORMAT = 1
FOLDER, LIMIT = "DTA_BENCH_CACHE", "DTA_BENCH_CACHE_GB"
"""The environment variables that say where it lies (``off``: nowhere) and how large it may grow."""
DEFAULT_GB = 32.0
ADDRESSES = 2**40  # the same for all processes, whatever their bound; the file grows only by what is in it
HEAD = struct.Struct("<III")
Bytes = NDArray[np.uint8]
Set = TypeVar("Set", LabelledImages, UnlabelledImages)


def kept(splits: Splits, benchmark: Benchmark, use_store: bool = True) -> Splits:
    """The same sets, with each lazy image as it is kept, from this machine's store where that has it.

    Label maps are kept so for source train alone: scores are measured on label maps as they are.
    """
    store = open_store(splits.fingerprint) if use_store else None
    source, target = (
        augment.shrink(benchmark.augmentation, domain, benchmark.image_size) for domain in ("source", "target")
    )

    def images_of(found: Set, rule: Shrink | None) -> Set:
        if not is_lazy(found.images):
            return found
        return dataclasses.replace(found, images=Kept(found.images, found.ids, rule or _as_it_is, store, f"{rule}"))

    train = splits.source_train
    if source is not None and is_lazy(train.images) and not isinstance(train.labels, np.ndarray):
        train = dataclasses.replace(
            train, labels=Kept(train.labels, train.ids, source.labels, store, f"labels {source}")
        )
    return dataclasses.replace(
        splits,
        source_train=images_of(train, source),
        source_validation=images_of(splits.source_validation, source),
        target_train=images_of(splits.target_train, target),
        target_validation=images_of(splits.target_validation, target),
        target_test=images_of(splits.target_test, target),
    )


def _as_it_is(image: Bytes) -> Bytes:
    return image


class Kept(Sequence[Bytes]):
    """Images (or label maps) by index, each made by ``rule`` from what ``items`` reads, once for all processes.

    ``kind`` names the rule: an image kept by two rules is kept twice.
    """

    def __init__(
        self, items: Sequence[Bytes], ids: Sequence[str], rule: Callable[[Bytes], Any], store: Store | None, kind: str
    ) -> None:
        self._items, self._ids, self._rule, self._store, self._kind = items, ids, rule, store, kind

    @overload
    def __getitem__(self, index: int) -> Bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Kept: ...
    def __getitem__(self, index: int | slice) -> Bytes | Kept:
        if isinstance(index, slice):
            return Kept(self._items[index], self._ids[index], self._rule, self._store, self._kind)
        name = f"{self._kind}\0{self._ids[index]}"
        found = self._store.get(name) if self._store else None
        if found is None:
            found = np.asarray(self._rule(self._items[index]), dtype=np.uint8)
            if self._store:
                self._store.put(name, found)
        return found

    def __len__(self) -> int:
        return len(self._items)


class Store:
    """Arrays uint8 by name in one folder, which any number of processes may use at once.

    Args:
        folder: this store's own, beside those of other data.
        limit: bytes that all stores beside it may fill together, itself included.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._full = False

    def get(self, name: str) -> Bytes | None:
        """The array of that name, or None."""
        environment = _opened(self.folder)
        if environment is None:
            return None
        try:
            with environment.begin(buffers=True) as transaction:
                found = transaction.get(_key(name))
                return None if found is None else _unpacked(found)
        except lmdb.Error:
            return None

    def put(self, name: str, array: Bytes) -> None:
        """Keep an array, unless that would be too much."""
        environment = None if self._full else _opened(self.folder)
        if environment is None:
            return
        content = _packed(array)
        if _filled(self.folder.parent) + len(content) > self.limit:
            self._full = True
            return
        try:
            with environment.begin(write=True) as transaction:
                transaction.put(_key(name), content)
        except lmdb.Error as error:  # the disk is full
            self._full = True
            warnings.warn(f"no more images are kept in {self.folder}: {error}", stacklevel=2)


_OPEN: dict[Path, tuple[int, Any]] = {}
"""The process that opened a store, and its LMDB environment (None where the folder cannot be used)."""


def _opened(folder: Path) -> Any:
    """The LMDB environment of a store, once a process: a forked one lets go of its parent's and opens its own.

    Nothing is flushed by force: a store's name holds the machine's boot, and what a process wrote outlives it.
    """
    process, environment = _OPEN.get(folder, (0, None))
    if process == os.getpid():
        return environment
    _let_go(folder)
    try:
        environment = lmdb.open(
            str(folder), map_size=ADDRESSES, max_readers=4096, sync=False, metasync=False, readahead=False
        )
    except (lmdb.Error, OSError) as error:
        warnings.warn(f"images are not kept, {folder} cannot be used: {error}", stacklevel=3)
        environment = None
    _OPEN[folder] = os.getpid(), environment
    return environment


def _let_go(folder: Path) -> None:
    _, environment = _OPEN.pop(folder, (0, None))
    if environment is not None:
        environment.close()


def open_store(fingerprint: str) -> Store | None:
    """The store of data with this fingerprint; makes room for it by removing the stores unused for longest.

    None where the user wants none, or the folder cannot be written.

    Raises:
        UserError: the bound in the environment is no number.
    """
    folder, limit = _folder(), _limit()
    if folder is None or not limit:
        return None
    mine = folder / hashlib.sha256(f"{FORMAT} {_boot()} {fingerprint}".encode()).hexdigest()[:16]
    try:
        mine.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_uid != os.getuid():
            raise OSError("it is another user's")
        if not (mine / "data.mdb").exists():  # it made room for others since
            _let_go(mine)
        (mine / "used").touch()
        _make_room(folder, mine, limit)
        return Store(mine, min(limit, _filled(folder) + shutil.disk_usage(folder).free // 2))
    except OSError as error:
        warnings.warn(f"images are not kept, {folder} cannot be used: {error}", stacklevel=2)
        return None


def _make_room(folder: Path, mine: Path, limit: int) -> None:
    others = sorted(path for path in folder.iterdir() if path != mine and path.is_dir())
    for oldest in sorted(others, key=_last_used):
        if _filled(folder) <= limit // 2:
            return
        shutil.rmtree(oldest, ignore_errors=True)  # whoever reads it goes on with the removed file


def _last_used(store: Path) -> float:
    try:
        return (store / "used").stat().st_mtime
    except OSError:
        return 0.0


def _filled(folder: Path) -> int:
    """Bytes on disk that all stores in ``folder`` take."""
    total = 0
    for file in folder.glob("*/data.mdb"):
        try:
            total += 512 * file.stat().st_blocks
        except OSError:  # removed meanwhile
            continue
    return total


def _folder() -> Path | None:
    given = os.environ.get(FOLDER, "")
    if given.lower() == "off":
        return None
    return Path(given).expanduser() if given else Path(tempfile.gettempdir(), f"dta-bench-images-{os.getuid()}")


def _limit() -> int:
    given = os.environ.get(LIMIT, "") or str(DEFAULT_GB)
    try:
        return max(0, int(float(given) * 2**30))
    except (ValueError, OverflowError) as error:
        raise UserError(f"{LIMIT} is {given!r}; allowed: a number of gibibytes, 0 for none") from error


def _boot() -> str:
    """This start of this machine: a store that a crash may have torn is never read again."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _key(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=16).digest()


def _packed(array: Bytes) -> bytes:
    height, width, *channels = array.shape
    return HEAD.pack(height, width, channels[0] if channels else 0) + np.ascontiguousarray(array).tobytes()


def _unpacked(content: Any) -> Bytes:
    height, width, channels = HEAD.unpack_from(content)
    shape = (height, width, channels) if channels else (height, width)
    return np.frombuffer(content, dtype=np.uint8, offset=HEAD.size).reshape(shape).copy()
