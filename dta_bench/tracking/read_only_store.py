"""A store that can only be read: MLflow opens a copy of its database, in a private folder that is removed at the end.

SQLite needs to write beside a database even to read it, where a killed program has left something half written; and
MLflow writes when it opens a store. Only the database is copied; the artifacts are read where they lie.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import tempfile
import weakref
from pathlib import Path
from typing import Any

from dta_bench.errors import UserError
from dta_bench.tracking import moved_store, store_file
from dta_bench.tracking.retry import wait_while_locked

BESIDE = ("-journal", "-wal")  # what SQLite keeps beside a database that is half written


READING = ("search_", "get_", "list_", "download_")  # how the names of MLflow's calls begin that write nothing


class ReadOnlyClient:
    """A client of MLflow on a copy of a store: a call that would write is refused, as the copy is thrown away.

    Args:
        client: of MLflow, on the copy.
        uri: of the store itself.
    """

    def __init__(self, client: Any, uri: str) -> None:
        self._client, self._uri = client, uri

    def __getattr__(self, name: str) -> Any:
        if not name.startswith(READING):
            raise UserError(refusal(self._uri))
        return getattr(self._client, name)


def refusal(uri: str) -> str:
    """The sentence for a command that would write to a store that can only be read."""
    return f"the MLflow store {uri} can only be read, and this command writes to it; name another folder with --out"


def is_read_only(uri: str) -> bool:
    """Whether a store is a file that cannot be written, or lies in such a folder: a read-only disk, another user's."""
    path = store_file.sqlite_path(uri)
    return path is not None and path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def opened_uri(uri: str, owner: object) -> str:
    """What MLflow opens for the store at ``uri``: the store itself, checked, or a copy where it can only be read.

    Args:
        owner: a copy is removed when this object is gone, at the latest when the program ends.

    Raises:
        UserError: the store cannot be used, or there is no room for a copy.
    """
    path = store_file.sqlite_path(uri)
    if path is None or not path.exists():
        return uri
    if not is_read_only(uri):
        wait_while_locked(uri, store_file.check_file, path)  # before MLflow opens it, and migrates it unasked
        moved_store.point_to_own_artifacts(path)
        return uri
    copy = wait_while_locked(uri, copy_for_reading, path, owner)
    moved_store.point_to_own_artifacts(copy, path.parent)
    return store_file.sqlite_uri(copy)


def copy_for_reading(database: Path, owner: object) -> Path:
    """Check a database, and copy it into a folder that this user alone can open.

    Args:
        owner: the copy is removed when this object is gone, at the latest when the program ends.

    Raises:
        UserError: it cannot be used, or there is no room for the copy.
        sqlite3.OperationalError: another program has locked it.
    """
    folder = Path(tempfile.gettempdir())
    try:
        folder = Path(tempfile.mkdtemp(prefix="dta-bench-store-"))
        weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
        copy = folder / "mlflow.db"
        _copy(database, copy)
    except OSError as error:
        raise UserError(
            f"the MLflow store {database}, which can only be read, cannot be copied to {folder} ({error.strerror});"
            " make room there, or name another folder by the variable TMPDIR"
        ) from error
    return copy


def _copy(database: Path, copy: Path) -> None:
    try:
        store_file.check_file(database)
        with contextlib.closing(store_file.connect_read_only(database)) as source:
            _write_copy(source, copy)
    except sqlite3.OperationalError as error:
        if not store_file.is_half_written(database, error):
            raise
        for suffix in ("", *BESIDE):  # SQLite takes back in the copy what is half written
            file = database.with_name(database.name + suffix)
            if file.exists():
                shutil.copyfile(file, copy.with_name(copy.name + suffix))
        store_file.check_file(copy, shown=database)


def _write_copy(source: sqlite3.Connection, copy: Path) -> None:
    with contextlib.closing(sqlite3.connect(copy)) as target:
        try:
            source.backup(target)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise
