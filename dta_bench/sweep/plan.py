"""Which runs a sweep consists of; pure and light, so that ``--dry-run`` needs neither data nor Ray."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.experiment import LabelSubset, RunSpec, Training, Value
from dta_bench.experiment_file import ExperimentFile, with_settings
from dta_bench.method_sets import MethodSets, method_sets
from dta_bench.search_space import RAMP, SearchSpace
from dta_bench.sweep import search, stopping

Point = dict[str, Value]

ALWAYS_THE_FILES = (RAMP, "start")
"""Parameters that go with a network and its training, not with a method's own sets."""

ALL = "all"
"""Stands for every method that does the benchmark's task and never sees a target label."""


@dataclass(frozen=True)
class Options:
    """What the command line may say of a sweep; None leaves the choice to the file.

    ``methods`` may hold :data:`ALL`; without ``points`` each method then gets as many as the smallest space has.
    """

    backbones: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    points: int | None = None
    seeds: int | None = None
    epochs: int | None = None
    labels: int | None = None
    weights: str = "none"
    training: tuple[str, ...] = ()
    search: str = "grid"
    stop: tuple[str, ...] = ("none",)
    label_seed: int | None = None
    drawn: str | None = None


@dataclass(frozen=True)
class Plan:
    """A sweep's finite space: every combination that may run, and the runs that were chosen, in order."""

    name: str
    file: ExperimentFile
    training: Training
    label_subset: LabelSubset
    weights: str
    backbones: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    points: int
    runs: tuple[RunSpec, ...]
    search: str = "grid"
    stop: tuple[str, ...] = ("none",)

    def spec(self, backbone: str, method: str, seed: int, point: Point) -> RunSpec:
        """The run at one point: the method's defaults, then the file's row for the backbone, then the point."""
        return RunSpec(
            benchmark=self.file.benchmark, backbone=backbone, weights=self.weights, method=method,
            params=self.params(backbone, method, point), training=self.training,
            label_subset=self.label_subset, seed=seed,
        )  # fmt: skip

    def params(self, backbone: str, method: str, point: Point) -> Point:
        """All parameters of a run; those without effect at this point are zero (a ramp: its default), so that
        equal runs are equal."""
        defaults = method_defaults(method)
        merged: Point = defaults | self.row(backbone, method) | point
        space = self.space(method)
        inert = space.inert(merged) & set(space.sets)
        return {k: v if k not in inert else defaults[k] if k == RAMP else 0 for k, v in merged.items()}

    def space(self, method: str) -> SearchSpace:
        """The method's own sets if it has some and the file is of another method; else those of the file."""
        own = self._own_sets(method)
        return own.space if own else self.file.space(set(method_defaults(method)))

    def row(self, backbone: str, method: str) -> Point:
        """What precedes a method's defaults: the row beside its own sets, else the file's row for the backbone.

        The ramp goes with the length of training, the start of masks with the network's own dropout: both are always
        the file's.
        """
        own, of_file = self._own_sets(method), self.file.row(backbone)
        row = own.row | {k: v for k, v in of_file.items() if k in ALWAYS_THE_FILES} if own else of_file
        known = method_defaults(method)
        return {k: v for k, v in row.items() if k in known}

    def row_point(self, backbone: str, method: str) -> Point:
        """The first row as a point of the method's space."""
        space = self.space(method)
        row = method_defaults(method) | self.row(backbone, method)
        return space.canonical({k: row[k] for k in space.sets})

    def _own_sets(self, method: str) -> MethodSets | None:
        return None if method == self.file.method else method_sets(method)

    def swept(self) -> tuple[str, ...]:
        """Names of the parameters that have more than one value."""
        sets = {k: v for method in self.methods for k, v in self.space(method).sets.items()}
        return tuple(name for name, values in sets.items() if len(values) > 1)

    def notes(self) -> list[str]:
        """What a reader should know before the first run: perturbations that round to nothing, ramps that never end."""
        found = []
        for backbone in self.backbones:
            row = self.file.row(backbone)
            ramp = float(row.get("ramp_up_epochs", 0) or 0)
            if ramp > self.training.epochs:
                share = self.training.epochs / ramp
                found.append(
                    f"{backbone}: the ramp of {ramp:g} epochs ends at {share:.2f} of delta after {self.training.epochs}"
                )
        return found

    def run_name(self, spec: RunSpec) -> str:
        """What differs, spelled as in the file: ``lambda_2=0.01 lambda_3=0.2 epsilon=15 seed=0``."""
        space = self.space(spec.method)
        inert = space.inert(spec.params)
        parts = [] if spec.method == self.methods[0] else [spec.method]
        parts += [spec.backbone] if len(self.backbones) > 1 else []
        parts += [f"{k}={_spelled(spec.params[k])}" for k in self.swept() if k in space.sets and k not in inert]
        return " ".join([*parts, f"seed={spec.seed}"])


