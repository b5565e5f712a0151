"""Store drawn arrays in files whose names contain a digest of the code that drew them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.uint8]]


def load_or_draw(folder: Path, name: str, modules: Sequence[ModuleType], draw: Callable[[], Arrays]) -> Arrays:
    """Load arrays from their file, or draw them and write the file.

    They are drawn each time if the folder cannot be written or the file cannot be read.

    Args:
        folder: where the file lies.
        name: the first part of the file's name.
        modules: the modules whose code decides the arrays; when it changes, they are drawn anew.
        draw: makes the arrays.
    """
    path = folder / f"{name}-{_digest(modules)}.npz"
    with contextlib.suppress(OSError, ValueError, EOFError, zipfile.BadZipFile), np.load(path) as stored:
        return dict(stored)
    arrays = draw()
    unfinished = path.with_suffix(f".{os.getpid()}.npz")
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(unfinished, allow_pickle=False, **arrays)
        unfinished.replace(path)
    return arrays


def _digest(modules: Sequence[ModuleType]) -> str:
    """Digest of the modules' text and of the versions of the libraries that decide a drawing."""
    import cv2

    total = hashlib.sha256(f"numpy {np.__version__}, cv2 {cv2.__version__}".encode())
    for module in modules:
        total.update(Path(str(module.__file__)).read_bytes())
    return total.hexdigest()[:12]
