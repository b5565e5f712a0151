"""Compute the features that a store lacks: images are decoded ahead, and the network computes them batch by batch."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dta_bench.data import prefetch
from dta_bench.data.kept_features.image_keys import with_view
from dta_bench.data.kept_features.store import BUCKETS, FeatureStore, by_bucket
from dta_bench.data.kept_features.view import View
from dta_bench.data.prefetch import PartBuffer
from dta_bench.domains.images import Image
from dta_bench.errors import UserError
from dta_bench.spec.training import Kept

BATCH = 32
FILE_BYTES, FILE_ROWS = 64 * 2**20, 4096
"""The most that one file holds; a process that is killed loses at most so much."""
SECONDS = 10.0
"""Between two lines of progress."""


@dataclass(frozen=True)
class Frozen:
    """The frozen part of a network, and where it computes.

    Attributes:
        body: gives the part, in evaluation mode; it is only called where features are missing.
        kept: the precision in which features are kept.
        workers: processes that decode ahead.
    """

    body: Callable[[], nn.Module]
    device: torch.device
    kept: Kept = "float16"
    workers: int = 0


def complete(
    store: FeatureStore, frozen: Frozen, view: View, images: Sequence[Image], digests: Sequence[bytes], name: str
) -> list[bytes]:
    """Compute what the store lacks of one view of images.

    Args:
        store: of this frozen part.
        frozen: what computes.
        view: what the network sees of each image.
        images: the images.
        digests: of the images.
        name: of the set, for the lines of progress.

    Returns:
        The key of each image's row in the store.

    Raises:
        UserError: an image cannot be read, or its features do not fit the precision.
    """
    described = view.describe()
    keys = [with_view(described, digest) for digest in digests]
    position = {key: number for number, key in enumerate(keys)}
    groups = by_bucket(key for key in keys if key not in store)
    if not groups:
        return keys
    computing = _Computing(store, frozen, view, images, digests, position)
    progress = _Progress(name, sum(map(len, groups.values())))
    order = [(bucket + os.getpid()) % BUCKETS for bucket in range(BUCKETS)]  # processes begin at different groups
    waiting = [bucket for bucket in order if bucket in groups]
    for wait in (False, True):
        left = []
        for bucket in waiting:
            with store.alone(bucket, wait) as is_alone:
                if is_alone:
                    store.refresh()
                    computing.compute([key for key in groups[bucket] if key not in store], progress)
                else:
                    left.append(bucket)
        waiting = left
    progress.end()
    return keys


class _Computing:
    """Computes rows of one view of one set of images."""

    def __init__(
        self, store: FeatureStore, frozen: Frozen, view: View, images: Sequence[Image], digests: Sequence[bytes],
        position: dict[bytes, int],
    ) -> None:  # fmt: skip
        self._store, self._frozen, self._view, self._maker = store, frozen, view, view.maker()
        self._images, self._digests, self._position = images, digests, position
        self._body: nn.Module | None = None

    def compute(self, keys: Sequence[bytes], progress: _Progress) -> None:
        """Compute and keep the rows of these keys, which are of one group."""
        rows: list[NDArray[np.float32]] = []
        first = 0
        for batch, features in self._batches(keys):
            rows.append(features)
            most = max(1, min(FILE_ROWS, FILE_BYTES // features[0].nbytes) // BATCH) * BATCH
            done = min(len(keys), (batch + 1) * BATCH)
            if done == len(keys) or done - first >= most:
                kept, error = _in_precision(np.concatenate(rows), self._frozen.kept)
                self._store.add(keys[first:done], kept, error)
                progress.add(done - first)
                rows, first = [], done

    def _batches(self, keys: Sequence[bytes]) -> Any:
        def write(batch: int, buffer: PartBuffer) -> None:
            own = keys[batch * BATCH : (batch + 1) * BATCH]
            for row, key in enumerate(own):
                number = self._position[key]
                seen = self._view.of(self._maker, self._images[number], self._digests[number])
                self._maker.write(seen, row, len(own), buffer, "images")

        order = range(-(-len(keys) // BATCH))
        for batch, arrays in prefetch.make_ahead(write, order, self._frozen.workers):
            yield batch, self._through_body(torch.from_numpy(arrays["images"]))

    @torch.inference_mode()
    def _through_body(self, images: Tensor) -> NDArray[np.float32]:
        if self._body is None:
            self._body = self._frozen.body().to(self._frozen.device).eval()
            self._body.to(memory_format=torch.channels_last)
        out = self._body(images.to(self._frozen.device).contiguous(memory_format=torch.channels_last))
        if not isinstance(out, Tensor):
            raise UserError(
                "the frozen part gives several maps, of which one cannot be kept; use --training views=fresh"
            )
        return np.asarray(out.float().contiguous().cpu().numpy())


def _in_precision(rows: NDArray[np.float32], kept: Kept) -> tuple[NDArray[np.float16 | np.float32], float]:
    """Rows in the precision in which they are kept, and the largest relative error (L2) of a row.

    Raises:
        UserError: a number is too large for it, or is none.
    """
    if not np.isfinite(rows).all():
        raise UserError("the frozen network gives features that are not finite; other weights, or another image_size")
    if kept == "float32":
        return rows, 0.0
    with np.errstate(over="ignore"):
        half = rows.astype(np.float16)
    if not np.isfinite(half).all():
        raise UserError(
            f"features reach {np.abs(rows).max():.3g}, and half precision ends at {np.finfo(np.float16).max:g}; "
            "keep them in full with --training kept=float32"
        )
    flat = rows.reshape(len(rows), -1)
    off = np.linalg.norm(half.reshape(len(rows), -1).astype(np.float32) - flat, axis=1)
    return half, float((off / np.maximum(np.linalg.norm(flat, axis=1), np.finfo(np.float32).tiny)).max())


class _Progress:
    """Lines about long work on stderr, at most one every :data:`SECONDS`."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total, self._done = name, total, 0
        self._started = self._said = time.monotonic()
        self._has_spoken = False

    def add(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._said >= SECONDS:
            self._said, self._has_spoken = time.monotonic(), True
            self._say()

    def end(self) -> None:
        if self._has_spoken:
            self._say()

    def _say(self) -> None:
        rate = self._done / max(time.monotonic() - self._started, 1e-9)
        done = f"{self._done:,} of {self._total:,} images, {rate:.0f} a second"
        print(f"features of {self._name}: {done}", file=sys.stderr)
