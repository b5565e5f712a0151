"""One method under three names, for real: how often the report says that two of them differ.

    python reports/null_world.py [OUT]

``make null-world`` first trains source-only with 360 seeds on the smallest network. Here they are dealt out to 40
worlds of three names with three seeds each, and every world is tested as a report tests its methods. All names are the
same method, so each difference that is found is a false one. The page is printed as Markdown.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
from scipy import stats

from dta_bench.report.configurations import Configuration, group_runs
from dta_bench.report.uncertainty import Uncertainty
from dta_bench.tracking import Tracker, standing_runs
from dta_bench.tracking.store_file import sqlite_uri

BENCHMARK, METRIC = "digits", "accuracy"
WORLDS, NAMES, SEEDS, MOST = 40, ("first", "second", "third"), 3, 5


def main(out: str) -> None:
    """Deal out the seeds and print what was found."""
    tracker = Tracker(sqlite_uri(Path(out) / "mlflow.db"), Path(out))
    groups = group_runs(tracker, standing_runs(tracker.runs(BENCHMARK))[0])
    longest = max((g for g in groups if g.method == "source_only"), key=lambda g: len(g.runs))
    worlds = deal(longest, WORLDS)
    false = [world for world in worlds if any(pair.differs for pair in Uncertainty(world, METRIC).comparisons)]
    scores = np.array([run.score("test", METRIC) for run in longest.runs])
    truth, spread = scores.mean(), scores.std(ddof=1)
    intervals = [Uncertainty(world, METRIC).interval(world[0], METRIC) for world in worlds]
    covered = sum(low <= truth <= high for low, high in intervals)
    low, high = stats.binomtest(len(false), len(worlds)).proportion_ci(0.95, method="exact")
    verdict = "holds" if len(false) <= MOST else "FAILS"
    print(
        "# One method under three names\n\n"
        f"Made by `make null-world`: {len(scores)} runs of source-only on `{BENCHMARK}`, {longest.backbone}, of which\n"
        f"target test scores have mean {truth:.2f} and standard deviation {spread:.2f} points, dealt out to\n"
        f"{len(worlds)} worlds of {len(NAMES)} names with {SEEDS} seeds each.\n\n"
        f"* Worlds in which a difference is claimed: {len(false)} of {len(worlds)} (95 % interval of the rate\n"
        f"  {100 * low:.1f} to {100 * high:.1f} %); at most {MOST} are accepted: {verdict}.\n"
        f"* Intervals of the first name that hold the mean of all runs: {covered} of {len(worlds)}. Images are the\n"
        "  same in all worlds, so only the part of an interval that is of seeds is tried here."
    )


def deal(configuration: Configuration, worlds: int) -> list[list[Configuration]]:
    """Worlds of the same method under each name, every run in one of them; in the order of the seeds."""
    each = len(NAMES) * SEEDS
    if len(configuration.runs) < worlds * each:
        sys.exit(
            f"{len(configuration.runs)} runs of source-only are there, {worlds * each} are needed: make null-world"
        )
    return [
        [
            dataclasses.replace(configuration, method=name, runs=configuration.runs[start : start + SEEDS])
            for name, start in zip(NAMES, range(world * each, (world + 1) * each, SEEDS), strict=True)
        ]
        for world in range(worlds)
    ]


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")
