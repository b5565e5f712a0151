"""The five sets of a run: draw the labelled subset, and give training a target set that has no labels."""

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
SUBSET_REMOVED = "target_test"
"""The note that says that the labelled subset was taken out of target test."""


def split(domains: Domains, subset: LabelSubset) -> Splits:
    """Make the five sets of a run.

    The labelled subset is given by the user, or drawn from target train (from ``domains.subset_of`` where a benchmark
    has it, from target test where target train has no labels), or there is none. Target train keeps all its images and
    none of its labels. Images of the subset are removed from target test where that has them: VisDA tests on the
    images that it trains on.

    Raises:
        UserError: the subset is larger than the set it is drawn from, or is to be stratified over label maps, or no
            image of the target has a label to draw.
    """
    labelled = _labelled_subset(domains, subset)
    test = domains.target_test
    if test is not None and labelled is not None:
        test = test.without(set(labelled.ids))
    return Splits(
        source_train=domains.source_train,
        source_validation=domains.source_validation,
        target_train=domains.target_train.without_labels(),
        target_validation=labelled,
        target_test=test,
        fingerprint=domains.fingerprint,
        subset_hash=subset_hash(labelled) if labelled is not None else "",
        notes=_test_note(domains, test) | _unreadable_note(domains) | _subset_note(labelled, domains, subset),
    )


def _labelled_subset(domains: Domains, subset: LabelSubset) -> LabelledImages | None:
    if subset.given:
        if domains.labelled is None:
            raise UserError("the labelled subset is to be the one that the pair gives, but it gives none")
        return domains.labelled
    if not subset.is_there:
        return None
    pool = domains.draws_from
    if pool is None:
        raise UserError(
            f"a labelled subset of {subset.size} is asked for, but no image of the target has a label: label some "
            "(dta-bench label) and name them in the pair as target.labelled"
        )
    return pool.select(_draw(pool, subset))


def split_supervised(domains: Domains, subset: LabelSubset) -> Splits:
    """Make the five sets of the upper bound ``target_only``: the source is the labelled target train.

    The labelled subset is left out of it: a run must not be selected by labels that it was trained on.

    Raises:
        UserError: target train has no labels.
    """
    splits = split(domains, subset)
    if not isinstance(domains.target_train, LabelledImages):
        raise UserError("target_only trains on the labels of target train, which has none: leave this method out")
    chosen_by = set(splits.target_validation.ids) if splits.target_validation is not None else set()
    labelled = domains.target_train.without(chosen_by)
    note = {"supervised": f"trained on {len(labelled)} target labels, as an upper bound"}
    return dataclasses.replace(splits, source_train=labelled, notes=splits.notes | note)


def subset_hash(images: LabelledImages) -> str:
    """SHA-256 over the sorted ids: the same images have the same hash on every machine."""
    return hashlib.sha256("\n".join(sorted(images.ids)).encode("utf-8", "surrogateescape")).hexdigest()


def _draw(images: LabelledImages, subset: LabelSubset) -> Indices:
    """Draw the subset; stratified, each class has the share of the subset that it has of ``images``.

    Returns:
        (subset.size,) ascending indices.
    """
    if subset.size > len(images):
        raise UserError(
            f"label subset size is {subset.size}, but {len(images)} images are there to draw it from; ask for fewer"
        )
    shuffled = np.random.default_rng(subset.seed).permutation(len(images))
    if subset.stratified:
        if not isinstance(images.labels, np.ndarray):
            raise UserError("label subset is stratified, but label maps have no one class; allowed: stratified: false")
        shuffled = in_stratified_order(shuffled, images.labels)
    return np.sort(shuffled[: subset.size])


def in_stratified_order(shuffled: Indices, labels: Indices) -> Indices:
    """Reorder indices so that the first ones, however many, hold every class by its share.

    They are ordered by (rank within the class + 1/2) / class size.

    Args:
        shuffled: the indices of all images in a random order.
        labels: the class of each image.
    """
    in_order = labels[shuffled]
    position = np.empty(len(in_order))
    for label in np.unique(in_order):
        members = np.flatnonzero(in_order == label)
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return shuffled[np.argsort(position, kind="stable")]


def _test_note(domains: Domains, test: LabelledImages | None) -> dict[str, str]:
    removed = 0 if domains.target_test is None or test is None else len(domains.target_test) - len(test)
    return {SUBSET_REMOVED: f"the complement of the labelled subset: {removed} images left out"} if removed else {}


def _unreadable_note(domains: Domains) -> dict[str, str]:
    return {"unreadable": unreadable.describe(domains.unreadable)} if domains.unreadable else {}


def _subset_note(labelled: LabelledImages | None, domains: Domains, subset: LabelSubset) -> dict[str, str]:
    if labelled is None:
        return {"label_subset": "none: no label of the target takes part in choosing"}
    if subset.given:
        return {"label_subset": f"{len(labelled)} images, given by the user"}
    pool = domains.draws_from
    pool_name = "the domain to tune on" if domains.subset_of else "target train"
    if pool is domains.target_test:
        pool_name = "target test, since target train has no labels"
    share = 100 * len(labelled) / len(pool or labelled)
    how = "stratified by class (itself a use of target labels)" if subset.stratified else "at random"
    return {"label_subset": f"{len(labelled)} images, {share:.1f} % of {pool_name}, drawn {how} by seed {subset.seed}"}
