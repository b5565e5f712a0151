"""A store in memory whose runs may say that they followed a recipe."""

import dataclasses

from stored_runs import Runs

from dta_bench.tracking import RECIPE, TrackedRun


class RecipeStore(Runs):
    """Finished runs of several benchmarks."""

    uri = "sqlite:///none.db"

    def runs(self, benchmark: str) -> list[TrackedRun]:
        return [run for run in self.tracked if run.spec.benchmark == benchmark]

    def sweeps(self, benchmark: str) -> dict[str, str]:  # noqa: ARG002 - as the tracker's
        """These runs are of no sweep."""
        return {}

    def tag_last(self, value: str) -> None:
        """Let the last run say that it followed a recipe."""
        last = self.tracked[-1]
        self.tracked[-1] = dataclasses.replace(last, tags=last.tags | {RECIPE: value})
