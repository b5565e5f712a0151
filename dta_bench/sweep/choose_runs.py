"""Which runs a sweep consists of; pure and light, so that ``--dry-run`` needs neither data nor Ray."""

from __future__ import annotations

import dataclasses

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.spec.plan import ALL, Options, Plan, Point, method_defaults
from dta_bench.spec.run_spec import LabelSubset, Training
from dta_bench.spec.search_space_file import ExperimentFile, with_settings
from dta_bench.sweep import sampler, stop_rules


def make_plan(name: str, file: ExperimentFile, options: Options, label_budget: int) -> Plan:
    """Choose a sweep's runs: the file's first row with all its seeds, then the baselines, then the other points.

    Raises:
        UserError: more points asked for than the space has, or an unknown method or backbone.
    """
    methods = _methods(options.methods, file)
    baselines = tuple(b for b in file.baselines if b not in methods)
    settings = [*options.training, *([f"epochs={options.epochs}"] if options.epochs else [])]
    training = with_settings(file.training, settings)
    sampler.check_kind(options.search)
    stop_rules.check(options.stop)
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
    from dta_bench.nn import pretrained
    from dta_bench.run import preflight  # import torch

    defined = plugins.load("benchmark", benchmark).BENCHMARK.under(training)
    found = pretrained.backbone(name, defined.train_size)
    if found.task != defined.task:
        raise UserError(f"{benchmark} is {defined.task}, but the backbone {name} does {found.task}")
    preflight.check(found, defined, training)
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
        return sampler.walk(space, first, count)
    proposals = sampler.Proposals(space, first, plan.search)
    return [point for _ in range(count) if (point := proposals.ask()) is not None]


def _ordered(chosen: dict[tuple[str, str], list[Point]]) -> list[tuple[str, str, Point]]:
    """First rows before all else, so that an interrupted sweep has something to say."""
    first = [(b, m, points[0]) for (b, m), points in chosen.items()]
    return first + [(b, m, point) for (b, m), points in chosen.items() for point in points[1:]]
