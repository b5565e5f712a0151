"""How the help names what an option takes, one word for one thing in all commands; and what a shell completes there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer.core import TyperArgument, TyperCommand

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
    "confirm": "SEEDS",
    "cpus": "CPUS",
    "cpus_per_run": "CPUS",
    "csv": "FOLDER",
    "drawn": "HOW",
    "epochs": "EPOCHS",
    "file": "FILE",
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
    "repetitions": "TIMES",
    "root": "FOLDER",
    "rounds": "TIMES",
    "run": "RUN",
    "sbatch": "OPTION",
    "search": "SEARCH",
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
    "tta": "HOW",
    "wait": "MINUTES",
    "weights": "WEIGHTS",
    "workers": "PROCESSES",
}
"""Parameter → the word for its value."""


class Command(TyperCommand):
    """A command whose help has words for values, such as METHOD, where typer has types of Python."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for parameter in self.params:
            if parameter.metavar is None and not getattr(parameter, "is_flag", False):
                parameter.metavar = VALUES.get(parameter.name or "")
            if isinstance(parameter, TyperArgument):  # its help says what it is; typer adds the type of Python
                setattr(parameter, "display_type_rich", _nothing)  # noqa: B010 - a method of this one argument


def _nothing(**_: Any) -> str:
    return ""


def complete(*kinds: str) -> Callable[[str], list[str]]:
    """Completion of the names of plug-ins of some kinds; of a list with commas, of its last name."""

    def names(incomplete: str) -> list[str]:
        from dta_bench import plugins

        head, comma, last = incomplete.rpartition(",")
        found = sorted({name for kind in kinds for name in plugins.names(kind)})
        return [f"{head}{comma}{name}" for name in found if name.startswith(last)]

    return names
