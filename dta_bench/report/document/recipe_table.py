"""``recipes.json``: what published recipes print, and what the runs of a store say in the same metric."""

from __future__ import annotations

from typing import Literal

from dta_bench.report.document.frozen_record import Document, FrozenRecord, Interval
from dta_bench.spec.run_spec import Headline

Verdict = Literal["inside", "missed", "nothing printed", "no labelled test", "not run"]


class RecipeScore(FrozenRecord):
    """Target test at the last epoch in the recipe's metric, in percent, averaged over the runs of one training."""

    value: float
    ci95: Interval
    over: str
    """What the interval is over: ``seeds and images``; ``images`` of one seed."""
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


class RecipeRow(FrozenRecord):
    """One recipe."""

    recipe: str
    method: str
    benchmark: str
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
    command: str
    """What runs the recipe, unchanged, with source-only beside it."""
    gpu_hours: float | None
    """An estimate of what the command costs; None where it was run, or where nothing can be estimated."""
    no_estimate: str


class RecipeTable(Document):
    """All recipes; ``links`` lead to MLflow by benchmark."""

    recipes: list[RecipeRow]
    links: dict[str, str]
