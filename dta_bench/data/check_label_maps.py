"""Label maps looked at before training: the head of every file, the values of some; ``prepare`` reads them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dta_bench.domains.benchmark import Benchmark
from dta_bench.domains.images import Domains, LabelledImages, Picked
from dta_bench.errors import UserError

READ = 16  # maps of each set whose values are read
NAMED = 5


@runtime_checkable
class HasHeaders(Protocol):
    """A sequence of label maps in files."""

    def check_header(self, index: int) -> None:
        """Insist on the size and the kind of one file, without decoding it."""


def check(benchmark: Benchmark, domains: Domains) -> None:
    """Make sure that label maps fit their images and hold known labels; nothing for other tasks.

    Raises:
        UserError: what is wrong, the first ``NAMED`` of it.
    """
    if benchmark.task != "segmentation":
        return
    sets = {
        "source train": domains.source_train, "source validation": domains.source_validation,
        "target train": domains.target_train, "target test": domains.target_test,
    }  # fmt: skip
    problems = [said for name, images in sets.items() for said in (*_heads(images), *_values(name, images, benchmark))]
    problems = list(dict.fromkeys(problems))
    if problems:
        more = f"\n  and {len(problems) - NAMED} more; prepare names all" if len(problems) > NAMED else ""
        raise UserError("label maps cannot be used:\n  " + "\n  ".join(problems[:NAMED]) + more)


def _heads(images: LabelledImages) -> Iterator[str]:
    for index in range(len(images)):
        labels, place = _whence(images.labels, index)
        if not isinstance(labels, HasHeaders):
            return
        try:
            labels.check_header(place)
        except UserError as error:
            yield str(error)


def _whence(labels: Sequence[Any] | NDArray[Any], index: int) -> tuple[Any, int]:
    while isinstance(labels, Picked):
        labels, index = labels.whence(index)
    return labels, index


def _values(name: str, images: LabelledImages, benchmark: Benchmark) -> Iterator[str]:
    """Of maps spread evenly over the set: unreadable ones, sizes, and values that are no class, with their counts."""
    counts: Counter[int] = Counter()
    chosen = np.unique(np.linspace(0, len(images) - 1, min(READ, len(images))).round().astype(int))
    for index in map(int, chosen):
        try:
            label, image = np.asarray(images.labels[index]), images.images[index]
        except UserError as error:
            yield str(error)
            continue
        if label.shape != image.shape[:2]:
            yield f"{images.ids[index]} in {name} is {image.shape[:2]}, but its label map {label.shape}"
        counts.update(dict(zip(*(found.tolist() for found in np.unique(label, return_counts=True)), strict=True)))
    classes = len(benchmark.classes)
    strange = {value: count for value, count in counts.items() if value >= classes and value != benchmark.ignore_index}
    if strange:
        told = ", ".join(f"{value} ({count:,} pixels)" for value, count in sorted(strange.items())[:NAMED])
        allowed = f"0..{classes - 1} and {benchmark.ignore_index}"
        yield f"{name} holds {told} in {len(chosen)} maps looked at; allowed: {allowed}"
