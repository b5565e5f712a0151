"""The GPU hours and the money of an estimate, with their range where the rate was assumed."""

from __future__ import annotations

from typing import TypedDict

from dta_bench.cost.assumed_rate import Range, range_at_assumed_rate
from dta_bench.cost.wall_time import spell_hours
from dta_bench.spec.spelling import spell_gpu_hours


class Amount(TypedDict):
    """What the runs of one or more plans cost.

    Attributes:
        price: of one GPU for an hour; None if it was not given.
        cost: ``gpu_hours`` times ``price``.
        gpu_hours_range: where the rate was assumed, between which hours the true ones are assumed to lie; else None.
        cost_range: the same of ``cost``.
        device: whose hours these are: ``GPU``, or ``device`` where steps are so small that a CPU may well train them.
    """

    gpu_hours: float
    price: float | None
    cost: float | None
    gpu_hours_range: Range | None
    cost_range: Range | None
    device: str


def amount_of(gpu_hours: float, price: float | None, *, is_assumed: bool, device: str = "GPU") -> Amount:
    """What hours cost; ``is_assumed``: they were counted at the assumed rate."""
    cost = None if price is None else gpu_hours * price
    return Amount(
        gpu_hours=gpu_hours, price=price, cost=cost, device=device,
        gpu_hours_range=range_at_assumed_rate(gpu_hours) if is_assumed else None,
        cost_range=range_at_assumed_rate(cost) if is_assumed and cost is not None else None,
    )  # fmt: skip


def spell_amount(found: Amount) -> str:
    """Spell the hours: ``6.2 to 24.8 GPU hours``; at a measured rate ``12.3 GPU hours``."""
    if found["gpu_hours_range"] is not None:
        return spell_gpu_hours_range(found["gpu_hours_range"])
    hours = found["gpu_hours"]
    return spell_gpu_hours(hours) if found["device"] == "GPU" else f"{spell_hours(hours)} of one device (GPU or CPU)"


def spell_money(found: Amount) -> str:
    """Spell the money: ``15.60 to 62.40 at 2.5 an hour``; empty without a price."""
    if found["cost"] is None:
        return ""
    ends = found["cost_range"] or (found["cost"],)
    return f"{' to '.join(f'{money:.2f}' for money in ends)} at {found['price']:g} an hour"


def spell_gpu_hours_range(bounds: Range) -> str:
    """Spell a range of GPU hours: ``6.2 to 24.8 GPU hours``, ``7 to 30 GPU minutes``, ``less than 1 GPU minute``."""
    low, high = bounds
    if high < 1 / 60:
        return "less than 1 GPU minute"
    return f"{low:.1f} to {high:.1f} GPU hours" if high >= 1 else f"{60 * low:.0f} to {60 * high:.0f} GPU minutes"
