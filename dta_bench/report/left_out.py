"""Runs that a report leaves out, trained otherwise than those in its table: which ones, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dta_bench.domains import data_fingerprint
from dta_bench.report.configurations import Configuration, StoredRun, comparable_groups
from dta_bench.report.document.run_details import LeftOut, LeftOutRun
from dta_bench.spec.spelling import spell_value


def left_out_of(configurations: Sequence[Configuration], group: Sequence[Configuration]) -> list[LeftOut]:
    """The runs that are not in a report's group, those with the same differences together.

    Args:
        configurations: of the finished runs.
        group: those that the report compares.
    """
    inside = {id(configuration) for configuration in group}
    outside = [configuration for configuration in configurations if id(configuration) not in inside]
    return [
        as_left_out(others, differences(others[0].runs[0], group[0].runs[0])) for others in comparable_groups(outside)
    ]


def as_left_out(configurations: Sequence[Configuration], differs: Sequence[str]) -> LeftOut:
    """The record of the runs of some configurations, and of what differs."""
    return LeftOut(
        differs=list(differs),
        runs=[_named(run) for configuration in configurations for run in configuration.every_run],
    )  # fmt: skip


def budgets(group: Sequence[Configuration], configurations: Sequence[Configuration]) -> dict[str, Any]:
    """The budget of what is compared, and the others that are left out; nothing where no run has a budget."""
    here = _budget(group[0])
    others = {_budget(c) for c in configurations} - {here}
    parts: dict[str, Any] = {"budget": here} if here else {}
    return parts | ({"budgets_left_out": sorted(others, key=str)} if others else {})


def _budget(configuration: Configuration) -> str | None:
    budget = configuration.runs[0].spec.budget
    return None if budget is None else budget.of


def differences(run: StoredRun, other: StoredRun) -> list[str]:
    """What keeps a run out of the table of another one: ``epochs 2 instead of 20``."""
    ours, theirs = _settings(run), _settings(other)
    found = [
        f"{name} {_spell(ours.get(name))} instead of {_spell(theirs.get(name))}"
        for name in dict.fromkeys([*theirs, *ours])
        if ours.get(name) != theirs.get(name)
    ]
    marks = [one.tracked.tags.get("data_fingerprint", "") for one in (run, other)]
    if not found or len({data_fingerprint.listing(mark) for mark in marks}) > 1:
        found.append("other data")
    return found


def _named(run: StoredRun) -> LeftOutRun:
    tracked = run.tracked
    return LeftOutRun(run_id=tracked.run_id, name=tracked.name, method=run.spec.method, backbone=run.spec.backbone)


def _settings(run: StoredRun) -> dict[str, Any]:
    """All that must be equal for a comparison, by name; without the data."""
    spec = run.spec
    labels = {f"labelled subset's {name}": value for name, value in spec.label_subset.model_dump().items()}
    return spec.training.model_dump(mode="json") | labels | {"budget": spec.budget and spec.budget.of}


def _spell(value: Any) -> str:
    return "none" if value in (None, {}) else spell_value(value)
