"""What becomes of the paper's tables: ``reports/reproduction.md`` as Markdown on stdout.

``make reproduction`` makes the runs and calls ``python reports/reproduction.py OUT``. Rows of Tables 1 to 5 that were
not run are listed with their command and its GPU hours, which are the program's own estimate.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dta_bench.report.paper.published import rows_of_table
from dta_bench.spec.spelling import count_of

HERE = Path(__file__).parent
PAIRS = {"usps_mnist": "USPS to MNIST", "mnist_usps": "MNIST to USPS"}
OURS = {"digits": "MNIST to UCI digits", "fonts_digits": "Fonts to UCI digits"}
OTHERS = ("mcd", "vada", "se", "shot", "dta_released")  # rows that are asked for beside dta and adabn
VAT_IS_PRINTED = ("usps_mnist",)
PAPERS_STEPS, SCALED_STEPS, SCALED_BATCH, SEEDS = 90 * 468, 12 * 156, 64, 3
INTRODUCTION = """# Does the paper reproduce?

Made by `make reproduction`. Printed: the paper's tables (`published.yaml`). Released code: `released_code.yaml`,
figures of 2026-11-28, not made here. Ours: target test at the last epoch, with 95 % intervals over training
seeds and test images of *confirmation* seeds where a row has them, else over test images of the one seed that chose.
The schedule of MNIST and USPS is scaled: 12 epochs of 156 steps with 64 images of each domain, where the paper has 90
epochs (42,000 steps of 128 + 128). `digits` and `fonts_digits` are not in the paper; their schedule is as shipped.
"""


def main(out: str) -> None:
    """Print the page."""
    print(INTRODUCTION)
    for pair, title in (PAIRS | OURS).items():
        report = _json("report", f"reproduce_{pair}", "--out", out)
        if report:
            print(pair_section(pair, title, report))
    print(all_tables(out))


def pair_section(pair: str, title: str, report: dict[str, Any]) -> str:
    """One direction: every row of ours, what the paper prints, and what the released code gave."""
    printed = {row.method: row.average for row in rows_of_table(1) if row.benchmark == pair and row.method}
    lines = [f"## {title}", "", chosen_sentence(report, pair), ""]
    lines += ["| ours | labelled subset | target test, % | 95 % interval | seeds | collapsed | printed |"]
    lines += ["|---|---:|---:|---|---|---|---:|"]
    for row in report["leaderboard"]:
        low, high = row["ci95"]
        seeds = f"{row['seeds']} fresh" if row["confirmed"] else f"{row['seeds']} of the search"
        over = "" if row["seeds"] > 1 else " (test images only)"
        lines.append(
            f"| {spell_row(row, pair)} | {row['validation']:.1f} | {row['test']:.1f} | {low:.1f} to {high:.1f}{over} |"
            f" {seeds} | {row['collapsed'] or ''} | {printed.get(row['method'], '')} |"
        )
    rows = yaml.safe_load((HERE / "released_code.yaml").read_text())["rows"]
    if released := [row for row in rows if row["benchmark"] == pair]:
        lines += ["", "| released code, one seed | schedule | target test, % |", "|---|---|---:|"]
        lines += [f"| {row['row']} | {row['schedule']} | {row['test']} |" for row in released]
    if pair in PAIRS and report.get("cost"):
        lines += ["", hours_at_the_papers_schedule(report)]
    if pair in PAIRS:
        lines += rows_not_run(pair, {row["method"] for row in report["leaderboard"]})
    return "\n".join(lines) + "\n"


def rows_not_run(pair: str, has: set[str]) -> list[str]:
    """The methods that are asked for and have no row: the command, a step's measured seconds, and the hours."""
    missing = [method for method in OTHERS if method not in has]
    words = ["profile", "step", f"reproduce_{pair}", "--backbone", "conv3_fc2", "--batch", str(SCALED_BATCH)]
    measured = _json(*words, "--method", ",".join(missing)) if missing else {}
    if not measured:
        return []
    lines = ["", f"| not run at the scaled schedule | seconds a step | {SEEDS} seeds, hours on one core | command |"]
    lines += ["|---|---:|---:|---|"]
    for row in measured["rows"]:
        if row["method"] in missing and not row["vat"]:
            seconds = SCALED_BATCH / row["images_per_second"]
            hours = SEEDS * SCALED_STEPS * seconds / 3600
            command = f"sweep reproduce_{pair} --method {row['method']} --points 1 --seeds {SEEDS} --confirm 0"
            lines.append(f"| {row['method']} | {seconds:.3f} | {hours:.1f} | `dta-bench {command}` |")
    return lines


