"""``dta-bench list``: every plug-in by kind, with its summary."""

from __future__ import annotations

import typer

from dta_bench.cli.options import Json
from dta_bench.cli.terminal import in_columns, print_json

KINDS = {
    "benchmarks": "benchmark",
    "suites": "suite",
    "backbones": "backbone",
    "methods": "method",
    "search_spaces": "search_space",
    "recipes": "recipe",
}


def list_(as_json: Json = False) -> None:
    """List benchmarks, suites, backbones, methods, search spaces and recipes."""
    from dta_bench import plugins

    catalogue = {
        plural: [{"name": name, "summary": plugins.summary(kind, name)} for name in plugins.names(kind)]
        for plural, kind in KINDS.items()
    }
    if as_json:
        print_json(catalogue)
        return
    for plural, entries in catalogue.items():
        typer.echo(f"\n{plural.replace('_', ' ')}")
        for entry in entries:
            typer.echo(in_columns(entry["name"], entry["summary"]))
