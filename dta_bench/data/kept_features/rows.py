"""The features of a set of images, in the images' order; they lie in the files of a store and are read when needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dta_bench.data.kept_features.store import FeatureStore


class FeatureRows(Sequence[NDArray[Any]]):
    """Features, one item for each image.

    Args:
        store: holds the rows.
        keys: of the rows, in order.
    """

    def __init__(self, store: FeatureStore, keys: Sequence[bytes]) -> None:
        self._located = [store.locate(key) for key in keys]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image's features."""
        return tuple(self._located[0][0].shape[1:])

    @overload
    def __getitem__(self, index: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[Any]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        rows, number = self._located[index]
        return rows[number]

    def __len__(self) -> int:
        return len(self._located)


def as_input(rows: Sequence[NDArray[Any]], indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
    """The features at these indices as network input, (indices, ...) float32."""
    return torch.from_numpy(np.stack([rows[int(index)] for index in indices])).float()
