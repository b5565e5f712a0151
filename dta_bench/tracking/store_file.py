"""The SQLite file of an MLflow store: its address, and whether it can be used."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
import sqlite3
import struct
from pathlib import Path
from urllib.parse import quote, unquote

from dta_bench.errors import UserError

HEADER = b"SQLite format 3\0"
HEADER_BYTES = 100


def sqlite_uri(path: Path) -> str:
    """The database URL of a file, whatever characters its path has.

    Ordinary paths stand in it as they are. A path with ``?`` or ``%``, which mean something in a URL, is quoted, and
    quoted in the form that MLflow takes for no path: it would make a folder of the quoted name.
    """
    text = str(path)
    if re.fullmatch(r"[\w/.\- ]+", text):
        return f"sqlite:///{text}"
    from sqlalchemy.engine import URL

    quoted = URL.create("sqlite+pysqlite", database=f"file:{quote(text)}", query={"uri": "true"})
    return quoted.render_as_string()


def sqlite_path(uri: str) -> Path | None:
    """The file of a sqlite store; None for another store."""
    if not uri.startswith("sqlite"):
        return None
    if re.fullmatch(r"sqlite:///[\w/.\- ]+", uri):
        return Path(uri.removeprefix("sqlite:///"))
    from sqlalchemy.engine import make_url

    database = make_url(uri).database or ""
    if database.startswith("file:"):
        database = unquote(database.removeprefix("file:").partition("?")[0])
    if database in ("", ":memory:"):
        raise UserError(f"{uri} keeps nothing; --tracking-uri takes http(s)://SERVER, sqlite:///FILE or another one")
    return Path(database)


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a database without writing to it; a file that is not there is an error, and is not made."""
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)


def connect_to_write(path: Path) -> sqlite3.Connection:
    """Open a database that is there; a file that is not is an error, and is not made."""
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=rw", uri=True)


def identities(path: Path, most: int) -> list[tuple[str, str]]:
    """Identity and name of the runs in a store, the latest first; without MLflow, for a shell that completes a word."""
    query = (
        "SELECT tags.value, runs.name FROM tags JOIN runs ON runs.run_uuid = tags.run_uuid"
        " WHERE tags.key = 'run_id' AND runs.lifecycle_stage = 'active' ORDER BY runs.start_time DESC LIMIT ?"
    )
    with contextlib.closing(connect_read_only(path)) as database:
        return [(str(identity), str(name)) for identity, name in database.execute(query, [most])]


def check_file(path: Path, shown: Path | None = None) -> None:
    """Check that an existing file is a store that this MLflow can use; nothing of its content is changed.

    Args:
        shown: the file that errors name, where ``path`` is a copy of it.

    Raises:
        UserError: what is wrong, and what to do.
        sqlite3.OperationalError: another program has locked it, or it can only be read and is half written.
    """
    shown = shown or path
    if path.is_dir():
        raise UserError(f"{shown} is a folder, but the MLflow database should be there; name another folder with --out")
    _check_header(path, shown)
    with contextlib.closing(_connect_for_check(path)) as database:
        try:
            database.execute("BEGIN")
            database.execute("PRAGMA schema_version")
            _check_length(path, shown)  # now, while a lock keeps writers from changing it
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            known = "alembic_version" in tables
            query = "SELECT version_num FROM alembic_version"
            revisions = [str(row[0]) for row in database.execute(query)] if known else []
        except sqlite3.DatabaseError as error:
            if is_locked(error) or is_half_written(path, error):
                raise
            _check_length(path, shown)
            raise UserError(damaged(shown, str(error))) from error
    if not revisions:
        raise UserError(
            f"{shown} is a SQLite database, but no MLflow store; name another folder with --out, or another file with"
            " --tracking-uri sqlite:///FILE"
        )
    check_revisions(str(shown), sqlite_uri(shown), revisions)


def damaged(path: Path, reason: str) -> str:
    """The sentence for a file that cannot be read as a database."""
    return (
        f"the MLflow store {path} is damaged ({reason}); put a copy of it back, or name another folder with --out;"
        " nothing was changed"
    )


