"""What a step costs, on random input: FLOPs, time, images a second, memory, and the share of each term.

Ratios are multiples of a source-only step: one forward and backward on the source batch, and the optimiser's step.
"""

from __future__ import annotations

import copy
import dataclasses
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
from torch.autograd.graph import saved_tensors_hooks

from dta_bench.cost.counters import Flops, Kept
from dta_bench.methods import source_only
from dta_bench.nn import learner
from dta_bench.nn.learner import Learner, Progress, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.pretrained import BackbonePlugin
from dta_bench.spec import method_plugin
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.run_spec import Training

Step = Callable[[], object]

META = torch.device("meta")
MEMORY = {
    "cpu": "peak of what autograd keeps for the backward pass",
    "cuda": "peak of all memory that torch has allocated, weights and gradients included",
}
"""What ``peak_memory_mib`` is, by type of device."""

SWITCHES: dict[str, dict[str, float]] = {
    "f_dta": {"delta_c": 0.0},
    "c_dta": {"delta_e": 0.0},
    "vat": {"lambda_3": 0.0},
    "source_consistency": {"source_consistency": 0.0},
}
"""The parameter that turns a term off, and with it the cost of that term."""

VAT = {"lambda_3": 0.1, "epsilon": 3.5}
"""What turns VAT on where the given parameters have it off (Table A-1's small data sets)."""

RAMPED_UP = 10**6
"""An epoch at which every ramp has ended."""


class Row(TypedDict):
    """One method, with or without VAT. ``images_per_second`` counts source images, each with its target image.

    ``floor`` is the least ratio of FLOPs that the method's definition needs, where its file states one; ``above_floor``
    names what it needs beyond that, as its file says it.
    """

    method: str
    vat: bool
    flops_ratio: float
    floor: float | None
    above_floor: str
    time_ratio: float
    images_per_second: float
    peak_memory_mib: float
    shares: dict[str, float]


@dataclass(frozen=True)
class Batch:
    """Random input of a step: ``size`` images of each domain."""

    task: str
    classes: int
    size: int
    channels: int
    image_size: tuple[int, int]

    def on(self, device: torch.device) -> tuple[Labelled, Unlabelled]:
        """The two batches on a device."""
        shape = (self.size, self.channels, *self.image_size)
        label_shape = (self.size, *self.image_size) if self.task == "segmentation" else (self.size,)
        labels = torch.randint(self.classes, label_shape, device=device)
        source, target, again = (torch.randn(shape, device=device) for _ in range(3))
        return Labelled(source, labels), Unlabelled(target, again, torch.arange(self.size, device=device))

    def setting(self, first: Learner | None = None) -> Setting:
        """What a method is told when it builds its modules; optimisers move no weight."""
        still = Training(epochs=RAMPED_UP, optimizer="sgd", learning_rate=1e-30, batch_size=self.size)
        return Setting(still, self.classes, (self.channels, *self.image_size), self.size, first)


@dataclass(frozen=True)
class Case:
    """One line of the table: a method with its parameters."""

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
        """What a step needs that its floor leaves out because it depends on more than the passes: a judge, a mask."""
        return self.method.above_floor

    def changed(self, settings: Mapping[str, float]) -> Case:
        """The same with some parameters set anew."""
        return dataclasses.replace(self, params=dataclasses.replace(self.params, **settings))


SOURCE_ONLY = Case(method_plugin.read("source_only", source_only), source_only.Params())


def profile(
    backbone: BackbonePlugin,
    methods: Sequence[MethodPlugin],
    params: Mapping[str, Mapping[str, Any]],
    *,
    classes: int,
    batch: int,
    image_size: tuple[int, int],
    device: torch.device,
    rounds: int = 5,
) -> list[Row]:
    """One row for source only, and one or two (without and with VAT) for each method.

    Args:
        backbone: what builds the network, and what it eats.
        params: each method's parameters where they differ from its defaults, by name.
        batch: images of each domain; at least 2, for BatchNorm.
        rounds: each round times every row once, one after the other, so that a noisy machine is noisy to all alike.
    """
    net = backbone.build(classes).to(device)
    cuda = device.type == "cuda"
    twin = copy.deepcopy(net).to("meta")
    shape = Batch(backbone.task, classes, batch, backbone.channels, image_size)
    cases = [
        SOURCE_ONLY,
        *(case for method in methods for case in cases_of(method, params.get(method.name, {}))),
    ]
    base = flops(twin, SOURCE_ONLY, shape)
    seconds = step_seconds(net, cases, shape, device, rounds)
    ratios = [statistics.median(t / s for t, s in zip(times, seconds[0], strict=True)) for times in seconds]
    return [
        Row(
            method=case.name,
            vat=case.vat,
            flops_ratio=flops(twin, case, shape) / base,
            floor=case.floor,
            above_floor=case.above_floor,
            time_ratio=ratio,
            images_per_second=batch / statistics.median(times),
            peak_memory_mib=(allocated_bytes(net, case, shape, device) if cuda else saved_bytes(twin, case, shape))
            / 2**20,
            shares=shares(twin, case, shape),
        )
        for case, times, ratio in zip(cases, seconds, ratios, strict=True)
    ]


