"""The one ``dta-bench train`` command that trains a run of a given spec."""

from __future__ import annotations

import json
import shlex
from typing import Any

from dta_bench import plugins
from dta_bench.spec import search_space_file
from dta_bench.spec.run_spec import RunSpec, Task, Training
from dta_bench.spec.search_space_file import SearchSpaceFile
from dta_bench.spec.seeds import is_confirmation


def train_command(spec: RunSpec, task: Task, *options: str) -> str:
    """The command that trains this very run: it names all in which the run may differ from its search space.

    Args:
        task: of the benchmark.
        options: further arguments, such as ``--keep-network``.
    """
    space, file = search_space_of(spec, task)
    of_suite = bool(plugins.suite_of(spec.benchmark))  # which may have another search space
    words = ["dta-bench", "train", search_space_file.DEFAULT_OF_TASK[task] if of_suite else spec.benchmark]
    words += ["--backbone", spec.backbone, "--method", spec.method]
    words += ["--seed", str(spec.seed), "--weights", spec.weights]
    if of_suite or (space == spec.benchmark != file.benchmark):
        words += ["--benchmark", spec.benchmark]
    subset = spec.label_subset
    if subset.size:  # else the pair gives the subset, or there is none
        words += ["--labels", str(subset.size), "--labels-seed", str(subset.seed)]
        words += ["--labels-drawn", "stratified" if subset.stratified else "random"]
    words += training_options(spec.training, file.training) + budget_options(spec, file)
    for key, value in spec.params.items():
        words += ["--set", f"{key}={_as_yaml(value)}"]
    words += ["--repeats", spec.id] * is_confirmation(spec.seed)
    return shlex.join([*words, *options])


def search_space_of(spec: RunSpec, task: Task) -> tuple[str, SearchSpaceFile]:
    """The search space by which :func:`train_command` trains, and its name; with another one a run may differ."""
    has_own = spec.benchmark in plugins.names("search_space")
    name = spec.benchmark if has_own else search_space_file.DEFAULT_OF_TASK[task]
    return name, search_space_file.read(name)


def training_options(training: Training, of_file: Training) -> list[str]:
    """The options that make a search space's training another one."""
    stated = of_file.model_dump()
    changed = {key: value for key, value in training.model_dump().items() if value != stated[key]}
    epochs = ["--epochs", str(changed.pop("epochs"))] if "epochs" in changed else []
    return epochs + [word for key, value in changed.items() for word in ("--training", f"{key}={_as_yaml(value)}")]


def budget_options(spec: RunSpec, file: SearchSpaceFile) -> list[str]:
    """The option that makes a search space's budget that of a run."""
    budget = "" if spec.budget is None else spec.budget.of
    return [] if budget == file.budget else ["--budget", budget or "none"]


def _as_yaml(value: Any) -> str:
    """A value as the command line reads it; words without quotes."""
    return value if isinstance(value, str) else json.dumps(value).replace(" ", "")
