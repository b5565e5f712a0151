"""A replay on the terminal and as files."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dta_bench.replay.figure import draw_regret
from dta_bench.report.document.replay import Replay


def write_replay(replay: Replay, folder: Path) -> None:
    """Keep the replay as ``replay.json`` and ``replay.svg``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "replay.json").write_text(json.dumps(replay.json_object(), indent=1) + "\n", encoding="utf-8")
    draw_regret(replay, folder / "replay.svg")


def show_replay(replay: Replay, console: Console) -> None:
    """Print each search's regret at a fifth of the grid's epochs, and whether the bar is reached."""
    table = Table(title=f"{replay.name}: {replay.repetitions} repetitions of each search", title_justify="left")
    table.add_column("search")
    for column in ("regret at 20 %\nof the epochs", "against the\ncomplete grid", "epochs to\n0.5 points"):
        table.add_column(column, justify="right")
    for row in replay.replay:
        needed = next((e for e, r in zip(row.epochs, row.regret, strict=True) if r <= replay.bar_points), None)
        reached = "never" if needed is None else f"{100 * needed / replay.grid_epochs:.0f} %"
        table.add_row(
            row.search, f"{row.regret_at_20_percent:.2f}", f"{row.regret_to_grid_at_20_percent:+.2f}", reached,
            style="bold" if row.reaches_the_bar else None,
        )  # fmt: skip
    console.print(table)
    for line in sentences(replay):
        console.print(line, highlight=False)


def sentences(replay: Replay) -> list[str]:
    """What the replay shows, a sentence each."""
    reaching = [row.search for row in replay.replay if row.reaches_the_bar]
    stops = replay.stopping
    return [
        f"The rule labels, with its {replay.labels} labels, loses {replay.regret_of_the_complete_grid:.2f} points"
        f" against the oracle's {replay.best:.1f} % on the complete grid of {replay.grid_epochs} epochs.",
        f"At most 0.5 points at 20 % of these epochs: {', '.join(reaching) or 'no search'}.",
        f"Collapse stopping stops {stops.stopped} of {stops.runs} runs, {stops.stopped_of_the_ten_best} of the ten best"
        + (f"; the best of them has rank {stops.best_rank_stopped}." if stops.stopped else "."),
    ]
