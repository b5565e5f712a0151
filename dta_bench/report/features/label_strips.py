"""Figure 5 from our runs: input, truth, source-only and the selected method; and its worst image of each class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.evaluation import scenes
from dta_bench.evaluation.scenes import Scenes
from dta_bench.report.document.report import Report
from dta_bench.report.document.run_details import Picture
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.spelling import label_run, spell_method
from dta_bench.tracking import TrackedRun, Tracker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCENES_FILE = f"{scenes.FOLDER}/{scenes.ARRAYS}"


def add_pictures(report: Report, tracker: Tracker, folder: Path) -> Report:
    """Draw ``scenes.png`` and ``worst.png`` into ``folder`` from what a report's runs kept, and add them to the report.

    The report stays as it is where the images have one class each, or where its runs kept no scenes.
    """
    scores = report.test or report.source_only
    if scores is None or scores.miou is None:
        return report
    benchmark: Benchmark = benchmark_of(report.benchmark)
    kept = _kept_scenes(report, tracker)
    if not kept:
        return report
    folder.mkdir(parents=True, exist_ok=True)
    drawn = draw_strips(kept, benchmark)
    for file, (figure, _) in drawn.items():
        figure.savefig(folder / file, dpi=110)
    pictures = [Picture(path=str(folder / file), caption=caption) for file, (_, caption) in drawn.items()]
    return report.with_parts(pictures=pictures)


def draw_strips(kept: Mapping[str, tuple[TrackedRun, Scenes]], benchmark: Benchmark) -> dict[str, tuple[Figure, str]]:
    """Figures of label maps, with their captions.

    Args:
        kept: for each column of predictions its name, the run and what it kept; the last one's worst images are drawn.

    Returns:
        ``scenes.png``, and ``worst.png`` if the last run kept its worst images → figure and caption.
    """
    run, last = list(kept.values())[-1]
    label = label_run(run.spec.method, {}, seed=run.spec.seed)
    columns = {"input": last.images[last.shown], "truth": last.truths[last.shown]}
    for name, (_, one) in kept.items():
        if one.ids[: len(one.shown)] == last.ids[: len(last.shown)]:
            columns[name] = one.predictions[one.shown]
    drawn = {"scenes.png": (scenes.draw_columns(columns, benchmark), f"Target test: {', '.join(columns)} ({label}).")}
    pictures = scenes.draw_scenes(last, benchmark)
    if "worst.png" in pictures:
        caption = f"For each class the image in which its IoU is lowest ({label})."
        drawn["worst.png"] = (pictures["worst.png"], caption)
    return drawn


def _kept_scenes(report: Report, tracker: Tracker) -> dict[str, tuple[TrackedRun, Scenes]]:
    """Source-only and the selected configuration, first seed each, with what they kept; the selected last."""
    rows = report.rows_by_side()
    by_id = {run.mlflow_run_id: run for run in tracker.runs(report.benchmark)}
    runs = {
        spell_method(rows[side].method): by_id[rows[side].mlflow_run_ids[0]]
        for side in ("source_only", "selected")
        if side in rows
    }
    return {
        name: (run, load_scenes(tracker, run)) for name, run in runs.items() if tracker.has_file(run, scenes.FOLDER)
    }


def load_scenes(tracker: Tracker, run: TrackedRun) -> Scenes:
    """Read the images and label maps that a run kept for pictures."""
    with tracker.artifact(run, SCENES_FILE) as path, np.load(path, allow_pickle=False) as stored:
        return scenes.from_arrays({name: stored[name] for name in stored.files})