def cases_of(method: MethodPlugin, params: Mapping[str, Any]) -> list[Case]:
    """A method without and with VAT; one case if it has none, and none for source only, which comes by itself."""
    if method.name == SOURCE_ONLY.name:
        return []
    case = Case(method, method.params_type(**params))
    if not hasattr(case.params, "lambda_3"):
        return [case]
    switched_on = {key: getattr(case.params, key) or value for key, value in VAT.items()}
    return [case.changed({"lambda_3": 0.0}), case.changed(switched_on)]


def shares(twin: Network, case: Case, batch: Batch) -> dict[str, float]:
    """Each term's part of a step's FLOPs: what turning it off saves; ``target`` is what is left, the clean pass."""
    whole = flops(twin, case, batch)
    found = {"task": flops(twin, SOURCE_ONLY, batch) / whole}
    for term, switch in SWITCHES.items():
        if any(getattr(case.params, name, 0.0) for name in switch):
            found[term] = 1 - flops(twin, case.changed(switch), batch) / whole
    return found | {"target": 1 - sum(found.values())}


def flops(twin: Network, case: Case, batch: Batch) -> int:
    """Floating-point operations of the matrix products and convolutions of one step.

    ``twin`` lies on the meta device, where tensors have a shape and no values: nothing is computed.
    """
    return flops_by_operator(twin, case, batch).total()


def flops_by_operator(twin: Network, case: Case, batch: Batch) -> Counter[str]:
    """As :func:`flops`, by the operator's name, such as ``aten.convolution_backward``."""
    counted, taken = Flops(), step(twin, case, batch)
    with counted:
        taken()
    return counted.by_operator


def saved_bytes(twin: Network, case: Case, batch: Batch) -> int:
    """Peak of the bytes that autograd keeps during one step; ``twin`` lies on the meta device."""
    kept, taken = Kept(), step(twin, case, batch)
    with saved_tensors_hooks(kept.keep, lambda held: held.tensor):
        taken()
    return kept.peak


def allocated_bytes(net: Network, case: Case, batch: Batch, device: torch.device) -> int:
    """Peak of the bytes that torch has allocated on a CUDA device during one step."""
    taken = step(net, case, batch)
    torch.cuda.reset_peak_memory_stats(device)
    taken()
    return torch.cuda.max_memory_allocated(device)


def step_seconds(
    net: Network, cases: Sequence[Case], batch: Batch, device: torch.device, rounds: int
) -> list[list[float]]:
    """Seconds of a step for each case and round; one more round comes first, uncounted. Weights stay as they are."""
    taken = steps(net, cases, batch, device)

    def seconds(step: Step) -> float:
        _finish(device)
        started = time.perf_counter()
        step()
        _finish(device)
        return time.perf_counter() - started

    table = [[seconds(step) for step in taken] for _ in range(rounds + 1)][1:]
    return [list(column) for column in zip(*table, strict=True)]


def steps(net: Network, cases: Sequence[Case], batch: Batch, device: torch.device) -> list[Step]:
    """A whole training step for each case, all on one network and one random batch; no weight moves."""
    images = batch.on(device)
    return [step(net, case, batch, images) for case in cases]


def step(net: Network, case: Case, batch: Batch, images: tuple[Labelled, Unlabelled] | None = None) -> Step:
    """A case's whole training step near the end of a long run, where every ramp has ended.

    Weights that the case freezes (SHOT's classifier) are frozen within its step alone: others share the network.
    """
    before = _asking(net)
    of = _learner(net, case.method, case.params, batch)
    own = _asking(net)
    _ask(net, before)
    of.at = Progress(RAMPED_UP, RAMPED_UP - 1, RAMPED_UP)
    pair = images or batch.on(of.device)

    def taken() -> None:
        _ask(net, own)
        try:
            of.step(*pair)
        finally:
            _ask(net, before)

    return taken


def _asking(net: Network) -> list[bool]:
    return [weight.requires_grad for weight in net.parameters()]


def _ask(net: Network, wanted: list[bool]) -> None:
    for weight, asks in zip(net.parameters(), wanted, strict=True):
        weight.requires_grad_(asks)


def _learner(net: Network, method: MethodPlugin, params: Any, batch: Batch) -> Learner:
    first = None
    if (before := method.before(dataclasses.asdict(params))) is not None:
        first = _learner(copy.deepcopy(net), before[0], before[0].params_type(**before[1]), batch)
    return learner.build(method, net, params, batch.setting(first))


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
