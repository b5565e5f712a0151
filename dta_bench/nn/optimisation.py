"""The optimiser of a player's weights, and its learning rate in each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from dta_bench.nn.network import part_of
from dta_bench.spec.schedule import schedule_factor, warm_up_factor
from dta_bench.spec.training import Part, Training

RATE_FACTOR = "rate_factor"
"""In a group of an optimiser's weights: the factor of their learning rate."""


@dataclass(frozen=True)
class Progress:
    """How far a run is: ``epoch`` counts from 1, ``iteration`` from 0 over the whole run of ``total`` steps."""

    epoch: int
    iteration: int
    total: int

    @property
    def done(self) -> float:
        """q, the share of the run that is over, from 0 to just below 1."""
        return self.iteration / self.total


def learning_rate(training: Training, at: Progress) -> float:
    """The learning rate of the step that is taken next.

    It is that of the schedule times that of the warm-up. Without a schedule it is multiplied by ``decay_factor`` after
    every ``decay_every`` epochs, which is the step decay of the paper's Appendix B; with neither it is constant.
    """
    warm = warm_up_factor(training.learning_rate_warm_up, at.iteration)
    if training.schedule is not None:
        factor = schedule_factor(training.schedule, training.schedule_options, at.epoch, at.iteration, at.total)
        return training.learning_rate * factor * warm
    decays = (at.epoch - 1) // training.decay_every if training.decay_every else 0
    return training.learning_rate * training.decay_factor**decays * warm


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of an optimiser, times the factor of each part of the network."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get(RATE_FACTOR, 1.0)


def build_optimizer(modules: Sequence[nn.Module], training: Training) -> torch.optim.Optimizer:
    """Adam, AdamW or SGD for the modules' weights that need a gradient.

    Weight decay spares norms and biases unless ``decay_norms_and_biases`` says otherwise.
    """
    weights = dict(_weights(modules))  # each once, in order
    factors = {weight: training.rates.get(part, 1.0) if part else 1.0 for weight, part in weights.items()}
    groups = [group for factor in sorted({1.0, *factors.values()}, reverse=True)
              for group in _groups([w for w in weights if factors[w] == factor], factor, training)]  # fmt: skip
    fused = all(p.device.type != "meta" for p in weights)  # on the meta device there is nothing to fuse
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=training.learning_rate, momentum=training.momentum, nesterov=training.nesterov, fused=fused
        )
    kind = torch.optim.Adam if training.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=training.learning_rate, betas=training.betas, fused=fused)


def _weights(modules: Sequence[nn.Module]) -> Iterator[tuple[nn.Parameter, Part | None]]:
    """The weights that need a gradient, and the part of the network that each belongs to."""
    for module in modules:
        for layer in module.modules():
            for weight in layer.parameters(recurse=False):
                if weight.requires_grad:
                    yield weight, part_of(layer)


def _groups(weights: list[nn.Parameter], factor: float, training: Training) -> Iterator[dict[str, object]]:
    """The weights of one learning rate as two groups: those that are decayed, and norms and biases."""
    own = {} if factor == 1 else {RATE_FACTOR: factor, "lr": training.learning_rate * factor}
    of_vectors = training.weight_decay if training.decay_norms_and_biases else 0.0
    yield {"params": [p for p in weights if p.ndim > 1], "weight_decay": training.weight_decay} | own
    yield {"params": [p for p in weights if p.ndim <= 1], "weight_decay": of_vectors} | own
