"""Runs of an MLflow store that is a SQLite file, read with SQL alone: MLflow takes seconds to import, and to answer.

The file has been checked before: it has the tables of the installed MLflow. Tests hold what is read here to what MLflow
reads, and MLflow to what is written here: a tag of a report, nothing else.
"""

from __future__ import annotations

import contextlib
import math
import unicodedata
from collections.abc import Mapping, Sequence
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


def histories(database: Path, run: str, keys: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    """Of each metric of a run all (step, value), in the order in which MLflow gives them.

    Args:
        run: its id in MLflow.
        keys: metrics as MLflow names them.

    Raises:
        sqlite3.Error: another program has locked the file, or it cannot be read.
    """
    found: dict[str, list[tuple[int, float]]] = {key: [] for key in keys}
    with contextlib.closing(store_file.connect_read_only(database)) as store:
        rows = store.execute(
            "SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ? ORDER BY timestamp, step, value", (run,)
        )
        for key, step, value, is_nan in rows:
            if key in found:
                found[key].append((step, math.nan if is_nan else float(value)))
    return found


def change_tag(database: Path, key: str, values: Mapping[str, str | None]) -> None:
    """Set a tag of runs as MLflow would, all in one transaction.

    Args:
        values: a run's id in MLflow → the tag's value; None takes the tag away.

    Raises:
        sqlite3.Error: another program has locked the file, or it cannot be written.
    """
    with contextlib.closing(store_file.connect_to_write(database)) as store, store:
        for run, value in values.items():
            store.execute("DELETE FROM tags WHERE key = ? AND run_uuid = ?", (key, run))
            if value is not None:
                store.execute("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", (key, value, run))


def experiment_tags(database: Path, name: str) -> dict[str, str]:
    """The tags of an experiment; none where there is no experiment of this name in use.

    Raises:
        sqlite3.Error: another program has locked the file, or it cannot be read.
    """
    with contextlib.closing(store_file.connect_read_only(database)) as store:
        rows = store.execute(
            "SELECT tags.key, tags.value FROM experiment_tags tags JOIN experiments USING (experiment_id)"
            " WHERE experiments.name = ? AND experiments.lifecycle_stage = 'active'", (name,),
        )  # fmt: skip
        return {str(key): str(value) for key, value in rows}
