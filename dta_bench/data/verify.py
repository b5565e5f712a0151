"""Read a benchmark's data once and list sizes, classes, wrong labels, unreadable files and duplicates."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.data import depth_and_orientation, duplicates, inventory, notes_on_files, unknown_values
from dta_bench.data.duplicates import ImageSignatures
from dta_bench.domains.images import Domains, LabelledImages, UnlabelledImages
from dta_bench.domains.label_maps import Value
from dta_bench.domains.picture_file import StoredPicture
from dta_bench.errors import UserError
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.spelling import count_of
from dta_bench.spec.target_labels import CONSEQUENCES, target_labels

MAX_LISTED = 5  # of many similar problems, so many are listed
Counts = NDArray[np.int64]
OnImage = Callable[[], None]
Images = LabelledImages | UnlabelledImages
SHOWN = {"subset_of": "target_to_tune_on", "labelled": "target_labelled"}
"""What a set is called in the result, where not by its name in :class:`~dta_bench.domains.images.Domains`."""


class ReadImage:
    """What is remembered of an image and its label map after one reading.

    Attributes:
        id: the image's id.
        problem: why it cannot be used, as a sentence; empty if it can.
        signature: its digest and thumbnail; None if it cannot be used.
        pixel_counts: (256,) how many pixels have each label; None without a label map.
        stored: what its file holds besides its pixels; None without a file.
        map: pixels, unknown values, and whether it is a JPEG, of its label map; None without one.
    """

    def __init__(self, images: Images, index: int) -> None:
        self.id, self.problem = images.ids[index], ""
        self.signature: tuple[str, duplicates.Thumbnails] | None = None
        self.pixel_counts: Counts | None = None
        self.stored: StoredPicture | None = None
        self.map: tuple[int, dict[Value, int], bool] | None = None
        try:
            image = images.images[index]
            if isinstance(images, LabelledImages) and not isinstance(images.labels, np.ndarray):
                read = unknown_values.read_map(images, index)
                if read.labels.shape != image.shape[:2]:
                    raise UserError(f"{self.id} is {image.shape[:2]}, but its label map {read.labels.shape}")
                self.pixel_counts = np.bincount(read.labels.ravel(), minlength=256)
                self.map = read.labels.size, read.unknown, read.is_jpeg
            self.stored = depth_and_orientation.look_at(images, index)
        except UserError as error:
            self.problem = str(error)
            return
        if image.dtype != np.uint8 or image.ndim != 3:
            self.problem = f"{self.id} is {image.dtype} {image.shape}; expected uint8 (H, W, C)"
            return
        self.signature = duplicates.digest(image), duplicates.thumbnail(image)


def inspect(benchmark: Benchmark, domains: Domains, on_image: OnImage = lambda: None) -> dict[str, Any]:
    """Read every image and label once.

    Args:
        benchmark: says which labels are classes.
        domains: the benchmark's sets.
        on_image: called after each image, from any thread.

    Returns:
        The benchmark's own statements, and ``fingerprint``; ``target_labels`` (which labels of the target are there)
        and ``target_labels_mean`` (what follows, in words); ``sizes`` (images of each set); ``class_counts`` (images
        of each class in each set, or pixels for label maps; None for a set without labels); ``ignored_pixels`` (of each
        set of label maps, those whose values stand for no class); ``unreadable`` (ids); ``notes`` and ``problems``
        (lists of sentences, ``problems`` being empty for sound data), and those of both that are on what the files
        hold (``file_notes``), which runs print.
    """
    sets: dict[str, Images] = {SHOWN.get(name, name): images for name, images in domains.sets().items()}
    labelled = {name: images for name, images in sets.items() if isinstance(images, LabelledImages)}
    read = read_images(sets, on_image)
    problems: list[str] = []
    set_notes: list[str] = list(domains.notes)
    counts = {name: _class_counts(name, images, read, benchmark, problems) for name, images in labelled.items()}
    for name, with_labels in labelled.items():
        if empty := [label for label, count in zip(benchmark.classes, counts[name], strict=False) if not count]:
            is_needed = name != "target_labelled" and isinstance(domains.target_train, LabelledImages)
            if is_needed or name.startswith("source"):
                problems.append(f"{name} has no label of {', '.join(empty)}")
            elif not isinstance(with_labels.labels, np.ndarray):  # of images of one class each the pair itself tells it
                set_notes.append(f"{name} has no label of {', '.join(empty)}, which is not measured on it")
    problems += [image.problem for image in read.values() if image.problem]
    unknown = {name: unknown_values.collect(images, _maps(images, read)) for name, images in labelled.items()}
    found = [
        notes_on_files.describe(name, images, [read[one].stored for one in images.ids], _maps(images, read))
        for name, images in sets.items()
    ]
    files = [sentence for notes, _ in found for sentence in notes], [sentence for _, more in found for sentence in more]
    budget = benchmark.label_budget if domains.labelled is None else len(domains.labelled)
    situation = target_labels(has_subset=budget > 0, has_test=domains.target_test is not None)
    copy_problems, notes = find_copies({name: signatures_of(images, read) for name, images in sets.items()})
    return {
        "benchmark": benchmark.name,
        "fingerprint": domains.fingerprint,
        "splits": benchmark.splits_stated,
        "target_labels": situation,
        "target_labels_mean": CONSEQUENCES[situation],
        "label_budget": f"{budget} ({benchmark.label_budget_source})",
        "image_size": list(benchmark.image_size),
        "standardisation": benchmark.standardisation,
        "augmentation": list(benchmark.augmentation),
        "sizes": {name: len(images) for name, images in sets.items()},
        "class_counts": {
            name: dict(zip(benchmark.classes, map(int, counts[name]), strict=True)) if name in counts else None
            for name in sets
        },
        "ignored_pixels": {
            name: of_set.as_json() for name, of_set in unknown.items() if benchmark.task == "segmentation"
        },
        "unreadable": [image.id for image in read.values() if image.problem],
        "file_notes": files[0] + files[1],
        "notes": set_notes + files[0] + notes,
        "problems": problems + files[1] + copy_problems,
    }


def _maps(images: Images, read: dict[str, ReadImage]) -> list[tuple[int, dict[Value, int], bool]]:
    """Pixels, unknown values, and whether it is a JPEG, of each label map of a set that could be read."""
    return [one for name in images.ids if (one := read[name].map) is not None]


def read_images(sets: dict[str, Images], on_image: OnImage) -> dict[str, ReadImage]:
    """Read every image once, by one thread a core: decoding releases Python's lock.

    Returns:
        id → what is remembered of the image.
    """
    locations = {images.ids[i]: (images, i) for images in sets.values() for i in range(len(images))}

    def read(location: tuple[Images, int]) -> ReadImage:
        image = ReadImage(*location)
        on_image()
        return image

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(locations, pool.map(read, locations.values()), strict=True))


def _class_counts(
    name: str, images: LabelledImages, read: dict[str, ReadImage], benchmark: Benchmark, problems: list[str]
) -> Counts:
    """Count the labels of each class in a set; add a problem for labels that are no class."""
    classes = len(benchmark.classes)
    counts = count_labels(images, read)
    if benchmark.task == "segmentation":
        counts[benchmark.ignore_index] = 0
    unknown = [str(value) for value in np.flatnonzero(counts) if value >= classes]
    if unknown:
        problems.append(f"{name} has labels {', '.join(unknown[:MAX_LISTED])}; allowed: 0..{classes - 1}")
    return counts[:classes]


def count_labels(images: LabelledImages, read: dict[str, ReadImage]) -> Counts:
    """How many images, or pixels of label maps, have each label, (256,)."""
    if isinstance(images.labels, np.ndarray):
        return np.bincount(images.labels, minlength=256)
    counts = [read[name].pixel_counts for name in images.ids]
    return sum((one for one in counts if one is not None), start=np.zeros(256, dtype=np.int64))


def signatures_of(images: Images, read: dict[str, ReadImage]) -> ImageSignatures:
    """Digests and thumbnails of the images of a set that could be read."""
    usable = [(name, signature) for name in images.ids if (signature := read[name].signature) is not None]
    thumbnails = np.array([thumbnail for _, (_, thumbnail) in usable], dtype=np.float32)
    thumbnails = thumbnails.reshape(len(usable), -1) if usable else thumbnails.reshape(0, 0)
    return ImageSignatures([name for name, _ in usable], [digest for _, (digest, _) in usable], thumbnails)


def _are_of_two_domains(one: str, other: str) -> bool:
    """Whether two sets of a pair, by their names, are the source's and the target's."""
    return one.startswith("source") and other.startswith("target")


def find_copies(
    signatures: dict[str, ImageSignatures], are_of_two_domains: Callable[[str, str], bool] = _are_of_two_domains
) -> tuple[list[str], list[str]]:
    """Sentences on images that two sets share.

    Args:
        signatures: of the images of each set, by its name.
        are_of_two_domains: says of two names whether their sets are of different domains.

    Returns:
        Problems and notes. An image of both domains is a problem. An image twice within a domain is the data set's own
        doing and only noted. Near copies are noted as a possibility: simple drawings look alike without being copies.
    """
    problems: list[str] = []
    notes: list[str] = []
    names = list(signatures)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            across_domains = are_of_two_domains(one, other)
            exact = duplicates.exact_copies(signatures[one], signatures[other])
            if exact:
                (problems if across_domains else notes).append(_copies(one, other, exact))
            near = duplicates.near_copies(signatures[one], signatures[other]) if across_domains else []
            if near:
                notes.append(_possible_copies(one, other, near, len(signatures[other].ids)))
    return problems, notes


def _copies(one: str, other: str, pairs: list[tuple[str, str]]) -> str:
    return f"{one} and {other} share {count_of(len(pairs), 'image')}: {_listed(pairs, '=')}"


def _possible_copies(one: str, other: str, pairs: list[tuple[str, str]], of: int) -> str:
    """What was compared, which images may be copies, and that this stops nothing."""
    side, least = duplicates.SIDE, duplicates.NEAR_COPY_CORRELATION
    return (
        f"{len(pairs):,} of {of:,} images of {other} may be pictures of {one} at another size: {_listed(pairs, '~')}. "
        f"Shrunk to {side} x {side} grey pixels they correlate by {least:g} or more, which simple drawings and digits "
        "also do without being copies: look at some of them. It stops nothing; a sweep trains on all of them"
    )


def _listed(pairs: list[tuple[str, str]], sign: str) -> str:
    return "; ".join(f"{a} {sign} {b}" for a, b in pairs[:MAX_LISTED])


def as_text(result: dict[str, Any]) -> str:
    """The result of :func:`inspect` as text: a line for each fact, a table of classes, then notes and problems."""
    facts = ("benchmark", "fingerprint", "splits", "label_budget", "image_size", "standardisation", "augmentation")
    lines = [f"{key.replace('_', ' '):<16} {_value_as_text(result[key])}" for key in facts]
    lines.insert(4, f"{'target labels':<16} {result['target_labels']}: {result['target_labels_mean']}")
    names = list(result["sizes"])
    lines += ["", f"{'images':<16} " + " ".join(f"{name:>18}" for name in names)]
    lines += [f"{'':<16} " + " ".join(f"{result['sizes'][name]:>18,}" for name in names)]
    classes = result["class_counts"][names[0]]
    lines += [
        f"{one:<16} " + " ".join(_count_as_text(result["class_counts"][name], one) for name in names) for one in classes
    ]
    lines += [
        "",
        *inventory.as_lines(result.get("files", [])),
        *[f"note: {note}" for note in result["notes"]],
        *[f"wrong: {problem}" for problem in result["problems"]],
    ]
    count = len(result["problems"])
    return "\n".join([*lines, f"{count} problem{'s' if count > 1 else ''}" if count else "no problem was found"])


def _count_as_text(counts: dict[str, int] | None, class_name: str) -> str:
    return f"{'no labels':>18}" if counts is None else f"{counts[class_name]:>18,}"


def _value_as_text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
