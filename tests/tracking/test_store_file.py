"""The database of a store lies where its path says; a file that cannot be used is refused before MLflow opens it."""

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from dta_bench.errors import UserError
from dta_bench.tracking import Tracker
from dta_bench.tracking.store_file import check_file, sqlite_path, sqlite_uri


@pytest.mark.parametrize("name", ["what? now", "100%25", "a#b", "plain name", "%3F", "café"])
def test_an_address_names_the_file_whatever_its_characters(name: str, tmp_path: Path) -> None:
    from sqlalchemy import create_engine

    file = tmp_path / name / "mlflow.db"
    file.parent.mkdir()
    uri = sqlite_uri(file)
    engine = create_engine(uri)
    with engine.begin() as database:
        database.exec_driver_sql("CREATE TABLE t (x)")
    engine.dispose()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]
    assert sqlite_path(uri) == file


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("store")
    Tracker(sqlite_uri(out / "mlflow.db"), out).check()
    return (out / "mlflow.db").read_bytes()


def refusal(content: bytes, folder: Path, revision: str | None = None) -> str:
    file = folder / "mlflow.db"
    file.write_bytes(content)
    if revision:
        with contextlib.closing(sqlite3.connect(file)) as database:
            database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
            database.commit()
    before = file.read_bytes()
    with pytest.raises(UserError) as error:
        Tracker(sqlite_uri(file), folder).runs("any")
    assert file.read_bytes() == before
    return str(error.value)


def test_a_store_of_a_newer_mlflow_asks_for_an_upgrade_of_the_programs(whole: bytes, tmp_path: Path) -> None:
    assert "newer MLflow" in refusal(whole, tmp_path, "ffffffffffff")


def test_a_store_of_an_older_mlflow_is_not_migrated_unasked(whole: bytes, tmp_path: Path) -> None:
    assert "mlflow db upgrade" in refusal(whole, tmp_path, "bd07f7e963c5")


def test_a_damaged_store_is_refused_in_words(whole: bytes, tmp_path: Path) -> None:
    assert "cut off" in refusal(whole[: len(whole) // 2], tmp_path)
    assert "first bytes" in refusal(b"\0" * 4096 + whole[4096:], tmp_path)
    assert "empty file" in refusal(b"", tmp_path)


KILLED = """
import os, sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute("PRAGMA cache_size = 1")
store.execute("CREATE TABLE big (x)")
store.execute("BEGIN")
for _ in range(50):
    store.execute("INSERT INTO big VALUES (?)", (os.urandom(100_000),))
os._exit(0)
"""


def test_what_a_killed_program_left_half_written_is_no_damage(whole: bytes, tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.write_bytes(whole)
    subprocess.run([sys.executable, "-c", KILLED, str(file)], check=True)
    assert (tmp_path / "mlflow.db-journal").exists()
    check_file(file)
    assert not (tmp_path / "mlflow.db-journal").exists()
    assert Tracker(sqlite_uri(file), tmp_path).runs("any") == []
