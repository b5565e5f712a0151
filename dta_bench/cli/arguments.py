"""What was typed, as the objects that do the work take it; they are imported when asked for."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dta_bench.errors import UserError

if TYPE_CHECKING:
    from dta_bench.run.home import Home
    from dta_bench.spec.plan import Options, Plan


def options_of(
    backbone: list[str] | str | None, method: list[str] | str | None, points: int | None, seeds: int | None,
    epochs: int | None, labels: int | None, weights: str, training: list[str] | None = None,
) -> Options:  # fmt: skip
    from dta_bench.spec.plan import Options

    if weights not in ("none", "hub"):
        weights = str(Path(weights).expanduser().resolve())  # workers run in other folders
    return Options(_tuple(backbone), _tuple(method), points, seeds, epochs, labels, weights, _tuple(training))


def gpus(given: str | None) -> float | Literal["auto"] | None:
    if given is None:
        return None
    if given == "auto":
        return "auto"
    try:
        gpus = float(given)
    except ValueError:
        gpus = -1.0
    if not 0 <= gpus < float("inf"):
        raise UserError(f"--gpus-per-run {given} is neither a number from 0 up nor auto")
    return gpus


def chosen(
    options: Options, seed: int | None, drawn: str | None, search: str = "grid", stop: tuple[str, ...] = ("none",)
) -> Options:
    return dataclasses.replace(options, label_seed=seed, drawn=drawn, search=search, stop=stop)


def _tuple(given: list[str] | str | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given or ())


def plan_of(name: str, options: Options, benchmark: str | None = None) -> Plan:
    from dta_bench.run import fingerprint

    fingerprint.check_torchvision()
    from dta_bench.sweep.choose_runs import for_benchmark, make_plan

    name, file = for_benchmark(name, benchmark)
    return make_plan(name, file, options)


def home_of(
    root: Path, out: Path, tracking_uri: str | None, skip_unreadable: bool = False, keep_network: bool = False
) -> Home:
    from dta_bench.run.home import Home

    out = out.expanduser().resolve()
    if out.exists() and (not out.is_dir() or not os.access(out, os.W_OK)):
        raise UserError(f"--out {out} is not a folder that can be written to; name another one")
    uri = tracking_uri or f"sqlite:///{out / 'mlflow.db'}"
    typed = shlex.join(["dta-bench", *sys.argv[1:]])
    return Home(str(root.expanduser().resolve()), str(out), uri, skip_unreadable, keep_network, typed)
