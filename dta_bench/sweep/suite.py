"""The sweep of a suite: a plan for each pair whose data are there, the longest first, and which pairs are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from dta_bench import plugins
from dta_bench.cost.sweep_estimate import FORWARD_SHARE, epoch_lengths
from dta_bench.data.suite_plugin import Suite, SuitePair, suite_plugin
from dta_bench.errors import UserError
from dta_bench.run.source_training import FOLDER, KEY, TAG
from dta_bench.run.workspace import Workspace
from dta_bench.spec import recipe as recipes
from dta_bench.spec.plan import Options, Plan
from dta_bench.spec.search_space_file import SearchSpaceFile
from dta_bench.sweep.choose_runs import for_benchmark, make_plan, with_labels_of_suite


@dataclass(frozen=True)
class SuitePlan:
    """What the sweep of a suite runs.

    Attributes:
        name: what the sweep is called: the suite, or the search space and the suite.
        plans: pair, as tables name it → its plan, the pair with the longest runs first.
        skipped: pair → what is missing of its data.
    """

    name: str
    suite: Suite
    plans: dict[str, Plan]
    skipped: dict[str, str]

    @property
    def pairs(self) -> list[SuitePair]:
        """The pairs that are run or skipped, in the order of the suite."""
        keys = {*self.plans, *self.skipped}
        return [pair for pair in self.suite.file.possible_pairs() if pair.key in keys]

    @property
    def recipe(self) -> str:
        """The recipe that all pairs follow, named changed if it is; empty: none."""
        return next(iter(self.plans.values())).recipe

    def describe_skipped(self) -> list[str]:
        """Which pairs are skipped, and why: a sentence a reason."""
        reasons = dict.fromkeys(self.skipped.values())
        of_reason = {one: [key for key, missing in self.skipped.items() if missing == one] for one in reasons}
        return [f"skipped: {', '.join(keys)} ({missing})" for missing, keys in of_reason.items()]

    def print_skipped(self, console: Console) -> None:
        """Print which pairs are skipped, and why, before anything runs."""
        for line in self.describe_skipped():
            console.print(line, highlight=False, soft_wrap=True, markup=False)


def plan_suite(
    name: str, options: Options, patterns: Sequence[str], root: Path, benchmark: str | None = None
) -> SuitePlan:
    """Plan the pairs of a suite.

    Args:
        name: the suite, or a search space where ``benchmark`` is the suite.
        options: what the command line says; the same for each pair.
        patterns: pairs like ``photo->*``; none for the pairs that the suite states.
        root: the data root.

    Raises:
        UserError: an unknown name or pattern, a value that the search space does not allow, or no pair has its data.
    """
    suite = suite_plugin(benchmark or name)
    skipped, plans = dict[str, str](), list[tuple[str, Plan, float]]()
    for pair in suite.pairs(patterns):
        if missing := suite.missing(pair, root):
            skipped[pair.key] = missing
            continue
        own = suite.benchmark(pair)
        plan_name, file = for_benchmark(name, own) if benchmark else for_benchmark(own, None)
        followed = _with_recipe(suite.name, file, options)
        plan = make_plan(plan_name, file, with_labels_of_suite(file, followed, root))
        steps, targets = epoch_lengths(plan, str(root))
        plans.append((pair.key, plan, steps * plan.training.batch_size + FORWARD_SHARE * targets))
    if not plans:
        absent = next(iter(skipped.values()))
        get = suite.file.by_hand.format(root=root / suite.name).strip()
        raise UserError(
            f"no pair of {suite.name} has its data: {absent}; see dta-bench prepare {suite.name}"
            f"{': ' + get if get else ''}"
        )
    plans.sort(key=lambda one: -one[2])
    called = suite.name if not benchmark else f"{Path(plugins.composed(name)).stem}_{suite.name}"
    return SuitePlan(called, suite, {key: plan for key, plan, _ in plans}, skipped)


def _with_recipe(suite: str, file: SearchSpaceFile, options: Options) -> Options:
    """The options with the name of the suite's recipe, which all of its pairs follow, in place of ``published``."""
    if options.recipe != recipes.PUBLISHED:
        return options
    asked = options.methods or (file.method,)
    return replace(options, recipe=recipes.choose(options.recipe, asked, suite, options.backbones)[0])


def remove_kept_networks(plan: SuitePlan, workspace: Workspace, console: Console) -> None:
    """Remove the networks that runs on a source shared, once all pairs of that source are swept.

    Those of a source with pairs that were not asked for, or whose data are missing, stay; this is told.
    """
    open_sources = {pair.source for pair in plan.suite.pairs() if pair.key not in plan.plans}
    tracker, staying = workspace.tracker(), dict[Path, str]()
    for pair in plan.pairs:
        if pair.key not in plan.plans:
            continue
        keys = {run.tags.get(TAG, "") for run in tracker.runs(plan.suite.benchmark(pair))}
        ours = filter(KEY.fullmatch, keys)  # a tag of a store that others write to is no path
        for folder in (Path(workspace.out) / "runs" / FOLDER / key for key in ours):
            if pair.source in open_sources:
                staying[folder] = pair.source
            else:
                shutil.rmtree(folder, ignore_errors=True)
    kept = [(staying[folder], file.stat().st_size) for folder in staying for file in folder.glob("*.pt")]
    if kept:
        sources = sorted({source for source, _ in kept})
        megabytes = sum(size for _, size in kept) / 1e6
        console.print(
            f"note: networks trained on {', '.join(sources)} stay in runs/{FOLDER} ({megabytes:.0f} MB) for pairs that "
            "were not run; without them these pairs train on their source again",
            highlight=False, soft_wrap=True, markup=False,
        )  # fmt: skip
