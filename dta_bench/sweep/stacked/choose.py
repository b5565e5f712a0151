"""Which runs of a sweep are trained in a stack, and how stacks are shared out among processes."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench.data.suite_plugin import shared_training
from dta_bench.run.stacked.stackable import can_stack, stack_key
from dta_bench.spec.run_spec import RunSpec

MOST = 128
"""Runs in one stack; more weights at a time gain nothing, and take memory."""
FEWEST = 16
"""Runs for which a process of their own pays its start."""


def stacks_of(runs: Sequence[RunSpec]) -> list[list[RunSpec]]:
    """The runs that can be stacked, as stacks of two or more.

    A training on a source alone that a suite's targets share is none of them: it is trained once for all.
    """
    groups: list[tuple[object, list[RunSpec]]] = []
    for run in runs:
        if can_stack(run) and shared_training(run) is None:
            key = stack_key(run)
            group = next((members for known, members in groups if known == key and len(members) < MOST), None)
            if group is None:
                groups.append((key, [run]))
            else:
                group.append(run)
    return [members for _, members in groups if len(members) > 1]


def share_out(stacks: Sequence[list[RunSpec]], processes: int) -> list[list[list[RunSpec]]]:
    """Share stacks out: for each process the stacks that it trains one after another.

    A large stack is cut, between seeds where possible, since members of one seed share batches and draws.

    Args:
        processes: the most that may train at once.
    """
    count = max(1, min(processes, sum(map(len, stacks)) // FEWEST))
    shares: list[list[list[RunSpec]]] = [[] for _ in range(count)]
    for stack in sorted(stacks, key=len, reverse=True):
        pieces = max(1, min(count, len(stack) // FEWEST))
        by_seed = sorted(stack, key=lambda run: run.seed)
        for piece in range(pieces):
            own = by_seed[piece * len(stack) // pieces : (piece + 1) * len(stack) // pieces]
            min(shares, key=lambda share: sum(map(len, share))).append(own)
    return [share for share in shares if share]
