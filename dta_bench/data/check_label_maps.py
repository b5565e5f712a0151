"""Check label maps before training: the header of every file, and the values of some; ``prepare`` reads them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dta_bench.data.notes_on_files import evenly_spread
from dta_bench.domains.images import Domains, LabelledImages, SelectedItems
from dta_bench.errors import UserError
from dta_bench.spec.benchmark import Benchmark

MAX_LISTED = 5  # of many problems, so many are listed


@runtime_checkable
class HasHeaders(Protocol):
    """A sequence of label maps in files."""

    def check_header(self, index: int) -> None:
        """Check the size and the kind of one file without decoding it."""


def check(benchmark: Benchmark, domains: Domains) -> list[str]:
    """Check that label maps fit their images and hold known labels; for other tasks there is nothing to check.

    Returns:
        A sentence that says of how many maps the values were looked at; none for other tasks.

    Raises:
        UserError: lists the first ``MAX_LISTED`` problems.
    """
    if benchmark.task != "segmentation":
        return []
    sets = {
        name.replace("_", " "): images for name, images in domains.sets().items() if isinstance(images, LabelledImages)
    }
    problems = [
        problem
        for name, images in sets.items()
        for problem in (*_header_problems(images), *_value_problems(name, images, benchmark))
    ]
    problems = list(dict.fromkeys(problems))
    if problems:
        more = f"\n  and {len(problems) - MAX_LISTED} more; prepare names all" if len(problems) > MAX_LISTED else ""
        raise UserError("label maps cannot be used:\n  " + "\n  ".join(problems[:MAX_LISTED]) + more)
    sampled = ", ".join(
        f"{len(evenly_spread(len(images))):,} of {len(images):,} in {name}" for name, images in sets.items()
    )
    return [f"label maps whose values were looked at: {sampled}; dta-bench prepare looks at all"]


def _header_problems(images: LabelledImages) -> Iterator[str]:
    for index in range(len(images)):
        labels, index_in_file_list = _locate(images.labels, index)
        if not isinstance(labels, HasHeaders):
            return
        try:
            labels.check_header(index_in_file_list)
        except UserError as error:
            yield str(error)


def _locate(labels: Sequence[Any] | NDArray[Any], index: int) -> tuple[Any, int]:
    """The sequence that a label map is read from, below any selections, and its index there."""
    while isinstance(labels, SelectedItems):
        labels, index = labels.locate(index)
    return labels, index


def _value_problems(name: str, images: LabelledImages, benchmark: Benchmark) -> Iterator[str]:
    """Problems of maps that are spread evenly over the set: unreadable, of a wrong size, or with values of no class."""
    counts: Counter[int] = Counter()
    chosen = evenly_spread(len(images))
    for index in chosen:
        try:
            label, image = np.asarray(images.labels[index]), images.images[index]
        except UserError as error:
            yield str(error)
            continue
        if label.shape != image.shape[:2]:
            yield f"{images.ids[index]} in {name} is {image.shape[:2]}, but its label map {label.shape}"
        counts.update(dict(zip(*(column.tolist() for column in np.unique(label, return_counts=True)), strict=True)))
    classes = len(benchmark.classes)
    unknown = {value: count for value, count in counts.items() if value >= classes and value != benchmark.ignore_index}
    if unknown:
        listed = ", ".join(f"{value} ({count:,} pixels)" for value, count in sorted(unknown.items())[:MAX_LISTED])
        allowed = f"0..{classes - 1} and {benchmark.ignore_index}"
        yield f"{name} holds {listed} in {len(chosen)} maps looked at; allowed: {allowed}"
