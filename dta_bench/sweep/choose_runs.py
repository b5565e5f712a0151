"""Choose the runs of a sweep; this needs neither data nor Ray."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from dta_bench import plugins
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.data.kept_features import methods_that_can
from dta_bench.data.suite_plugin import suite_of_benchmark
from dta_bench.errors import UserError
from dta_bench.spec import budget as budgets
from dta_bench.spec import recipe as recipes
from dta_bench.spec import search_space_file
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.declared_method import declared_method
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.plan import ALL, Options, Plan
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training
from dta_bench.spec.search_space import Point
from dta_bench.spec.search_space_file import SearchSpaceFile, with_settings
from dta_bench.spec.seeds import FIRST_CONFIRMATION_SEED
from dta_bench.spec.yaml_file import suggestion
from dta_bench.sweep import planned_plugins, stop_rules
from dta_bench.sweep.check_augmentation import check_augmentation
from dta_bench.sweep.point_order import check_search, grid_order


def for_benchmark(name: str, benchmark: str | None) -> tuple[str, SearchSpaceFile]:
    """A search space on its own benchmark or on another, and what that sweep is called.

    A benchmark's name may stand for a search space: it then gets the space of its name, or the default of its task. A
    sweep of a file that is named by its path is called as the file is: folders get the name.

    Raises:
        UserError: as :func:`dta_bench.spec.search_space_file.read`, or there is no such benchmark.
    """
    name, benchmark = plugins.composed(name), benchmark and plugins.composed(benchmark)
    if benchmark is None and plugins.is_benchmark(name) and name not in plugins.names("search_space"):
        return name, _on_benchmark(search_space_file.read(_search_space_of(name)), name)
    file = search_space_file.read(name)
    if benchmark is None or benchmark == file.benchmark:
        return Path(name).name, _on_benchmark(file, file.benchmark)
    plugins.path("benchmark", benchmark)
    return f"{Path(name).stem}_{benchmark}", _on_benchmark(file, benchmark)


def _search_space_of(benchmark: str) -> str:
    """The search space of a benchmark that has none of its own name: its suite's, else the default of its task."""
    suite = suite_of_benchmark(benchmark)
    own = suite.file.search_space if suite else None
    return own or search_space_file.DEFAULT_OF_TASK[benchmark_of(benchmark).task]


def _on_benchmark(file: SearchSpaceFile, benchmark: str) -> SearchSpaceFile:
    """A search space on a benchmark; a suite may state the steps of an epoch, which are then those of the training."""
    suite = suite_of_benchmark(benchmark)
    changes: dict[str, Any] = {"benchmark": benchmark}
    if suite and isinstance(suite.file.epoch_length, int):
        steps = {"iterations_per_epoch": suite.file.epoch_length}
        changes["training"] = file.training.model_copy(update=steps)
    return file.model_copy(update=changes)


def with_labels_of_suite(file: SearchSpaceFile, options: Options, root: Path) -> Options:
    """The options with the size of the labelled subset of a suite's pair, where nothing else states it."""
    suite = suite_of_benchmark(file.benchmark)
    if suite is None or suite.file.labels is not None or options.labels is not None or file.labels is not None:
        return options
    return dataclasses.replace(options, labels=suite.labels(suite.pair_of(file.benchmark), root))


