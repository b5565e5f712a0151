"""Two sweeps in two folders with one store never train the same runs, and a dead one soon blocks nobody."""

import contextlib
import json
import signal
import sqlite3
import subprocess
from pathlib import Path

import psutil
import pytest
from command_line import dta_bench_here, refused
from real_sweeps import start, wait_until
from rich.console import Console

from dta_bench.cli.arguments import options_of, plan_of
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.run.workspace import Workspace
from dta_bench.sweep import sweep
from dta_bench.sweep.on_ray.cluster import Resources
from dta_bench.sweep.sweep import SweepResult
from dta_bench.tracking import Tracker, heartbeat

SWEEP = ("sweep", "fonts_digits", "--method", "source_only", "--seeds", "1", "--confirm", "0", "--epochs", "10")


@pytest.fixture
def tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(heartbeat, "WATCH_SECONDS", 2.0)
    tracker = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    return tracker


def parent(tracker: Tracker, sweep: str = "one") -> str:
    return tracker.start_sweep("fonts_digits", sweep, sweep, {})


def test_a_living_sweep_is_found_by_a_sweep_elsewhere_that_wants_its_runs(tracker: Tracker) -> None:
    with tracker.announce_sweep(parent(tracker), "here:/a", {"x", "y"}):
        found = tracker.living_sweep_elsewhere("fonts_digits", "there:/b", {"y", "z"})
        assert found is not None
        assert (found.location, found.runs) == ("here:/a", {"x", "y"})
        assert tracker.living_sweep_elsewhere("fonts_digits", "there:/b", {"z"}) is None
        assert tracker.living_sweep_elsewhere("fonts_digits", "here:/a", {"x"}) is None
    assert tracker.sweeps_elsewhere("fonts_digits", "there:/b", {"y"}) == []


def test_the_announcement_of_a_dead_sweep_is_removed(tracker: Tracker) -> None:
    run = parent(tracker)
    tracker._client.log_dict(run, ["x"], "at_work.0.json")
    tracker._client.set_tag(run, "at_work.0", json.dumps({"place": "here:/a", "beat": 7}))
    assert len(tracker.sweeps_elsewhere("fonts_digits", "there:/b", {"x"})) == 1
    assert tracker.living_sweep_elsewhere("fonts_digits", "there:/b", {"x"}) is None
    assert tracker.sweeps_elsewhere("fonts_digits", "there:/b", {"x"}) == []


@pytest.mark.parametrize(
    "value", ["", "[]", '{"place": 1}', '{"place": "a", "beat": "b"}', '{"place": "a", "beat": 1}']
)
def test_a_tag_that_cannot_be_read_is_ignored(value: str, tracker: Tracker) -> None:
    tracker._client.set_tag(parent(tracker), "at_work.1", value)
    assert tracker.living_sweep_elsewhere("fonts_digits", "there:/b", {"x"}) is None


def test_two_sweeps_that_start_at_once_see_each_other(tracker: Tracker) -> None:
    run = parent(tracker)
    with tracker.announce_sweep(run, "here:/a", {"x"}), tracker.announce_sweep(run, "there:/b", {"x"}):
        assert [sweep.location for sweep in tracker.sweeps_elsewhere("fonts_digits", "here:/a", {"x"})] == ["there:/b"]
        assert [sweep.location for sweep in tracker.sweeps_elsewhere("fonts_digits", "there:/b", {"x"})] == ["here:/a"]


def begin(folder: Path, store: Path) -> SweepResult:
    """Start the sweep in a folder of its own, by the program's own function."""
    plan = plan_of("fonts_digits", options_of(method=["source_only"], seeds=1, confirm=0, epochs=10))
    workspace = Workspace(str(store.parent), str(folder), f"sqlite:///{store}")
    return sweep.sweep(plan, workspace, Resources(), Console(quiet=True))


@pytest.mark.usefixtures("tracker")
def test_a_sweep_elsewhere_is_refused_while_the_first_works_and_goes_on_in_the_store_that_a_dead_one_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray is not started. A copy of the store, made while the first works, is what its death leaves."""
    store, left = tmp_path / "mlflow.db", tmp_path / "left.db"

    def work(*_: object) -> dict[str, str]:
        with pytest.raises(UserError, match=f"another sweep or training is at work on this run .*{tmp_path / 'a'}"):
            begin(tmp_path / "b", store)
        with contextlib.closing(sqlite3.connect(store)) as open_store:
            open_store.execute("VACUUM INTO ?", [str(left)])
        return {}

    monkeypatch.setattr(sweep, "launch", work)
    begin(tmp_path / "a", store)
    launched: list[str] = []
    monkeypatch.setattr(sweep, "launch", lambda start, _: launched.extend(run.method for run in start.runs) or {})
    begin(tmp_path / "b", left)
    assert launched == ["source_only"]


def kill(driver: subprocess.Popen[str]) -> None:
    for process in [*psutil.Process(driver.pid).children(recursive=True), driver]:
        process.send_signal(signal.SIGKILL)
    driver.communicate()


@pytest.mark.slow  # two sweeps on Ray; the test before holds both answers without it
def test_a_second_sweep_of_one_store_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    store = ("--tracking-uri", f"sqlite:///{tmp_path / 'mlflow.db'}", "--root", str(tmp_path))
    first = start(*SWEEP, *store, "--out", str(tmp_path / "a"), cwd=tmp_path)
    wait_until((tmp_path / "a" / "runs" / "ray").exists)
    said = refused(dta_bench_here(*SWEEP, *store, "--out", str(tmp_path / "b"), cwd=tmp_path))
    assert "another sweep or training is at work on this run in the same store, at " in said
    assert f"{tmp_path / 'a'}; wait for it" in said
    kill(first)
    third = start(*SWEEP, *store, "--out", str(tmp_path / "b"), "--json", cwd=tmp_path)
    stdout, stderr = third.communicate(timeout=300)
    assert third.returncode == 0, stderr
    assert json.loads(stdout)["runs"] == 1
    (run,) = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path).runs("fonts_digits")
    assert run.status == "FINISHED"
