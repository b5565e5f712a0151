"""The table of all recipes: each with the finished runs that followed it, or with the command that would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dta_bench import plugins
from dta_bench.cost.sweep_estimate import estimate
from dta_bench.report.configurations import Configuration, comparable_groups, group_runs
from dta_bench.report.document.recipe_table import ChangedRuns, RecipeRow, RecipeScore, RecipeTable, Verdict
from dta_bench.report.html.page import html, markdown
from dta_bench.report.recipes.render import recipe_page
from dta_bench.report.recipes.runs_of_recipe import changes, command_of, is_unchanged, plan_of
from dta_bench.report.uncertainty import Uncertainty
from dta_bench.spec import recipe as recipes
from dta_bench.spec.plan import Plan
from dta_bench.spec.recipe import Recipe
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.seeds import is_confirmation
from dta_bench.tracking import RECIPE, TrackedRun, Tracker, standing_runs, ui_link


def recipe_table(tracker: Tracker, root: str) -> RecipeTable:
    """All recipes, each with ours beside what is printed.

    Ours are the finished runs whose training, weights and parameters are those of the recipe today, whatever command
    made them; by their confirmation runs where there are some. A run that followed a recipe and is otherwise is listed
    as changed.

    Args:
        root: where data lie; read only for an estimate where a benchmark states no sizes.
    """
    known = {name: recipes.read(name) for name in plugins.names("recipe")}
    runs = {benchmark: _finished(tracker, benchmark) for benchmark in {one.benchmark for one in known.values()}}
    return RecipeTable(
        recipes=[_row(tracker, name, one, runs[one.benchmark], root) for name, one in known.items()],
        links={name: ui_link(tracker.uri, stored[0].experiment_id) for name, stored in sorted(runs.items()) if stored},
    )  # fmt: skip


def write_recipes(table: RecipeTable, folder: Path) -> None:
    """Keep the table as ``recipes.json``, ``.html`` and ``.md``."""
    page = recipe_page(table)
    as_json = json.dumps(table.json_object(), indent=2) + "\n"
    for ending, text in {"json": as_json, "html": html(page), "md": markdown(page)}.items():
        (folder / f"recipes.{ending}").write_text(text, encoding="utf-8")


def _finished(tracker: Tracker, benchmark: str) -> list[TrackedRun]:
    """A benchmark's finished runs, one of each identity; without those whose spec has fields of a newer version."""
    standing, _ = standing_runs(run for run in tracker.runs(benchmark) if not run.unknown_fields)
    return [run for run in standing if run.status == "FINISHED"]


def _row(tracker: Tracker, name: str, recipe: Recipe, runs: Sequence[TrackedRun], root: str) -> RecipeRow:
    plan, metric = plan_of(name, recipe), recipe.printed.metric
    wanted = plan.runs[0]
    unchanged = [run for run in runs if is_unchanged(run.spec, wanted)]
    followed = [run for run in runs if run.spec.method == recipe.method and _followed(run) == name]
    shown, left_out = _largest(tracker, unchanged)
    ours = _score(shown, metric)
    verdict, points = _verdict(recipe.printed.value, ours, was_run=shown is not None)
    hours, why = (None, "") if unchanged else _hours(plan, root)
    return RecipeRow(
        recipe=name, method=recipe.method, benchmark=recipe.benchmark, backbone=recipe.backbone, metric=metric,
        printed=recipe.printed.value, epoch_chosen_by=recipe.printed.epoch_chosen_by,
        source=" ".join(recipe.source.split()), differs=list(recipe.differs), verdict=verdict, points=points, ours=ours,
        left_out=left_out, changed=_changed(tracker, [run for run in followed if run not in unchanged], wanted, metric),
        command=command_of(name, recipe), gpu_hours=hours, no_estimate=why,
    )  # fmt: skip


def _followed(run: TrackedRun) -> str:
    """The recipe that a run followed, changed or not; empty: none."""
    return run.tags.get(RECIPE, "").removesuffix(recipes.CHANGED)


def _largest(tracker: Tracker, runs: Sequence[TrackedRun]) -> tuple[Configuration | None, int]:
    """The largest comparable part of some runs of one configuration, and how many runs are not in it.

    Confirmation runs alone, whose search is gone, are in none.
    """
    if all(is_confirmation(run.spec.seed) for run in runs):
        return None, len(runs)
    groups = comparable_groups(group_runs(tracker, runs))
    largest = max((group[0] for group in groups), key=lambda one: len(one.every_run))
    return largest, len(runs) - len(largest.every_run)


def _score(configuration: Configuration | None, metric: str) -> RecipeScore | None:
    """The score of a configuration on its confirmation runs, where it has some, else on its others."""
    if configuration is None or not configuration.shown.has("test"):
        return None
    shown = configuration.shown
    return RecipeScore(
        value=shown.mean("test", metric), ci95=Uncertainty([], metric).interval(shown, metric),
        over="seeds and images" if len(shown.runs) > 1 else "images", seeds=list(shown.seeds),
        confirmed=is_confirmation(shown.seeds[0]), collapsed=len(shown.collapsed),
        mlflow_run_ids=[run.tracked.mlflow_run_id for run in shown.runs],
    )  # fmt: skip


def _verdict(printed: float | None, ours: RecipeScore | None, was_run: bool) -> tuple[Verdict, float | None]:
    if ours is None:
        return ("no labelled test" if was_run else "not run"), None
    if printed is None:
        return "nothing printed", None
    lower, upper = ours.ci95
    return ("inside" if lower <= printed <= upper else "missed"), ours.value - printed


def _changed(tracker: Tracker, runs: Sequence[TrackedRun], wanted: RunSpec, metric: str) -> list[ChangedRuns]:
    """Runs that are otherwise than the recipe, those with the same changes together."""
    groups: dict[tuple[str, ...], list[TrackedRun]] = {}
    for run in runs:
        groups.setdefault(tuple(changes(run.spec, wanted)), []).append(run)
    return [
        ChangedRuns(changes=list(what), score=_score(_largest(tracker, group)[0], metric))
        for what, group in groups.items()
    ]


def _hours(plan: Plan, root: str) -> tuple[float | None, str]:
    """What a plan would cost, in GPU hours; or why that is not known."""
    found = estimate(plan, plan.runs, root, None, None)
    return (None, found["why"]) if found["why"] else (found["gpu_hours"], "")
