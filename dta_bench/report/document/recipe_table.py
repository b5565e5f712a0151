"""``recipes.json``: what published recipes print, and what the runs of a store say in the same metric."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dta_bench.report.document.frozen_record import Document, FrozenRecord, Interval
from dta_bench.spec.run_spec import Headline

Verdict = Literal[
    "inside", "missed", "nothing printed", "no labelled test", "no interval", "some pairs not run", "not run"
]


class RecipeScore(FrozenRecord):
    """Target test at the last epoch in the recipe's metric, in percent, averaged over the runs of one training.

    That of a suite is averaged over its pairs too, with the interval of its report.
    """

    value: float
    ci95: Interval | None
    """None where the pairs of a suite do not have the same seeds."""
    over: str
    """What the interval is over: ``seeds and images``; ``images`` of one seed; ``nothing`` where there is none."""
    seeds: list[int]
    confirmed: bool
    """Whether the seeds are those of confirmation runs."""
    collapsed: int
    """Seeds that predict fewer than half of the classes."""
    mlflow_run_ids: list[str]


class ChangedRuns(FrozenRecord):
    """Finished runs that followed a recipe with something changed."""

    changes: list[str]
    """What is otherwise than in the recipe, a phrase each."""
    score: RecipeScore | None
    """None where no labelled target test is there."""


class RecipePair(FrozenRecord):
    """A suite's recipe on one of its pairs; the fields are those of :class:`RecipeRow`."""

    pair: str
    """As tables name it: ``art -> clipart``."""
    benchmark: str
    printed: float | None
    verdict: Verdict
    points: float | None
    ours: RecipeScore | None
    left_out: int
    changed: list[ChangedRuns]


class RecipeRow(FrozenRecord):
    """One recipe; of a suite, its average over pairs."""

    recipe: str
    method: str
    benchmark: str
    """A benchmark, or a suite."""
    backbone: str
    metric: Headline
    printed: float | None
    epoch_chosen_by: str
    source: str
    differs: list[str]
    """What the source does and the recipe cannot say."""
    verdict: Verdict
    points: float | None
    """Ours less the printed value; None where either is not there."""
    ours: RecipeScore | None
    left_out: int
    """Finished runs of the recipe on other data or with another labelled subset than those of ``ours``."""
    changed: list[ChangedRuns]
    """Of a suite, those of each pair stand in ``pairs``."""
    command: str
    """What runs the recipe, unchanged, with source-only beside it."""
    gpu_hours: float | None
    """An estimate of what is not run; None where all is, or where nothing can be estimated."""
    no_estimate: str
    pairs: list[RecipePair] = Field(default_factory=list)
    """Of a suite: the pairs that are printed; where none is, all that the suite states."""

    @property
    def has_runs(self) -> bool:
        """Whether the store has finished runs of the recipe, changed or not, on any pair."""
        changed = [*self.changed, *(one for pair in self.pairs for one in pair.changed)]
        return self.verdict != "not run" or bool(changed)


class RecipeTable(Document):
    """All recipes; ``links`` lead to MLflow by benchmark."""

    recipes: list[RecipeRow]
    links: dict[str, str]
