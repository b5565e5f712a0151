"""Finished runs with chosen scores, as a store would hold them, and the reports of them."""

import dataclasses
import io
from collections.abc import Collection
from typing import Any
from unittest import mock

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from small_runs import spec_of

from dta_bench.evaluation import metrics
from dta_bench.evaluation.label_free import label_free_criteria
from dta_bench.report.configurations import group_runs
from dta_bench.report.document.report import Report
from dta_bench.report.html import page
from dta_bench.report.html.report_page import report_page
from dta_bench.report.summary import summarise
from dta_bench.report.terminal.show import show_report
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import RunResult, RunSpec
from dta_bench.tracking import TrackedRun, Tracker, run_log

IMAGES, CLASSES = 400, 10
LABELS = np.arange(IMAGES) % CLASSES


def logits_of(rate: float, spec: RunSpec, sharpness: float = 5.0) -> np.ndarray:
    """Predictions of which about ``rate`` are right; the same images are hard for everyone."""
    rng = np.random.default_rng(spec.seed)
    right = np.arange(IMAGES) / IMAGES + 0.05 * rng.standard_normal(IMAGES) < rate
    guess = np.where(right, LABELS, (LABELS + 1) % CLASSES)
    return (sharpness * np.eye(CLASSES)[guess]).astype(np.float32)


class Runs:
    """Runs as the store would give them, made of their outcomes."""

    def __init__(self) -> None:
        self.tracked: list[TrackedRun] = []
        self._arrays: dict[str, dict[str, np.ndarray]] = {}

    def add(
        self, spec: RunSpec, test: float, *, subset: float = 50, source: float = 50, sharpness: float = 5.0,
        status: str = "FINISHED", collapsed: bool = False, reason: str = "", name: str = "",
        unmeasured: Collection[str] = (),
    ) -> None:  # fmt: skip
        """One run: its rate of success on target test, its scores on the subset and on the source, in percent.

        ``unmeasured`` names parts without labels, ``test`` or ``validation``: the run has no score on them.
        """
        logits = logits_of(test, spec, sharpness)
        confusion = metrics.confusion_matrix(LABELS, logits.argmax(axis=1), CLASSES)
        scored = metrics.scores(confusion, [str(k) for k in range(CLASSES)])
        found = {f"test/class/{k}": v for k, v in scored.per_class.items() if v is not None}
        for key in ("accuracy", "mean_class_accuracy"):
            found |= {
                f"test/{key}": getattr(scored, key),
                f"validation/{key}": subset,
                f"source_validation/{key}": source,
            }
        found = {key: value for key, value in found.items() if key.partition("/")[0] not in unmeasured}
        found |= {f"target_train/{name}": value for name, value in label_free_criteria(logits).items()}
        tags = {"collapsed": str(collapsed).lower(), "data_fingerprint": "d", "subset_hash": "h"}
        tags |= {"reason": reason} if reason else {}
        self._arrays[spec.id] = {
            "target_test_logits": logits, "target_test_labels": LABELS, "target_train_logits": logits,
            "source_validation_labels": LABELS,
        }  # fmt: skip
        self.tracked.append(
            TrackedRun(
                f"mlflow-{spec.id}",
                spec.id,
                name or f"{spec.method} seed={spec.seed}",
                status,
                spec,
                tags,
                found,
                "1",
                "",
            )
        )

    def sweep(self, method: str, tests: list[float], **others: Any) -> None:
        """One configuration with a seed for each of ``tests``; parameters of the method by ``params``."""
        params = others.pop("params", {})
        for seed, test in enumerate(tests):
            self.add(spec_of(method, seed=seed, **params), test, **others)

    def predictions(self, run: TrackedRun, names: Collection[str]) -> dict[str, np.ndarray]:
        arrays = self._arrays[run.run_id]
        return {name: arrays[name] for name in names if name in arrays}


def classes_of(benchmark: Benchmark) -> Benchmark:
    return dataclasses.replace(benchmark, classes=tuple(str(k) for k in range(CLASSES)))


def report_of(runs: Runs, benchmark: Benchmark, rule: str | None = "labels") -> Report:
    """The main part of the report of some runs."""
    return summarise(benchmark, group_runs(runs, runs.tracked), runs.tracked, rule)  # type: ignore[arg-type]


def markdown_of(report: Report) -> str:
    """The report's page in Markdown."""
    return page.markdown(report_page(report))


def screen_of(report: Report) -> str:
    """The report as a terminal of 80 columns shows it."""
    console = Console(file=io.StringIO(), width=80)
    show_report(report, console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def finish(tracker: Tracker, spec: RunSpec, rate: float) -> None:
    """Store a finished run of ``spec`` that is right on about a share ``rate`` of target test."""
    logits = logits_of(rate, spec)
    confusion = metrics.confusion_matrix(LABELS, logits.argmax(axis=1), CLASSES)
    names = [str(k) for k in range(CLASSES)]
    scored = metrics.scores(confusion, names)
    arrays = {
        "target_test_logits": logits, "target_test_labels": LABELS, "target_train_logits": logits,
        "target_validation_ids": np.array(["a"]),
    }  # fmt: skip
    log = tracker.open_run(spec, None, f"{spec.method} seed={spec.seed}", set(), {"data_fingerprint": "d"})
    with mock.patch.object(run_log, "_figure", return_value=Figure(figsize=(1, 1))):  # to draw it takes longer than all
        log.finish(RunResult(spec.id, scored, scored, scored, False, 2, 1.0, 0.5), arrays, confusion, names)
