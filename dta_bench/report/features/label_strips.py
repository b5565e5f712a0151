"""Figure 5 from our runs: input, truth, source-only and the selected method; and its worst image of each class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dta_bench import plugins
from dta_bench.domains.benchmark import Benchmark
from dta_bench.evaluation import scenes
from dta_bench.evaluation.scenes import Scenes
from dta_bench.tracking import TrackedRun, Tracker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEPT = f"{scenes.FOLDER}/{scenes.ARRAYS}"


def write(tracker: Tracker, found: dict[str, Any], folder: Path) -> dict[str, list[dict[str, str]]]:
    """Draw ``scenes.png`` and ``worst.png`` into ``folder`` from what a report's runs kept.

    Returns:
        ``pictures``: path and caption of each; none for images of one class each, or runs that kept no scenes.
    """
    if "miou" not in (found["test"] or found["source_only"] or {}):
        return {}
    benchmark: Benchmark = plugins.load("benchmark", found["benchmark"]).BENCHMARK
    kept = _kept(tracker, found)
    if not kept:
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    drawn = strips(kept, benchmark)
    for file, (figure, _) in drawn.items():
        figure.savefig(folder / file, dpi=110)
    return {"pictures": [{"path": str(folder / file), "caption": said} for file, (_, said) in drawn.items()]}


def strips(kept: Mapping[str, tuple[TrackedRun, Scenes]], benchmark: Benchmark) -> dict[str, tuple[Figure, str]]:
    """``scenes.png``, with a column of predictions for each of ``kept``, and the last one's ``worst.png``; captions."""
    name, (run, last) = list(kept.items())[-1]
    told = f"{name}, seed {run.spec.seed}"
    columns = {"input": last.images[last.shown], "truth": last.truths[last.shown]}
    same = {side: one for side, (_, one) in kept.items() if one.ids[: len(one.shown)] == last.ids[: len(last.shown)]}
    columns |= {side: one.predictions[one.shown] for side, one in same.items()}
    drawn = {"scenes.png": (scenes.picture(columns, benchmark), f"Target test: {', '.join(columns)} ({told}).")}
    own = scenes.pictures(last, benchmark)
    if "worst.png" in own:
        drawn["worst.png"] = (own["worst.png"], f"For each class the image in which its IoU is lowest ({told}).")
    return drawn


def _kept(tracker: Tracker, found: dict[str, Any]) -> dict[str, tuple[TrackedRun, Scenes]]:
    """Source-only and the selected configuration, first seed each, with what they kept; the selected last."""
    rows = found["leaderboard"]
    chosen = next((row for row in rows if row["competes"]), None)
    baseline = next(
        (r for r in rows if r["method"] == "source_only" and (not chosen or r["backbone"] == chosen["backbone"])), None
    )
    by_id = {run.mlflow_run_id: run for run in tracker.runs(found["benchmark"])}
    sides = {row["method"].replace("source_only", "source-only"): row for row in (baseline, chosen) if row}
    runs = {name: by_id[row["mlflow_run_ids"][0]] for name, row in sides.items()}
    return {name: (run, load(tracker, run)) for name, run in runs.items() if tracker.keeps(run, scenes.FOLDER)}


def load(tracker: Tracker, run: TrackedRun) -> Scenes:
    """The label maps that a run kept to be looked at."""
    with tracker.artifact(run, KEPT) as path, np.load(path, allow_pickle=False) as stored:
        return scenes.from_arrays({name: stored[name] for name in stored.files})
