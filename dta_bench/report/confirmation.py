"""Which seeds a report is about: those of confirmation runs where they exist, else those of the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dta_bench.report.baselines import is_baseline
from dta_bench.report.configurations import Configuration
from dta_bench.report.document.scores import Confirmation
from dta_bench.report.selection.ranking import choices, rank
from dta_bench.spec.declared_method import trains_nothing
from dta_bench.spec.seeds import confirmation_seeds


def on_like_seeds(one: Configuration, other: Configuration) -> tuple[Configuration, Configuration]:
    """Two configurations as they are compared: both by confirmation runs if both have some, else both by the search's.

    Seeds that chose flatter what they chose, so they are never set against fresh ones.
    """
    if one.confirmation and other.confirmation:
        return one.shown, other.shown
    return one.searched, other.searched


def for_tests(chosen: Sequence[Configuration]) -> tuple[list[Configuration], list[str]]:
    """The configurations that are tested against each other; what trains nothing has no seeds, and is none of them.

    Returns:
        By their confirmation runs, those that have some, if there are two or more, and the methods of the others; else
        all by the search's runs.
    """
    chosen = [c for c in chosen if not trains_nothing(c.method)]
    confirmed = [c.shown for c in chosen if c.confirmation]
    if len(confirmed) < 2:
        return [c.searched for c in chosen], []
    return confirmed, [c.method for c in chosen if not c.confirmation]


def summarise_confirmation(
    group: Sequence[Configuration], rule: str, headline: str, requested: Mapping[str, int]
) -> tuple[Confirmation, set[int]]:
    """What sweeps asked to confirm of a group, and how much of it is done.

    Args:
        rule: by which sweeps choose what they confirm.
        requested: a sweep's parent run in MLflow → how many confirmation runs it makes of each configuration.

    Returns:
        The record, and the ids (``id()``) of what the rule of sweeps chooses today; what is confirmed besides was
        confirmed earlier.
    """
    chosen = [c for c in choices([c for c, _ in rank(group, rule, headline)]) if not trains_nothing(c.method)]
    wanted = {id(c): _wanted(c, requested) for c in chosen}
    most = max(wanted.values(), default=0)
    wanted |= {id(c): most for c in chosen if is_baseline(c.method)}  # another sweep may have searched them before
    first = min((run.spec.seed for c in chosen for run in c.searched.runs), default=0)  # of the first sweep of several
    seeds = confirmation_seeds(max((_asked(c, requested) for c in chosen), default=0), first)
    known = sorted({*seeds, *(run.spec.seed for c in chosen for run in c.confirmation)})
    done = sum(len(c.confirmation) for c in chosen)
    return Confirmation(seeds=known, requested=sum(wanted.values()), done=done), set(wanted)


def _wanted(configuration: Configuration, requested: Mapping[str, int]) -> int:
    """How many confirmation runs the sweeps of a configuration make of it; at least those that there are."""
    return max(len(configuration.confirmation), _asked(configuration, requested))


def _asked(configuration: Configuration, requested: Mapping[str, int]) -> int:
    return max((requested.get(run.tracked.parent, 0) for run in configuration.runs), default=0)
