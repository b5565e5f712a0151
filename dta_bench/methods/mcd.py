"""MCD: maximum classifier discrepancy (Saito et al., CVPR 2018).

Two classifiers share one feature extractor F (all below the network's head); d is the mean L1 distance of their
predictions (Eq. 1). Each step has three phases:

    A  F and both classifiers minimise CE_1 + CE_2 on the source                           (Eq. 2)
    B  the classifiers minimise CE_1 + CE_2 on the source - d on the target                (Eqs. 3, 4)
    C  F minimises d on the target, ``repeats`` times                                      (Eq. 5)

The method predicts with the mean of both classifiers.

Floor: in A one forward and backward pass, in B two forward passes, in C ``repeats`` forward and backward passes.
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

    repeats: int = 4  # of phase C
    class_balance: float = 0.0  # its weight in A and B; 0.01 in the authors' VisDA code

    def __post_init__(self) -> None:
        within(self, repeats=(1, inf), class_balance=(0, inf))


def floor(params: Params) -> float:
    """The least work of a step, in source-only steps (a forward pass is a third of one)."""
    return 1 + 2 / 3 + params.repeats


class Method(Learner):
    """The network, and a second classifier with weights of its own."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.second = reinitialised_copy(net.head)

    def players(self) -> Players:
        """The features have one optimiser, the two classifiers another."""
        return {"features": [self.net.body, self.net.neck], "heads": [self.net.head, self.second]}

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """A, B, and ``repeats`` times C."""
        yield ("features", "heads"), self.source_loss
        yield ("heads",), self.classifiers_loss
        for _ in range(self.params.repeats):
            yield ("features",), self.features_loss

    def both_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The two classifiers' logits, (B, K) or (B, K, H, W) each."""
        hidden = self.net.hidden(self.net.features(images))
        return self.net.head(hidden), self.second(hidden)

    def source_loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - one signature for all phases
        """Phase A: both cross-entropies on the source."""
        logits = self.both_logits(source.images)
        task = self._cross_entropy(logits, source.labels)
        return {"total": task + self._balance(logits), "task": task}

    def source_only_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Both classifiers learn."""
        return self.source_loss(source, target)

    def classifiers_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Phase B: both cross-entropies on the source, minus the discrepancy on the target."""
        on_target = self.both_logits(target.images)
        task = self._cross_entropy(self.both_logits(source.images), source.labels)
        return {"total": task - l1_discrepancy(*on_target) + self._balance(on_target)}

    def features_loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002
        """Phase C: the discrepancy on the target."""
        discrepancy = l1_discrepancy(*self.both_logits(target.images))
        return {"total": discrepancy, "discrepancy": discrepancy}

    def forward(self, images: Tensor) -> Tensor:
        """The mean of both predictions, as log-probabilities."""
        return mean_prediction(*self.both_logits(images))

    def _cross_entropy(self, logits: tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
        first, second = logits
        return cross_entropy(first, labels, ignore_index=255) + cross_entropy(second, labels, ignore_index=255)

    def _balance(self, logits: tuple[Tensor, Tensor]) -> Tensor:
        weight: float = self.params.class_balance
        if not weight:
            return logits[0].new_zeros(())
        return weight * (class_balance(logits[0]) + class_balance(logits[1]))
