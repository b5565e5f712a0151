"""Images that cannot be read: found before a run, named, and left out where the user wants to go on without them."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from dta_bench.domains.images import Domains, LabelledImages, is_lazy
from dta_bench.errors import UserError

SETS = ("source_train", "source_validation", "target_train", "target_test", "subset_of")
NAMED = 20  # of many, so many are named


def find(domains: Domains) -> dict[str, str]:
    """Every image of a lazy set that cannot be read, or whose label map cannot, by its id, and why; reads them all.

    Reading lets go of Python's lock, so one thread a core reads as fast as so many processes.
    """
    todo = {name: (images, i) for images, i, name in _each(domains)}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        reasons = pool.map(lambda one: _reason(*one), todo.values())
        return {name: reason for name, reason in zip(todo, reasons, strict=True) if reason}


def left_out(domains: Domains, names: Sequence[str]) -> Domains:
    """The same sets without the images of these ids, which are data of their own: the fingerprint says so."""
    if not names:
        return domains
    gone = set(names)
    sets = {name: getattr(domains, name) for name in SETS}
    without = {name: _select(images, gone) for name, images in sets.items() if images is not None}
    total = hashlib.sha256("\n".join([domains.fingerprint, *sorted(gone)]).encode()).hexdigest()
    return dataclasses.replace(domains, **without, fingerprint=total, unreadable=tuple(sorted(gone)))


def told(names: Sequence[str]) -> str:
    """How many there are, and which."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)}: {', '.join(names[:NAMED])}{more}"


def _each(domains: Domains) -> Iterator[tuple[LabelledImages, int, str]]:
    for part in SETS:
        images: LabelledImages | None = getattr(domains, part)
        if images is not None and is_lazy(images.images):
            yield from ((images, i, name) for i, name in enumerate(images.ids))


def _reason(images: LabelledImages, index: int) -> str:
    try:
        images.images[index]
        if not isinstance(images.labels, np.ndarray):
            images.labels[index]
    except UserError as error:
        return str(error)
    return ""


def _select(images: LabelledImages, gone: set[str]) -> LabelledImages:
    kept = [i for i, name in enumerate(images.ids) if name not in gone]
    return images if len(kept) == len(images) else images.select(kept)
