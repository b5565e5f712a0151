"""A replay on the terminal, as files, and in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Shown

from dta_bench.replay.figure import draw


def write(found: dict[str, Any], folder: Path) -> None:
    """Keep the replay as ``replay.json`` and ``replay.svg``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "replay.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    draw(found, folder / "replay.svg")


def show(found: dict[str, Any], console: Console) -> None:
    """Print each search's regret at a fifth of the grid's epochs, and whether the bars are reached."""
    shown = Shown(title=f"{found['name']}: {found['repetitions']} repetitions of each search", title_justify="left")
    shown.add_column("search")
    for column in ("regret at 20 %\nof the epochs", "against the\ncomplete grid", "epochs to\n0.5 points"):
        shown.add_column(column, justify="right")
    for row in found["replay"]:
        needed = next((e for e, r in zip(row["epochs"], row["regret"], strict=True) if r <= found["bar_points"]), None)
        reached = "never" if needed is None else f"{100 * needed / found['grid_epochs']:.0f} %"
        shown.add_row(
            row["search"], f"{row['regret_at_20_percent']:.2f}", f"{row['regret_to_grid_at_20_percent']:+.2f}", reached,
            style="bold" if row["reaches_the_bar"] else None,
        )  # fmt: skip
    console.print(shown)
    for line in said(found):
        console.print(line, highlight=False)


def said(found: dict[str, Any]) -> list[str]:
    """What the replay shows, a sentence each."""
    reaching = [row["search"] for row in found["replay"] if row["reaches_the_bar"]]
    stops = found["stopping"]
    return [
        f"The rule labels, with its {found['labels']} labels, loses {found['regret_of_the_complete_grid']:.2f} points"
        f" against the oracle's"
        f" {found['best']:.1f} % on the complete grid of {found['grid_epochs']} epochs.",
        f"At most 0.5 points at 20 % of these epochs: {', '.join(reaching) or 'no search'}.",
        f"Collapse stopping stops {stops['stopped']} of {stops['runs']} runs, {stops['stopped_of_the_ten_best']} of the"
        f" ten best" + (f"; the best of them has rank {stops['best_rank_stopped']}." if stops["stopped"] else "."),
    ]
