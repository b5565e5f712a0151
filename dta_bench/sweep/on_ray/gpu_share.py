"""How many GPUs, or what part of one, a run gets from Ray."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any, Literal

from dta_bench.errors import UserError
from dta_bench.spec.plan import Plan

Job = dict[str, Any]

FRAGMENTATION = 1.2  # the allocator's fragments, and workspaces that a single measured step does not show
CUDA_CONTEXT = 600 * 2**20  # bytes that CUDA itself takes for each process
MAX_RUNS = 8  # processes on one GPU: more of them mostly wait for each other
OPTIMIZER_STATE = {"sgd": 1, "adam": 2, "adamw": 2}  # tensors as large as the weights that an optimiser keeps


def gpus_for(plan: Plan, wanted: float | Literal["auto"] | None) -> float:
    """The GPUs that a run of a plan asks Ray for on each device.

    Args:
        wanted: what the user asked for; ``auto`` measures on a GPU of the cluster how many runs can share it; None is
            a whole GPU where there are any.

    Raises:
        UserError: part of a GPU for a run on several devices, not even one run fits, or it cannot be measured.
    """
    from dta_bench.sweep.on_ray import demand

    if plan.training.devices > 1 and wanted not in (None, 0, 1):
        raise UserError(
            f"a run on {plan.training.devices} devices has a GPU on each of them; leave out --gpus-per-run {wanted}"
        )
    if wanted != "auto" and wanted is not None:
        return wanted
    if not demand.expected_resources().get("GPU", 0):
        return 0.0
    if wanted is None:
        return 1.0
    networks = [
        {"benchmark": plan.file.benchmark, "backbone": b, "methods": {m: plan.params(b, m, {}) for m in plan.methods}}
        for b in plan.backbones
    ]
    job = {"networks": networks, "training": plan.training.model_dump(), "cwd": str(Path.cwd()), "shared_file": ""}
    return gpus_per_run(*_measured_on_a_gpu(job))


PLACE = {"CPU": 1.0, "GPU": 1.0}
"""What the measurement asks Ray for."""


def _measured_on_a_gpu(job: Job) -> tuple[int, int]:
    """What :func:`measure_memory` finds on the first GPU of the cluster that is free; a machine may start for it."""
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    from dta_bench.sweep.on_ray import demand

    place, patience = placement_group([PLACE]), demand.Patience()
    try:
        while not place.wait(timeout_seconds=1):  # Ctrl-C ends it
            if patience.is_over():
                print(demand.describe_waiting(PLACE), file=sys.stderr)
        there = PlacementGroupSchedulingStrategy(place)
        measured = ray.remote(num_gpus=1)(measure_memory).options(scheduling_strategy=there).remote(job)
        while not ray.wait([measured], timeout=1)[0]:
            pass
        return _result(measured)
    finally:
        remove_placement_group(place)


def _result(measured: Any) -> tuple[int, int]:
    import ray

    try:
        found: tuple[int, int] = ray.get(measured)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)  # of an error in the function, which Ray wraps
        if isinstance(cause, UserError):
            raise UserError(str(cause)) from None
        reason = str(error).strip().splitlines()[-1]
        raise UserError(f"--gpus-per-run auto could not measure a step: {reason}") from error
    return found


def gpus_per_run(needed: int, total: int) -> float:
    """The fraction of a GPU that a run asks Ray for.

    Args:
        needed: bytes that a run needs.
        total: bytes that the GPU has.

    Raises:
        UserError: not even one run fits.
    """
    fits = int(total // (FRAGMENTATION * needed + CUDA_CONTEXT))
    if fits < 1:
        raise UserError(
            f"a run needs about {needed / 2**30:.1f} GiB of GPU memory, and the GPU has {total / 2**30:.1f};"
            " a smaller batch, training.accumulate or precision bfloat16 needs less"
        )
    return math.floor(10_000 / min(fits, MAX_RUNS)) / 10_000


def measure_memory(job: Job) -> tuple[int, int]:
    """Measure on the GPU of this process.

    Args:
        job: ``networks``, see :func:`bytes_of_run`, the ``training`` that they share, and ``cwd``, where plug-ins lie.

    Returns: bytes that the run with the largest need takes, and bytes that the GPU has. A run that does not fit at all
        needs more than there is.
    """
    import torch

    from dta_bench.sweep.on_ray import worker

    worker.enter_working_directory(job)
    device = torch.device("cuda")
    total = int(torch.cuda.get_device_properties(device).total_memory)
    try:
        return max(bytes_of_run(network, job["training"], device) for network in job["networks"]), total
    except torch.cuda.OutOfMemoryError:
        return total, total


def bytes_of_run(network: Job, training: Job, device: Any) -> int:
    """Peak of one step's memory with the optimiser's state, as ``dta-bench profile`` measures it.

    Args:
        network: ``benchmark``, ``backbone``, and under ``methods`` each method's parameters by its name.
        training: the fields of ``Training``.
    """
    from dta_bench.cost.profile import profile
    from dta_bench.data.benchmark_plugin import benchmark_of
    from dta_bench.nn import pretrained
    from dta_bench.spec.method_plugin import method_plugin
    from dta_bench.spec.run_spec import Training

    benchmark = benchmark_of(network["benchmark"])
    backbone = pretrained.backbone(network["backbone"], benchmark.image_size)
    classes = len(benchmark.classes)
    rows = profile(
        backbone, [method_plugin(name) for name in network["methods"]], network["methods"],
        classes=classes, batch=max(2, Training(**training).piece),
        image_size=benchmark.image_size, device=device, rounds=1,
    )  # fmt: skip
    weights = sum(p.nbytes for p in backbone.build(classes).parameters())
    peak = max(row["peak_memory_mib"] for row in rows) * 2**20
    return int(peak) + OPTIMIZER_STATE[training["optimizer"]] * weights
