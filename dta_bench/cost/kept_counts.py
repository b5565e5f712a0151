"""Counts (FLOPs of a step, bytes of a network) kept on disk, since counting takes seconds and gives the same again.

A count, or that a check holds, is kept under the digest of all that it depends on: this package's source, the files of
the plug-ins and what lies beside them, the versions of the libraries, and what is counted. It is a private folder
beside the store of decoded images, and ``DTA_BENCH_CACHE=off`` keeps nothing.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dta_bench import plugins
from dta_bench.data.cache_folder import folder_of_stores
from dta_bench.domains.private_folder import make_private

LIBRARIES = ("torch", "timm", "segmentation-models-pytorch", "torchvision")

on_counting: list[Callable[[], None]] = []
"""Called, and taken out, before the first count that is not kept: by it a command says that it counts."""


def kept(of: Sequence[Any], plugin_files: Iterable[Path], count: Callable[[], float]) -> float:
    """Return a count that is kept, or count and keep it.

    Args:
        of: what is counted, as plain values.
        plugin_files: of the plug-ins that it depends on.
        count: called where it is not kept.
    """
    parent = folder_of_stores()
    if parent is None:
        return count()
    folder = parent.with_name(parent.name.replace("images", "counts"))
    digest, dates = _package_at_first()
    about = [digest, *(_digest_beside(file) for file in sorted(plugin_files)), *_versions(), repr(of)]
    file = folder / f"{hashlib.sha256(json.dumps(about).encode()).hexdigest()[:24]}.json"
    try:
        make_private(folder)
    except OSError:  # it cannot be made, or another user has planted it
        return count()
    with contextlib.suppress(OSError, ValueError):
        return float(json.loads(file.read_text()))
    while on_counting:
        on_counting.pop()()
    found = count()
    if _dates_of_package() != dates:
        return found  # the code was edited in between
    with contextlib.suppress(OSError):  # a full or read-only disk: it is counted again the next time
        _write(file, found)
    return found


def _write(file: Path, found: float) -> None:
    """Write whole or not at all, as other processes may read."""
    handle, temporary = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(handle, "w") as stream:
        stream.write(json.dumps(found))
    Path(temporary).replace(file)


@functools.cache
def _package_at_first() -> tuple[str, dict[str, tuple[int, int]]]:
    """Digest of this package's source when a count was first asked for, and the dates of its files before that."""
    dates = _dates_of_package()
    return _digest(sorted(plugins.PACKAGE.rglob("*.py"))), dates


def _dates_of_package() -> dict[str, tuple[int, int]]:
    """File → nanosecond of its last change and size; asked after each count, for which reading every file is slow."""
    states = {file: file.stat() for file in plugins.PACKAGE.rglob("*.py")}
    return {str(file): (state.st_mtime_ns, state.st_size) for file, state in states.items()}


@functools.cache
def _digest_beside(file: Path) -> str:
    """Digest of a plug-in's file and of the Python files beside it, which it may import."""
    return _digest(sorted({file, *file.parent.glob("*.py")}))


def digest_of_code(files: Iterable[Path]) -> str:
    """Digest of this package's source and of some further files, as they are now."""
    return _digest([*sorted(plugins.PACKAGE.rglob("*.py")), *sorted(files)])


def _digest(files: list[Path]) -> str:
    contents = hashlib.sha256()
    for file in files:
        contents.update(f"{file.name}\0".encode())
        contents.update(hashlib.sha256(file.read_bytes()).digest())
    return contents.hexdigest()


@functools.cache
def _versions() -> tuple[str, ...]:
    found = []
    for library in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{library} {version(library)}")
    return tuple(found)