def chosen_sentence(report: dict[str, Any], pair: str) -> str:
    """What the labelled subset chose, what it scores, and against source-only."""
    test, gain = report["test"], report["difference"]
    low, high = test["ci95"]
    start = (
        f"The labelled subset chose: {spell_row(report['selected'], pair)}. It has {test[report['headline']]:.1f} %"
        f" ({low:.1f} to {high:.1f}, {test['seeds']} fresh seeds)"
    )
    if gain is None:
        return f"{start}."
    verdict = "better than" if gain["differs"] and gain["points"] > 0 else "not shown to be better than"
    return (
        f"{start}, {gain['points']:+.1f} points ({gain['ci95'][0]:+.1f} to {gain['ci95'][1]:+.1f}) against source-only:"
        f" {verdict} source-only (p {gain['p_holm']:.3f}, corrected for {count_of(gain['pairs'], 'pair')})."
    )


def hours_at_the_papers_schedule(report: dict[str, Any]) -> str:
    """What whole runs would take on this machine: 42,120 steps, each of twice the images of ours."""
    steps = report["training"]["epochs"] * report["training"]["iterations_per_epoch"]
    seconds = {row["method"]: row["seconds_a_run"] / steps for row in report["cost"]["by_method"]}
    told = [f"{name} {each:.3f} s a step, {2 * each * PAPERS_STEPS / 3600:.1f} h" for name, each in seconds.items()]
    return (
        "Not run: the paper's schedule in full. On one core of the machine of these runs it would take, with twice the"
        f" images a step: {'; '.join(told)}."
    )


def spell_row(row: dict[str, Any], pair: str) -> str:
    """A configuration by what this study varies."""
    if row["method"] != "dta":
        return str(row["method"])
    params = row["params"]
    names = {
        "source_only_epochs": "source-only epochs",
        "class_balance": "class balance",
        "lambda_1_ramp_epochs": "lambda_1 rises over epochs",
    }
    words = [f"{name} {params[key]:g}" for key, name in names.items() if params.get(key)]
    if pair in PAIRS and bool(params["lambda_3"]) != (pair in VAT_IS_PRINTED):
        words.append("with VAT" if params["lambda_3"] else "no VAT")
    return ", ".join(["dta", *(words or ["the printed terms alone"])])


def all_tables(out: str) -> str:
    """Every row of Tables 1 to 5 that has a method here, and what became of it."""
    lines = ["## Tables 1 to 5", ""]
    lines += [
        "A row is reproduced where the printed figure lies inside our interval at the paper's own schedule. No row"
    ]
    lines += [
        "was run at it here. GPU hours are the program's estimate for one seed, at an assumed rate of images.",
        "",
    ]
    lines += ["| table | row | benchmark | printed | status | command | GPU hours |", "|---|---|---|---:|---|---|---:|"]
    for table in range(1, 6):
        for row in rows_of_table(table):
            if row.method is None or row.without:
                continue
            backbone = f" --backbone {row.backbone}" if row.backbone else ""
            command = f"dta-bench sweep {row.benchmark} --method {row.method}{backbone} --points 1"
            hours = _hours(row.benchmark, row.method, row.backbone, out)
            status = "not run" if row.benchmark not in PAIRS else "not at its schedule; scaled above"
            told = "" if hours is None else f"{hours:.1f}"
            lines.append(
                f"| {table} | {row.row} | {row.benchmark} | {row.average:.1f} | {status} | `{command}` | {told} |"
            )
    return "\n".join(lines)


@cache
def _hours(benchmark: str, method: str, backbone: str | None, out: str) -> float | None:
    words = ["sweep", benchmark, "--method", method, "--points", "1", "--seeds", "1", "--confirm", "0", "--dry-run"]
    found = _json(*words, *(["--backbone", backbone] if backbone else []), "--out", out)
    return found["estimate"]["by_method"].get(method) if found else None


def _json(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "dta_bench", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{' '.join(words)}: {done.stderr.strip()}", file=sys.stderr)
        return {}
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")
