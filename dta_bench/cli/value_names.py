"""How the help names what an option takes: one word for one thing in all commands."""

from __future__ import annotations

from typing import Any

from typer.core import TyperArgument, TyperCommand

from dta_bench.cli import completion

VALUES = {
    "address": "HOST:PORT",
    "archives": "FOLDER",
    "array": "FILE",
    "backbone": "BACKBONE",
    "batch": "IMAGES",
    "benchmark": "BENCHMARK",
    "beside": "RUN",
    "budget": "BUDGET",
    "by": "WHO",
    "classes": "CLASS",
    "confirm": "SEEDS",
    "cpus": "CPUS",
    "cpus_per_run": "CPUS",
    "csv": "FOLDER",
    "drawn": "HOW",
    "epochs": "EPOCHS",
    "file": "FILE",
    "first": "NAME",
    "first_seed": "SEED",
    "folder": "FOLDER",
    "gpus": "GPUS",
    "gpus_per_run": "GPUS",
    "host": "HOST",
    "image_size": "PIXELS",
    "images": "IMAGES",
    "keep": "FILE",
    "keep_networks": "WHICH",
    "kind": "KIND",
    "labels": "IMAGES",
    "labels_drawn": "HOW",
    "labels_seed": "SEED",
    "latex": "FILE",
    "licence": "LICENCE",
    "local_checkpoints": "FOLDER",
    "method": "METHOD",
    "mirror": "URL",
    "name": "NAME",
    "nodes": "NODES",
    "notice": "SECONDS",
    "out": "FOLDER",
    "pairs": "PAIRS",
    "paper": "TABLE",
    "parallel": "RUNS",
    "parquet": "FILE",
    "partition": "PARTITION",
    "pdf": "FILE",
    "points": "POINTS",
    "port": "PORT",
    "price": "PRICE",
    "rate": "IMAGES",
    "recipe": "RECIPE",
    "repeats": "ID",
    "repetitions": "TIMES",
    "root": "FOLDER",
    "rounds": "TIMES",
    "run": "RUN",
    "sbatch": "OPTION",
    "search": "SEARCH",
    "second": "NAME",
    "seed": "SEED",
    "seeds": "SEEDS",
    "select": "RULE",
    "settings": "KEY=VALUE",
    "share": "SHARE",
    "sort": "KEY",
    "status": "STATE",
    "stop": "RULE",
    "table": "FILE",
    "task": "TASK",
    "to": "PATH",
    "tracking_uri": "URI",
    "training": "KEY=VALUE",
    "truth": "FILE",
    "tune": "PART",
    "tta": "HOW",
    "wait": "MINUTES",
    "weights": "WEIGHTS",
    "workers": "PROCESSES",
}
"""Parameter → the word for its value."""


GROUPS = {
    "What is run": (
        "backbone", "method", "settings", "seed", "repeats", "benchmark", "pairs", "recipe", "weights", "tune",
        "training", "labels", "labels_seed", "labels_drawn", "search", "stop", "skip_unreadable",
    ),
    "How much": ("points", "seeds", "first_seed", "confirm", "epochs", "budget"),
    "What is shown": ("select", "paper", "recipes", "status", "sort"),
    "On which machines": ("parallel", "stacked", "cpus_per_run", "gpus_per_run", "address", "nodes", "wait"),
    "What it would cost": ("dry_run", "gpus", "rate", "price"),
    "Where things are": ("root", "out", "tracking_uri", "local_checkpoints", "host", "port"),
    "Output": (
        "as_html", "as_markdown", "csv", "latex", "parquet", "pdf", "images", "keep_networks", "keep_network", "to",
        "open_page", "yes", "quiet", "as_json", "help",
    ),
}  # fmt: skip
"""Heading in the help of commands with many options → the parameters below it, in this order."""
MANY = 13
"""From so many options on, a command's help has headings."""


class Command(TyperCommand):
    """A command whose help has words for values, such as METHOD, and many options in groups."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for parameter in self.params:
            completion.add_to(self.name or "", parameter)
            if parameter.metavar is None and not getattr(parameter, "is_flag", False):
                parameter.metavar = VALUES.get(parameter.name or "")
            if isinstance(parameter, TyperArgument):  # its help says what it is; typer adds the type of Python
                setattr(parameter, "display_type_rich", _nothing)  # noqa: B010 - a method of this one argument

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options, these in groups where there are many."""
        shown = {p.name: record for p in self.get_params(ctx) if (record := p.get_help_record(ctx)) is not None}
        arguments = {p.name for p in self.params if isinstance(p, TyperArgument)} & shown.keys()
        _write_section(formatter, "Arguments", [shown[name] for name in shown if name in arguments])
        options = {name: record for name, record in shown.items() if name not in arguments}
        if len(options) < MANY:
            _write_section(formatter, "Options", list(options.values()))
            return
        for heading, names in GROUPS.items():
            _write_section(formatter, heading, [options.pop(name) for name in names if name in options])
        _write_section(formatter, "Other options", list(options.values()))


def _write_section(formatter: Any, heading: str, records: list[Any]) -> None:
    if records:
        with formatter.section(heading):
            formatter.write_dl(records)


def _nothing(**_: Any) -> str:
    return ""
