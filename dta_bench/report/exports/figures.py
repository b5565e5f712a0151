"""A report's figures for paper: a PDF with a page each, or an SVG file each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from dta_bench.report.confirmation_sentences import count_fresh, legend_of_intervals
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import differing_params
from dta_bench.report.exports.made_by import MadeBy
from dta_bench.report.labels import label_row
from dta_bench.spec.spelling import spell_method, spell_metric

MOST_ROWS = 25
COLOURS = ("#0072b2", "#e69f00", "#009e73")
SIDES = ("selected", "source_only", "target_only")


def write_figures(report: Report, path: Path, made_by: MadeBy) -> list[Path]:
    """Write all figures: into one PDF, or for a path ``x.svg`` into the files ``x-<figure>.svg``.

    Returns: the files.
    """
    drawn, said = dict(_draw(report)), "; ".join(made_by.lines())
    for figure in drawn.values():
        figure.text(0.005, 0.005, said, fontsize=4, color="0.4", parse_math=False)
    if path.suffix == ".svg":
        files = {name: path.with_name(f"{path.stem}-{name}.svg") for name in drawn}
        for name, file in files.items():
            described = {
                "Date": None,
                "Title": f"{report.benchmark}: {name}",
                "Description": "; ".join(made_by.lines()),
            }
            drawn[name].savefig(file, metadata=described)
        return list(files.values())
    about = {
        "Title": f"dta-bench report {report.benchmark}",
        "Subject": "; ".join(made_by.lines()),
        "CreationDate": None,
    }
    with PdfPages(path, metadata=about) as pages:
        for figure in drawn.values():
            pages.savefig(figure)
    return [path]


def _draw(report: Report) -> Iterator[tuple[str, Figure]]:
    """Each figure by its name, as far as the report has what it shows."""
    if any(row.test is not None for row in report.leaderboard):
        yield "ranking", _ranking(report)
    if report.scores_by_side():
        yield "classes", _classes(report)
    for side, matrix in (report.confusion or {}).items():
        yield f"confusion-{side}", _confusion(_title(report, side), matrix.classes, np.array(matrix.counts))
    if report.curves:
        yield "training", _training(report)


def _ranking(report: Report) -> Figure:
    shown = [row for row in report.leaderboard if row.test is not None][:MOST_ROWS]
    names, several = differing_params(report.leaderboard), len({row.backbone for row in report.leaderboard}) > 1
    figure, axes = _page(7, 1.2 + 0.28 * len(shown))
    for place, row in enumerate(reversed(shown)):
        assert row.test is not None
        low, high = row.ci95 or (row.test, row.test)
        colour = COLOURS[0] if row.competes else "0.5"
        axes.plot([low, high], [place, place], color=colour, linewidth=1.2)
        axes.plot([row.test], [place], "o", color=colour, markersize=4)
    labels = [f"{label_row(row, names, several)} ({count_fresh(row)})" for row in reversed(shown)]
    axes.set_yticks(range(len(shown)), labels, fontsize=7, parse_math=False)
    legend = [f"target test {spell_metric(report.headline)}, %, with 95 % intervals", *legend_of_intervals(report)]
    axes.set_xlabel("\n".join(legend), fontsize=7, parse_math=False)
    axes.grid(axis="x", linewidth=0.4)
    return figure


def _classes(report: Report) -> Figure:
    sides = report.scores_by_side()
    names = list(next(iter(sides.values())).per_class)
    figure, axes = _page(7, 3.2)
    width = 0.8 / len(sides)
    for number, (side, scores) in enumerate(sides.items()):
        heights = [scores.per_class.get(name) or 0.0 for name in names]
        places = np.arange(len(names)) + width * (number - (len(sides) - 1) / 2)
        axes.bar(places, heights, width, color=COLOURS[SIDES.index(side)], label=_title(report, side))
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=7, parse_math=False)
    axes.set_ylabel("IoU, %" if report.headline == "miou" else "accuracy, %")
    axes.legend(fontsize=7, frameon=False)
    return figure


def _confusion(title: str, classes: list[str], counts: np.ndarray) -> Figure:
    figure, axes = _page(5.5, 5)
    share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shown = axes.imshow(share, cmap="cividis", vmin=0, vmax=100)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", fontsize=7, parse_math=False)
    axes.set_yticks(range(len(classes)), classes, fontsize=7, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"{title}, target test, all seeds", fontsize=9, parse_math=False)
    figure.colorbar(shown, label="% of the true class")
    return figure


def _training(report: Report) -> Figure:
    """The headline metric on the labelled subset (without one, on held-out source) after each epoch, a line a seed."""
    part = "validation" if report.subset is not None else "source_validation"
    figure, axes = _page(7, 3.2)
    for side, seeds in (report.curves or {}).items():
        for number, seed in enumerate(seeds):
            epochs, values = seed.metrics.get(f"{part}/{report.headline}", ([], []))
            label = _title(report, side) if number == 0 else None
            axes.plot(epochs, values, color=COLOURS[SIDES.index(side)], linewidth=1, label=label)
    where = "the labelled subset" if part == "validation" else "held-out source"
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{spell_metric(report.headline)} on {where}, %")
    axes.legend(fontsize=7, frameon=False)
    return figure


def _title(report: Report, side: str) -> str:
    return report.selected.method if side == "selected" and report.selected else spell_method(side)


def _page(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure without pyplot, which keeps figures for the whole process and may need a screen."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
