"""A store that can only be read is read from a copy of its database, which is removed; nothing is written to it."""

import gc
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from read_only_folder import read_only
from small_runs import spec_of

from dta_bench.errors import UserError
from dta_bench.tracking import Tracker, store_file


def open_store(folder: Path) -> Tracker:
    return Tracker(store_file.sqlite_uri(folder / "mlflow.db"), folder)


@pytest.fixture
def store(finished_store: Path, tmp_path: Path) -> Path:
    """A store of two finished runs, which lies elsewhere than where it was made."""
    return shutil.copytree(finished_store, tmp_path / "store")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, of this test alone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_its_runs_and_their_artifacts_are_read_where_they_lie(store: Path, temporary: Path) -> None:
    before = contents(store)
    with read_only(store):
        tracker = open_store(store)
        run = tracker.runs("fonts_digits")[0]
        assert len(tracker.predictions(run)["target_test_logits"]) == 400
        assert [path.stat().st_mode & 0o777 for path in temporary.iterdir()] == [0o700]
        del tracker
        gc.collect()
        assert list(temporary.iterdir()) == []
    assert contents(store) == before


def test_what_a_killed_program_left_half_written_is_taken_back_in_the_copy(store: Path) -> None:
    path = store / "mlflow.db"
    with sqlite3.connect(path) as writer:
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("BEGIN")
        writer.execute("UPDATE tags SET value = value || hex(zeroblob(5000))")
        killed = shutil.copytree(store, store.with_name("killed"))
        writer.rollback()
    writer.close()
    assert (killed / "mlflow.db-journal").stat().st_size
    with read_only(killed):
        runs = open_store(killed).runs("fonts_digits")
    assert [run.run_id for run in runs] == [spec_of("dta").id, spec_of("source_only").id]


def test_whoever_would_write_to_it_is_refused(store: Path) -> None:
    with read_only(store):
        with pytest.raises(UserError, match="cannot be written to"):
            open_store(store).check()
        with pytest.raises(UserError, match="can only be read, and this command writes to it"):
            open_store(store).open_run(spec_of(seed=1), None, "run", set(), {})


def test_a_damaged_one_is_named_by_its_own_path(store: Path) -> None:
    path = store / "mlflow.db"
    path.write_bytes(path.read_bytes()[:20000])
    with read_only(store), pytest.raises(UserError, match=f"the MLflow store {path} is damaged .it is cut off: 20000"):
        open_store(store).runs("fonts_digits")


def test_without_room_for_the_copy_the_variable_is_named(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(store / "nowhere"))
    with read_only(store), pytest.raises(UserError, match=r"cannot be copied to .*nowhere.*TMPDIR"):
        open_store(store).runs("fonts_digits")
