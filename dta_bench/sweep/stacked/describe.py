"""What ``--stacked`` would train side by side, and the memory that it takes."""

from __future__ import annotations

import os
from collections.abc import Sequence

from torch import nn

from dta_bench.cost.sweep_estimate import epoch_lengths
from dta_bench.errors import UserError
from dta_bench.nn import pretrained
from dta_bench.nn.tuning import tuned
from dta_bench.run.stacked.memory import stack_bytes
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.spelling import count_of
from dta_bench.sweep.stacked.choose import share_out, stacks_of

MIB = 2**20


def describe_stacks(plan: Plan, runs: Sequence[RunSpec], root: str, processes: int | None = None) -> str:
    """Say how many runs are stacked in how many processes, and the most memory of one, in one sentence.

    Args:
        runs: that are to be trained.
        root: where data lie; read only where the benchmark states no sizes.
        processes: the most that train at once; None: one for each core.
    """
    stacks = stacks_of(runs)
    if not stacks:
        return "stacked: no run, since a stack takes dta, dta_feature_vat and source_only with a neck_width, 2 or more"
    shares = share_out(stacks, processes or len(os.sched_getaffinity(0)))
    where = "1 process" if len(shares) == 1 else f"{len(shares)} processes"
    who = f"stacked: {sum(map(len, stacks))} of {count_of(len(runs), 'run')} in {where}"
    try:
        steps, targets = epoch_lengths(plan, root)
    except UserError as error:
        return f"{who}; no estimate of their memory: {error}"
    images = max(1, int(plan.training.views)) * (steps * plan.training.batch_size + targets)
    units = {backbone: _units(plan, backbone) for backbone in plan.backbones}
    most = max(
        stack_bytes(stack, units[stack[0].backbone], images, len(plan.benchmark.classes))
        for share in shares for stack in share
    )  # fmt: skip
    return (
        f"{who}, each with at most {most / MIB:.0f} MiB of features, weights, gradients and optimiser states, beside "
        "what the process itself takes"
    )


def _units(plan: Plan, backbone: str) -> int:
    """How many numbers an image's features have."""
    benchmark = plan.benchmark.for_training(plan.training)
    made = tuned(pretrained.backbone(backbone, benchmark.train_size), plan.training)
    neck = made.build_on_meta(len(benchmark.classes)).neck
    return next(layer.in_features for layer in neck.modules() if isinstance(layer, nn.Linear))
