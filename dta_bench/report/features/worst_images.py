"""The worst images of each class: those that a network is surest of and gets wrong, with what it took them for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from dta_bench.data import load
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.document.report import Report
from dta_bench.report.labelling.contact_sheet import contact_sheet
from dta_bench.run.workspace import Workspace
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.tracking import TrackedRun, Tracker

OF_EACH_CLASS = 6
NAME = "worst_images.html"


def write_worst_images(report: Report, tracker: Tracker, workspace: Workspace, folder: Path) -> Path:
    """Write a page of the images of target test that the selected configuration gets most wrong, of its first seed.

    Raises:
        UserError: there is no such run, it stored no predictions, its data are not there, or it predicts label maps.
    """
    benchmark = benchmark_of(report.benchmark)
    if benchmark.task == "segmentation":
        raise UserError(
            f"--images shows images of one class each; the page of {benchmark.name} has its worst label maps"
        )
    if report.selected is None or report.test is None:
        raise UserError(f"--images needs a chosen method and a labelled target test, which {benchmark.name} lacks here")
    wanted = report.competing[0].mlflow_run_ids[0]
    run = next(run for run in tracker.runs(report.benchmark) if run.mlflow_run_id == wanted)
    stored = tracker.predictions(run, ("target_test_logits", "target_test_labels", "target_test_ids"))
    splits = load.splits_of(
        run.spec, benchmark.for_training(run.spec.training), method_plugin(run.spec.method), workspace.root
    )
    test = splits.target_test
    if test is None or "target_test_ids" not in stored or list(test.ids) != [str(i) for i in stored["target_test_ids"]]:
        raise UserError(f"--images: target test is not the one on which {run.name} was measured; name its --root")
    chosen = worst(stored["target_test_logits"], stored["target_test_labels"], OF_EACH_CLASS)
    captions = _captions(stored, chosen, test.ids, benchmark.classes)
    page, _ = contact_sheet(_title(report, run), _words(len(chosen)), captions, [test.images[i] for i in chosen])
    path = folder / NAME
    path.write_text(page, encoding="utf-8")
    return path


def worst(logits: NDArray[Any], labels: NDArray[Any], of_each: int) -> list[int]:
    """Indices of the wrong images of each class, class after class, those with the surest wrong prediction first."""
    probabilities = softmax(logits.astype(np.float64), axis=1)
    guesses, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    chosen = list[int]()
    for k in range(logits.shape[1]):
        wrong = np.flatnonzero((labels == k) & (guesses != k))
        chosen += [int(i) for i in wrong[np.argsort(-sure[wrong], kind="stable")][:of_each]]
    return chosen


def _captions(
    stored: dict[str, NDArray[Any]], chosen: Sequence[int], ids: Sequence[str], classes: Sequence[str]
) -> list[str]:
    probabilities = softmax(stored["target_test_logits"].astype(np.float64), axis=1)
    return [
        f"{classes[int(stored['target_test_labels'][i])]}, predicted {classes[int(probabilities[i].argmax())]}"
        f" ({100 * probabilities[i].max():.0f} %): {ids[i]}"
        for i in chosen
    ]


def _title(report: Report, run: TrackedRun) -> str:
    return f"{report.benchmark}: the worst images of {run.name}"


def _words(count: int) -> str:
    if not count:
        return "It gets no image of target test wrong."
    return (
        f"For each class, up to {OF_EACH_CLASS} images of target test that it gets wrong with the highest confidence."
    )
