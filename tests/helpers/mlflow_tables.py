"""The tables of a new MLflow store, made once a process and then copied: MLflow's migrations take a second of CPU.

No store waits for the disk: a test reads what was written, and needs none of it after a loss of power.
"""

import contextlib
import functools
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dta_bench.tracking import connection
from dta_bench.tracking.store_file import sqlite_uri

Client = Callable[[str], Any]


def client_that_copies(template: Path) -> Client:
    """``connection.client``, which lets MLflow make its tables once, in ``template``, and copies them to new stores."""
    client = connection.client

    @functools.cache
    def prepare() -> None:
        client(sqlite_uri(template))  # imports MLflow as the program does
        with contextlib.closing(sqlite3.connect(template)) as database:
            database.execute("DELETE FROM experiments")  # each store makes its own Default
            database.commit()
        _copy_instead_of_migrating(template)

    def client_of_a_copy(uri: str) -> Any:
        prepare()
        return client(uri)

    return client_of_a_copy


def _copy_instead_of_migrating(template: Path) -> None:
    from mlflow.store.db import utils
    from sqlalchemy import Engine, event, inspect

    migrate = utils._initialize_tables

    def initialise(engine: Engine) -> None:
        if engine.dialect.name != "sqlite" or inspect(engine).get_table_names():
            migrate(engine)
            return
        with contextlib.closing(engine.raw_connection()) as new, contextlib.closing(sqlite3.connect(template)) as made:
            made.backup(new.driver_connection)

    utils._initialize_tables = initialise
    event.listen(Engine, "connect", _do_not_wait_for_the_disk)


def _do_not_wait_for_the_disk(connection: Any, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")
