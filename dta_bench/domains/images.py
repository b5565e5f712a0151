"""Sets of images, with labels and without, and how a benchmark and a run group them.

The type of the target training set has no labels to give, so a method cannot read them by mistake.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""One image as it was read: (height, width, channels) uint8."""

Item = TypeVar("Item")


class SelectedItems(Sequence[Item]):
    """Some items of a sequence in a given order, each read only when it is asked for.

    Args:
        items: the sequence.
        indices: the items' indices in the sequence, which may repeat.
    """

    def __init__(self, items: Sequence[Item], indices: Sequence[int] | NDArray[np.int64]) -> None:
        self._items, self._indices = items, [int(i) for i in indices]

    def locate(self, index: int) -> tuple[Sequence[Item], int]:
        """The sequence that an item comes from, and the item's index there."""
        return self._items, self._indices[index]

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> SelectedItems[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | SelectedItems[Item]:
        if isinstance(index, slice):
            return SelectedItems(self._items, self._indices[index])
        return self._items[self._indices[index]]

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def items(self) -> Sequence[Item]:
        """The whole sequence."""
        return self._items


def is_lazy(items: Sequence[Item]) -> bool:
    """Whether items are read from files when they are asked for, and are not in memory already."""
    while isinstance(items, SelectedItems):
        items = items.items
    return not isinstance(items, list | tuple)


@dataclass(frozen=True)
class UnlabelledImages:
    """Images and their ids, which stay the same on all machines; this type has no labels."""

    images: Sequence[Image]
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.images)

    def without_labels(self) -> UnlabelledImages:
        """This very set."""
        return self

    def select(self, indices: Sequence[int] | NDArray[np.int64]) -> UnlabelledImages:
        """The images at ``indices``, in that order; no image file is read."""
        return UnlabelledImages(SelectedItems(self.images, indices), [self.ids[int(i)] for i in indices])

    def without(self, ids: Collection[str]) -> UnlabelledImages:
        """The images but for those with these ids; this very set if it has none of them."""
        remaining = [i for i, name in enumerate(self.ids) if name not in ids]
        return self if len(remaining) == len(self) else self.select(remaining)


@dataclass(frozen=True)
class LabelledImages:
    """Images, their ids, which stay the same on all machines, and their labels.

    ``labels`` is a class index for each image, (n,) int64, or a label map (height, width) uint8 for each.
    """

    images: Sequence[Image]
    labels: NDArray[np.int64] | Sequence[NDArray[np.uint8]]
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.images)

    def without_labels(self) -> UnlabelledImages:
        """The same images as a set that has no labels."""
        return UnlabelledImages(self.images, self.ids)

    def select(self, indices: Sequence[int] | NDArray[np.int64]) -> LabelledImages:
        """The images at ``indices``, in that order; no image file is read."""
        chosen = np.asarray(indices, dtype=np.int64)
        labels = self.labels[chosen] if isinstance(self.labels, np.ndarray) else SelectedItems(self.labels, chosen)
        return LabelledImages(SelectedItems(self.images, chosen), labels, [self.ids[i] for i in chosen])

    def without(self, ids: Collection[str]) -> LabelledImages:
        """The images but for those with these ids; this very set if it has none of them."""
        remaining = [i for i, name in enumerate(self.ids) if name not in ids]
        return self if len(remaining) == len(self) else self.select(remaining)


@dataclass(frozen=True)
class Domains:
    """What a benchmark's ``load(root)`` returns: four sets, split by a fixed seed or by the data set itself.

    Only :mod:`dta_bench.data.splits` uses labels of ``target_train``; it hands training a set without them. A user's
    target may have no labels at all: ``target_train`` is then of the type that has none, and ``target_test`` is None
    where no labelled test is there.
    """

    source_train: LabelledImages
    source_validation: LabelledImages
    target_train: LabelledImages | UnlabelledImages
    target_test: LabelledImages | None
    fingerprint: str
    """SHA-256 over the images and labels; of files as :mod:`dta_bench.domains.data_fingerprint` writes it."""
    subset_of: LabelledImages | None = None
    """The images that the labelled subset is drawn from; None: ``target_train``."""
    unreadable: tuple[str, ...] = ()
    """Ids of the images that were left out because they cannot be read."""
    labelled: LabelledImages | None = None
    """The labelled subset, where the user gives it instead of having it drawn."""
    notes: tuple[str, ...] = ()
    """What a user should know of how the sets were made, a sentence each; ``prepare`` prints them."""

    def sets(self) -> dict[str, LabelledImages | UnlabelledImages]:
        """Name → set, for the sets that are there."""
        names = ("source_train", "source_validation", "target_train", "target_test", "subset_of", "labelled")
        return {name: images for name in names if (images := getattr(self, name)) is not None}

    @property
    def draws_from(self) -> LabelledImages | None:
        """The images that a labelled subset is drawn from; None where no image of the target has a label."""
        if self.subset_of is not None:
            return self.subset_of
        return self.target_train if isinstance(self.target_train, LabelledImages) else self.target_test


@dataclass(frozen=True)
class Splits:
    """The five sets of a run.

    ``target_train`` has no labels, and ``target_validation`` is the labelled subset. It and ``target_test`` are None
    where the user has no such labels. ``notes`` says how the sets were made; a run records each as the tag
    ``note_<name>``.
    """

    source_train: LabelledImages
    source_validation: LabelledImages
    target_train: UnlabelledImages
    target_validation: LabelledImages | None
    target_test: LabelledImages | None
    fingerprint: str
    subset_hash: str = ""
    notes: dict[str, str] = field(default_factory=dict)
