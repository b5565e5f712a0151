"""``dta-bench list``: every plug-in by kind, with its summary."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from dta_bench.cli import endings
from dta_bench.cli.options import Json
from dta_bench.cli.terminal import in_columns, print_ending, print_json
from dta_bench.errors import UserError
from dta_bench.report.selection.explained import EXPLAINED, PAGE

KINDS = {
    "benchmarks": "benchmark",
    "suites": "suite",
    "backbones": "backbone",
    "methods": "method",
    "search_spaces": "search_space",
    "recipes": "recipe",
}
RULES = "rules"
"""A further kind, which is no plug-in: the selection rules of reports."""
TASKS = ("classification", "segmentation")


def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            autocompletion=lambda: [*KINDS, RULES], help=f"Only these: {', '.join([*KINDS, RULES])}. Default: all."
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="Only benchmarks, backbones and methods for it: classification or segmentation."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List what can be named: benchmarks, methods, rules and more."""
    from dta_bench import plugins

    catalogue = {
        plural: [{"name": name, "summary": plugins.summary(kind, name)} for name in _names(kind, task)]
        for plural, kind in ({} if kind == RULES else _kinds(kind, task)).items()
    }
    if kind == RULES and task is not None:
        raise UserError("rules have no task of their own; leave --task out")
    if kind in (None, RULES) and task is None:
        catalogue[RULES] = [{"name": rule, "summary": f"by {clause}"} for rule, clause in EXPLAINED.items()]
    if as_json:
        print_json(catalogue)
        return
    for plural, entries in catalogue.items():
        typer.echo(f"\n{plural.replace('_', ' ')}")
        for entry in entries:
            typer.echo(in_columns(entry["name"], entry["summary"]))
        if plural == RULES:
            typer.echo(f"  What each reads, and whose it is: {PAGE}")
    typer.echo()
    print_ending("", endings.after_list(catalogue), sys.stdout)


def _kinds(kind: str | None, task: str | None) -> dict[str, str]:
    """The kinds to list; of those with a task alone, where one is asked for."""
    if task is not None and task not in TASKS:
        raise UserError(f"there is no task named {task!r}; there are: {', '.join(TASKS)}")
    of_task = {plural: one for plural, one in KINDS.items() if task is None or one in _TASKS_OF}
    if kind is None:
        return of_task
    plural = kind.replace("-", "_")
    if plural not in KINDS:
        raise UserError(f"there is no kind of plug-in named {kind!r}; there are: {', '.join([*KINDS, RULES])}")
    if plural not in of_task:
        raise UserError(f"{plural.replace('_', ' ')} have no task of their own; leave --task out")
    return {plural: KINDS[plural]}


def _names(kind: str, task: str | None) -> list[str]:
    from dta_bench import plugins

    return [name for name in plugins.names(kind) if task is None or task in _TASKS_OF[kind](name)]


def _tasks_of_benchmark(name: str) -> tuple[str, ...]:
    from dta_bench.data.benchmark_plugin import benchmark_of

    return (benchmark_of(name).task,)


def _tasks_of_method(name: str) -> Any:
    from dta_bench import plugins

    return plugins.constant("method", name, "tasks") or TASKS


def _tasks_of_backbone(name: str) -> tuple[str, ...]:
    from dta_bench import plugins

    return (str(plugins.constant("backbone", name, "task")),)


_TASKS_OF = {"benchmark": _tasks_of_benchmark, "backbone": _tasks_of_backbone, "method": _tasks_of_method}
