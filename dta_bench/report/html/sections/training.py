"""Inside the runs: learning curves with their ramp and stops, and runs that ended badly."""

from __future__ import annotations

from typing import Any

from dta_bench.report.html.charts.chart import Axes, Series, lines
from dta_bench.report.html.page import Cell, Figure, Section, Table
from dta_bench.report.html.sections.cut_short import cut_short
from dta_bench.report.html.sections.spelling import SIDES, metric, run_page, seed_links, side_name

PANELS = (
    ("validation/{headline}", "{spelt} on the labelled subset, %"),
    ("source_validation/{headline}", "{spelt} on held-out source, %"),
    ("target_train/entropy", "entropy on target train, nats"),
    ("target_train/classes_in_use", "classes in use on target train"),
    ("loss/total", "loss"),
)


def training(found: dict[str, Any]) -> Section | None:
    """Curves of the selected and the baseline runs, seed by seed."""
    if "curves" not in found:
        return None
    figures = [figure for key, title in PANELS if (figure := _panel(found, key, title))]
    figures += cut_short(found)
    figures += [_parts(found)] if found["curves"].get("selected") else []
    words = ["The number of an epoch is the result's number: the last one counts, whatever came before."]
    return Section(
        "training", "Inside the runs", words, [_ended(found)] if found["ended"] else [], figures, beside=True
    )


def _panel(found: dict[str, Any], key: str, title: str) -> Figure | None:
    spelt = metric(found["headline"])
    key, title = key.format(headline=found["headline"]), title.format(spelt=spelt)
    series = [
        Series(
            side_name(found, side), run["metrics"][key][0], run["metrics"][key][1], look=SIDES[side],
            link=run_page(found, run["mlflow_run_id"]), named=i == 0,
        )
        for side, runs in found["curves"].items()
        for i, run in enumerate(runs)
        if key in run["metrics"]
    ]  # fmt: skip
    if not series:
        return None
    ramp = _ramp(found)
    axes = Axes(title, "epoch", title.removesuffix(" on target train"), span=ramp, span_name="ramp" if ramp else "")
    return Figure(lines(series, axes), f"{title[0].upper()}{title[1:]}, a line a seed.", _links(found))


def _parts(found: dict[str, Any]) -> Figure:
    """Each part of the selected run's loss, of its first seed."""
    run = found["curves"]["selected"][0]
    parts = [key for key, (_, values) in run["metrics"].items() if key.startswith("loss/") and any(values)]
    parts = [key for key in parts if key != "loss/total"]
    series = [
        Series(
            key.removeprefix("loss/"), run["metrics"][key][0], run["metrics"][key][1], look=1 + i % 6,
            link=run_page(found, run["mlflow_run_id"]),
        )
        for i, key in enumerate(parts)
    ]  # fmt: skip
    ramp = _ramp(found)
    axes = Axes("Parts of the loss", "epoch", "loss", span=ramp, span_name="ramp" if ramp else "")
    caption = f"Each part of {found['selected']['method']}'s loss before its weight, seed {run['seed']}."
    return Figure(lines(series, axes), caption, seed_links(found, [run], found["selected"]["method"]))


def _ramp(found: dict[str, Any]) -> tuple[float, float] | None:
    """The epochs in which the perturbation still grows (Eq. a-17)."""
    ramp = found["selected"]["params"].get("ramp_up_epochs") if found["selected"] else None
    return (1.0, float(ramp)) if ramp and ramp > 1 else None


def _ended(found: dict[str, Any]) -> Table:
    head = ["run", "how it ended", "last epoch", "reason"]
    rows = [
        [
            Cell(_run(one), run_page(found, one["mlflow_run_id"])), Cell(one["how"]),
            Cell("-" if one["epoch"] is None else f"{one['epoch']} of {one['epochs']}", number=True),
            Cell(one["reason"]),
        ]
        for one in found["ended"]
    ]  # fmt: skip
    return Table(head, rows, "Runs that failed, were stopped, or collapsed.")


def _links(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [link for side, runs in found["curves"].items() for link in seed_links(found, runs, side_name(found, side))]


def _run(one: dict[str, Any]) -> str:
    """A run's name, and its method where the name does not begin with it."""
    named = one["name"].startswith(one["method"])
    return str(one["name"]) if named else f"{one['method']} {one['name']}".strip()
