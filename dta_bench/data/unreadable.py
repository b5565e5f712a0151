"""Find the images that cannot be read, and leave them out where the user asks for it (``--skip-unreadable``)."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from dta_bench.domains import data_fingerprint
from dta_bench.domains.images import Domains, LabelledImages, UnlabelledImages, is_lazy
from dta_bench.errors import UserError

MAX_LISTED = 20  # of many ids, so many are listed


def find(domains: Domains) -> dict[str, str]:
    """Read every image that lies in a file, with its label map, and find those that cannot be read.

    Decoding releases Python's lock, so one thread a core is as fast as one process a core.

    Returns:
        id → the error, for each image that cannot be read or whose label map cannot.
    """
    locations = {name: (images, i) for images, i, name in _images_in_files(domains)}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = pool.map(lambda location: _read_error(*location), locations.values())
        return {name: error for name, error in zip(locations, errors, strict=True) if error}


def leave_out(domains: Domains, names: Sequence[str]) -> Domains:
    """The same sets without some images.

    These are other data than the whole sets, so they have another fingerprint.

    Args:
        domains: a benchmark's sets.
        names: ids of the images to leave out.
    """
    if not names:
        return domains
    removed = set(names)
    remaining: dict[str, Any] = {name: images.without(removed) for name, images in domains.sets().items()}
    fingerprint = data_fingerprint.without(domains.fingerprint, removed)
    return dataclasses.replace(domains, **remaining, fingerprint=fingerprint, unreadable=tuple(sorted(removed)))


def describe(names: Sequence[str]) -> str:
    """How many ids there are, and the first ``MAX_LISTED`` of them, such as ``2: a.jpg, b.jpg``."""
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return f"{len(names)}: {', '.join(names[:MAX_LISTED])}{more}"


def _images_in_files(domains: Domains) -> Iterator[tuple[LabelledImages | UnlabelledImages, int, str]]:
    """Each image that is read when it is asked for: its set, its index there and its id."""
    for images in domains.sets().values():
        if is_lazy(images.images):
            yield from ((images, i, name) for i, name in enumerate(images.ids))


def _read_error(images: LabelledImages | UnlabelledImages, index: int) -> str:
    """Why an image or its label map cannot be read; empty if both can."""
    try:
        images.images[index]
        if isinstance(images, LabelledImages) and not isinstance(images.labels, np.ndarray):
            images.labels[index]
    except UserError as error:
        return str(error)
    return ""
