"""What a shell completes: names of plug-ins, values of options, identities of runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from typer.core import TyperOption

MOST_RUNS = 200

Value = str | tuple[str, str]
"""A value, or a value and what a shell shows beside it."""
Values = Callable[[Any], Sequence[Value]]
"""The values that stand to choose, given the command line so far (typer's context)."""


def complete(*kinds: str) -> Callable[[str], list[str]]:
    """Completion of the names of plug-ins of some kinds; of a list with commas, of its last name."""
    return lambda incomplete: [str(one) for one in _last(plugin_names(*kinds)(None), incomplete)]


def plugin_names(*kinds: str) -> Callable[[Any], list[str]]:
    """The names of the plug-ins of some kinds."""

    def names(_: Any) -> list[str]:
        from dta_bench import plugins

        return sorted({name for kind in kinds for name in plugins.names(kind)})

    return names


def one_of(*values: str) -> Values:
    """These values."""
    return lambda _: values


def rules(_: Any) -> list[tuple[str, str]]:
    """The selection rules, each with what it chooses by, and ``all``."""
    from dta_bench.report.selection.explained import EXPLAINED

    return [*EXPLAINED.items(), ("all", "all of them on the same runs")]


def runs(context: Any) -> list[tuple[str, str]]:
    """The identities of the runs in --out, the latest first; what a server holds is not asked for."""
    from dta_bench.tracking import store_file

    given = context.params
    try:
        path = store_file.sqlite_path(given.get("tracking_uri") or "") if given.get("tracking_uri") else None
        path = path or Path(given.get("out") or ".", "mlflow.db")
        found = store_file.identities(path, MOST_RUNS) if path.is_file() else []
    except (sqlite3.Error, OSError, ValueError):  # a shell shows no errors while a word is typed
        return []
    return found


def checked(context: Any) -> list[str]:
    """What ``check KIND`` can be given: the plug-ins of this kind."""
    kind = str(context.params.get("kind") or "").replace("-", "_")
    return plugin_names(kind)(context) if kind in ("backbone", "benchmark", "method", "search_space") else []


OF_OPTIONS: dict[str, Values] = {
    "beside": runs,
    "best": plugin_names("search_space", "benchmark"),
    "drawn": one_of("random", "predicted"),
    "keep_networks": one_of("chosen", "all", "none"),
    "labels_drawn": one_of("random", "stratified"),
    "paper": one_of("table1", "table2", "table3", "table4", "table5"),
    "recipe": plugin_names("recipe"),
    "run": runs,
    "search": one_of("grid", "random", "tpe"),
    "select": rules,
    "sort": one_of("started", "method", "subset", "test"),
    "status": one_of("finished", "failed", "interrupted", "stopped", "running"),
    "stop": one_of("asha", "collapse", "none"),
    "task": one_of("classification", "segmentation"),
    "tta": one_of("none", "flip"),
    "tune": one_of("all", "head", "norm", "lora"),
    "weights": one_of("none", "hub"),
}
"""Parameter → its values, where one name means one thing in all commands."""
OF_COMMANDS: dict[tuple[str, str], Values] = {
    ("check", "kind"): one_of("backbone", "benchmark", "cluster", "method", "search-space"),
    ("check", "name"): checked,
    ("export", "to"): one_of("onnx", "torchscript", "safetensors", "timm", "mlflow"),
    ("label", "name"): plugin_names("benchmark"),
    ("predict", "words"): runs,
    ("prepare", "name"): plugin_names("benchmark", "suite"),
    ("publish", "name"): plugin_names("benchmark", "search_space", "suite"),
    ("replay", "name"): plugin_names("search_space"),
    ("runs", "words"): lambda context: [*_listed(context), *runs(context)],
}
"""(Command, parameter) → its values, where commands differ."""


def _listed(context: Any) -> list[str]:
    """What ``runs`` lists; behind ``runs rm`` only identities stand."""
    return (
        []
        if "rm" in (context.params.get("words") or ())
        else [*plugin_names("benchmark", "search_space")(context), "rm"]
    )


def add_to(command: str, parameter: Any) -> None:
    """Let a shell complete a parameter of a command, if its values are known here."""
    values = OF_COMMANDS.get((command, parameter.name)) or OF_OPTIONS.get(parameter.name)
    if values is not None:
        chosen = values
        completed = TyperOption(
            param_decls=["--value"],
            type_descriptor=parameter.type_descriptor,
            autocompletion=lambda context, _args, incomplete: _last(chosen(context), incomplete),
        )
        parameter.shell_complete = completed.shell_complete


def _last(values: Sequence[Value], incomplete: str) -> list[Value]:
    """Those values with which a word can end; of a list with commas, its last word."""
    head, comma, last = incomplete.rpartition(",")
    before = f"{head}{comma}"
    named = [(one, "") if isinstance(one, str) else one for one in values]
    fitting = [(f"{before}{name}", about) for name, about in named if name.startswith(last)]
    return [(name, about) if about else name for name, about in fitting]
