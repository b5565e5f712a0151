"""Inside the runs: learning curves with their ramp and stops, and runs that ended badly."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench.report.document.report import Report
from dta_bench.report.document.run_details import EndedRun, SeedCurves
from dta_bench.report.html.charts.colours import SIDE_COLOURS, other_look, other_turn
from dta_bench.report.html.charts.lines import Axes, Series, lines
from dta_bench.report.html.page import Cell, Figure, Section, Table
from dta_bench.report.html.sections.cut_short import cut_short_figures
from dta_bench.report.html.sections.links import links_to, run_page, seed_links, side_name
from dta_bench.spec.spelling import spell_metric

PANELS = (
    ("validation/{headline}", "{metric} on the labelled subset, %"),
    ("source_validation/{headline}", "{metric} on held-out source, %"),
    ("target_train/entropy", "entropy on target train, nats"),
    ("target_train/classes_in_use", "classes in use on target train"),
    ("loss/total", "loss"),
)


def training_section(report: Report) -> Section | None:
    """Curves of the selected and the baseline runs, seed by seed."""
    if report.curves is None:
        return None
    figures = [figure for key, title in PANELS if (figure := _panel(report, report.curves, key, title))]
    figures += cut_short_figures(report)
    if selected := report.curves.get("selected"):
        figures += _loss_parts(report, selected[0])
    words = ["Results are read at the last epoch, whatever came before."]
    if _ramp(report):
        method = side_name(report, "selected")
        words.append(f"Shaded: the ramp, the epochs in which the perturbation of {method} grows.")
    tables = [_ended_table(report, report.ended)] if report.ended else []
    return Section("training", "Inside the runs", words, tables, figures, beside=True)


def _panel(report: Report, curves: dict[str, list[SeedCurves]], key: str, title: str) -> Figure | None:
    key = key.format(headline=report.headline)
    title = title.format(metric=spell_metric(report.headline))
    series = [
        Series(
            side_name(report, side), *run.metrics[key], look=SIDE_COLOURS[side],
            link=run_page(report, run.mlflow_run_id), named=i == 0,
            group=side_name(report, side) if report.other_curves else "",
        )
        for side, runs in curves.items()
        for i, run in enumerate(runs)
        if key in run.metrics
    ] + _other_series(report, key)  # fmt: skip
    if not series:
        return None
    ramp = _ramp(report)
    axes = Axes(title, "epoch", title.removesuffix(" on target train"), span=ramp, span_name="ramp" if ramp else "")
    links = [link for side in curves for link in seed_links(report, side)]
    return Figure(lines(series, axes), f"{title[0].upper()}{title[1:]}, one line per seed.", links)


def _other_series(report: Report, key: str) -> list[Series]:
    """The curves of the other methods, which a reader shows by their names."""
    return [
        Series(
            method, *run.metrics[key], look=other_look(number), link=run_page(report, run.mlflow_run_id),
            named=i == 0, group=method, hidden=True, dash=1 + (other_turn(number) + number) % 6,
        )
        for number, (method, runs) in enumerate((report.other_curves or {}).items())
        for i, run in enumerate(runs)
        if key in run.metrics
    ]  # fmt: skip


def _loss_parts(report: Report, run: SeedCurves) -> list[Figure]:
    """Each part of one run's loss, without the total and without parts that are always zero; nothing without parts."""
    parts = [key for key, (_, values) in run.metrics.items() if key.startswith("loss/") and any(values)]
    parts = [key for key in parts if key != "loss/total"]
    if not parts:
        return []
    series = [
        Series(
            key.removeprefix("loss/"), *run.metrics[key], look=1 + i % 6, link=run_page(report, run.mlflow_run_id)
        )
        for i, key in enumerate(parts)
    ]  # fmt: skip
    ramp = _ramp(report)
    axes = Axes("Parts of the loss", "epoch", "loss", span=ramp, span_name="ramp" if ramp else "")
    caption = f"Each part of {side_name(report, 'selected')}'s loss, before it is weighted; seed {run.seed}."
    return [Figure(lines(series, axes), caption, links_to(report, "selected", [run]))]


def _ramp(report: Report) -> tuple[float, float] | None:
    """The epochs in which the perturbation still grows (Eq. a-17)."""
    epochs = report.selected.params.get("ramp_up_epochs") if report.selected else None
    return (1.0, float(epochs)) if epochs and float(epochs) > 1 else None


def _ended_table(report: Report, ended: Sequence[EndedRun]) -> Table:
    head = ["run", "how it ended", "last epoch", "reason"]
    rows = [
        [
            Cell(_run_name(run), run_page(report, run.mlflow_run_id)), Cell(run.how),
            Cell("-" if run.epoch is None else f"{run.epoch} of {run.epochs}", number=True), Cell(run.reason),
        ]
        for run in ended
    ]  # fmt: skip
    return Table(head, rows, "Runs that failed, were interrupted or stopped, or collapsed.")


def _run_name(run: EndedRun) -> str:
    """A run's name in the store; older stores name runs of a sweep's own method without the method."""
    return run.name if run.name.startswith(run.method) else f"{run.method} {run.name}".strip()
