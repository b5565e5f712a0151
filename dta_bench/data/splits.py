"""The small-label-subset protocol: which target labels selection may see, and a training set that has none."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
from numpy.typing import NDArray

from dta_bench.data import unreadable
from dta_bench.domains.images import Domains, LabelledImages, Splits
from dta_bench.errors import UserError
from dta_bench.spec.run_spec import LabelSubset

Indices = NDArray[np.int64]
LEFT_OUT = "target_test"
"""The note of splits whose test set held the labelled subset."""


def split(domains: Domains, subset: LabelSubset) -> Splits:
    """The five sets of a run: the labelled subset is drawn from target train, which keeps all its images but no label.

    Where target test holds images of the subset (VisDA tests on the images it trains on), they are left out of it.

    Raises:
        UserError: the subset is larger than target train, or is to be stratified over label maps.
    """
    pool = domains.subset_of or domains.target_train
    chosen = pool.select(_draw(pool, subset))
    test, notes = _without(domains.target_test, set(chosen.ids))
    return Splits(
        source_train=domains.source_train,
        source_validation=domains.source_validation,
        target_train=domains.target_train.without_labels(),
        target_validation=chosen,
        target_test=test,
        fingerprint=domains.fingerprint,
        subset_hash=hash_of(chosen),
        notes=notes | _left_out(domains) | _drawn(chosen, domains, subset),
    )


def split_supervised(domains: Domains, subset: LabelSubset) -> Splits:
    """The same five sets, but with the labelled target train, less the subset, in the place of the source.

    For the upper bound ``target_only`` alone; the subset stays out of it so that selection still means something.
    """
    splits = split(domains, subset)
    labelled, _ = _without(domains.target_train, set(splits.target_validation.ids))
    note = {"supervised": f"trained on {len(labelled)} target labels, as an upper bound"}
    return dataclasses.replace(splits, source_train=labelled, notes=splits.notes | note)


def hash_of(images: LabelledImages) -> str:
    """SHA-256 over the sorted ids, which names a subset wherever it was drawn."""
    return hashlib.sha256("\n".join(sorted(images.ids)).encode()).hexdigest()


def _draw(images: LabelledImages, subset: LabelSubset) -> Indices:
    """Indices of the subset in ascending order; stratified means each class's share is its share of ``images``."""
    if subset.size > len(images):
        raise UserError(
            f"label subset size is {subset.size}, but {len(images)} images are there to draw it from; ask for fewer"
        )
    shuffled = np.random.default_rng(subset.seed).permutation(len(images))
    if subset.stratified:
        shuffled = _by_share(shuffled, images)
    return np.sort(shuffled[: subset.size])


def _by_share(shuffled: Indices, images: LabelledImages) -> Indices:
    """Reordered so that any beginning holds every class in its share: by (rank within the class + 1/2) / class size."""
    if not isinstance(images.labels, np.ndarray):
        raise UserError("label subset is stratified, but label maps have no one class; allowed: stratified: false")
    labels = images.labels[shuffled]
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return shuffled[np.argsort(place, kind="stable")]


def _without(images: LabelledImages, ids: set[str]) -> tuple[LabelledImages, dict[str, str]]:
    kept = [i for i, name in enumerate(images.ids) if name not in ids]
    if len(kept) == len(images):
        return images, {}
    left_out = len(images) - len(kept)
    return images.select(kept), {LEFT_OUT: f"the complement of the labelled subset: {left_out} images left out"}


def _left_out(domains: Domains) -> dict[str, str]:
    return {"unreadable": unreadable.told(domains.unreadable)} if domains.unreadable else {}


def _drawn(chosen: LabelledImages, domains: Domains, subset: LabelSubset) -> dict[str, str]:
    where = "the domain to tune on" if domains.subset_of else "target train"
    share = 100 * len(chosen) / len(domains.subset_of or domains.target_train)
    how = "stratified by class (itself a use of target labels)" if subset.stratified else "at random"
    return {"label_subset": f"{len(chosen)} images, {share:.1f} % of {where}, drawn {how} by seed {subset.seed}"}
