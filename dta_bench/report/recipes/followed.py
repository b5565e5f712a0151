"""What a store has of a recipe on one benchmark: its scores unchanged, and the runs that followed it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dta_bench.report.configurations import Configuration, comparable_groups, group_runs
from dta_bench.report.document.recipe_table import ChangedRuns, RecipeScore, Verdict
from dta_bench.report.recipes.runs_of_recipe import changes, is_unchanged
from dta_bench.report.uncertainty import Uncertainty
from dta_bench.spec import recipe as recipes
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.seeds import is_confirmation
from dta_bench.tracking import RECIPE, TrackedRun, Tracker


@dataclass(frozen=True)
class Followed:
    """The runs of a recipe on one benchmark.

    Attributes:
        plan: of the recipe there.
        is_run: whether a finished run of it is there.
        configuration: what is shown of the finished runs; None where there is none.
        left_out: finished runs on other data or with another labelled subset.
    """

    plan: Plan
    is_run: bool
    configuration: Configuration | None
    left_out: int
    changed: list[ChangedRuns]

    @property
    def tested(self) -> Configuration | None:
        """What is shown, where it has a labelled target test."""
        shown = self.configuration.shown if self.configuration else None
        return shown if shown is not None and shown.has("test") else None


def followed_on(tracker: Tracker, name: str, plan: Plan, metric: str, runs: Sequence[TrackedRun]) -> Followed:
    """Find the runs of a recipe among the finished runs of a benchmark.

    Args:
        name: of the recipe.
        plan: of the recipe on the benchmark.
    """
    wanted = plan.runs[0]
    unchanged = [run for run in runs if is_unchanged(run.spec, wanted)]
    followed = [run for run in runs if run.spec.method == wanted.method and _recipe_of(run) == name]
    shown, left_out = _largest(tracker, unchanged)
    changed = _changed(tracker, [run for run in followed if run not in unchanged], wanted, metric)
    return Followed(plan, bool(unchanged), shown, left_out, changed)


def score_of(shown: Configuration | None, metric: str) -> RecipeScore | None:
    """The score of a configuration with a labelled target test; None of none."""
    if shown is None:
        return None
    return RecipeScore(
        value=shown.mean("test", metric), ci95=Uncertainty([], metric).interval(shown, metric),
        over=over(len(shown.runs)), seeds=list(shown.seeds), confirmed=is_confirmation(shown.seeds[0]),
        collapsed=len(shown.collapsed), mlflow_run_ids=[run.tracked.mlflow_run_id for run in shown.runs],
    )  # fmt: skip


def over(seeds: int) -> str:
    """What an interval of so many seeds is over."""
    return "seeds and images" if seeds > 1 else "images"


def judge(printed: float | None, ours: RecipeScore | None, was_run: bool) -> tuple[Verdict, float | None]:
    """The verdict on our score, and by how many points it is above the printed value."""
    if ours is None:
        return ("no labelled test" if was_run else "not run"), None
    if printed is None:
        return "nothing printed", None
    points = ours.value - printed
    if ours.ci95 is None:
        return "no interval", points
    lower, upper = ours.ci95
    return ("inside" if lower <= printed <= upper else "missed"), points


def _recipe_of(run: TrackedRun) -> str:
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


def _changed(tracker: Tracker, runs: Sequence[TrackedRun], wanted: RunSpec, metric: str) -> list[ChangedRuns]:
    """Runs that are otherwise than the recipe, those with the same changes together."""
    groups: dict[tuple[str, ...], list[TrackedRun]] = {}
    for run in runs:
        groups.setdefault(tuple(changes(run.spec, wanted)), []).append(run)
    found = {what: _largest(tracker, group)[0] for what, group in groups.items()}
    shown = {what: one.shown if one and one.shown.has("test") else None for what, one in found.items()}
    return [ChangedRuns(changes=list(what), score=score_of(one, metric)) for what, one in shown.items()]
