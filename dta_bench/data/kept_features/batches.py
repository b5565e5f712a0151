"""Batches of kept features: the order of :class:`dta_bench.data.batches.Batches`, with stored views of the images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dta_bench.data.batches import drawn_indices, shuffled_indices
from dta_bench.data.kept_features.rows import FeatureRows, as_input
from dta_bench.nn import distributed
from dta_bench.nn.network import Labelled, Unlabelled

Indices = NDArray[np.int64]
VIEW, SECOND = 3, 4
"""Take the place of the domain in the key of the draw of views."""


@dataclass(frozen=True)
class ViewsOf:
    """The stored views of one set of images."""

    views: Sequence[FeatureRows]

    def __len__(self) -> int:
        return len(self.views[0])

    def input(self, indices: Indices, views: Indices) -> Tensor:
        """The features of images, each in the view of this number."""
        if len(self.views) == 1:
            return as_input(self.views[0], indices)
        chosen = [self.views[view][int(index)] for index, view in zip(indices, views, strict=True)]
        return torch.from_numpy(np.stack(chosen)).float()


class FeatureBatches:
    """Pairs of a labelled source batch and an unlabelled target batch of features.

    An epoch has the images of :class:`dta_bench.data.batches.Batches` in the same order. The view of each image is
    drawn by (seed, epoch).

    Args:
        source: the source's views.
        labels: (source images,) a class index each.
        target: the target's views.
        second: views that the target's second view is drawn from; None: there is no second view.
        steps: of an epoch.
        batch_size: images of each domain in a batch.
        seed: of the order and the views.
        source_odds: as for ``Batches``.
    """

    def __init__(
        self, source: ViewsOf, labels: Indices, target: ViewsOf, second: ViewsOf | None, *, steps: int, batch_size: int,
        seed: int, source_odds: NDArray[np.float64] | None = None,
    ) -> None:  # fmt: skip
        self.source, self.labels, self.target, self.second = source, torch.from_numpy(labels), target, second
        self.steps, self.batch_size, self.seed, self.source_odds = steps, batch_size, seed, source_odds

    def __len__(self) -> int:
        return self.steps

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Labelled, Unlabelled]]:
        """The batches of an epoch from ``start_step`` on, which counts from 0."""
        draws = EpochDraws(self, epoch)
        for step in range(start_step, self.steps):
            own = draws.of_step(step)
            source, target = draws.source[own], draws.target[own]
            again = None if self.second is None else self.second.input(target, draws.second_views[own])
            yield (
                Labelled(self.source.input(source, draws.source_views[own]), self.labels[source]),
                Unlabelled(self.target.input(target, draws.target_views[own]), again, torch.from_numpy(target)),
            )


class EpochDraws:
    """Which images, in which views, make up the steps of an epoch; they depend on (seed, epoch) alone."""

    def __init__(self, of: FeatureBatches, epoch: int) -> None:
        self._batch_size = of.batch_size
        count, key = of.steps * of.batch_size, (of.seed, epoch, 0)
        odds = of.source_odds
        self.source = shuffled_indices(key, len(of.source), count) if odds is None else drawn_indices(key, odds, count)
        self.target = shuffled_indices((of.seed, epoch, 1), len(of.target), count)
        rng = np.random.default_rng((of.seed, epoch, VIEW))
        self.source_views = rng.integers(len(of.source.views), size=count)
        self.target_views = rng.integers(len(of.target.views), size=count)
        self.second_views = np.zeros(count, dtype=np.int64)
        if of.second is not None:
            others = len(of.second.views) - int(of.second is of.target)
            drawn = np.random.default_rng((of.seed, epoch, SECOND)).integers(max(1, others), size=count)
            # of the same views, a second one differs from the first
            self.second_views = drawn + (drawn >= self.target_views) if of.second is of.target else drawn

    def of_step(self, step: int) -> slice:
        """Where a step's images lie in an epoch's draws, as far as this replica has them."""
        size = self._batch_size // distributed.replica_count()
        first = step * self._batch_size + distributed.rank() * size
        return slice(first, first + size)
