"""The rate that is assumed of a GPU that nobody measured, and the range that estimates at it have."""

from __future__ import annotations

ASSUMED_FLOPS_PER_SECOND = 20e12
"""FLOP/s that a data-centre GPU is assumed to sustain in float32 where nobody measured."""
SPREAD = 2.0
"""The true rate is assumed to lie between the assumed one divided by this, and multiplied by it. No measurement says
so: GPUs, precisions and loaders may differ by more, and only a measured rate is to be planned by."""
MEASURED_INSTEAD = "give --images-per-second, measured by dta-bench profile"
"""What replaces the assumption."""

Range = tuple[float, float]


def range_at_assumed_rate(value: float) -> Range:
    """The range of hours or money that was counted at the assumed rate."""
    return value / SPREAD, value * SPREAD


def describe_assumption() -> str:
    """Say where a range comes from: the rates at its ends, and that nobody measured them."""
    low, middle, high = (f"{ASSUMED_FLOPS_PER_SECOND * times / 1e12:g}" for times in (1 / SPREAD, 1, SPREAD))
    return (
        f"assumed, not measured: a GPU that sustains {middle} TFLOP/s; the range is for {low} to {high}, and a GPU can "
        "be outside it"
    )
