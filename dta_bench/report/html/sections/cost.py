"""What the runs cost."""

from __future__ import annotations

from typing import Any

from dta_bench.report.html.page import Cell, Section, Table
from dta_bench.report.html.sections.spelling import number


def cost(found: dict[str, Any]) -> Section | None:
    """Time and GPU hours in all, and by method beside source-only."""
    held = found.get("cost")
    if held is None:
        return None
    words = [
        f"{held['runs']} finished runs took {_spelt(held['seconds'])} of training in all,"
        f"{_gpu(held['gpu_hours'])}; {held['not_finished']} runs did not finish."
    ]
    head = ["method", "backbone", "device", "runs", "median time a run", "time ratio", "FLOPs ratio"]
    rows = [
        [
            Cell(one["method"]), Cell(one["backbone"]), Cell(one["device"]), Cell(str(one["runs"]), number=True),
            Cell(_spelt(one["seconds_a_run"]), number=True), _ratio(one["time_ratio"]), _flops(one.get("flops_ratio")),
        ]
        for one in sorted(held["by_method"], key=lambda one: (one["backbone"], one["seconds_a_run"]))
    ]  # fmt: skip
    caption = (
        "Ratios are to source-only: of a run's median time, as the machine was, busy or idle (training alone, without"
        f" evaluation); and of the FLOPs of a step after every ramp, {_counted(held)}."
    )
    return Section("cost", "Cost", words, [Table(head, rows, caption)])


def _gpu(hours: float) -> str:
    return f" {hours:.2f} GPU hours among them" if hours else " none of it on a GPU"


def _counted(held: dict[str, Any]) -> str:
    """Where the FLOPs come from."""
    late, runs = held.get("flops_counted", 0), held["runs"]
    whose = (
        "by each run" if not late else "for this page" if late == runs else f"by each run or, of {late}, for this page"
    )
    return f"counted on the meta device {whose}"


def _flops(bounds: list[float] | None) -> Cell:
    if bounds is None:
        return Cell("not counted", number=True)
    low, high = (f"{bound:.2f}x" for bound in bounds)
    return Cell(low if low == high else f"{low} to {high}", number=True)


def _ratio(value: float | None) -> Cell:
    return number(value, 2) if value is None else Cell(f"{value:.2f}x", number=True)


def _spelt(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
