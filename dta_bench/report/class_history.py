"""How chosen classes of one run fared after each measured epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from dta_bench.errors import UserError
from dta_bench.report.document.class_history import AfterEpoch, ClassHistory
from dta_bench.spec.spelling import join_words
from dta_bench.spec.yaml_file import suggestion
from dta_bench.tracking import TrackedRun, Tracker
from dta_bench.tracking.class_record import FILE, ClassRow


def class_history(tracker: Tracker, run: TrackedRun, asked: Sequence[str]) -> ClassHistory:
    """Read how classes of a run fared.

    Args:
        asked: names of classes; one may be several names with commas between.

    Raises:
        UserError: the run kept no record of its classes, or has no class of such a name.
    """
    curves = tracker.class_curves(run)
    if curves is None or not curves.rows:
        raise UserError(f"run {run.run_id} has no {FILE}: nothing was measured yet, or an earlier version made it")
    names = dict.fromkeys(name for one in asked for name in ([one] if one in curves.names else _apart(one)))
    if not names:
        raise UserError(f"--class names no class; run {run.run_id} has {join_words(curves.names)}")
    for name in names:
        if name not in curves.names:
            guess = suggestion(name, curves.names)
            raise UserError(f"run {run.run_id} has no class {name!r}{guess or f'; it has {join_words(curves.names)}'}")
    return ClassHistory(
        run_id=run.run_id,
        name=run.name,
        metric=curves.metric,
        classes={name: [_after_epoch(row) for row in curves.of_class(name)] for name in names},
    )


def _apart(asked: str) -> list[str]:
    return [part.strip() for part in asked.split(",") if part.strip()]


def _after_epoch(row: ClassRow) -> AfterEpoch:
    return AfterEpoch(**{name: value for name, value in dataclasses.asdict(row).items() if name != "name"})
