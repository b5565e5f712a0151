"""Sentences on runs that learned little: near guessing, collapsed, or with a class that is nearly lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dta_bench.spec.benchmark import Benchmark

MOST_NAMES = 10
"""Runs that a warning names; the JSON and the page's table have all."""
NEAR_GUESSING = 1.5
"""Up to so many times the accuracy of guessing, a result is named."""


def is_near_guessing(accuracy: float, classes: int) -> bool:
    """Whether an accuracy (percent) is about that of who guesses among the classes."""
    return accuracy <= NEAR_GUESSING * 100 / classes


def weak_run_sentences(found: Mapping[str, Any], benchmark: Benchmark) -> list[str]:
    """What a report would say of one run that has just ended.

    Args:
        found: as :func:`dta_bench.sweep.train_one.train_one` returns it.
    """
    score, classes = (found["test"] or {}).get(benchmark.headline), len(benchmark.classes)
    sentences = []
    if score is not None and benchmark.headline != "miou" and is_near_guessing(score, classes):
        sentences.append(near_guessing_sentence([f"{found['name']} {score:.1f} %"], classes, found["run_id"]))
    if found.get("collapsed"):
        sentences.append(collapsed_sentence([found["name"]], {}))
    return sentences


def near_guessing_sentence(named: Sequence[str], classes: int, run_id: str = "ID") -> str:
    """That some results are about as good as guessing, and what to look at.

    Args:
        named: each with its accuracy.
        run_id: the run's identity, where it is one run.
    """
    return (
        f"Near guessing, which has {100 / classes:.1f} % with {classes} classes: {join_names(named)}. dta-bench runs"
        f" {run_id} shows whether such a run has learned the source; more epochs, another learning rate or a smaller"
        " batch may help."
    )


def collapsed_sentence(names: Sequence[str], since: Mapping[str, int | None]) -> str:
    """That runs collapsed.

    Args:
        since: run → the epoch from which on it predicted fewer than half of the classes, where that is known.
    """
    told = [f"{name} (on target train from epoch {since[name]} on)" if since.get(name) else name for name in names]
    return f"Collapsed (fewer than half of the classes predicted): {join_names(told)}."


def lost_sentence(lost: Mapping[str, Sequence[str]], since: Mapping[str, Mapping[str, int]]) -> str:
    """That runs nearly lost a class.

    Args:
        lost: run → its classes.
        since: run → class → the epoch since when it is so on the labelled subset, where that is known.
    """
    named = [f"{run} ({', '.join(lost_classes(names, since.get(run, {})))})" for run, names in lost.items()]
    by = "; since when, by the labelled subset" if since else ""
    return (
        f"A class is nearly lost (accuracy under a tenth of the mean of all classes{by}): {join_names(named)}."
        " dta-bench runs marks such runs, and with the identity of one tells how it went."
    )


def lost_classes(names: Sequence[str], since: Mapping[str, int]) -> list[str]:
    """Classes that are nearly lost, each with the epoch since when, where that is known."""
    return [f"{name} since epoch {since[name]}" if name in since else name for name in names]


def join_names(names: Sequence[str]) -> str:
    """Names, but not hundreds of them."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
