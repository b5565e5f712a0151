"""Is a benchmark's loaded data sound: sizes, classes, label values, unreadable files, duplicates across sets."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.data import duplicates
from dta_bench.data.duplicates import Prints
from dta_bench.domains.benchmark import Benchmark
from dta_bench.domains.images import Domains, LabelledImages
from dta_bench.errors import UserError

NAMED = 5  # of many alike problems, this many are named
Counts = NDArray[np.int64]
OnImage = Callable[[], None]
SETS = ("source_train", "source_validation", "target_train", "target_test")


class _Read:
    """What one reading of an image, with its label map, has found."""

    def __init__(self, images: LabelledImages, index: int) -> None:
        self.id, self.problem = images.ids[index], ""
        self.print: tuple[str, duplicates.Signatures] | None = None
        self.pixels: Counts | None = None
        try:
            image = images.images[index]
            if not isinstance(images.labels, np.ndarray):
                self.pixels = np.bincount(images.labels[index].ravel(), minlength=256)
        except UserError as error:
            self.problem = str(error)
            return
        if image.dtype != np.uint8 or image.ndim != 3:
            self.problem = f"{self.id} is {image.dtype} {image.shape}; expected uint8 (H, W, C)"
            return
        self.print = duplicates.digest(image), duplicates.signature(image)


def inspect(benchmark: Benchmark, domains: Domains, on_image: OnImage = lambda: None) -> dict[str, Any]:
    """Read every image and label once, and say what was found.

    Returns:
        What the benchmark states; ``fingerprint``, ``sizes`` (images a set), ``class_counts`` (images, or pixels, of
        each class in each set), ``unreadable`` (ids), ``notes`` and ``problems`` (sentences; none when all is well).
    """
    sets: dict[str, LabelledImages] = {name: getattr(domains, name) for name in SETS}
    sets |= {"target_to_tune_on": domains.subset_of} if domains.subset_of else {}
    read = _read(sets, on_image)
    problems: list[str] = []
    counts = {name: _class_counts(name, images, read, benchmark, problems) for name, images in sets.items()}
    problems += [one.problem for one in read.values() if one.problem]
    copies, notes = _copies({name: _prints(images, read) for name, images in sets.items()})
    return {
        "benchmark": benchmark.name,
        "fingerprint": domains.fingerprint,
        "splits": benchmark.splits_stated,
        "label_budget": f"{benchmark.label_budget} ({benchmark.label_budget_source})",
        "image_size": list(benchmark.image_size),
        "standardisation": benchmark.standardisation,
        "augmentation": list(benchmark.augmentation),
        "sizes": {name: len(images) for name, images in sets.items()},
        "class_counts": {
            name: dict(zip(benchmark.classes, map(int, found), strict=True)) for name, found in counts.items()
        },
        "unreadable": [one.id for one in read.values() if one.problem],
        "notes": notes,
        "problems": problems + copies,
    }


def _read(sets: dict[str, LabelledImages], on_image: OnImage) -> dict[str, _Read]:
    """Every image once, by id, by one thread a core: decoding lets go of Python's lock."""
    places = {images.ids[i]: (images, i) for images in sets.values() for i in range(len(images))}

    def one(place: tuple[LabelledImages, int]) -> _Read:
        found = _Read(*place)
        on_image()
        return found

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(places, pool.map(one, places.values()), strict=True))


def _class_counts(
    name: str, images: LabelledImages, read: dict[str, _Read], benchmark: Benchmark, problems: list[str]
) -> Counts:
    """Labels of each class in a set; adds a problem for values that are no class and for classes without any."""
    classes = len(benchmark.classes)
    counts = _count(images, read)
    if benchmark.task == "segmentation":
        counts[benchmark.ignore_index] = 0
    strange = [str(value) for value in np.flatnonzero(counts) if value >= classes]
    if strange:
        problems.append(f"{name} has labels {', '.join(strange[:NAMED])}; allowed: 0..{classes - 1}")
    empty = [label for label, count in zip(benchmark.classes, counts, strict=False) if not count]
    if empty:
        problems.append(f"{name} has no label of {', '.join(empty)}")
    return counts[:classes]


def _count(images: LabelledImages, read: dict[str, _Read]) -> Counts:
    if isinstance(images.labels, np.ndarray):
        return np.bincount(images.labels, minlength=256)
    found = [read[name].pixels for name in images.ids]
    return sum((pixels for pixels in found if pixels is not None), start=np.zeros(256, dtype=np.int64))


def _prints(images: LabelledImages, read: dict[str, _Read]) -> Prints:
    found = [(name, read[name].print) for name in images.ids]
    known = [(name, one) for name, one in found if one is not None]
    small = np.array([one[1] for _, one in known], dtype=np.float32)
    small = small.reshape(len(known), -1) if known else small.reshape(0, 0)  # of no image the size is unknown
    return Prints([name for name, _ in known], [one[0] for _, one in known], small)


def _copies(prints: dict[str, Prints]) -> tuple[list[str], list[str]]:
    """Problems and notes: an image of both domains is a problem, one twice within a domain is the data set's own."""
    problems: list[str] = []
    notes: list[str] = []
    names = list(prints)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            across = one.startswith("source") and other.startswith("target")
            exact = duplicates.shared(prints[one], prints[other])
            if exact:
                (problems if across else notes).append(_sentence(one, other, "share", exact))
            near = duplicates.alike(prints[one], prints[other]) if across else []
            if near:
                many = len(near) > duplicates.SHARE * len(prints[other].ids)
                (problems if many else notes).append(_sentence(one, other, "nearly share", near))
    return problems, notes


def _sentence(one: str, other: str, what: str, pairs: list[tuple[str, str]]) -> str:
    named = "; ".join(f"{a} = {b}" for a, b in pairs[:NAMED])
    return f"{one} and {other} {what} {len(pairs)} image{'s' if len(pairs) > 1 else ''}: {named}"


def told(found: dict[str, Any]) -> str:
    """What :func:`inspect` found, for a screen: a line a fact, a table of classes, then notes and problems."""
    plain = ("benchmark", "fingerprint", "splits", "label_budget", "image_size", "standardisation", "augmentation")
    lines = [f"{key.replace('_', ' '):<16} {_spelt(found[key])}" for key in plain]
    names = list(found["sizes"])
    lines += ["", f"{'images':<16} " + " ".join(f"{name:>18}" for name in names)]
    lines += [f"{'':<16} " + " ".join(f"{found['sizes'][name]:>18,}" for name in names)]
    classes = found["class_counts"][names[0]]
    lines += [f"{one:<16} " + " ".join(f"{found['class_counts'][name][one]:>18,}" for name in names) for one in classes]
    lines += ["", *[f"note: {note}" for note in found["notes"]], *[f"wrong: {said}" for said in found["problems"]]]
    wrong = len(found["problems"])
    return "\n".join([*lines, f"{wrong} problem{'s' if wrong > 1 else ''}" if wrong else "all is well"])


def _spelt(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
