"""The rule that chooses where the user names none: the labelled subset, or the best rule that needs no target label."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from dta_bench.spec.run_spec import Task

MEASURED = Path(__file__).with_name("label_free_regret.json")
"""Regret of each rule without a target label on pairs of ours where the truth is known, written by
``reports/label_free.py``."""


def default_rule(*, has_subset: bool, task: Task) -> str:
    """``labels`` where a labelled subset is there; else the rule that lost least without a target label.

    Among rules that lost the same, the one that ranked all configurations best.
    """
    return "labels" if has_subset else next(iter(mean_regrets(task)))


def measured_pairs(task: Task) -> list[dict[str, Any]]:
    """What was measured on our pairs of a task; on all pairs where none of the task was measured."""
    return [pair for pair in _measured() if pair["task"] == task] or _measured()


def mean_regrets(task: Task) -> dict[str, float]:
    """Rule → its regret in points, averaged over the measured pairs of a task, least first.

    Where no pair of the task was measured, all pairs are averaged.
    """
    pairs = [pair["regret"] for pair in measured_pairs(task)]
    rules = [rule for rule in pairs[0] if all(rule in pair for pair in pairs)]
    means = {rule: sum(pair[rule] for pair in pairs) / len(pairs) for rule in rules}
    return dict(sorted(means.items(), key=lambda item: (round(item[1], 2), -_mean_correlation(item[0], task))))


def _mean_correlation(rule: str, task: Task) -> float:
    """The rank correlation of a rule's scores with those on target test, averaged over the measured pairs."""
    values = [pair["rank_correlation"].get(rule) for pair in measured_pairs(task)]
    return sum(0.0 if value is None else float(value) for value in values) / len(values)


def describe_default(rule: str, task: Task) -> str:
    """Why a rule without target labels is the default, in one sentence."""
    names = [pair["name"] for pair in measured_pairs(task)]
    return (
        f"the default without target labels is {rule}: among the rules that need none it lost the fewest points on the"
        f" pairs of ours where the truth is known, {mean_regrets(task)[rule]:.1f} on average ({', '.join(names)}); on"
        " another pair another rule may be better"
    )


@functools.cache
def _measured() -> list[dict[str, Any]]:
    pairs: list[dict[str, Any]] = json.loads(MEASURED.read_text(encoding="utf-8"))["pairs"]
    return pairs
