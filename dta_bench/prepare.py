"""Is a benchmark's data here and sound: sizes, classes, label values, unreadable files, duplicates across sets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench import plugins
from dta_bench.domains import Benchmark, Domains, LabelledImages
from dta_bench.errors import UserError

NAMED = 5  # of many alike problems, this many are named
Hashes = dict[str, str]
"""Image id to the SHA-256 of its shape and pixels."""


def prepare(name: str, root: Path) -> dict[str, Any]:
    """Load benchmark ``name`` from ``root``, read every image and label once, and say what was found.

    Returns:
        ``benchmark``, ``fingerprint``, ``splits``, ``sizes`` (images a set), ``class_counts`` (images, or pixels, of
        each class in each set) and ``problems`` (sentences; none when all is well).

    Raises:
        UserError: data is missing; the sentence says what to put where.
    """
    module = plugins.load("benchmark", name)
    return inspect(module.BENCHMARK, module.load(root))


def inspect(benchmark: Benchmark, domains: Domains) -> dict[str, Any]:
    """As :func:`prepare`, of domains that are loaded already."""
    sets = {
        "source_train": domains.source_train,
        "source_validation": domains.source_validation,
        "target_train": domains.target_train,
        "target_test": domains.target_test,
    }
    problems: list[str] = []
    counts = {name: _class_counts(name, images, benchmark, problems) for name, images in sets.items()}
    hashes = {name: _read_all(name, images, problems) for name, images in sets.items()}
    problems += _duplicates(hashes)
    return {
        "benchmark": benchmark.name,
        "fingerprint": domains.fingerprint,
        "splits": benchmark.splits_stated,
        "sizes": {name: len(images) for name, images in sets.items()},
        "class_counts": {
            name: dict(zip(benchmark.classes, map(int, found), strict=True)) for name, found in counts.items()
        },
        "problems": problems,
    }


def _class_counts(name: str, images: LabelledImages, benchmark: Benchmark, problems: list[str]) -> NDArray[np.int64]:
    """Labels of each class in a set; adds a problem for values that are no class and for classes without any."""
    classes = len(benchmark.classes)
    counts = _count(images, problems)
    if benchmark.task == "segmentation":
        counts[benchmark.ignore_index] = 0
    strange = [str(value) for value in np.flatnonzero(counts) if value >= classes]
    if strange:
        problems.append(f"{name} has labels {', '.join(strange[:NAMED])}; allowed: 0..{classes - 1}")
    empty = [label for label, count in zip(benchmark.classes, counts, strict=False) if not count]
    if empty:
        problems.append(f"{name} has no label of {', '.join(empty)}")
    return counts[:classes]


def _count(images: LabelledImages, problems: list[str]) -> NDArray[np.int64]:
    if isinstance(images.labels, np.ndarray):
        return np.bincount(images.labels, minlength=256)
    counts = np.zeros(256, dtype=np.int64)
    for index in range(len(images)):
        try:
            counts += np.bincount(images.labels[index].ravel(), minlength=256)
        except UserError as error:
            problems.append(str(error))
    return counts


def _read_all(name: str, images: LabelledImages, problems: list[str]) -> Hashes:
    """Hashes of a set's images; adds a problem for each that cannot be read or is of the wrong kind."""
    hashes = {}
    for index, identity in enumerate(images.ids):
        try:
            image = images.images[index]
        except UserError as error:
            problems.append(str(error))
            continue
        if image.dtype != np.uint8 or image.ndim != 3:
            problems.append(f"{identity} in {name} is {image.dtype} {image.shape}; expected uint8 (H, W, C)")
        hashes[identity] = hashlib.sha256(f"{image.shape}".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()
    return hashes


def _duplicates(hashes: dict[str, Hashes]) -> list[str]:
    """A sentence for each pair of sets that share an image under two ids."""
    names = list(hashes)
    pairs = [(one, other) for i, one in enumerate(names) for other in names[i + 1 :]]
    found = [(one, other, _shared(hashes[one], hashes[other])) for one, other in pairs]
    return [
        f"{one} and {other} share {len(shared)} image{'s' if len(shared) > 1 else ''}: {'; '.join(shared[:NAMED])}"
        for one, other, shared in found
        if shared
    ]


def _shared(one: Hashes, other: Hashes) -> Sequence[str]:
    by_hash = {digest: identity for identity, digest in one.items()}
    return [
        f"{by_hash[digest]} = {identity}"
        for identity, digest in other.items()
        if digest in by_hash and identity not in one
    ]
