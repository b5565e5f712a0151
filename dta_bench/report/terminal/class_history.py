"""Classes of one run on a terminal, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dta_bench.report.document.class_history import AfterEpoch, ClassHistory
from dta_bench.spec.spelling import count_of

METRICS = {"recall": "recall", "iou": "IoU"}


def show_class_history(found: ClassHistory, console: Console) -> None:
    """Print a table for each class, a row for each measured epoch."""
    console.print(f"Run {found.run_id}: {found.name}", highlight=False, soft_wrap=True, markup=False)
    for name, epochs in found.classes.items():
        console.print("")
        console.print(_title(name, epochs), highlight=False, soft_wrap=True, markup=False)
        console.print(_table(METRICS[found.metric], epochs))


def _title(name: str, epochs: Sequence[AfterEpoch]) -> str:
    images = epochs[-1].images
    if images is None:
        return f"Class {name}; the run has no labelled subset, on which its recall would be measured"
    return f"Class {name}, {count_of(images, 'image')} of the labelled subset"


def _table(metric: str, epochs: Sequence[AfterEpoch]) -> Table:
    with_labels = any(one.images is not None for one in epochs)
    table = Table(box=None, pad_edge=False)
    table.add_column("after epoch", justify="right")
    if with_labels:
        table.add_column(f"{metric} on the labelled subset, %", justify="right")
    table.add_column("of the predictions on target train, %", justify="right")
    if with_labels:
        table.add_column("mostly taken for")
    for one in epochs:
        score = "" if one.score is None else f"{one.score:.1f}"
        taken = f"{one.taken_for} ({one.taken:.0f} %)" if one.taken_for and one.taken is not None else ""
        row = [str(one.epoch), score, f"{one.predicted:.1f}", escape(taken)]
        table.add_row(*(row if with_labels else (row[0], row[2])))
    return table
