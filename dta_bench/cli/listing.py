"""What there is: ``list``, and ``check`` of one thing against its contract."""

from __future__ import annotations

from typing import Annotated

import typer

from dta_bench.cli.options import DATA, Json, Root
from dta_bench.cli.terminal import chatter_on_stderr, indented, print_json


def list_(as_json: Json = False) -> None:
    """List benchmarks, backbones, methods and search spaces."""
    from dta_bench import plugins

    kinds = {"benchmarks": "benchmark", "backbones": "backbone", "methods": "method", "search_spaces": "search_space"}
    found = {
        plural: [{"name": name, "summary": plugins.summary(kind, name)} for name in plugins.names(kind)]
        for plural, kind in kinds.items()
    }
    if as_json:
        print_json(found)
        return
    for plural, entries in found.items():
        typer.echo(f"\n{plural.replace('_', ' ')}")
        for entry in entries:
            typer.echo(indented(entry["name"], entry["summary"]))


def check(
    kind: Annotated[str, typer.Argument(help="backbone, method, benchmark, search-space or cluster.")],
    name: str,
    root: Root = DATA,
    as_json: Json = False,
) -> None:
    """Hold one plug-in, or a cluster file, to its contract and say in words what fails; status 2 if anything does."""
    with chatter_on_stderr() as stdout:
        from dta_bench.check import check as run_check

        found = run_check(kind, name, root)
        if as_json:
            print_json({"kind": kind, "name": name} | vars(found), stdout)
        else:
            print(found, f"{kind} {name}: {len(found.holds)} hold, {len(found.fails)} fail", sep="\n", file=stdout)
    if found.fails:
        raise typer.Exit(2)
