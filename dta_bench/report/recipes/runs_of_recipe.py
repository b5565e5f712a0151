"""The runs that a recipe asks for, and how a stored run differs from them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from dta_bench import plugins
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.data.suite_plugin import SuitePair, suite_of_benchmark, suite_plugin
from dta_bench.spec import search_space_file
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.plan import Plan
from dta_bench.spec.recipe import Recipe
from dta_bench.spec.run_spec import LabelSubset, RunSpec
from dta_bench.spec.spelling import spell_value

SEEDS = 3
"""Seeds of the command that runs a recipe."""


def command_of(name: str, recipe: Recipe) -> str:
    """The command that runs a recipe with three seeds; it has one configuration, so that nothing is to be confirmed."""
    return f"dta-bench sweep {recipe.benchmark} --method {recipe.method} --recipe {name} --seeds {SEEDS} --confirm 0"


def pairs_of(recipe: Recipe) -> list[SuitePair]:
    """The pairs of a suite's recipe: those that are printed, or all that the suite states; none of a benchmark's."""
    if not plugins.is_suite(recipe.benchmark):
        return []
    suite = suite_plugin(recipe.benchmark)
    return suite.pairs(list(recipe.printed.pairs))


def plan_of(name: str, recipe: Recipe, pair: SuitePair | None = None) -> Plan:
    """The sweep of :func:`command_of`, without a look at its networks and weights, and with its runs.

    The labelled subset is left out: it decides nothing of a sweep of one configuration.

    Args:
        pair: the pair, where the recipe is of a suite.
    """
    of_recipe = recipe.benchmark if pair is None else pair.benchmark(recipe.benchmark)
    benchmark, suite = benchmark_of(of_recipe), suite_of_benchmark(of_recipe)
    has_own = of_recipe in plugins.names("search_space")
    default = (suite.file.search_space if suite else None) or search_space_file.DEFAULT_OF_TASK[benchmark.task]
    file = search_space_file.read(of_recipe if has_own else default).model_copy(update={"benchmark": of_recipe})
    methods = tuple(dict.fromkeys((recipe.method, *file.baselines)))
    plan = Plan(
        name=name, file=recipe.as_search_space(file), benchmark=benchmark,
        method_plugins={method: method_plugin(method) for method in methods}, training=recipe.training,
        label_subset=LabelSubset(size=0), weights=recipe.weights, backbones=(recipe.backbone,), methods=methods,
        seeds=tuple(range(SEEDS)), points=1, runs=(),
    )  # fmt: skip
    runs = tuple(plan.spec(recipe.backbone, method, seed, {}) for method in methods for seed in plan.seeds)
    return dataclasses.replace(plan, runs=runs)


def plans_of(name: str, recipe: Recipe) -> list[Plan]:
    """The plan of each pair of a suite's recipe, in the order of :func:`pairs_of`; else the one plan of the recipe."""
    pairs = pairs_of(recipe)
    first = plan_of(name, recipe, pairs[0] if pairs else None)
    return [first, *(_on_pair(first, pair.benchmark(recipe.benchmark)) for pair in pairs[1:])]


def _on_pair(plan: Plan, benchmark: str) -> Plan:
    """The plan of one pair of a suite on another."""
    return dataclasses.replace(
        plan, file=plan.file.model_copy(update={"benchmark": benchmark}), benchmark=benchmark_of(benchmark),
        runs=tuple(dataclasses.replace(run, benchmark=benchmark) for run in plan.runs),
    )  # fmt: skip


def is_unchanged(run: RunSpec, wanted: RunSpec) -> bool:
    """Whether a run is what the recipe asks for, with any seed and labelled subset."""
    return run.id == dataclasses.replace(wanted, seed=run.seed, label_subset=run.label_subset).id


def changes(run: RunSpec, wanted: RunSpec) -> list[str]:
    """What of a run is otherwise than the recipe asks for: ``batch_size 32 instead of 36``."""
    ours, theirs = (_flat(spec) for spec in (run, wanted))
    return [
        f"{name} {_spell(ours.get(name))} instead of {_spell(theirs.get(name))}"
        for name in dict.fromkeys([*theirs, *ours])
        if ours.get(name) != theirs.get(name)
    ]


def _flat(spec: RunSpec) -> dict[str, Any]:
    """All that a recipe states, by name."""
    own = {"backbone": spec.backbone, "weights": spec.weights, "budget": spec.budget and spec.budget.of}
    return own | spec.training.model_dump(mode="json") | spec.params


def _spell(value: Any) -> str:
    if isinstance(value, str) and value.startswith("/"):
        return Path(value).name
    return "nothing" if value is None else spell_value(value)
