"""All ways of choosing among the same runs: every rule, and every size of the labelled subset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.domains.images import LabelledImages
from dta_bench.errors import UserError
from dta_bench.report.configurations import Configuration
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import LabelBudgetRow
from dta_bench.report.selection.compare_rules import all_rules
from dta_bench.report.selection.label_budget import label_budget
from dta_bench.report.selection.rules import competitors
from dta_bench.report.summary import reported_group, uncertainty_of
from dta_bench.spec.benchmark import Benchmark


def add_every_choice(
    report: Report, benchmark: Benchmark, configurations: Sequence[Configuration], root: str
) -> Report:
    """Add to a report what every rule chooses, and how many labels choosing needs (or why that cannot be said).

    Args:
        root: the data, for the labels of all of target train, which no run has stored.
    """
    group, headline = reported_group(configurations, benchmark), benchmark.headline
    report = report.with_parts(rules=all_rules(group, headline, uncertainty_of(group, report.rule, headline)))
    try:
        return report.with_parts(label_budget=_budget(benchmark, competitors(group), root))
    except UserError as error:
        return report.with_parts(label_budget=[], label_budget_unavailable=str(error))


def _budget(benchmark: Benchmark, candidates: Sequence[Configuration], root: str) -> list[LabelBudgetRow]:
    if not candidates:
        return []
    if benchmark.task != "classification":
        raise UserError(f"a label budget is counted in images, but {benchmark.name} labels pixels")
    first = candidates[0].runs[0]
    stored = first.fetch(("target_train_ids",))
    if not stored:
        raise UserError(f"the run {first.tracked.name} has stored no target_train_ids")
    labels = _truth(benchmark, stored["target_train_ids"], root)
    correct = np.array([_share_correct(c, labels) for c in candidates])
    if not all(c.has("test") for c in candidates):
        raise UserError("it takes a labelled target test to say what a choice by few labels loses")
    test = [c.mean("test", benchmark.headline) for c in candidates]
    return label_budget(correct, labels, test, benchmark.headline)


def _truth(benchmark: Benchmark, ids: NDArray[Any], root: str) -> NDArray[np.int64]:
    """Labels of all of target train in the order of ``ids``, read from the data: no run has stored them."""
    from dta_bench.data import load

    images = load.domains(benchmark.name, root).target_train
    if not isinstance(images, LabelledImages):
        raise UserError(f"target train of {benchmark.name} has no labels")
    known = {name: int(label) for name, label in zip(images.ids, np.asarray(images.labels), strict=True)}
    lacking = [name for name in map(str, ids) if name not in known]
    if lacking:
        raise UserError(f"the data under {root} lacks {len(lacking)} images that the runs saw, such as {lacking[0]}")
    return np.array([known[name] for name in map(str, ids)], dtype=np.int64)


def _share_correct(configuration: Configuration, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    right = [run.target_train_logits().argmax(axis=1) == labels for run in configuration.runs]
    return np.asarray(np.mean(right, axis=0))
