"""The one ``dta-bench train`` command that trains a run of a given spec."""

from __future__ import annotations

import json
import shlex
from typing import Any

from dta_bench import plugins
from dta_bench.spec import search_space_file
from dta_bench.spec.run_spec import RunSpec, Task


def train_command(spec: RunSpec, task: Task, *options: str) -> str:
    """The command that trains this very run: it names all in which the run may differ from its search space.

    Args:
        task: of the benchmark.
        options: further arguments, such as ``--keep-network``.
    """
    has_own = spec.benchmark in plugins.names("search_space")
    default = search_space_file.DEFAULT_OF_TASK[task]
    file = search_space_file.read(spec.benchmark if has_own else default)
    of_suite = bool(plugins.suite_of(spec.benchmark))  # which may have another search space
    words = [
        "dta-bench",
        "train",
        default if of_suite else spec.benchmark,
        "--backbone",
        spec.backbone,
        "--method",
        spec.method,
    ]
    words += ["--seed", str(spec.seed), "--weights", spec.weights]
    if of_suite or (has_own and file.benchmark != spec.benchmark):
        words += ["--benchmark", spec.benchmark]
    subset = spec.label_subset
    if subset.size:  # else the pair gives the subset, or there is none
        words += ["--labels", str(subset.size), "--labels-seed", str(subset.seed)]
        words += ["--labels-drawn", "stratified" if subset.stratified else "random"]
    of_file = file.training.model_dump()
    for key, value in spec.training.model_dump().items():
        if value != of_file[key]:
            words += ["--training", f"{key}={_as_yaml(value)}"]
    budget = "" if spec.budget is None else spec.budget.of
    if budget != file.budget:
        words += ["--budget", budget or "none"]
    for key, value in spec.params.items():
        words += ["--set", f"{key}={_as_yaml(value)}"]
    return shlex.join([*words, *options])


def _as_yaml(value: Any) -> str:
    """A value as the command line reads it; words without quotes."""
    return value if isinstance(value, str) else json.dumps(value).replace(" ", "")
