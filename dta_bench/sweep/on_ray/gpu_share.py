"""How many GPUs, or what part of one, a run gets from Ray."""

from __future__ import annotations

import math
import sys
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
        UserError: part of a GPU for a run on several devices, or not even one run fits.
    """
    import ray

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
    job = {"networks": networks, "training": plan.training.model_dump()}
    measured, patience = ray.remote(num_gpus=1)(measure_memory).remote(job), demand.Patience()
    while not ray.wait([measured], timeout=1)[0]:  # Ctrl-C ends it
        if (
            patience.is_over()
            and not ray.available_resources().get("GPU", 0)
            and not ray.cluster_resources().get("GPU")
        ):
            print(demand.describe_waiting({"GPU": 1.0}), file=sys.stderr)
    return gpus_per_run(*ray.get(measured))


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
        job: ``networks``, see :func:`bytes_of_run`, and the ``training`` that they share.

    Returns: bytes that the run with the largest need takes, and bytes that the GPU has.
    """
    import torch

    device = torch.device("cuda")
    needed = max(bytes_of_run(network, job["training"], device) for network in job["networks"])
    return needed, int(torch.cuda.get_device_properties(device).total_memory)


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