def _spelled(value: Value) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def make_plan(name: str, file: ExperimentFile, options: Options, label_budget: int) -> Plan:
    """Choose a sweep's runs: the file's first row with all its seeds, then the baselines, then the other points.

    Raises:
        UserError: more points asked for than the space has, or an unknown method or backbone.
    """
    methods = _methods(options.methods, file)
    baselines = tuple(b for b in file.baselines if b not in methods)
    settings = [*options.training, *([f"epochs={options.epochs}"] if options.epochs else [])]
    training = with_settings(file.training, settings)
    search.check_kind(options.search)
    stopping.check(options.stop)
    plan = Plan(
        name=name, file=file, training=training, weights=options.weights,
        label_subset=_subset(file.labels or LabelSubset(size=label_budget), options),
        backbones=options.backbones or (next(iter(file.backbones)),), methods=methods + baselines,
        seeds=tuple(range(options.seeds or file.seeds)), points=0, runs=(),
        search=options.search, stop=options.stop,
    )  # fmt: skip
    _check_names(name, file)
    for method in plan.methods:
        _check_task(method, file.benchmark)
    for backbone in plan.backbones:
        _check_backbone(backbone, file.benchmark, options.weights, training)
    wanted = options.points or file.points or (_smallest(plan) if ALL in options.methods else None)
    chosen = {(b, m): _points(plan, b, m, wanted) for b in plan.backbones for m in plan.methods}
    count = len(chosen[plan.backbones[0], plan.methods[0]])
    if plan.search == "tpe":  # which points it takes is seen as it goes: any of them may be a run of this sweep
        chosen |= {(b, plan.methods[0]): _points(plan, b, plan.methods[0], None) for b in plan.backbones}
    runs = [plan.spec(b, m, seed, point) for b, m, point in _ordered(chosen) for seed in plan.seeds]
    distinct = tuple({run.id: run for run in runs}.values())
    return dataclasses.replace(plan, points=count, runs=distinct)


def _subset(labels: LabelSubset, options: Options) -> LabelSubset:
    """The file's or the benchmark's labelled subset, with what the command line says of it."""
    if options.drawn not in (None, "random", "stratified"):
        raise UserError(f"--labels-drawn {options.drawn} is not known; it takes random or stratified")
    asked = {
        "size": options.labels, "seed": options.label_seed,
        "stratified": None if options.drawn is None else options.drawn == "stratified",
    }  # fmt: skip
    return labels.model_copy(update={key: value for key, value in asked.items() if value is not None})


def _check_names(name: str, file: ExperimentFile) -> None:
    """Every parameter that the file names is one of its method's; a misspelt one would silently keep its default."""
    known = method_defaults(file.method)
    named = {f"backbones.{b}.{key}": key for b, row in file.backbones.items() for key in row}
    named |= {f"sets.{key}": key for key in file.sets}
    unknown = [where for where, key in named.items() if key not in known]
    if unknown:
        raise UserError(f"{name}: {', '.join(unknown)} are not parameters of {file.method}; it has {', '.join(known)}")


def _methods(asked: tuple[str, ...], file: ExperimentFile) -> tuple[str, ...]:
    """The methods asked for, the file's own first where all are."""
    if ALL not in asked:
        return asked or (file.method,)
    task = plugins.load("benchmark", file.benchmark).BENCHMARK.task
    able = [name for name in plugins.names("method") if task in _tasks(name, task) and not _is_bound(name)]
    return tuple(sorted(able, key=lambda name: name != file.method))


def _is_bound(method: str) -> bool:
    return bool(getattr(plugins.load("method", method), "uses_target_labels", False))


def _smallest(plan: Plan) -> int:
    """The number of points that every method with sets can be given."""
    return min(len(plan.space(m).points()) for m in plan.methods if plan.space(m).sets)


def _tasks(method: str, default: str) -> tuple[str, ...]:
    return tuple(getattr(plugins.load("method", method), "tasks", (default,)))


def _check_task(method: str, benchmark: str) -> None:
    task = plugins.load("benchmark", benchmark).BENCHMARK.task
    tasks = _tasks(method, task)
    if task not in tasks:
        raise UserError(f"{benchmark} is {task}, but the method {method} does {' and '.join(tasks)}")


def _check_backbone(name: str, benchmark: str, weights: str, training: Training) -> None:
    """It exists, does the benchmark's task on its sizes, and its weights can be had: told once, before any run."""
    from dta_bench import fit, pretrained  # import torch

    defined = plugins.load("benchmark", benchmark).BENCHMARK.under(training)
    found = pretrained.backbone(name, defined.train_size)
    if found.task != defined.task:
        raise UserError(f"{benchmark} is {defined.task}, but the backbone {name} does {found.task}")
    fit.check(found, defined, training)
    if weights != "none":
        found.build(len(defined.classes), weights)


def _points(plan: Plan, backbone: str, method: str, wanted: int | None) -> list[Point]:
    """The first ``wanted`` points (all, if None) in Optuna's order, the published row first."""
    space = plan.space(method)
    if not space.sets:
        return [{}]
    total = len(space.points())
    if wanted is not None and not 1 <= wanted <= total and method == plan.methods[0]:
        raise UserError(f"--points {wanted} is outside this space; {plan.name} has 1 to {total} points for {method}")
    count, first = min(wanted or total, total), plan.row_point(backbone, method)
    if plan.search != "random":
        return search.walk(space, first, count)
    proposals = search.Proposals(space, first, plan.search)
    return [point for _ in range(count) if (point := proposals.ask()) is not None]


def _ordered(chosen: dict[tuple[str, str], list[Point]]) -> list[tuple[str, str, Point]]:
    """First rows before all else, so that an interrupted sweep has something to say."""
    first = [(b, m, points[0]) for (b, m), points in chosen.items()]
    return first + [(b, m, point) for (b, m), points in chosen.items() for point in points[1:]]


def method_defaults(method: str) -> dict[str, Any]:
    """Every parameter of a method with its default."""
    return dataclasses.asdict(plugins.load("method", method).Params())
