"""What a sweep would cost before anyone pays: images, GPU hours and money, from the FLOPs of each method's step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TypedDict

from dta_bench.cost.flops import flops_an_image, flops_ratio
from dta_bench.data import load
from dta_bench.errors import UserError
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec

SUSTAINED = 20e12
"""FLOP/s that a data-centre GPU is assumed to sustain in float32 where nobody measured."""
FORWARD = 1 / 3
"""A forward pass, as a part of a source-only step."""


class Estimate(TypedDict):
    """``steps`` counts source-only steps (what each method's step costs in them is its FLOP ratio); ``images`` is steps
    times the batch. ``why`` says why there is none."""

    runs: int
    steps: float
    images: float
    images_per_second: float
    measured: bool
    gpu_hours: float
    price: float | None
    cost: float | None
    by_method: dict[str, float]
    why: str


def estimate(plan: Plan, runs: Iterable[RunSpec], root: str, rate: float | None, price: float | None) -> Estimate:
    """The cost of ``runs``, with the first stages that some start from, each once, and every epoch's evaluation.

    Args:
        rate: source images a second of a source-only step on the GPU, as ``dta-bench profile`` prints them; None
            assumes :data:`SUSTAINED`.
        price: of one GPU for an hour.
    """
    wanted = list(runs)
    try:
        lengths = _lengths(plan, root)
        a_second = rate or SUSTAINED / flops_an_image(plan.benchmark, plan.backbones[0])
        costs = [(run, *_cost(plan, run, lengths, rate)) for run in [*wanted, *_first_stages(plan, wanted)]]
    except UserError as error:
        return Estimate(
            runs=len(wanted), steps=0, images=0, images_per_second=0, measured=False, gpu_hours=0, price=price,
            cost=None, by_method={}, why=str(error),
        )  # fmt: skip
    by_method = dict[str, float]()
    for run, _, hours in costs:
        by_method[run.method] = by_method.get(run.method, 0.0) + hours
    steps, gpu_hours = sum(own for _, own, _ in costs), sum(by_method.values())
    return Estimate(
        runs=len(wanted), steps=steps, images=steps * plan.training.batch_size, images_per_second=a_second,
        measured=rate is not None, gpu_hours=gpu_hours, price=price,
        cost=None if price is None else gpu_hours * price, by_method=by_method, why="",
    )  # fmt: skip


def _cost(plan: Plan, run: RunSpec, lengths: tuple[int, int], rate: float | None) -> tuple[float, float]:
    """Source-only steps that a run with its evaluations is worth, and its hours on a GPU."""
    steps_an_epoch, targets = lengths
    evaluation = FORWARD * targets / run.training.batch_size
    steps = run.training.epochs * (steps_an_epoch * _ratio(plan, run) + evaluation)
    a_second = rate or SUSTAINED / flops_an_image(plan.benchmark, run.backbone)
    return steps, steps * run.training.batch_size / a_second / 3600


def told(found: Estimate) -> str:
    """The estimate in one sentence; with more than one method, a second says which takes how much."""
    if found["why"]:
        return f"no estimate: {found['why']}"
    basis = "as given" if found["measured"] else "assumed; give --images-per-second, measured by dta-bench profile"
    cost = "" if found["cost"] is None else f", {found['cost']:.2f} at {found['price']:g} an hour"
    dearest = sorted(found["by_method"].items(), key=lambda item: -item[1])
    by_method = "\nGPU hours by method: " + ", ".join(f"{name} {hours:.1f}" for name, hours in dearest)
    return (
        f"about {found['gpu_hours']:.1f} GPU hours{cost} for {found['runs']} runs ({found['steps']:.0f} source-only "
        f"steps; {found['images_per_second']:.0f} source images a second, {basis})"
        f"{by_method if len(dearest) > 1 else ''}"
    )


def _lengths(plan: Plan, root: str) -> tuple[int, int]:
    """Steps of an epoch, and images that are looked at after each; from what was published, or from the data."""
    benchmark = plan.benchmark
    sizes = dict(benchmark.published_sizes)
    if not {"source", "target_train"} <= sizes.keys():
        loaded = load.domains(benchmark.name, root)
        sizes = {"source": len(loaded.source_train), "target_train": len(loaded.target_train)}
    images = {"source": sizes["source"], "target": sizes["target_train"]}
    images["larger"] = max(images.values())
    return max(1, images[benchmark.epoch_length] // plan.training.batch_size), sizes["target_train"]


def _first_stages(plan: Plan, runs: Iterable[RunSpec]) -> list[RunSpec]:
    """The runs that others start from, each once."""
    found = {}
    for run in runs:
        if (before := plan.method_plugins[run.method].before(run.params)) is not None:
            first = dataclasses.replace(run, method=before[0].name, params=before[1])
            found[first.id] = first
    return list(found.values())


def _ratio(plan: Plan, run: RunSpec) -> float:
    """A step's cost in source-only steps: the floor that a method states, which tests hold to its FLOPs, if it needs
    nothing above it; else its FLOPs."""
    method = plan.method_plugins.get(run.method) or method_plugin(run.method)  # a first stage is none of the plan's
    if method.floor is not None and not method.above_floor:
        return float(method.floor(method.params_type(**run.params)))
    return flops_ratio(run, method, plan.benchmark)
