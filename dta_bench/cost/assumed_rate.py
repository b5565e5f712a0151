"""The rate that is assumed of a GPU that nobody measured, and the range that estimates at it have."""

from __future__ import annotations

ASSUMED_FLOPS_PER_SECOND = 20e12
"""FLOP/s that a data-centre GPU is assumed to sustain in float32 where nobody measured."""
SPREAD = 2.0
"""The true rate is assumed to lie between the assumed one divided by this, and multiplied by it. No measurement says
so: GPUs, precisions and loaders may differ by more, and only a measured rate is to be planned by."""

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


def measured_instead(command: str) -> str:
    """Say what replaces the assumption: the rate that a command measures; empty where none does."""
    if not command:
        return "a few runs tell more: the same command with --points 1 --seeds 1 --confirm 0"
    return (
        f"measure it on that GPU: {command}  and give the images/s of source_only as --images-per-second; the other "
        "methods' hours follow from it by their FLOPs"
    )
