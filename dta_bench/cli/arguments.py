"""Turn what was typed into the objects that do the work. Imports are inside the functions, so that help stays fast."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from dta_bench.errors import UserError
from dta_bench.errors.credentials import mask_command

if TYPE_CHECKING:
    from dta_bench.cost.wall_time import Machines
    from dta_bench.run.workspace import Keep, Workspace
    from dta_bench.spec.plan import Options, Plan

_KEEP: dict[str, Keep] = {"chosen": "chosen", "all": "all", "none": "none"}


def options_of(
    *,
    backbone: Sequence[str] | None = None,
    method: Sequence[str] | None = None,
    points: int | None = None,
    seeds: int | None = None,
    first_seed: int = 0,
    confirm: int | None = None,
    epochs: int | None = None,
    weights: str = "none",
    training: Sequence[str] | None = None,
    tune: str | None = None,
    labels: int | None = None,
    labels_seed: int | None = None,
    labels_drawn: str | None = None,
    recipe: str | None = None,
    budget: str | None = None,
    search: str = "grid",
    stop: Sequence[str] | None = None,
) -> Options:
    """What the command line says of a sweep; None leaves the choice to the search-space file.

    Raises:
        UserError: two options contradict each other, and one would win silently.
    """
    from dta_bench.domains import typed_paths
    from dta_bench.plugins import composed
    from dta_bench.spec.plan import ALL, Options

    backbone, method, stop = separated(backbone), separated(method), separated(stop)
    if method and ALL in method and len(method) > 1:
        raise UserError(f"--method {ALL} stands for every method that may run; give it without any other --method")
    if epochs is not None and any(setting.partition("=")[0] == "epochs" for setting in training or ()):
        raise UserError("--epochs and --training epochs=... set the same field; give one of them")
    if tune is not None and any(setting.partition("=")[0] == "tune" for setting in training or ()):
        raise UserError("--tune and --training tune=... set the same field; give one of them")
    if weights not in ("none", "hub"):
        weights = str(typed_paths.absolute(Path(weights)))  # workers run in other folders
    settings = (*(training or ()), *([f"tune={tune}"] if tune is not None else []))
    return Options(
        backbones=tuple(map(composed, backbone)), methods=tuple(map(composed, method)),
        points=points, seeds=seeds, epochs=epochs,
        labels=labels, weights=weights, training=settings, search=search, stop=stop or ("none",),
        recipe=recipe or "", label_seed=labels_seed, labels_drawn=labels_drawn, confirm=confirm,
        budget=budget, first_seed=first_seed,
    )  # fmt: skip


def separated(values: Sequence[str] | None) -> tuple[str, ...]:
    """The values of an option that may be repeated, each of which may be a list with commas: ``dta,mcc``."""
    return tuple(dict.fromkeys(part.strip() for value in values or () for part in value.split(",") if part.strip()))


def parse_gpus_per_run(text: str | None) -> float | Literal["auto"] | None:
    """The value of ``--gpus-per-run``: a number from 0 up, or ``auto``.

    Raises:
        UserError: it is neither.
    """
    if text is None:
        return None
    if text == "auto":
        return "auto"
    try:
        gpus = float(text)
    except ValueError:
        gpus = -1.0
    if not 0 <= gpus < float("inf"):
        raise UserError(f"--gpus-per-run {text} is neither a number from 0 up nor auto")
    return gpus


def machines_of(gpus: int | None, share: float | Literal["auto"] | None, parallel: int | None) -> Machines:
    """What would train, for the time of a dry run: ``--gpus``, ``--gpus-per-run`` and ``--parallel``."""
    from dta_bench.cost.wall_time import Machines

    is_auto = share == "auto"
    return Machines(gpus, 1.0 if share is None or share == "auto" else share, parallel, is_auto)


def refuse_unused(context: typer.Context, options: Sequence[str], why: str) -> None:
    """Refuse options that this form of a command would ignore.

    Args:
        context: the command's.
        options: as spelled on the command line. A value from an environment variable is not refused.
        why: the end of the sentence: "with --paper", "without --dry-run".

    Raises:
        UserError: the user typed one of them.
    """
    typed = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            typed += [spelling for spelling in parameter.opts if spelling in options]
    if typed:
        raise UserError(
            f"{' and '.join(typed)} would have no effect {why}; leave {'it' if len(typed) == 1 else 'them'} out"
        )


def refuse_identity(name: str, command: str) -> None:
    """Refuse the identity of a run where the name of a benchmark or a search space belongs.

    Raises:
        UserError: ``name`` reads like an identity, and nothing has it as its name.
    """
    from dta_bench import plugins

    if not re.fullmatch("(?=.*[0-9])[0-9a-f]{6,32}", name):
        return
    if any(name in plugins.names(kind) for kind in ("benchmark", "search_space", "suite")):
        return
    raise UserError(
        f"{name} reads like the identity of a run, and {command} takes a benchmark or a search space; "
        f"dta-bench runs {name} shows that run, with the command that trains it again"
    )


def plan_of(name: str, options: Options, benchmark: str | None = None, root: Path | None = None) -> Plan:
    """The plan of a search space, or of a benchmark that has none of its own.

    Args:
        name: the search space or the benchmark.
        options: what the command line says of it.
        benchmark: another benchmark to use the search space on.
        root: the data root, for a suite that leaves the size of the labelled subset to the size of its domains.

    Raises:
        UserError: an unknown name, or a value that the search space does not allow.
    """
    from dta_bench.run import fingerprint

    fingerprint.check_torchvision()
    from dta_bench.domains import typed_paths
    from dta_bench.sweep.choose_runs import for_benchmark, make_plan, with_labels_of_suite

    name, file = for_benchmark(name, benchmark)
    if root is not None:
        options = with_labels_of_suite(file, options, typed_paths.absolute(root))
    return make_plan(name, file, options)


def parse_keep_networks(text: str | None, keep_network: bool) -> Keep:
    """The values of ``--keep-networks`` and ``--keep-network`` of a sweep, which is the same as ``all``.

    Raises:
        UserError: an unknown value, or the two contradict each other.
    """
    if keep_network and text not in (None, "all"):
        raise UserError(f"--keep-network is the same as --keep-networks all, but --keep-networks is {text}; give one")
    kept: Keep | None = "all" if keep_network else _KEEP.get(text or "chosen")
    if kept is None:
        raise UserError(f"--keep-networks {text} is not known; it takes {', '.join(_KEEP)}")
    return kept


def workspace_of(
    root: Path, out: Path, tracking_uri: str | None, *, skip_unreadable: bool = False, keep_networks: Keep = "small",
    reads_only: bool = False, to: Path | None = None, recipe: str = "", local_checkpoints: Path | None = None,
) -> Workspace:  # fmt: skip
    """Where the data, the runs and the store are, as absolute paths.

    Args:
        reads_only: the command writes nothing into ``out``.
        to: the folder for a page; where it is given, nothing is written into ``out`` either.
        recipe: the name of the recipe that the command follows.
        local_checkpoints: a folder on each machine's own disk, to which checkpoints go first.

    Raises:
        UserError: ``out`` cannot be written to, though the command has to.
    """
    from dta_bench.domains import typed_paths
    from dta_bench.run.workspace import Workspace
    from dta_bench.tracking.store_file import sqlite_uri

    out = typed_paths.absolute(out)
    try:
        str(out).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"--out {str(out)!r} has a name that is not UTF-8, which MLflow cannot store") from error
    _check_out(out, writes=not (reads_only or to))
    if to is not None:
        to = typed_paths.absolute(to)
    local = "" if local_checkpoints is None else str(typed_paths.absolute(local_checkpoints))
    uri = tracking_uri or sqlite_uri(out / "mlflow.db")
    typed = shlex.join(["dta-bench", *mask_command(sys.argv[1:])])
    return Workspace(
        str(typed_paths.absolute(root)), str(out), uri, skip_unreadable, keep_networks, typed, str(to or ""), recipe,
        local=local,
    )  # fmt: skip


def page_workspace_of(root: Path, out: Path, tracking_uri: str | None, to: Path | None) -> Workspace:
    """:func:`workspace_of` for a command that reads runs and writes a page.

    Raises:
        UserError: the folder for the page cannot be written to.
    """
    from dta_bench.domains import typed_paths

    folder = typed_paths.absolute(out)
    if to is None and folder.is_dir() and not os.access(folder, os.W_OK):
        raise UserError(
            f"--out {out} can only be read; say with --to FOLDER where the page goes, which is all that is written"
        )
    return workspace_of(root, out, tracking_uri, to=to)


def _check_out(out: Path, writes: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is not a folder; name another one")
    if writes and out.exists() and not os.access(out, os.W_OK):
        raise UserError(f"--out {out} is not a folder that can be written to; name another one")
