"""A training step to measure: a method with its parameters, and random batches of a given shape."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dta_bench.methods import source_only
from dta_bench.nn import distributed, learner
from dta_bench.nn.learner import Learner, Progress, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.spec import method_plugin
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.run_spec import Training

Step = Callable[[], object]

META = torch.device("meta")

VAT = {"lambda_3": 0.1, "epsilon": 3.5}
"""What turns VAT on where the given parameters have it off (Table A-1's small data sets)."""

RAMPED_UP = 10**6
"""An epoch at which every ramp has ended."""


@dataclass(frozen=True)
class BatchShape:
    """The shape of a step's random input.

    Attributes:
        task: ``classification`` or ``segmentation``; label maps are as large as the images.
        size: images of each domain.
        image_size: height and width in pixels.
    """

    task: str
    classes: int
    size: int
    channels: int
    image_size: tuple[int, ...]

    def random(self, device: torch.device) -> tuple[Labelled, Unlabelled]:
        """Draw a source and a target batch on a device."""
        shape = (self.size, self.channels, *self.image_size)
        label_shape = (self.size, *self.image_size) if self.task == "segmentation" else (self.size,)
        labels = torch.randint(self.classes, label_shape, device=device)
        source, target, again = (torch.randn(shape, device=device) for _ in range(3))
        return Labelled(source, labels), Unlabelled(target, again, torch.arange(self.size, device=device))

    def setting(self, first: Learner | None = None) -> Setting:
        """Return what a method is given when it builds its modules; the learning rate is too small to move a weight.

        Args:
            first: the learner of the first stage, for a method that has one.
        """
        still = Training(epochs=RAMPED_UP, optimizer="sgd", learning_rate=1e-30, batch_size=self.size)
        return Setting(still, self.classes, (self.channels, *self.image_size), self.size, first)


@dataclass(frozen=True)
class ConfiguredMethod:
    """A method with its parameters.

    Attributes:
        params: an instance of the method's ``Params``.
    """

    method: MethodPlugin
    params: Any

    @property
    def name(self) -> str:
        """The method's name."""
        return self.method.name

    @property
    def vat(self) -> bool:
        """Whether VAT is on."""
        return bool(getattr(self.params, "lambda_3", 0.0))

    @property
    def floor(self) -> float | None:
        """The least work of a step in source-only steps, as the method's file states it."""
        return None if self.method.floor is None else float(self.method.floor(self.params))

    @property
    def above_floor(self) -> str:
        """What a step needs beyond its floor, in the words of the method's file: a discriminator, a mask."""
        return self.method.above_floor

    def changed(self, settings: Mapping[str, float]) -> ConfiguredMethod:
        """Return the same method with some parameters changed."""
        return dataclasses.replace(self, params=dataclasses.replace(self.params, **settings))


SOURCE_ONLY = ConfiguredMethod(method_plugin.read("source_only", source_only), source_only.Params())


def without_and_with_vat(method: MethodPlugin, params: Mapping[str, Any]) -> list[ConfiguredMethod]:
    """Configure a method without and with VAT.

    Args:
        params: parameters that differ from the method's defaults.

    Returns:
        Two entries; one for a method that has no VAT; none for source-only, which is measured anyway.
    """
    if method.name == SOURCE_ONLY.name:
        return []
    configured = ConfiguredMethod(method, method.params_type(**params))
    if not hasattr(configured.params, "lambda_3"):
        return [configured]
    switched_on = {key: getattr(configured.params, key) or value for key, value in VAT.items()}
    return [configured.changed({"lambda_3": 0.0}), configured.changed(switched_on)]


def build_steps(
    net: Network, methods: Sequence[ConfiguredMethod], shape: BatchShape, device: torch.device
) -> list[Step]:
    """Build a whole training step for each method, all on one network and one random batch; no weight moves."""
    batches = shape.random(device)
    return [build_step(net, configured, shape, batches) for configured in methods]


def build_step(
    net: Network,
    configured: ConfiguredMethod,
    shape: BatchShape,
    batches: tuple[Labelled, Unlabelled] | None = None,
) -> Step:
    """Build a method's whole training step near the end of a long run, where every ramp has ended.

    Weights that the method freezes (SHOT's classifier) are frozen only while its step runs: other steps share the
    network.

    Args:
        batches: what the step trains on; None draws it at random.

    Returns:
        A function without arguments that takes the step.
    """
    outside = _requires_grad(net)
    with distributed.alone():
        step_learner = build_learner(net, configured.method, configured.params, shape)
    inside = _requires_grad(net)
    _set_requires_grad(net, outside)
    step_learner.at = Progress(RAMPED_UP, RAMPED_UP - 1, RAMPED_UP)
    source_and_target = batches or shape.random(step_learner.device)

    def take_step() -> None:
        _set_requires_grad(net, inside)
        try:
            with distributed.alone():
                step_learner.step(*source_and_target)
        finally:
            _set_requires_grad(net, outside)

    return take_step


def _requires_grad(net: Network) -> list[bool]:
    return [weight.requires_grad for weight in net.parameters()]


def _set_requires_grad(net: Network, flags: list[bool]) -> None:
    for weight, flag in zip(net.parameters(), flags, strict=True):
        weight.requires_grad_(flag)


def build_learner(net: Network, method: MethodPlugin, params: Any, shape: BatchShape) -> Learner:
    first = None
    if (before := method.before(dataclasses.asdict(params))) is not None:
        first = build_learner(copy.deepcopy(net), before[0], before[0].params_type(**before[1]), shape)
    return learner.build(method, net, params, shape.setting(first))
