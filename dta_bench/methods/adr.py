"""ADR: adversarial dropout regularisation (Saito et al., ICLR 2018).

A classifier C with dropout before it; two draws of its masks give p_1 and p_2 of the same features, and
d = (KL(p_1 || p_2) + KL(p_2 || p_1)) / 2 (Eq. 3). Each step:

    A  F and C minimise CE on the source; so does a second classifier C', which F never hears of
    B  C minimises CE on the source - d on the target                                      (Eqs. 4, 5)
    C  F minimises d on the target, ``repeats`` times                                      (Eq. 6)

C' predicts: it has no dropout. The divergence is computed from log-softmaxes (the released code applies softmax twice).

Floor: A one forward and backward pass; B two forward passes; C one forward and backward pass, ``repeats`` times.
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

    repeats: int = 4
    keep_rate: float = 0.5  # of the masks before C

    def __post_init__(self) -> None:
        within(self, repeats=(1, inf), keep_rate=(1e-6, 1))


def floor(params: Params) -> float:
    """The least work of a step, in source-only steps (a forward pass is a third of one)."""
    return 1 + 2 / 3 + params.repeats


class Method(Learner):
    """The network, whose head is C, and the clean head C'."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.clean = reinitialised_copy(net.head)

    def players(self) -> Players:
        """Features, C and C' have an optimiser each."""
        return {"features": [self.net.body, self.net.neck], "head": [self.net.head], "clean": [self.clean]}

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """A, B, and C as often as asked."""
        yield ("features", "head", "clean"), self.task
        yield ("head",), self.apart
        for _ in range(self.params.repeats):
            yield ("features",), self.together

    def draw(self, hidden: Tensor) -> Tensor:
        """Logits of C under a mask drawn anew, one bit a unit."""
        mask = stochastic_mask(hidden, self.params.keep_rate, self.net.hidden_axis) / self.params.keep_rate
        return self.net.head(mask * hidden)  # type: ignore[no-any-return]

    def task(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - one signature for all phases
        """Phase A."""
        hidden = self.net.hidden(self.net.features(source.images))
        task = cross_entropy(self.draw(hidden), source.labels, ignore_index=255)
        clean = cross_entropy(self.clean(hidden.detach()), source.labels, ignore_index=255)
        return {"total": task + clean, "task": task, "clean": clean}

    def apart(self, source: Labelled, target: Unlabelled) -> Parts:
        """Phase B."""
        hidden = self.net.hidden(self.net.features(source.images))
        task = cross_entropy(self.draw(hidden), source.labels, ignore_index=255)
        return {"total": task - self._sensitivity(target)}

    def together(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002
        """Phase C."""
        sensitivity = self._sensitivity(target)
        return {"total": sensitivity, "sensitivity": sensitivity}

    def forward(self, images: Tensor) -> Tensor:
        """The clean classifier's logits."""
        return self.clean(self.net.hidden(self.net.features(images)))  # type: ignore[no-any-return]

    def _sensitivity(self, target: Unlabelled) -> Tensor:
        hidden = self.net.hidden(self.net.features(target.images))
        return symmetric_kl(self.draw(hidden), self.draw(hidden))
