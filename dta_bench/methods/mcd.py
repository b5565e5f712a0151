"""MCD: maximum classifier discrepancy (Saito et al., CVPR 2018).

Two classifiers on one feature extractor F; d is the mean L1 distance of their predictions (Eq. 1). Each step:

    A  F and both classifiers minimise CE_1 + CE_2 on the source                           (Eq. 2)
    B  the classifiers minimise CE_1 + CE_2 - d on the target                              (Eqs. 3, 4)
    C  F minimises d on the target, ``repeats`` times                                      (Eq. 5)

What predicts is the mean of both classifiers. The features are all below the network's head.

Floor: A one forward and backward pass; B two forward passes; C one forward and backward pass, ``repeats`` times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.learner import Learner, Loss, Parts, Players, Setting
from dta_bench.nn.losses import class_balance, l1_discrepancy, mean_prediction
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.teachers import reinitialised_copy


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' release for digits."""

    repeats: int = 4
    class_balance: float = 0.0  # 0.01 in their VisDA code, in A and B

    def __post_init__(self) -> None:
        within(self, repeats=(1, inf), class_balance=(0, inf))


def floor(params: Params) -> float:
    """The least work of a step, in source-only steps (a forward pass is a third of one)."""
    return 1 + 2 / 3 + params.repeats


class Method(Learner):
    """The network, and a second head with weights of its own."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.second = reinitialised_copy(net.head)

    def players(self) -> Players:
        """Features and classifiers have an optimiser each."""
        return {"features": [self.net.body, self.net.neck], "heads": [self.net.head, self.second]}

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """A, B, and C as often as asked."""
        yield ("features", "heads"), self.task
        yield ("heads",), self.apart
        for _ in range(self.params.repeats):
            yield ("features",), self.together

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The two classifiers' logits."""
        hidden = self.net.hidden(self.net.features(images))
        return self.net.head(hidden), self.second(hidden)

    def task(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - one signature for all phases
        """Phase A."""
        logits = self.both(source.images)
        task = self._cross_entropy(logits, source.labels)
        return {"total": task + self._balance(logits), "task": task}

    def apart(self, source: Labelled, target: Unlabelled) -> Parts:
        """Phase B."""
        on_target = self.both(target.images)
        task = self._cross_entropy(self.both(source.images), source.labels)
        return {"total": task - l1_discrepancy(*on_target) + self._balance(on_target)}

    def together(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002
        """Phase C."""
        discrepancy = l1_discrepancy(*self.both(target.images))
        return {"total": discrepancy, "discrepancy": discrepancy}

    def forward(self, images: Tensor) -> Tensor:
        """The mean of both predictions."""
        return mean_prediction(*self.both(images))

    def _cross_entropy(self, logits: tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
        first, second = logits
        return cross_entropy(first, labels, ignore_index=255) + cross_entropy(second, labels, ignore_index=255)

    def _balance(self, logits: tuple[Tensor, Tensor]) -> Tensor:
        weight: float = self.params.class_balance
        if not weight:
            return logits[0].new_zeros(())
        return weight * (class_balance(logits[0]) + class_balance(logits[1]))
