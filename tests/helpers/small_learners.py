"""A method on the small network of ``dta-bench check``, half through its run, and its gradients on one batch."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import torch
from torch import Tensor

from dta_bench.check.method import CLASSES, SIDE, TARGETS, TRAINING, random_batch, small_network
from dta_bench.nn import learner
from dta_bench.nn.learner import Learner, Loss, Progress, Setting
from dta_bench.nn.network import Labelled, Unlabelled
from dta_bench.spec import method_plugin

STEPS = 1000


def learner_of(module: ModuleType, done: float = 0.5, first: Learner | None = None, **params: object) -> Learner:
    """The learner of a method with some parameters, after the share ``done`` of its run.

    ``first`` is the learner of the first stage, for a method that has one.
    """
    setting = Setting(TRAINING, CLASSES, (3, SIDE, SIDE), TARGETS, first)
    plugin = method_plugin.read(module.__name__, module)
    made = learner.build(plugin, small_network("classification"), module.Params(**params), setting)
    made.at = Progress(1, round(STEPS * done), STEPS)
    return made


def batch_of_images() -> tuple[Labelled, Unlabelled]:
    """The same batch of each domain every time."""
    torch.manual_seed(3)
    return random_batch("classification")


def gradients_of(of: Learner, players: Sequence[str] = ("all",), loss: Loss | None = None) -> dict[str, Tensor]:
    """Each weight's gradient of a loss on one fixed batch, with the same random draws every time."""
    of.take(*batch_of_images())
    torch.manual_seed(4)
    of.gradients(players, loss or of.loss)
    return {name: weight.grad.clone() for name, weight in of.named_parameters() if weight.grad is not None}
