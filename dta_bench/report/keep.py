"""The report in files: JSON for programs, Markdown for a repository, SVG for a README."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from dta_bench.report.published import beside
from dta_bench.report.show import answer, show, warnings
from dta_bench.report.table import differing

# rich's own frame without its web font: the picture needs no network.
SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g></svg>
"""


def write(found: dict[str, Any], folder: Path) -> None:
    """Keep the report as ``report.json``, ``report.md`` and ``report.svg`` (what the screen shows)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(found, indent=2, default=str) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown(found), encoding="utf-8")
    screen = Console(file=io.StringIO(), width=80, record=True, force_terminal=True)
    show(found, screen)
    svg = screen.export_svg(title=f"dta-bench report {found['benchmark']}", code_format=SVG, unique_id="report")
    (folder / "report.svg").write_text(svg, encoding="utf-8")


def markdown(found: dict[str, Any]) -> str:
    """The answer, the ranked configurations, the classes, and how it was made."""
    headline = found["headline"].replace("_", " ")
    lines = [f"# {found['benchmark']}: {found['source']} -> {found['target']}", ""]
    lines += [answer(found) if found["selected"] else "Only baselines have been run.", ""]
    lines += [f"Ranked by `{found['rule']}`. The subset's score is there for choosing; it is not a result.", ""]
    lines += _rows(
        ["configuration", "subset", f"target test, {headline}, %", "95 % interval", "seeds"],
        [_leader(row, differing(found["leaderboard"])) for row in found["leaderboard"]],
    )
    lines += ["", *_per_class(found), "", *[f"* {warning}" for warning in warnings(found)], ""]
    if rows := beside(found):
        lines += ["## Published, as printed, beside ours in the same metric", ""]
        lines += [*_rows(["table", "row", "backbone", "metric", "printed", "ours"], rows), ""]
    lines += _made(found)
    return "\n".join(lines) + "\n"


def _leader(row: dict[str, Any], names: list[str]) -> list[str]:
    point = " ".join(f"{n}={row['params'][n]}" for n in names if n in row["params"])
    return [
        f"{row['method']} {row['backbone']} {point}".strip(),
        f"{row['validation']:.1f}",
        f"{row['test']:.1f}",
        f"{row['ci95'][0]:.1f} to {row['ci95'][1]:.1f}",
        str(row["seeds"]),
    ]


def _per_class(found: dict[str, Any]) -> list[str]:
    sides = {"selected": found["test"], "source-only": found["source_only"], "target-only": found["target_only"]}
    sides = {name: scores for name, scores in sides.items() if scores}
    if not sides:
        return []
    classes = next(iter(sides.values()))["per_class"]
    rows = [[one, *[_percent(scores["per_class"][one]) for scores in sides.values()]] for one in classes]
    for name, key, interval in (
        ("class mean", "mean_class_accuracy", "ci95_mean_class_accuracy"),
        ("accuracy", "accuracy", "ci95"),
    ):
        rows.append([name, *[f"{scores[key]:.1f}" for scores in sides.values()]])
        rows.append(["95 % interval", *["{:.1f} to {:.1f}".format(*scores[interval]) for scores in sides.values()]])
    return _rows(["class", *sides], rows)


def _percent(value: float | None) -> str:
    return "absent" if value is None else f"{value:.1f}"


def _made(found: dict[str, Any]) -> list[str]:
    training = ", ".join(f"{k} {v}" for k, v in found["training"].items() if v is not None)
    made = [f"{key}: {', '.join(values)}" for key, values in found["provenance"].items()]
    subset = found["subset"]
    drawn = f"label subset: {subset['size']} images, seed {subset['seed']}, hash {subset['hash'][:12]}"
    return ["## How this was made", "", *[f"* {line}" for line in (f"training: {training}", drawn, *made)]]


def _rows(head: list[str], rows: list[list[str]]) -> list[str]:
    aligned = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (head, aligned, *rows)]
