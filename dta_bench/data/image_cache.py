"""Store decoded images, shrunk (:class:`~dta_bench.data.augment.Shrink`), in memory-mapped files for all runs.

A store belongs to one data fingerprint, so other data have another store. The stores that were unused for longest make
room for new ones, and all stores together stay within a limit. LMDB lets any number of processes read and write at
once, and a killed writer leaves nothing behind. If a store is lost, images are decoded again; no result changes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import struct
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

import lmdb
import numpy as np
from numpy.typing import NDArray

from dta_bench.data import augment, cache_folder
from dta_bench.data.augment import Shrink
from dta_bench.domains.images import LabelledImages, Splits, UnlabelledImages, is_lazy
from dta_bench.spec.benchmark import Benchmark

MAP_SIZE = 2**40  # bytes; LMDB wants one value for all processes, and a file takes only as much disk as it has content
HEADER = struct.Struct("<III")  # height, width, channels (0 for a label map)
Bytes = NDArray[np.uint8]
Set = TypeVar("Set", LabelledImages, UnlabelledImages)


def with_cache(splits: Splits, benchmark: Benchmark, use_store: bool = True) -> Splits:
    """The same sets, in which images from files are shrunk and read from this machine's store where it has them.

    Label maps are shrunk for source train alone: scores are measured on label maps at their own size.

    Args:
        splits: the sets of a run.
        benchmark: gives the augmentation and the image size, which decide how images are shrunk.
        use_store: False to decode each image whenever it is asked for.
    """
    store = open_store(splits.fingerprint) if use_store else None
    source, target = (
        augment.shrink_for(benchmark.augmentation, domain, benchmark.image_size) for domain in ("source", "target")
    )

    def cached(images: Set, shrink: Shrink | None) -> Set:
        if not is_lazy(images.images):
            return images
        stored = CachedImages(images.images, images.ids, shrink or _unchanged, store, f"{shrink}")
        return dataclasses.replace(images, images=stored)

    train = splits.source_train
    if source is not None and is_lazy(train.images) and not isinstance(train.labels, np.ndarray):
        stored_labels = CachedImages(train.labels, train.ids, source.shrink_labels, store, f"labels {source}")
        train = dataclasses.replace(train, labels=stored_labels)
    return dataclasses.replace(
        splits,
        source_train=cached(train, source),
        source_validation=cached(splits.source_validation, source),
        target_train=cached(splits.target_train, target),
        target_validation=splits.target_validation and cached(splits.target_validation, target),
        target_test=splits.target_test and cached(splits.target_test, target),
    )


def _unchanged(image: Bytes) -> Bytes:
    return image


class CachedImages(Sequence[Bytes]):
    """Images or label maps that are shrunk and stored when they are first read.

    Args:
        items: the images as they are.
        ids: their ids.
        shrink: makes the stored image from the image as it is.
        store: where they are stored; None: nowhere.
        kind: a name for ``shrink``. An image that is shrunk in two ways is stored twice, under two kinds.
    """

    def __init__(
        self, items: Sequence[Bytes], ids: Sequence[str], shrink: Callable[[Bytes], Any], store: Store | None, kind: str
    ) -> None:
        self._items, self._ids, self._shrink, self._store, self._kind = items, ids, shrink, store, kind

    def locate(self, index: int) -> tuple[Sequence[Bytes], int]:
        """The sequence that an image comes from, and the image's index there."""
        return self._items, index

    @overload
    def __getitem__(self, index: int) -> Bytes: ...
    @overload
    def __getitem__(self, index: slice) -> CachedImages: ...
    def __getitem__(self, index: int | slice) -> Bytes | CachedImages:
        if isinstance(index, slice):
            return CachedImages(self._items[index], self._ids[index], self._shrink, self._store, self._kind)
        name = f"{self._kind}\0{self._ids[index]}"
        image = self._store.get(name) if self._store else None
        if image is None:
            image = np.asarray(self._shrink(self._items[index]), dtype=np.uint8)
            if self._store:
                self._store.put(name, image)
        return image

    def __len__(self) -> int:
        return len(self._items)