def make_plan(name: str, file: SearchSpaceFile, options: Options) -> Plan:
    """Choose a sweep's runs: the file's first row with all its seeds, then the baselines, then the other points.

    Raises:
        UserError: more points or seeds asked for than there are, or an unknown method or backbone.
    """
    benchmark, recipe = benchmark_of(file.benchmark), ""
    if options.recipe:
        name, file, options, recipe = _follow_recipe(file, options)
    methods = _methods(options.methods, file, benchmark)
    baselines = tuple(b for b in file.baselines if b not in methods)
    settings = [*options.training, *([f"epochs={options.epochs}"] if options.epochs else [])]
    training = with_settings(file.training, settings)
    seeds = range(options.first_seed, options.first_seed + (options.seeds or file.seeds))
    _check_seeds(seeds)
    check_search(options.search)
    stop_rules.check(options.stop)
    plan = Plan(
        name=name, file=file, benchmark=benchmark,
        method_plugins={name: declared_method(name) for name in (file.method, *methods, *baselines)},
        training=training, weights=options.weights,
        label_subset=_subset(file, benchmark, options),
        backbones=options.backbones or (next(iter(file.backbones)),), methods=methods + baselines,
        seeds=tuple(seeds), first_seed=options.first_seed, points=0, runs=(),
        search=options.search, stop=options.stop, confirm=file.confirm if options.confirm is None else options.confirm,
        recipe=recipe, budget=_budget(file, options, training), lengths=_lengths,
    )  # fmt: skip
    if ALL in options.methods:
        plan = methods_that_can.leave_out(plan)
    methods_that_can.check_prompts(plan)
    _check_names(plan)
    _check_has_scores(plan)
    check_augmentation(plan)
    for method in plan.methods:
        _check_task(plan.method_plugins[method], benchmark)
        planned_plugins.check_method(method)
    for backbone in plan.backbones:
        planned_plugins.check_backbone(backbone, benchmark.for_training(training), options.weights, training)
    wanted = options.points if options.points is not None else file.points
    if wanted is None and ALL in options.methods:
        wanted = _smallest(plan)
    if options.points is not None:  # what only the file says is cut to what each method has
        _check_points(plan, wanted)
    pairs = [(b, m) for b in plan.backbones for m in plan.methods if plan.runs_on(m, b)]
    chosen = {(b, m): _points(plan, b, m, wanted) for b, m in pairs}
    count = next(len(points) for (_, method), points in chosen.items() if method == plan.methods[0])
    if plan.search == "tpe":  # which points it takes is seen as it goes: any of them may be a run of this sweep
        chosen |= {(b, m): _points(plan, b, m, None) for b, m in pairs if m == plan.methods[0]}
    runs = [plan.spec(b, m, seed, point) for b, m, point in _ordered(chosen) for seed in plan.seeds_of(m)]
    distinct = tuple({run.id: run for run in runs}.values())
    methods_that_can.check(plan, distinct)
    return dataclasses.replace(plan, points=count, runs=distinct, wanted=wanted)


def _follow_recipe(file: SearchSpaceFile, options: Options) -> tuple[str, SearchSpaceFile, Options, str]:
    """Follow a recipe.

    Returns:
        The sweep's name (the recipe's; on a pair of the recipe's suite with the pair), the search space with it as its
        only point, the options with its backbone and weights, and its name, which says so where the options change it.
    """
    asked = options.methods or (file.method,)
    name, recipe = recipes.choose(options.recipe, asked, file.benchmark, options.backbones)
    weights = recipe.weights if options.weights == "none" else options.weights
    followed = dataclasses.replace(options, backbones=(recipe.backbone,), methods=(recipe.method,), weights=weights)
    is_changed = bool(options.training or options.epochs or options.budget) or weights != recipe.weights
    called = name if recipe.benchmark == file.benchmark else f"{name}_{file.benchmark}"
    return called, recipe.as_search_space(file), followed, recipes.changed(name) if is_changed else name


def _subset(file: SearchSpaceFile, benchmark: Benchmark, options: Options) -> LabelSubset:
    """The file's or the benchmark's labelled subset, with what the command line says of it."""
    if options.labels_drawn not in (None, "random", "stratified"):
        raise UserError(f"--labels-drawn {options.labels_drawn} is not known; it takes random or stratified")
    asked = {
        "size": options.labels, "seed": options.label_seed,
        "stratified": None if options.labels_drawn is None else options.labels_drawn == "stratified",
    }  # fmt: skip
    asked = {key: value for key, value in asked.items() if value is not None}
    if file.labels is not None and file.labels.given:
        raise UserError("labels.given is said by a pair, which names its labelled subset, and by no search space")
    if not benchmark.labels_given:
        subset = file.labels or LabelSubset(size=benchmark.label_budget)
        if not subset.size and asked and "size" not in asked:
            raise UserError(
                "--labels-seed and --labels-drawn say how a labelled subset is drawn, and none is drawn here"
            )
        return subset.model_copy(update=asked)
    if asked or file.labels is not None:
        who = "the command line" if asked else "the search space"
        raise UserError(
            f"{benchmark.name} gives its labelled subset itself (target.labelled), but {who} says how to draw one; "
            "leave that out"
        )
    return LabelSubset(size=0, given=True)


def _budget(file: SearchSpaceFile, options: Options, training: Training) -> str:
    """The budget of the command line or of the file."""
    try:
        found = file.budget if options.budget is None else budgets.canonical(options.budget)
    except ValueError as error:
        raise UserError(f"--budget {error}") from error
    if found and not budgets.is_relative(found) and training.iterations_per_epoch is not None:
        raise UserError(
            f"the budget {found} and iterations_per_epoch {training.iterations_per_epoch} both say how long a run is; "
            "allowed: one of them (--training iterations_per_epoch=null takes it back)"
        )
    return found


