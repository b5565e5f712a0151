"""A store that was moved or copied with its folder: its artifacts are those beside its database.

MLflow records where artifacts lie as absolute addresses. After a move they name the old folder, which is gone, or,
after a copy, is another store.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

ARTIFACTS = "mlartifacts"
WAIT_SECONDS = 20.0


def point_to_own_artifacts(database: Path, folder: Path | None = None) -> int:
    """Write into a SQLite store that its artifacts lie in ``mlartifacts`` beside it, where they do.

    An experiment whose artifacts were kept elsewhere from the start (``--tracking-uri`` with another ``--out``) has no
    run in that folder, and stays as it is.

    Args:
        database: a store of this MLflow's revision. One that cannot be written is left as it is.
        folder: where its artifacts lie, where it is a copy of the database alone.

    Returns:
        How many experiments named another folder.
    """
    own = (folder or database.parent).resolve() / ARTIFACTS
    if not own.is_dir():
        return 0
    with contextlib.closing(sqlite3.connect(database, timeout=WAIT_SECONDS)) as store:
        moved = [
            (experiment, location)
            for experiment, location in store.execute("SELECT experiment_id, artifact_location FROM experiments")
            if _is_moved(store, experiment, location, own)
        ]
        with contextlib.suppress(sqlite3.OperationalError), store:  # read-only, or locked for long
            for experiment, location in moved:
                _point(store, experiment, location, own)
    return len(moved)


def _is_moved(store: sqlite3.Connection, experiment: int, location: str | None, own: Path) -> bool:
    """Whether an experiment names another ``mlartifacts`` than ``own``, and its runs' artifacts lie in ``own``."""
    parts = urlsplit(location or "")
    recorded = Path(url2pathname(parts.path))
    if parts.scheme != "file" or recorded.name != ARTIFACTS or recorded == own:
        return False
    runs = [run for (run,) in store.execute("SELECT run_uuid FROM runs WHERE experiment_id = ?", (experiment,))]
    return any((own / run).is_dir() for run in runs) or not (runs or recorded.exists())


def _point(store: sqlite3.Connection, experiment: int, location: str, own: Path) -> None:
    address = own.as_uri()
    store.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (address, experiment))
    store.execute(
        "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
        "WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
        (address, len(location) + 1, experiment, len(location) + 1, location + "/"),
    )
