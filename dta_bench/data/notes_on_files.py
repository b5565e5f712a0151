"""What to know of a data set's files before a run: as ``prepare`` found it, or from some files of each set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dta_bench.data import depth_and_orientation, manifest, unknown_values
from dta_bench.domains.images import Domains, LabelledImages, UnlabelledImages
from dta_bench.errors import UserError

FILES_READ = 16  # of each set


def notes_on_files(benchmark: str, domains: Domains, root: Path) -> list[str]:
    """Sentences on depth, orientation and label-map values of no class, which change numbers though all files are read.

    Args:
        benchmark: its name.
        domains: its sets, without any left out, so that they have the fingerprint that ``prepare`` knows.
        root: the data root.
    """
    prepared = manifest.file_notes(benchmark, root, domains.fingerprint)
    if prepared is not None:
        return prepared
    return [sentence for name, images in domains.sets().items() for sentence in _notes_on_some(name, images)]


def describe(
    name: str, images: LabelledImages | UnlabelledImages, stored: list[Any], maps: list[Any]
) -> tuple[list[str], list[str]]:
    """Notes and problems of one set.

    Args:
        name: the set's name.
        images: the set.
        stored: what the file of each image stores; None where nothing is known.
        maps: of each label map that could be read its pixels, its unknown values, and whether it is a JPEG.
    """
    notes, problems = depth_and_orientation.describe(name, images, stored)
    if isinstance(images, LabelledImages):
        more_notes, more_problems = unknown_values.describe(name, unknown_values.collect(images, maps))
        notes, problems = notes + more_notes, problems + more_problems
    return notes, problems


def _notes_on_some(name: str, images: LabelledImages | UnlabelledImages) -> list[str]:
    chosen = evenly_spread(len(images))
    some = images.select(chosen)
    stored, maps = [], []
    for index in range(len(some)):
        try:
            stored.append(depth_and_orientation.look_at(some, index))
            if isinstance(some, LabelledImages) and not isinstance(some.labels, np.ndarray):
                read = unknown_values.read_map(some, index)
                maps.append((read.labels.size, read.unknown, read.is_jpeg))
        except UserError:  # the run itself says what cannot be read
            stored += [None] * (index + 1 - len(stored))
    notes, problems = describe(name, some, stored, maps)
    sampled = f" ({len(chosen):,} of {len(images):,} files were looked at; dta-bench prepare looks at all)"
    return [sentence + (sampled if len(chosen) < len(images) else "") for sentence in [*notes, *problems]]


def evenly_spread(count: int) -> list[int]:
    """At most ``FILES_READ`` of ``count`` indices, from the first to the last."""
    return [int(index) for index in np.unique(np.linspace(0, count - 1, min(FILES_READ, count)).round())]