def _lengths(budget: str, spec: RunSpec) -> tuple[float, ...]:
    """:func:`dta_bench.cost.stages.lengths`, with torch only where there is a budget."""
    from dta_bench.cost import stages

    return stages.lengths(budget, spec)


def _check_has_scores(plan: Plan) -> None:
    """What compares runs by the labelled subset's score needs such a subset."""
    asked = ["--search tpe"] * (plan.search == "tpe") + ["--stop asha"] * ("asha" in plan.stop)
    if asked and not plan.label_subset.is_there:
        compare = "compares" if len(asked) == 1 else "compare"
        raise UserError(
            f"{' and '.join(asked)} {compare} runs by their score on labelled images of the target, and "
            f"{plan.benchmark.name} has none to choose by; leave that out, or label some (dta-bench label)"
        )


def _check_seeds(seeds: range) -> None:
    """A search never reaches the seeds of confirmation runs."""
    if seeds.stop > FIRST_CONFIRMATION_SEED:
        first = f" from --first-seed {seeds.start} on" if seeds.start else ""
        raise UserError(
            f"--seeds {len(seeds)}{first} reaches the seeds from {FIRST_CONFIRMATION_SEED} on, which are for"
            f" confirmation runs (--confirm); allowed: 1 to {max(FIRST_CONFIRMATION_SEED - seeds.start, 1)}"
        )


def _check_names(plan: Plan) -> None:
    """Every parameter that the file names is one of its method's; a misspelt one would silently keep its default."""
    file, known = plan.file, plan.defaults(plan.file.method)
    named = {f"backbones.{b}.{key}": key for b, row in file.backbones.items() for key in row}
    named |= {f"sets.{key}": key for key in file.sets}
    unknown = [f"{where}{suggestion(key, known)}" for where, key in named.items() if key not in known]
    if unknown:
        raise UserError(
            f"{plan.name}: {', '.join(unknown)} are not parameters of {file.method}; it has {', '.join(known)}"
        )


def _methods(asked: tuple[str, ...], file: SearchSpaceFile, benchmark: Benchmark) -> tuple[str, ...]:
    """The methods asked for, the file's own first where all are."""
    if ALL not in asked:
        return asked or (file.method,)
    every = map(declared_method, plugins.names("method"))
    able = [
        method.name
        for method in every
        if benchmark.task in method.tasks and not method.uses_target_labels
        and (not method.by_name_only or method.name == file.method)
    ]  # fmt: skip
    return tuple(sorted(able, key=lambda name: name != file.method))


def _smallest(plan: Plan) -> int:
    """The number of points that every method with sets can be given."""
    return min(len(plan.space(m).points()) for m in plan.methods if plan.space(m).sets)


def _check_task(method: MethodPlugin, benchmark: Benchmark) -> None:
    if benchmark.task not in method.tasks:
        raise UserError(
            f"{benchmark.name} is {benchmark.task}, but the method {method.name} does {' and '.join(method.tasks)}"
        )


def _check_points(plan: Plan, wanted: int | None) -> None:
    """The first method has as many points as are wanted of it."""
    method = plan.methods[0]
    space = plan.space(method)
    total = len(space.points())
    if space.sets and wanted is not None and not 1 <= wanted <= total:
        raise UserError(f"--points {wanted} is outside this space; {plan.name} has 1 to {total} points for {method}")


def _points(plan: Plan, backbone: str, method: str, wanted: int | None) -> list[Point]:
    """The first ``wanted`` points (all, if None or if there are fewer) in Optuna's order, the published row first."""
    space = plan.space(method)
    if not space.sets:
        return [{}]
    total = len(space.points())
    count, first = min(wanted or total, total), plan.first_point(backbone, method)
    if plan.search != "random":
        return grid_order(space, first, count)
    from dta_bench.sweep import sampler  # imports Optuna

    proposals = sampler.Proposals(space, first, plan.search)
    return [point for _ in range(count) if (point := proposals.ask()) is not None]


def _ordered(chosen: dict[tuple[str, str], list[Point]]) -> list[tuple[str, str, Point]]:
    """First rows before all else, so that an interrupted sweep has something to say."""
    first = [(b, m, points[0]) for (b, m), points in chosen.items()]
    return first + [(b, m, point) for (b, m), points in chosen.items() for point in points[1:]]
