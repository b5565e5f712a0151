"""What a benchmark is made of: images with labels, images without, and the five splits of a run.

The type of the target training set has no labels to give, so a method cannot read them by mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""One image as read: uint8, (height, width, channels)."""

Item = TypeVar("Item")


class Picked(Sequence[Item]):
    """Some items of a sequence, in a given order, fetched only when asked for."""

    def __init__(self, items: Sequence[Item], indices: Sequence[int] | NDArray[np.int64]) -> None:
        self._items, self._indices = items, [int(i) for i in indices]

    def whence(self, index: int) -> tuple[Sequence[Item], int]:
        """The sequence that an item comes from, and its place there."""
        return self._items, self._indices[index]

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Picked[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Picked[Item]:
        if isinstance(index, slice):
            return Picked(self._items, self._indices[index])
        return self._items[self._indices[index]]

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def items(self) -> Sequence[Item]:
        """What is picked from."""
        return self._items


def is_lazy(items: Sequence[Item]) -> bool:
    """Whether items are made when asked for (read from files), and not in memory already."""
    while isinstance(items, Picked):
        items = items.items
    return not isinstance(items, list | tuple)


@dataclass(frozen=True)
class UnlabelledImages:
    """Images and their stable ids; there is no label to be had from this type."""

    images: Sequence[Image]
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class LabelledImages:
    """Images, their labels (a class index each, or a (height, width) map each) and stable ids."""

    images: Sequence[Image]
    labels: NDArray[np.int64] | Sequence[NDArray[np.uint8]]
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.images)

    def without_labels(self) -> UnlabelledImages:
        """The same images as a set that cannot yield labels."""
        return UnlabelledImages(self.images, self.ids)

    def select(self, indices: Sequence[int] | NDArray[np.int64]) -> LabelledImages:
        """The images at ``indices``, in that order; images of a lazy set stay unread."""
        chosen = np.asarray(indices, dtype=np.int64)
        labels = self.labels[chosen] if isinstance(self.labels, np.ndarray) else Picked(self.labels, chosen)
        return LabelledImages(Picked(self.images, chosen), labels, [self.ids[i] for i in chosen])


@dataclass(frozen=True)
class Domains:
    """What a benchmark's ``load(root)`` returns: four labelled sets, split by a fixed seed or by the data set itself.

    Only ``validation.split`` sees ``target_train``'s labels; it hands training a set without them.
    """

    source_train: LabelledImages
    source_validation: LabelledImages
    target_train: LabelledImages
    target_test: LabelledImages
    fingerprint: str
    """SHA-256 over the images and labels (or over the file list with sizes, for sets too large to read)."""
    subset_of: LabelledImages | None = None
    """Where the labelled subset is drawn from; None: target train, whose other labels nobody reads."""
    unreadable: tuple[str, ...] = ()
    """Ids of images that were left out because they cannot be read."""


@dataclass(frozen=True)
class Splits:
    """The five sets of one run; ``target_train`` cannot yield labels."""

    source_train: LabelledImages
    source_validation: LabelledImages
    target_train: UnlabelledImages
    target_validation: LabelledImages
    target_test: LabelledImages
    fingerprint: str
    subset_hash: str = ""
    notes: dict[str, str] = field(default_factory=dict)
