"""How many labels were worth it on pairs of ours where the truth is known."""

from __future__ import annotations

from dta_bench.report.selection.default_rule import measured_pairs
from dta_bench.spec.run_spec import Task


def what_labels_are_worth(task: Task) -> str:
    """One sentence: what choosing by few labels lost on our pairs, or that it was not measured for the task."""
    curves = [pair["label_budget"] for pair in measured_pairs(task) if pair.get("label_budget")]
    if not curves:
        return f"How many labels are worth it was not measured for {task}."
    sizes = [size for size in curves[0] if all(size in curve for curve in curves)]
    means = [f"{size}: {sum(curve[size] for curve in curves) / len(curves):.1f}" for size in sizes]
    return (
        f"On {len(curves)} pairs of ours, choosing by few labels lost points against the best "
        f"configuration, on average (labels: points): {', '.join(means)}."
    )
