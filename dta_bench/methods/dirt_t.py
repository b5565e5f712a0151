"""DIRT-T: decision-boundary refinement with a teacher (Shu et al., ICLR 2018), Eqs. 10-12, without the source.

It is a second stage: it starts from the averaged weights of a whole VADA run of the same seed and training, and
minimises

    total = lambda_t * (H(target) + VAT(target)) + beta * KL(teacher || p)

The teacher is in evaluation mode and does not change but ``refreshes`` times in a run, when it takes over the moving
average of the network's weights. The method predicts with this average.

Floor: one forward and backward pass of the target; for VAT a forward pass with the gradient for the images, and a
forward and backward pass; one forward pass of the teacher. The whole first stage comes on top, once per seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import torch

from dta_bench.errors import within
from dta_bench.methods import vada
from dta_bench.nn.learner import Learner, Parts, Setting
from dta_bench.nn.losses import conditional_entropy, kl_divergence, virtual_adversarial_loss
from dta_bench.nn.network import Labelled, Network, Unlabelled, current_random_state, evaluating
from dta_bench.nn.teachers import frozen_copy, update_moving_average

__all__ = ["Method", "Params", "first_stage", "floor", "vada"]


@dataclass(frozen=True)
class Params:
    """Defaults: the paper's, Appendix B; it replaces the teacher every 5,000 of up to 80,000 steps, so 16 times."""

    lambda_t: float = 0.01
    beta: float = 0.01
    epsilon: float = 3.5
    alpha: float = 0.998  # decay of the moving average
    refreshes: int = 16

    def __post_init__(self) -> None:
        within(self, lambda_t=(0, inf), beta=(0, inf), epsilon=(0, inf), alpha=(0, 1), refreshes=(1, inf))


def first_stage(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """VADA at its defaults, but with the same ``epsilon`` and ``alpha``."""
    return "vada", {"epsilon": params["epsilon"], "alpha": params["alpha"]}


def needs_pixels(params: Params) -> str:
    """VAT does."""
    return "VAT perturbs the pixels" if params.lambda_t and params.epsilon else ""


def floor(params: Params) -> float:
    """The least work of a step, in source-only steps (a forward pass is a third of one), without the first stage."""
    return 1 + 1 / 3 + (5 / 3 if params.lambda_t else 0)


class Method(Learner):
    """The network, the moving average that predicts, and the teacher."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        assert setting.first is not None
        net.load_state_dict(setting.first.predictor.state_dict())
        self.average = frozen_copy(net)
        self.teacher = frozen_copy(net)

    @property
    def predictor(self) -> Network:
        """The moving average of the weights."""
        return self.average

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - it needs no source
        """Entropy, VAT and the divergence from the teacher, all on the target."""
        params, draws = self.params, current_random_state(target.images.device)
        logits = self.net(target.images)
        with torch.no_grad(), evaluating(self.teacher):
            teacher_logits = self.teacher(target.images)
        entropy = conditional_entropy(logits)
        vat = logits.new_zeros(())
        if params.lambda_t:
            clean = (logits, draws)
            vat = virtual_adversarial_loss(self.net, target.images, params.epsilon, reduction="per_sample", clean=clean)
        from_teacher = kl_divergence(teacher_logits, logits, "per_sample")
        total = params.lambda_t * (entropy + vat) + params.beta * from_teacher
        return {"total": total, "entropy": entropy, "vat": vat, "teacher": from_teacher}

    def after_step(self) -> None:
        """Update the average; at the end of each of ``refreshes`` equal parts of the run, copy it into the teacher."""
        update_moving_average(self.average, self.net, self.params.alpha, buffers=True)
        parts, at = self.params.refreshes, self.at
        if (at.iteration + 1) * parts // at.total > at.iteration * parts // at.total:
            self.teacher.load_state_dict(self.average.state_dict())
