"""The table of all recipes: each with the finished runs that followed it, or with the command that would."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from dta_bench import plugins
from dta_bench.cost.sweep_estimate import estimate
from dta_bench.report.document.recipe_table import RecipePair, RecipeRow, RecipeScore, RecipeTable, Verdict
from dta_bench.report.html.page import html, markdown
from dta_bench.report.recipes.followed import Followed, followed_on, judge, over, score_of
from dta_bench.report.recipes.render import recipe_page
from dta_bench.report.recipes.runs_of_recipe import command_of, pairs_of, plans_of
from dta_bench.report.suite.averages import average_over_pairs
from dta_bench.report.suite.chosen import PairChoice
from dta_bench.report.uncertainty import Uncertainty
from dta_bench.spec import recipe as recipes
from dta_bench.spec.plan import Plan
from dta_bench.spec.recipe import Recipe
from dta_bench.spec.seeds import is_confirmation
from dta_bench.tracking import TrackedRun, Tracker, standing_runs, ui_link


def recipe_table(tracker: Tracker, root: str, places: str = "") -> RecipeTable:
    """All recipes, each with ours beside what is printed; those with runs first.

    Ours are the finished runs whose training, weights and parameters are those of the recipe today, whatever command
    made them; by their confirmation runs where there are some. A run that followed a recipe and is otherwise is listed
    as changed. Ours of a suite is the average over its pairs, once every pair is there.

    Args:
        root: where data lie; read only for an estimate where a benchmark states no sizes.
        places: the options that lead a command to the same data and store, with a space before each.
    """
    known = {name: recipes.read(name) for name in plugins.names("recipe")}
    names = {name for one in known.values() for name in _benchmarks_of(one)}
    runs = {benchmark: _finished(tracker, benchmark) for benchmark in names}
    rows = [_row(tracker, name, one, runs, root, places) for name, one in known.items()]
    return RecipeTable(
        recipes=sorted(rows, key=lambda row: not row.has_runs),
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


def _benchmarks_of(recipe: Recipe) -> list[str]:
    return [pair.benchmark(recipe.benchmark) for pair in pairs_of(recipe)] or [recipe.benchmark]


def _row(
    tracker: Tracker, name: str, recipe: Recipe, runs: Mapping[str, Sequence[TrackedRun]], root: str, places: str
) -> RecipeRow:
    metric, pairs = recipe.printed.metric, pairs_of(recipe)
    found = [
        followed_on(tracker, name, plan, metric, runs[plan.file.benchmark]) for plan in plans_of(name, recipe)
    ]  # fmt: skip
    ours = average_of(found, recipe) if pairs else score_of(found[0].tested, metric)
    verdict, points = _verdict(recipe, found, ours)
    hours, why = _hours([one.plan for one in found if not one.is_run], root)
    return RecipeRow(
        recipe=name, method=recipe.method, benchmark=recipe.benchmark, backbone=recipe.backbone, metric=metric,
        printed=recipe.printed.value, epoch_chosen_by=recipe.printed.epoch_chosen_by,
        source=" ".join(recipe.source.split()), differs=list(recipe.differs), verdict=verdict, points=points, ours=ours,
        left_out=sum(one.left_out for one in found), changed=[] if pairs else found[0].changed,
        command=command_of(name, recipe) + places, gpu_hours=hours, no_estimate=why,
        pairs=[_pair(pair.key, one, recipe) for pair, one in zip(pairs, found, strict=False)],
    )  # fmt: skip


def _verdict(recipe: Recipe, found: Sequence[Followed], ours: RecipeScore | None) -> tuple[Verdict, float | None]:
    there = [one.configuration is not None for one in found]
    if any(there) and not all(there):
        return "some pairs not run", None
    return judge(recipe.printed.value, ours, was_run=all(there))


def _pair(key: str, found: Followed, recipe: Recipe) -> RecipePair:
    """A suite's recipe on one pair."""
    ours, printed = score_of(found.tested, recipe.printed.metric), recipe.printed.pairs.get(key)
    verdict, points = judge(printed, ours, was_run=found.configuration is not None)
    return RecipePair(
        pair=key, benchmark=found.plan.file.benchmark, printed=printed, verdict=verdict, points=points, ours=ours,
        left_out=found.left_out, changed=found.changed,
    )  # fmt: skip


def average_of(found: Sequence[Followed], recipe: Recipe) -> RecipeScore | None:
    """The average of a suite's recipe over its pairs, as the suite's report does it; None until all are there."""
    metric, tested = recipe.printed.metric, [one.tested for one in found]
    shown = [one for one in tested if one is not None]
    if len(shown) < len(found):
        return None
    choices = [
        PairChoice(
            pair, one.plan.benchmark, "", {recipe.method: configuration}, Uncertainty([], metric),
            len(configuration.every_run), (),
        )
        for pair, one, configuration in zip(pairs_of(recipe), found, shown, strict=True)
    ]  # fmt: skip
    averages = average_over_pairs(choices, metric)
    interval, common = averages.intervals[recipe.method], averages.seeds[recipe.method]
    return RecipeScore(
        value=averages.average[recipe.method], ci95=interval, over=over(common) if interval else "nothing",
        seeds=sorted({seed for one in shown for seed in one.seeds}),
        confirmed=all(is_confirmation(one.seeds[0]) for one in shown),
        collapsed=sum(len(one.collapsed) for one in shown),
        mlflow_run_ids=[run.tracked.mlflow_run_id for one in shown for run in one.runs],
    )  # fmt: skip


def _hours(plans: Sequence[Plan], root: str) -> tuple[float | None, str]:
    """What plans that are not run would cost together, in GPU hours; or why that is not known. None: all are run."""
    if not plans:
        return None, ""
    trained = set[str]()  # runs of the source alone, which pairs share
    found = [estimate(plan, plan.runs, root, None, None, trained) for plan in plans]
    why = next((one["why"] for one in found if one["why"]), "")
    if not why and any(one.get("too_small") for one in found):
        why = "steps too small for an assumed rate; dta-bench profile measures one"
    return (None, why) if why else (sum(one["gpu_hours"] for one in found), "")
