"""How a report says which runs it leaves out, what differs, and which command shows them."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench.report.document.run_details import LeftOut, LeftOutRun
from dta_bench.spec.spelling import count_of

MOST_SETTINGS = 4
"""Differing settings that are named; a run on another optimiser may differ in a dozen."""
MOST_RUNS = 4
"""Identities that a sentence names; the JSON has all."""
MOST_KINDS = 5
"""Kinds of differences that are named: a store may hold runs of a dozen lengths."""


def describe_left_out(benchmark: str, left_out: Sequence[LeftOut]) -> list[str]:
    """A sentence for each kind of difference: what differs, which runs, and the command that shows them.

    Args:
        benchmark: whose runs they are; empty: of several benchmarks.
    """
    most_first = sorted(left_out, key=lambda one: -len(one.runs))
    sentences = [
        f"Not in this table, because trained with {_differing(one)}: {_by_method(one.runs)};"
        f" {command_of(benchmark, one)} shows {'it' if len(one.runs) == 1 else 'them'}."
        for one in most_first[:MOST_KINDS]
    ]
    if further := [run for one in most_first[MOST_KINDS:] for run in one.runs]:
        sentences.append(f"{count_of(len(further), 'further run')} differ in other ways; --json names them.")
    return sentences


def command_of(benchmark: str, left_out: LeftOut) -> str:
    """The command that shows these runs: a run by its identity, a few by theirs, many by their methods."""
    if len(left_out.runs) <= MOST_RUNS:
        return f"dta-bench runs {' '.join(run.run_id for run in left_out.runs)}"
    methods = dict.fromkeys(run.method for run in left_out.runs)
    return f"dta-bench runs{benchmark and f' {benchmark}'} --methods {','.join(methods)}"


def _by_method(runs: Sequence[LeftOutRun]) -> str:
    """``mcc (26ee7d47c6b0), dta (8 runs, such as 1a2b3c4d5e6f)``."""
    identities: dict[str, list[str]] = {}
    for run in runs:
        identities.setdefault(run.method, []).append(run.run_id)
    few = len(runs) <= MOST_RUNS
    return ", ".join(
        f"{method} ({', '.join(found) if few or len(found) == 1 else f'{len(found)} runs, such as {found[0]}'})"
        for method, found in identities.items()
    )


def _differing(left_out: LeftOut) -> str:
    named = left_out.differs
    more = f" and {count_of(len(named) - MOST_SETTINGS, 'more setting')}" if len(named) > MOST_SETTINGS else ""
    return ", ".join(named[:MOST_SETTINGS]) + more
