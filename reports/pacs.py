"""PACS on frozen features, as a page: the figures of ``dta-bench report pacs --json``.

    python reports/pacs.py --root DATA [--out OUT] > reports/pacs.md

``make pacs`` first sweeps the pairs whose data are there. What has no finished run is named with its command.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dta_bench.spec import search_space_file
from dta_bench.spec.spelling import count_of
from dta_bench.spec.training import Training
from dta_bench.tracking import Tracker
from dta_bench.tracking.store_file import sqlite_uri

SUITE, SPACE, USUAL = "pacs", "compare_frozen", "frozen_pair"


def report_of(root: str, out: str) -> dict[str, Any]:
    """What ``dta-bench report pacs --json`` prints."""
    command = [sys.executable, "-m", "dta_bench", "report", SUITE, "--json", "--root", root, "--out", out]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def page(report: dict[str, Any], seconds: dict[str, float], runs: int, training: Training) -> str:
    """The page as Markdown.

    Args:
        report: of the suite.
        seconds: method → seconds of training of a run, on average.
        runs: how many finished runs there are, of the search and of confirmation.
        training: of all of them.
    """
    how = _how(report, runs, training)
    return "\n\n".join(["# PACS on frozen features", how, *_tables(report, seconds), *_missing(report)])


def _how(report: dict[str, Any], runs: int, training: Training) -> str:
    pairs, stated, file = report["pairs"], report["stated"], search_space_file.read(SPACE)
    usual = search_space_file.read(USUAL).training.epochs
    seeds = sorted({cell["seeds"] for pair in pairs.values() for cell in pair["methods"].values()})
    return (
        "Made by `make pacs DATA=... WEIGHTS=...`. PACS (Li et al. 2017) at"
        f" {'x'.join(map(str, training.image_size or ())) or 'its own'} pixels;\n"
        f"{report['backbone']} with ImageNet weights is frozen, and a bottleneck of {training.neck_width} and a\n"
        f"classifier train above it, {training.epochs} epochs over the source in batches of {training.batch_size} and"
        f" {training.batch_size}. Of each method\n"
        f"up to {file.points} points of its sets were trained with {count_of(file.seeds, 'seed')}, one was chosen on"
        " each pair by the labelled\nsubset of the target, and trained again with fresh seeds: the table is of these,"
        f" {' or '.join(map(str, seeds))} seeds a cell.\n"
        f"{runs} runs in all; {len(pairs)} of the suite's {stated} pairs.\n\n"
        f"This is small: {training.epochs} epochs where `{USUAL}` has {usual}, few points of each method, one network."
        " It orders methods\nin this setting alone. AdaBN estimates the frozen network's statistics on the target and"
        " computes the features\nagain; DTA and its released form are without VAT, which needs pixels."
    )


def _tables(report: dict[str, Any], seconds: dict[str, float]) -> Iterator[str]:
    pairs, average = report["pairs"], report["average"]
    methods = dict.fromkeys(name for pair in pairs.values() for name in pair["methods"])
    ranked = sorted(methods, key=lambda name: -average.get(name, 0.0))
    head = ["method", f"average of {len(report['average_over'])}", *pairs, "s a run"]
    rows = [
        [
            name, _with_interval(average.get(name), report["average_intervals"].get(name)),
            *[_cell(pair["methods"].get(name)) for pair in pairs.values()], f"{seconds.get(name, 0):.1f}",
        ]
        for name in ranked
    ]  # fmt: skip
    yield f"## Accuracy on target test\n\nPercent, with 95 % intervals over seeds and images.\n\n{_table(head, rows)}"
    across = report["across"]
    if across:
        of_ranks = [[name, f"{across['ranks'][name]:.2f}"] for name in sorted(across["ranks"], key=across["ranks"].get)]
        yield f"## Ranks\n\n{across['why_not_tested']}\n\n{_table(['method', 'average rank'], of_ranks)}"
    differing = [
        one for one in report["comparisons"] if one["differs"] and "source_only" in (one["first"], one["second"])
    ]
    if differing:
        lines = [f"* {one['first']} and {one['second']}: {one['points']:+.1f} points" for one in differing]
        yield (
            "## Averages that differ from source-only's\n\nAfter Holm's correction for "
            f"{len(report['comparisons'])} pairs of methods, about these very pairs of domains.\n\n" + "\n".join(lines)
        )
    for note in report["notes"][1:]:
        yield f"Note: {note}."


def _missing(report: dict[str, Any]) -> Iterator[str]:
    if report["missing"]:
        lines = [
            f"* {one['pair']}{' of ' + one['method'] if one['method'] else ''} ({Path(one['why']).name}): "
            f"`{_without_places(one['command'])}`" for one in report["missing"]
        ]  # fmt: skip
        yield "## Not run\n\n" + "\n".join(lines)


def _without_places(command: str) -> str:
    """A command with the file of weights by its name alone."""
    return " ".join(Path(word).name if word.startswith("/") else word for word in command.split(" "))


def _cell(found: dict[str, Any] | None) -> str:
    return "" if found is None else _with_interval(found["score"], found["interval"])


def _with_interval(score: float | None, interval: list[float] | None) -> str:
    if score is None:
        return ""
    return f"{score:.1f}" + (f" ({interval[0]:.1f} to {interval[1]:.1f})" if interval else "")


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--out", default=".")
    asked = parser.parse_args()
    report = report_of(asked.root, asked.out)
    tracker = Tracker(sqlite_uri(Path(asked.out) / "mlflow.db"), Path(asked.out))
    found = [
        run for pair in report["pairs"].values() for run in tracker.runs(pair["benchmark"]) if run.status == "FINISHED"
    ]
    times: dict[str, list[float]] = {}
    for run in found:
        times.setdefault(run.spec.method, []).append(run.metrics.get("seconds", 0.0))
    trainings = {run.spec.training.model_copy(update={"batchnorm": {}}).model_dump_json() for run in found}
    if len(trainings) != 1:
        sys.exit(f"the runs have {len(trainings)} trainings, and the page is of one: make pacs in a folder of its own")
    seconds = {name: sum(of) / len(of) for name, of in times.items()}
    print(page(report, seconds, len(found), Training.model_validate_json(trainings.pop())))


if __name__ == "__main__":
    main()
