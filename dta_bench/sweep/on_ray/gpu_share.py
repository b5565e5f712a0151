"""How many runs share a GPU: as many as the memory allows that one was measured to need."""

from __future__ import annotations

import math
from typing import Any

from dta_bench.errors import UserError

Job = dict[str, Any]

FRAGMENTS = 1.2  # of the allocator, and workspaces that a single measured step does not show
CONTEXT = 600 * 2**20  # bytes that CUDA itself takes for each process
MOST = 8  # processes on one GPU: more of them mostly wait for each other
STATE = {"sgd": 1, "adam": 2, "adamw": 2}  # tensors as large as the weights that an optimiser keeps


def share(needed: int, total: int) -> float:
    """The part of a GPU with ``total`` bytes that a run asks Ray for, if it needs ``needed`` bytes itself.

    Raises:
        UserError: it does not fit at all.
    """
    fits = int(total // (FRAGMENTS * needed + CONTEXT))
    if fits < 1:
        raise UserError(
            f"a run needs about {needed / 2**30:.1f} GiB of GPU memory, and the GPU has {total / 2**30:.1f};"
            " a smaller batch, training.accumulate or precision bfloat16 needs less"
        )
    return math.floor(10_000 / min(fits, MOST)) / 10_000


def measured(job: Job) -> tuple[int, int]:
    """On the GPU of this process: bytes that the greediest of the job's runs needs, and bytes that there are."""
    import torch

    device = torch.device("cuda")
    needed = max(needed_bytes(one, job["training"], device) for one in job["networks"])
    return needed, int(torch.cuda.get_device_properties(device).total_memory)


def needed_bytes(network: Job, training: Job, device: Any) -> int:
    """Peak of one step's memory with the optimiser's state, as ``dta-bench profile`` measures it.

    Args:
        network: ``benchmark``, ``backbone`` and each method's parameters by its name, under ``methods``.
    """
    from dta_bench.cost import step
    from dta_bench.data.benchmark_plugin import benchmark_of
    from dta_bench.nn import pretrained
    from dta_bench.spec.method_plugin import method_plugin
    from dta_bench.spec.run_spec import Training

    benchmark = benchmark_of(network["benchmark"])
    backbone = pretrained.backbone(network["backbone"], benchmark.image_size)
    classes = len(benchmark.classes)
    rows = step.profile(
        backbone, [method_plugin(name) for name in network["methods"]], network["methods"],
        classes=classes, batch=max(2, Training(**training).piece),
        image_size=benchmark.image_size, device=device, rounds=1,
    )  # fmt: skip
    weights = sum(p.nbytes for p in backbone.build(classes).parameters())
    peak = max(row["peak_memory_mib"] for row in rows) * 2**20
    return int(peak) + STATE[training["optimizer"]] * weights