class Store:
    """Arrays uint8 by name in one folder, which any number of processes may use at once.

    Args:
        folder: this store's own folder, beside those of other stores.
        limit: bytes that all stores in the parent folder may take together, this one included.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._full = False

    def get(self, name: str) -> Bytes | None:
        """The array of this name, or None."""
        environment = _environment(self.folder)
        if environment is None:
            return None
        try:
            with environment.begin(buffers=True) as transaction:
                content = transaction.get(_key(name))
                return None if content is None else _unpack(content)
        except lmdb.Error:
            return None

    def put(self, name: str, array: Bytes) -> None:
        """Store an array, unless the limit is reached or the disk is full."""
        environment = None if self._full else _environment(self.folder)
        if environment is None:
            return
        content = _pack(array)
        if cache_folder.used_bytes(self.folder.parent) + len(content) > self.limit:
            self._full = True
            return
        try:
            with environment.begin(write=True) as transaction:
                transaction.put(_key(name), content)
        except lmdb.Error as error:  # the disk is full
            self._full = True
            warnings.warn(f"no more images are kept in {self.folder}: {error}", stacklevel=2)


_ENVIRONMENTS: dict[Path, tuple[int, Any]] = {}
"""Store folder → the id of the process that opened it, and its LMDB environment (None: the folder cannot be used)."""


def _environment(folder: Path) -> Any:
    """The LMDB environment of a store, opened once a process; a forked process closes its parent's and opens its own.

    LMDB is told not to flush to disk: what a process wrote outlives it, and after a crash of the machine the store is
    not used again, since its name contains the machine's boot.
    """
    process, environment = _ENVIRONMENTS.get(folder, (0, None))
    if process == os.getpid():
        return environment
    _close(folder)
    try:
        environment = lmdb.open(
            str(folder), map_size=MAP_SIZE, max_readers=4096, sync=False, metasync=False, readahead=False
        )
    except (lmdb.Error, OSError) as error:
        warnings.warn(f"images are not kept, {folder} cannot be used: {error}", stacklevel=3)
        environment = None
    _ENVIRONMENTS[folder] = os.getpid(), environment
    return environment


def _close(folder: Path) -> None:
    _, environment = _ENVIRONMENTS.pop(folder, (0, None))
    if environment is not None:
        environment.close()


def open_store(fingerprint: str) -> Store | None:
    """Open the store of the data with this fingerprint, and make room for it: remove the stores unused for longest.

    Returns:
        None if the user wants no cache, or its folder cannot be written.

    Raises:
        UserError: the limit in the environment variable is no number, or the folder's home is unknown.
    """
    folder, limit = cache_folder.folder_of_stores(), cache_folder.limit_in_bytes()
    if folder is None or not limit:
        return None
    try:
        store = cache_folder.make_store(folder, fingerprint)
        if not (store / cache_folder.CONTENT).exists():  # it was removed since this process opened it
            _close(store)
        cache_folder.make_room(folder, store, limit)
        return Store(store, cache_folder.bytes_to_take(folder, limit))
    except OSError as error:
        advice = f"set {cache_folder.FOLDER_VARIABLE} to a folder of your own"
        warnings.warn(f"images are not kept, {folder} cannot be used: {error}; {advice}", stacklevel=2)
        return None


def _key(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _pack(array: Bytes) -> bytes:
    height, width, *channels = array.shape
    return HEADER.pack(height, width, channels[0] if channels else 0) + np.ascontiguousarray(array).tobytes()


def _unpack(content: Any) -> Bytes:
    height, width, channels = HEADER.unpack_from(content)
    shape = (height, width, channels) if channels else (height, width)
    return np.frombuffer(content, dtype=np.uint8, offset=HEADER.size).reshape(shape).copy()
