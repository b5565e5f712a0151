"""ADR: adversarial dropout regularisation (Saito et al., ICLR 2018).

The classifier C has dropout before it. Two random masks give two predictions p_1 and p_2 of the same features, and
d = (KL(p_1 || p_2) + KL(p_2 || p_1)) / 2 (Eq. 3). Each step has three phases:

    A  F and C minimise CE on the source; so does a second classifier C', without a gradient to F
    B  C minimises CE on the source - d on the target                                      (Eqs. 4, 5)
    C  F minimises d on the target, ``repeats`` times                                      (Eq. 6)

The method predicts with C', which has no dropout. d is computed from log-softmaxes (the released code applies softmax
twice).

Floor: in A one forward and backward pass, in B two forward passes, in C ``repeats`` forward and backward passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.adversarial_dropout import stochastic_mask
from dta_bench.nn.learner import Learner, Loss, Parts, Players, Setting
from dta_bench.nn.losses import symmetric_kl
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.teachers import reinitialised_copy


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' release for digits."""

    repeats: int = 4  # of phase C
    keep_rate: float = 0.5  # of the dropout before C

    def __post_init__(self) -> None:
        within(self, repeats=(1, inf), keep_rate=(1e-6, 1))


def floor(params: Params) -> float:
    """The least work of a step, in source-only steps (a forward pass is a third of one)."""
    return 1 + 2 / 3 + params.repeats


class Method(Learner):
    """The network, whose head is C, and the classifier C' without dropout."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.clean = reinitialised_copy(net.head)

    def players(self) -> Players:
        """Features, C and C' have an optimiser each."""
        return {"features": [self.net.body, self.net.neck], "head": [self.net.head], "clean": [self.clean]}

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """A, B, and ``repeats`` times C."""
        yield ("features", "head", "clean"), self.source_loss
        yield ("head",), self.classifier_loss
        for _ in range(self.params.repeats):
            yield ("features",), self.features_loss

    def logits_with_dropout(self, hidden: Tensor) -> Tensor:
        """The logits of C under a new random mask, which has one bit per sample and unit of ``hidden``."""
        mask = stochastic_mask(hidden, self.params.keep_rate, self.net.hidden_axis) / self.params.keep_rate
        return self.net.head(mask * hidden)  # type: ignore[no-any-return]

    def source_loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - one signature for all phases
        """Phase A: the cross-entropies of C and C' on the source."""
        hidden = self.net.hidden(self.net.features(source.images))
        task = cross_entropy(self.logits_with_dropout(hidden), source.labels, ignore_index=255)
        clean = cross_entropy(self.clean(hidden.detach()), source.labels, ignore_index=255)
        return {"total": task + clean, "task": task, "clean": clean}

    def source_only_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Both classifiers learn."""
        return self.source_loss(source, target)

    def classifier_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """Phase B: cross-entropy on the source minus d on the target."""
        hidden = self.net.hidden(self.net.features(source.images))
        task = cross_entropy(self.logits_with_dropout(hidden), source.labels, ignore_index=255)
        return {"total": task - self._divergence(target)}

    def features_loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002
        """Phase C: d on the target."""
        divergence = self._divergence(target)
        return {"total": divergence, "sensitivity": divergence}

    def forward(self, images: Tensor) -> Tensor:
        """The logits of C'."""
        return self.clean(self.net.hidden(self.net.features(images)))  # type: ignore[no-any-return]

    def _divergence(self, target: Unlabelled) -> Tensor:
        """d of Eq. 3."""
        hidden = self.net.hidden(self.net.features(target.images))
        return symmetric_kl(self.logits_with_dropout(hidden), self.logits_with_dropout(hidden))
