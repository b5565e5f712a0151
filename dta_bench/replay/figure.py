"""Regret against epochs spent, drawn."""

from __future__ import annotations

from pathlib import Path

from dta_bench.report.document.replay import Replay

COLOURS = {"grid": "#0072b2", "random": "#e69f00", "tpe": "#009e73"}
DASHES = {"": "-", "collapse": ":", "asha": "--", "asha + collapse": "-."}


def draw_regret(replay: Replay, path: Path) -> None:
    """Write the mean regret of every search as an SVG; the bar and the complete grid's own regret are marked.

    Without pyplot, which keeps figures in a process-wide state and may ask for a screen.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for row in replay.replay:
        kind, _, stop = row.search.partition(" ")
        share = [100 * spent / replay.grid_epochs for spent in row.epochs]
        axes.plot(share, row.regret, DASHES[stop], color=COLOURS[kind], label=row.search, linewidth=1.4)
    axes.axhline(replay.regret_of_the_complete_grid, color="grey", linewidth=0.8, label="the complete grid")
    axes.plot([20], [0.5], "kx", label="bar: 0.5 points at 20 %")
    axes.set_xlabel("epochs spent, % of the complete grid")
    axes.set_ylabel("mean regret against the oracle, points")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7, ncols=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
