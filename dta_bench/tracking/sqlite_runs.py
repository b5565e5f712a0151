"""Runs of an MLflow store that is a SQLite file, read with SQL alone: MLflow takes seconds to import, and to answer.

The file has been checked before: it has the tables of the installed MLflow. A test holds what is read here to what
MLflow reads.
"""

from __future__ import annotations

import contextlib
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dta_bench.tracking import store_file


@dataclass(frozen=True)
class RunInfo:
    """What MLflow calls a run's info."""

    run_id: str
    run_name: str
    status: str
    experiment_id: str
    artifact_uri: str


@dataclass(frozen=True)
class RunData:
    """What MLflow calls a run's data; of each metric the last value."""

    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredRun:
    """A run as MLflow gives it, as far as runs are read from it."""

    info: RunInfo
    data: RunData


def runs_with_tags(database: Path, benchmark: str, tags: Sequence[str]) -> list[StoredRun]:
    """The runs of a benchmark's experiment that have all these tags, none of them empty, in the order of their start.

    Raises:
        sqlite3.Error: another program has locked the file, or it cannot be read.
    """
    with contextlib.closing(store_file.connect_read_only(database)) as store:
        store.execute("BEGIN")  # all is read from one state of the file
        experiment = None
        for name in dict.fromkeys((benchmark, unicodedata.normalize("NFD", benchmark))):
            experiment = (
                experiment or store.execute("SELECT experiment_id FROM experiments WHERE name = ?", (name,)).fetchone()
            )
        if experiment is None:
            return []
        has_tag = " AND run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value != '')"
        which = f"experiment_id = ? AND lifecycle_stage = 'active'{has_tag * len(tags)}"
        given = (*experiment, *tags)
        rows = store.execute(
            f"SELECT run_uuid, name, status, experiment_id, artifact_uri FROM runs WHERE {which} "
            "ORDER BY start_time IS NULL, start_time, run_uuid", given,
        )  # fmt: skip
        runs = {row[0]: StoredRun(RunInfo(row[0], row[1], row[2], str(row[3]), row[4]), RunData()) for row in rows}
        theirs = f"run_uuid IN (SELECT run_uuid FROM runs WHERE {which})"
        for run, key, value in store.execute(f"SELECT run_uuid, key, value FROM tags WHERE {theirs}", given):
            runs[run].data.tags[key] = value
        metrics = store.execute(f"SELECT run_uuid, key, value, is_nan FROM latest_metrics WHERE {theirs}", given)
        for run, key, value, is_nan in metrics:
            runs[run].data.metrics[key] = math.nan if is_nan else float(value)
    return list(runs.values())
