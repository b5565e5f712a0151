"""What the runs cost."""

from __future__ import annotations

from typing import Any

from dta_bench.report.page import Cell, Section, Table
from dta_bench.report.sections.words import number


def cost(found: dict[str, Any]) -> Section | None:
    """Time and GPU hours in all, and by method beside source-only."""
    held = found.get("cost")
    if held is None:
        return None
    words = [
        f"{held['runs']} finished runs took {_spelt(held['seconds'])} of training in all,"
        f" {held['gpu_hours']:.2f} GPU hours among them; {held['not_finished']} runs did not finish."
    ]
    head = ["method", "backbone", "device", "runs", "median time a run", "time ratio", "FLOPs ratio"]
    rows = [
        [
            Cell(one["method"]), Cell(one["backbone"]), Cell(one["device"]), Cell(str(one["runs"]), number=True),
            Cell(_spelt(one["seconds_a_run"]), number=True), _ratio(one["time_ratio"]), _ratio(one.get("flops_ratio")),
        ]
        for one in sorted(held["by_method"], key=lambda one: (one["backbone"], one["seconds_a_run"]))
    ]  # fmt: skip
    caption = (
        "Ratios are to source-only, a step (FLOPs) or a run (time; as the machine was, busy or idle)."
        " Time is that of training alone, without evaluation."
    )
    return Section("cost", "Cost", words, [Table(head, rows, caption)])


def _ratio(value: float | None) -> Cell:
    return number(value, 2) if value is None else Cell(f"{value:.2f}x", number=True)


def _spelt(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
