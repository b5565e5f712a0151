"""Rules and estimates that need no target label, measured where the truth is known: ``reports/label_free.md``.

``make label-free`` makes the runs and calls ``python reports/label_free.py OUT``. It prints the Markdown, and writes
what the program itself reads, ``dta_bench/report/selection/label_free_regret.json``.
"""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report.configurations import group_runs
from dta_bench.report.selection.compare_rules import all_rules
from dta_bench.report.selection.default_rule import MEASURED
from dta_bench.report.selection.estimates import PUBLISHED, estimate_accuracy
from dta_bench.report.selection.every_rule import _budget
from dta_bench.report.selection.rules import LABEL_FREE, competitors
from dta_bench.report.selection.validators import mean_rank
from dta_bench.report.summary import reported_group
from dta_bench.tracking import Tracker, standing_runs
from dta_bench.tracking.store_file import sqlite_uri

PAIRS = ("digits", "fonts_digits", "streets_mini")
GRID = Path(__file__).with_name("grid_fonts_digits.json.gz")
SIZES = (10, 20, 50, 100, 200, 500)
INTRODUCTION = """# Choosing and estimating without target labels

Measured on pairs whose labels are known: several methods at two points each, on two cores (`make label-free`), and the
paper's grid of one method. Regret: what a rule's choice loses on target test against the best configuration, in points.
The rule with the least mean of a task is the default where a pair has no labels.
"""


def main(out: str) -> None:
    """Measure, write the JSON, and print the tables."""
    tracker = Tracker(sqlite_uri(Path(out) / "mlflow.db"), Path(out))
    pairs = [measured_on_grid(), *[measured(tracker, name) for name in PAIRS if tracker.runs(name)]]
    MEASURED.write_text(json.dumps({"pairs": pairs}, indent=1) + "\n", encoding="utf-8")
    print(INTRODUCTION)
    print(table("rule", LABEL_FREE, [(pair["name"], pair["regret"]) for pair in pairs], "{:.1f}"))
    budgets = [pair for pair in pairs if pair.get("label_budget")]
    print(
        "\n## Rank correlation with target test\n\nSpearman's, over all configurations; it decides between rules that"
    )
    print("lost the same.\n")
    print(table("rule", LABEL_FREE, [(pair["name"], pair["rank_correlation"]) for pair in pairs], "{}"))
    print("\n## What labels are worth\n\nMean regret in points of choosing by so many labelled images.\n")
    print(table("labels", map(str, SIZES), [(pair["name"], pair["label_budget"]) for pair in budgets], "{:.1f}"))
    print("\n## Estimates of target accuracy\n\nEstimate less the accuracy on target test, in points, over all")
    print("configurations: mean (mean of its size; largest). None is good enough to be taken for a measurement.\n")
    known = [pair for pair in pairs if pair.get("estimates")]
    spelled = [
        (pair["name"], {n: "{bias:+.1f} ({error:.1f}; {worst:.1f})".format(**e) for n, e in pair["estimates"].items()})
        for pair in known
    ]
    print(table("estimate", PUBLISHED, spelled, "{}"))
    print("\n" + "\n".join(f"* `{name}`: {what}." for name, what in PUBLISHED.items()))


def measured(tracker: Tracker, name: str) -> dict:
    """Regret of each rule, regret by number of labels, and the errors of estimates on a pair's stored runs."""
    benchmark = benchmark_of(name)
    runs = standing_runs(run for run in tracker.runs(name) if not run.unknown_fields)[0]
    group = reported_group(group_runs(tracker, runs), benchmark)
    candidates = competitors(group)
    rows = {row.rule: row for row in all_rules(group, benchmark.headline) if row.selected}
    found = {
        "name": f"{name}, {len(candidates)} configurations of {len({c.method for c in candidates})} methods",
        "task": benchmark.task,
        "regret": {rule: round(rows[rule].regret, 2) for rule in LABEL_FREE if rule in rows},
        "rank_correlation": {rule: rounded(rows[rule].rank_correlation) for rule in LABEL_FREE if rule in rows},
    }
    if benchmark.task == "classification":
        curve = {str(row.labels): round(row.regret, 2) for row in _budget(benchmark, candidates, "data")}
        found["label_budget"] = {size: curve[size] for size in map(str, SIZES) if size in curve}
        found["estimates"] = errors_of_estimates(candidates)
    return found


def errors_of_estimates(candidates: list) -> dict:
    """Estimate → bias, mean size and largest size of its error against target test, in points."""
    errors: dict[str, list[float]] = {}
    for configuration in candidates:
        truth = configuration.mean("test", "accuracy")
        for name, value in estimate_accuracy(configuration).items():
            errors.setdefault(name, []).append(value - truth)
    return {
        name: {
            "bias": round(float(np.mean(e)), 1),
            "error": round(float(np.mean(np.abs(e))), 1),
            "worst": round(float(np.max(np.abs(e))), 1),
        }
        for name, e in errors.items()
    }


def measured_on_grid() -> dict:
    """Regret of each rule on the kept grid, from its curves and final criteria."""
    grid = json.loads(gzip.decompress(GRID.read_bytes()))
    runs = [point["runs"] for point in grid["points"]]

    def last(name: str, sign: float = 1.0) -> list[float]:
        return [float(np.mean([sign * run["curves"][name][-1] for run in point])) for point in runs]

    def final(name: str) -> list[float]:
        return [float(np.mean([run["final"][name] for run in point])) for point in runs]

    scores = {name: last(name) for name in ("source", "information", "bnm", "snd")} | {"entropy": last("entropy", -1)}
    scores |= {name: final(name) for name in ("class_ami", "dev")}
    scores["mixval"] = mean_rank(final("mixval_intra"), final("mixval_inter"))
    test = [float(np.mean([run["test"][grid["headline"]] for run in point])) for point in runs]
    regret = {rule: round(max(test) - test[int(np.argmax(scores[rule]))], 2) for rule in LABEL_FREE}
    return {
        "name": f"fonts_digits, the paper's grid of {len(runs)} points",
        "task": "classification",
        "regret": regret,
        "rank_correlation": {rule: rounded(spearmanr(scores[rule], test).statistic) for rule in LABEL_FREE},
    }


def rounded(value: float | None) -> float | None:
    """Two digits; None where a correlation is not defined."""
    return None if value is None or np.isnan(value) else round(float(value), 2)


def table(head: str, names: object, columns: list, spelling: str) -> str:
    """A row a name, a column a pair."""
    lines = [f"| {head} | {' | '.join(title for title, _ in columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for name in names:
        cells = [spelling.format(values[name]) if name in values else "" for _, values in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")