def check_revisions(name: str, uri: str, revisions: list[str]) -> None:
    """Check that a database has the tables of the installed MLflow; it is never migrated unasked.

    Args:
        name: of the store, for people.
        uri: of the store.
        revisions: those that stand in its table ``alembic_version``.

    Raises:
        UserError: another MLflow has written it; says which program to upgrade, or how to upgrade the database.
    """
    if set(revisions) == {_latest_revision()}:
        return
    known, latest = _mlflow_revisions()
    if set(revisions) == {latest}:
        return
    import mlflow

    if unknown := [revision for revision in revisions if revision not in known]:
        raise UserError(
            f"the MLflow store {name} was written by a newer MLflow (its revision {unknown[0]} is not known to the"
            f" installed MLflow {mlflow.__version__}); upgrade dta-bench and MLflow here (pip install -U), not the"
            " database; nothing was changed"
        )
    raise UserError(
        f"the MLflow store {name} was written by an older MLflow (revision {', '.join(revisions)}; the installed MLflow"
        f" {mlflow.__version__} has {latest}); keep a copy of it, then run: mlflow db upgrade '{uri}'; older programs"
        " cannot read it afterwards; nothing was changed"
    )


@functools.cache
def _latest_revision() -> str:
    """The installed MLflow's own revision, read from its files without importing it; empty where they do not say."""
    texts = [file.read_text(encoding="utf-8") for file in (_migrations() / "versions").glob("[!_]*.py")]
    found = [re.search(r'^revision = "(\w+)"$', text, re.MULTILINE) for text in texts]
    before = {name for text in texts for name in re.findall(r'^down_revision = "(\w+)"$', text, re.MULTILINE)}
    latest = [match[1] for match in found if match is not None and match[1] not in before]
    return latest[0] if len(latest) == 1 and all(found) else ""


def _migrations() -> Path:
    spec = importlib.util.find_spec("mlflow")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "store" / "db_migrations"


@functools.cache
def _mlflow_revisions() -> tuple[frozenset[str], str]:
    """Every revision that the installed MLflow knows, and its own."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(_migrations()))
    return frozenset(script.revision for script in scripts.walk_revisions()), str(scripts.get_current_head())


def _connect_for_check(path: Path) -> sqlite3.Connection:
    """Connect so that SQLite can take back what a killed program left half written, where the file can be written."""
    if not os.access(path, os.W_OK):
        return connect_read_only(path)
    return connect_to_write(path)


def _check_header(path: Path, shown: Path) -> None:
    """Check the first bytes of a database; SQLite itself takes an empty file for an empty database."""
    try:
        length = path.stat().st_size
        head = _head(path)
    except OSError as error:
        raise UserError(f"the MLflow store {shown} cannot be read ({error.strerror})") from error
    if not length:
        raise UserError(
            f"the MLflow store {shown} is an empty file: what it held is lost, or it was never written; put a copy of"
            " it back, or delete it to begin anew"
        )
    if not head.startswith(HEADER):
        raise UserError(damaged(shown, "its first bytes are not those of a database: file is not a database"))
    if len(head) < HEADER_BYTES:
        raise UserError(damaged(shown, f"it is cut off: {length} bytes"))


def _check_length(path: Path, shown: Path) -> None:
    """Check that a database is as long as its first bytes say; SQLite itself reads what is there."""
    head, length = _head(path), path.stat().st_size
    page_size = struct.unpack(">H", head[16:18])[0]
    pages, changed, valid_for = struct.unpack(">I", head[28:32])[0], head[24:28], head[92:96]
    expected = pages * (65536 if page_size == 1 else page_size)
    if changed == valid_for and length < expected:
        raise UserError(damaged(shown, f"it is cut off: {length} of {expected} bytes"))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEADER_BYTES)


def is_locked(error: BaseException | None) -> bool:
    """Whether another program that has locked a database is the cause of an error."""
    return _sqlite_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_half_written(path: Path, error: BaseException) -> bool:
    """Whether SQLite has to take back first what a killed program left in a database, which can only be read."""
    needs_writing = _sqlite_code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
    return needs_writing and os.access(path, os.R_OK) and not os.access(path, os.W_OK)


def _sqlite_code(error: BaseException | None) -> int | None:
    """The primary code of the SQLite error at the root of an error, if there is one."""
    while error is not None:
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", None)
            return None if code is None else int(code) & 0xFF
        error = error.__cause__ or error.__context__
    return None
