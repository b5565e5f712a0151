"""The stages of a run under a budget: how long each may be, and what it costs in steps and FLOPs."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

from dta_bench.cost.flop_counts import flops_per_image, flops_ratio, updates_of_batch
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.budget import Budget, unit_and_amount
from dta_bench.spec.declared_method import declared_method
from dta_bench.spec.method_plugin import SOURCE_ONLY_EPOCHS, MethodPlugin
from dta_bench.spec.run_spec import RunSpec


@dataclass(frozen=True)
class Stage:
    """One stage of a run: the run itself, or the one that it starts from.

    Attributes:
        share: its part of the run's budget.
    """

    spec: RunSpec
    method: MethodPlugin
    share: float

    @property
    def epochs(self) -> tuple[int, int]:
        """Its epochs on the source alone, and the others; none where nothing trains."""
        alone = int(self.spec.params.get(SOURCE_ONLY_EPOCHS, 0))
        return (0, 0) if self.method.by_prompts else (alone, self.spec.training.epochs - alone)

    def steps_of_batches(self, benchmark: Benchmark) -> float:
        """Optimiser steps of as many batches as it has epochs, one in each."""
        alone, others = self.epochs
        return alone + others * updates_of_batch(self.spec, self.method, benchmark)

    def flops_of_batches(self, benchmark: Benchmark) -> float:
        """FLOPs of as many batches as it has epochs, one in each."""
        alone, others = self.epochs
        of_source = flops_per_image(benchmark, self.spec.backbone, self.spec.training) * self.spec.training.batch_size
        return of_source * (alone + others * flops_ratio(self.spec, self.method, benchmark))


def stages_of(spec: RunSpec) -> list[Stage]:
    """The stages of a run, the first one first; their shares of the budget add up to 1."""
    return list(_stages(spec, declared_method(spec.method), 1.0))


def _stages(spec: RunSpec, method: MethodPlugin, whole: float) -> Iterator[Stage]:
    before = method.before(spec.params)
    own = whole
    if before is not None:
        budget = None if spec.budget is None else spec.budget.of_first_stage()
        first = dataclasses.replace(spec, method=before[0].name, params=before[1], budget=budget)
        yield from _stages(first, before[0], whole * method.first_stage_share)
        own = whole * (1 - method.first_stage_share)
    yield Stage(spec, method, own)


def first_stages(runs: Iterable[RunSpec]) -> list[RunSpec]:
    """The runs that others start from, each once."""
    return list({stage.spec.id: stage.spec for run in runs for stage in stages_of(run)[:-1]}.values())


def methods_of_first_stages(runs: Collection[RunSpec]) -> dict[str, list[str]]:
    """Methods of first stages that are the method of no run itself → the methods of the runs that start from them."""
    found, methods = dict[str, list[str]](), {run.method for run in runs}
    for run in runs:
        for stage in stages_of(run)[:-1]:
            if stage.method.name not in methods and run.method not in found.setdefault(stage.method.name, []):
                found[stage.method.name].append(run.method)
    return found


def lengths(budget: str, spec: RunSpec) -> tuple[float, ...]:
    """How long each stage of a run is, see :class:`dta_bench.spec.budget.Budget`.

    Every optimiser step of every stage counts: a batch counts as often as a method updates the same weights on it, and
    the first stage has its share of the whole. A run has as many epochs as its training says, so that schedules, ramps
    and stop rules keep their place in it.

    Raises:
        UserError: a stage would have less than one batch an epoch, or its steps or FLOPs cannot be counted.
    """
    unit, amount = unit_and_amount(budget)
    benchmark = benchmark_of(spec.benchmark).for_training(spec.training)
    epochs, found = spec.training.epochs, []
    for stage in stages_of(spec):
        if stage.method.by_prompts:
            found.append(0.0)
            continue
        if unit == "epochs":
            found.append((amount or 0) * stage.share)
            continue
        of_epochs = (stage.flops_of_batches if unit == "flops" else stage.steps_of_batches)(benchmark)
        if amount is None:
            found.append(epochs * epochs * stage.share / of_epochs)
            continue
        found.append(float(int(epochs * amount * stage.share / of_epochs + 1e-6)))
        if found[-1] < epochs:
            raise UserError(
                f"the budget {budget} leaves {spec.method} less than one batch in each of {epochs} epochs "
                f"({stage.method.name} has {stage.share:.0%} of it); allowed: {unit} from "
                f"{of_epochs / stage.share:.4g}, or fewer epochs"
            )
    return tuple(found)


class StageLength(TypedDict):
    """How long one stage of a run is.

    Attributes:
        method: that the stage trains by.
        batches: of all its epochs.
        steps: optimiser steps: a batch counts as often as the method updates the same weights on it.
        flops: of all training steps.
    """

    method: str
    batches: int
    steps: int
    flops: float


def measure_stages(spec: RunSpec, natural: int) -> list[StageLength]:
    """How long each stage of a run is, the first one first.

    Args:
        natural: batches of an epoch without a budget.

    Raises:
        UserError: steps or FLOPs of a stage cannot be counted.
    """
    benchmark = benchmark_of(spec.benchmark).for_training(spec.training)
    found = []
    for stage in stages_of(spec):
        budget, epochs = stage.spec.budget, spec.training.epochs
        batches = epochs * natural if budget is None else budget.batches(epochs, natural)
        batches = 0 if stage.method.by_prompts else batches
        steps, flops = (batches / epochs * of(benchmark) for of in (stage.steps_of_batches, stage.flops_of_batches))
        found.append(StageLength(method=stage.method.name, batches=batches, steps=round(steps), flops=flops))
    return found


def describe_stages(lengths: Sequence[StageLength]) -> str:
    """Say in words how long a run is: ``1500 steps of source_smoothed, then 1500 of shot; 2.1e+14 FLOPs``."""
    parts = []
    for stage in lengths:
        batches = "" if stage["steps"] == stage["batches"] else f" on {stage['batches']} batches"
        parts.append(f"{stage['steps']} steps of {stage['method']}{batches}")
    return f"{', then '.join(parts)}; {sum(stage['flops'] for stage in lengths):.3g} FLOPs"


def run_flops_ratio(spec: RunSpec) -> float:
    """FLOPs of all training steps of a run, its first stage included, in those of ``source_only`` trained alike.

    Raises:
        UserError: the FLOPs of a stage cannot be counted.
    """
    base = dataclasses.replace(spec, method="source_only", params={}, budget=None)
    if spec.budget is not None:
        base = dataclasses.replace(base, budget=Budget(of=spec.budget.of, lengths=lengths(spec.budget.of, base)))
    natural = 1000  # both are of the same data, so that it cancels out
    whole, of_source_only = (sum(stage["flops"] for stage in measure_stages(one, natural)) for one in (spec, base))
    return whole / of_source_only
