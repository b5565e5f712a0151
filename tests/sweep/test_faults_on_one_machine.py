"""Faults on one machine: of the store, of the folder of results, of what lies beside the data.

``make faults`` writes what each test injected and saw to reports/faults.md.
"""

import json
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from command_line import dta_bench
from fault_notes import Note
from read_only_folder import read_only
from real_sweeps import run_json, start, tracked, wait_until

pytestmark = pytest.mark.slow
TRAIN = ("train", "fonts_digits", "--method", "source_only", "--epochs", "6")
SWEEP = ("sweep", "fonts_digits", "--method", "source_only", "--seeds", "1", "--confirm", "0", "--epochs", "3")
LOCKED_SECONDS = 45


def epochs(folder: Path, mlflow_run_id: str) -> list[int]:
    """The epochs of a run, one entry for each loss that the store has."""
    query = "SELECT step FROM metrics WHERE key = 'loss/total' AND run_uuid = ?"
    with sqlite3.connect(folder / "mlflow.db") as store:
        return sorted(step for (step,) in store.execute(query, (mlflow_run_id,)))


def training(folder: Path) -> list[str]:
    """The runs of a store that are training, by their id in MLflow."""
    return [run.mlflow_run_id for run in tracked(folder) if run.status == "RUNNING"]


def files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_store_that_is_locked_while_a_run_trains_is_waited_for(
    finished_store: Path, tmp_path: Path, note: Note
) -> None:
    shutil.copytree(finished_store, tmp_path, dirs_exist_ok=True)
    driver = start(*TRAIN, cwd=tmp_path)
    wait_until(lambda: training(tmp_path) != [])
    (run,) = training(tmp_path)
    other = sqlite3.connect(tmp_path / "mlflow.db", timeout=60, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    time.sleep(LOCKED_SECONDS)
    other.execute("COMMIT")
    _, stderr = driver.communicate(timeout=540)
    assert driver.returncode == 0, stderr
    assert "Traceback" not in stderr
    assert "the MLflow store is locked by another program; trying again" in stderr
    assert epochs(tmp_path, run) == list(range(1, 7))
    assert training(tmp_path) == []
    note(f"another program locks the SQLite store for {LOCKED_SECONDS} s", "the run waited and has every epoch once")


def test_a_folder_that_is_moved_after_a_sweep_keeps_its_runs(tmp_path: Path, note: Note) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    root = ("--root", str(tmp_path))
    run_json(*SWEEP, *root, "--out", str(first), cwd=tmp_path)
    (before,) = tracked(first)
    shutil.move(first, second)
    again = run_json(*SWEEP, *root, "--out", str(second), cwd=tmp_path)
    assert again["runs"] == 1
    (after,) = tracked(second)
    assert (after.mlflow_run_id, after.metrics) == (before.mlflow_run_id, before.metrics)
    assert not first.exists()
    note("--out is moved after a sweep", "the same sweep has nothing to do there; the old folder does not come back")


def test_results_on_a_read_only_disk_are_reported_elsewhere(tmp_path: Path, note: Note) -> None:
    results, page = tmp_path / "results", tmp_path / "page"
    run_json(*SWEEP, "--root", str(tmp_path), "--out", str(results), cwd=tmp_path)
    before = files(results)
    with read_only(results):
        refused = dta_bench("report", "fonts_digits", "--out", str(results), cwd=tmp_path)
        assert refused.returncode == 2
        assert "--to FOLDER" in refused.stderr
        told = dta_bench("report", "fonts_digits", "--out", str(results), "--to", str(page), "--json", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["runs"] == 1
    assert (page / "report.html").exists()
    assert files(results) == before
    note("--out lies on a read-only disk", "report reads it, --to says where the page goes; nothing in it changed")
