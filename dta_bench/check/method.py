"""The contract of a method: its parameters, its steps on a small network, and that it resumes bit for bit."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from dta_bench.check.findings import Findings
from dta_bench.nn import learner
from dta_bench.nn.learner import Learner, Progress, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled, evaluating
from dta_bench.spec.method_plugin import MethodPlugin, method_plugin
from dta_bench.spec.run_spec import Training

CLASSES, SIDE, TARGETS = 5, 16, 8
TRAINING = Training(epochs=10, optimizer="adam", learning_rate=1e-3, batch_size=4)


def check_method(name: str) -> Findings:
    """Check a method's parameters, and its steps on small networks and random images.

    Raises:
        UserError: there is no such method, or its file does not run.
    """
    method, found = method_plugin(name), Findings()
    found.expect("it opens with a docstring", lambda: "" if method.module.__doc__ else "there is none")
    if not found.expect(
        "Params is a frozen dataclass with a default for everything", lambda: _params(method.params_type)
    ):
        return found
    if method.by_prompts:
        found.expect("classification: what it predicts are logits", partial(_logits, method, "classification"))
        return found
    for task in method.tasks:
        gives = f"{task}: a step gives a finite scalar total and parts, in the first epoch and later"
        if found.expect(gives, partial(_steps, method, task)):
            found.expect(f"{task}: every weight that it trains gets a gradient", partial(_reaches, method, task))
            found.expect(f"{task}: what it predicts are logits", partial(_logits, method, task))
            found.expect(f"{task}: restored from its position it goes on bit for bit", partial(_resumes, method, task))
    return found


def _params(params_type: type) -> str:
    if not dataclasses.is_dataclass(params_type):
        return "it is no dataclass"
    if not vars(params_type)["__dataclass_params__"].frozen:
        return "it is not frozen"
    missing = dataclasses.MISSING
    bare = [f.name for f in dataclasses.fields(params_type) if f.default is missing and f.default_factory is missing]
    return f"{', '.join(bare)} has none" if bare else ""


def small_network(task: str) -> Network:
    """A network of few weights for images of 3 x 16 x 16; for segmentation its hidden map is half as large."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
    if task == "segmentation":
        down = nn.Sequential(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(), nn.Dropout2d(0.5))
        return Network(body, down, nn.Sequential(nn.Conv2d(32, CLASSES, 1), nn.Upsample(scale_factor=2)))
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 32), nn.ReLU(), nn.Dropout(0.5))
    network = Network(body, nn.Sequential(nn.Conv2d(16, 16, 3), nn.ReLU(), *pooled), nn.Linear(32, CLASSES))
    network.read_prompts = lambda prompts: (normalize(torch.ones(len(prompts), 32), dim=1), 1.0)
    return network


def small_learner(method: MethodPlugin, task: str, training: Training = TRAINING) -> Learner:
    """Build a method's learner on the small network; its first stage, if it has one, is not trained."""
    net, first = small_network(task), None
    if (before := method.before(method.defaults())) is not None:
        first = small_learner(before[0], task)
    setting = Setting(training, CLASSES, (3, SIDE, SIDE), TARGETS, first)
    return learner.build(method, net, method.params_type(), setting)


def random_batch(task: str) -> tuple[Labelled, Unlabelled]:
    """A batch of four random images of each domain; of label maps, two rows of pixels have no label (255)."""
    images = torch.randn(3, 4, 3, SIDE, SIDE)
    labels = torch.randint(CLASSES, (4,) if task == "classification" else (4, SIDE, SIDE))
    if task == "segmentation":
        labels[:, :2] = 255
    return Labelled(images[0], labels), Unlabelled(images[1], images[2], torch.arange(4))


def train_epochs(of: Learner, task: str, epochs: Sequence[int]) -> dict[str, Tensor]:
    """Take one step in each of ``epochs`` (counted from 1).

    Returns:
        The parts of the last step's loss.
    """
    parts: dict[str, Tensor] = {}
    for epoch in epochs:
        of.at = Progress(epoch, epoch - 1, TRAINING.epochs)
        plain = torch.randn(TARGETS, 3, SIDE, SIDE)
        of.before_epoch(lambda plain=plain: plain.split(4))  # type: ignore[misc]
        parts = of.step(*random_batch(task))
    return parts


def _steps(method: MethodPlugin, task: str) -> str:
    of = small_learner(method, task)
    for epoch in (1, TRAINING.epochs):
        parts: Any = train_epochs(of, task, [epoch])
        if "total" not in parts:
            return "it gives no total"
        for part, value in parts.items():
            if value.ndim or not torch.isfinite(value):
                return f"in epoch {epoch} its {part} is {value!r}"
    return ""


def _reaches(method: MethodPlugin, task: str) -> str:
    of = small_learner(method, task)
    update, reached = of.update, set[int]()

    def noted(players: Sequence[str]) -> None:
        reached.update(id(weight) for weight in of.parameters() if weight.grad is not None)
        update(players)

    of.update = noted  # type: ignore[method-assign]
    train_epochs(of, task, [1, 2])
    trained = {id(w) for own in of.optimizers.values() for group in own.param_groups for w in group["params"]}
    lost = [name for name, weight in of.named_parameters() if id(weight) in trained - reached]
    return f"{', '.join(name.removeprefix('net.') for name in lost)} gets no gradient" if lost else ""


def _logits(method: MethodPlugin, task: str) -> str:
    of, images = small_learner(method, task), random_batch(task)[1].images
    with torch.no_grad(), evaluating(of):
        shape = tuple(of(images).shape)
    wanted = (4, CLASSES) if task == "classification" else (4, CLASSES, SIDE, SIDE)
    return "" if shape == wanted else f"they are {shape} for 4 images and {CLASSES} classes, not {wanted}"


def _resumes(method: MethodPlugin, task: str) -> str:
    of = small_learner(method, task)
    train_epochs(of, task, [1, 2])
    position, other = of.position(), small_learner(method, task)
    other.restore(copy.deepcopy(position))
    ends = []
    for each in (of, other):
        torch.manual_seed(1)
        train_epochs(each, task, [3, 4])
        ends.append(each.state_dict())
    parted = [name for name, value in ends[0].items() if not torch.equal(value, ends[1][name])]
    return f"{', '.join(parted[:3])} differs after two more steps" if parted else ""
