"""A worker has the name by which a node asks it to save, and does so also while Tune does not answer it."""

import contextlib
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from dta_bench.sweep.on_ray import worker
from dta_bench.sweep.on_ray.run_beats import RunBeat

NODE_SCRIPT = Path(__file__).parents[3] / "cluster" / "node.sh"


@pytest.fixture
def beat(tmp_path: Path) -> RunBeat:
    return RunBeat(tmp_path / "beat.json", batch_size=2)


def test_the_node_script_finds_the_processes_of_runs_by_the_name_that_ray_gives_them() -> None:
    name = worker.trainable(job={}, resources={"CPU": 1}).__name__
    assert f"'^ray::{name}'" in NODE_SCRIPT.read_text()


def test_a_result_waits_for_tunes_answer(beat: RunBeat, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[dict[str, Any]]()
    monkeypatch.setattr(tune, "report", told.append)
    worker.report_unless_asked({"epoch": 1}, beat)
    assert told == [{"epoch": 1}]


def test_a_run_that_tune_stops_ends_as_if_it_had_asked_itself(beat: RunBeat, monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(_: object) -> None:
        raise SystemExit(0)  # what Ray raises in the thread that reports

    monkeypatch.setattr(tune, "report", stops)
    with pytest.raises(SystemExit):
        worker.report_unless_asked({"epoch": 1}, beat)


@pytest.mark.parametrize(("patience", "ends"), [(0.0, []), (0.1, [worker.LOST])])
def test_a_run_that_is_asked_to_stop_does_not_wait_for_a_tune_that_is_gone(
    patience: float, ends: list[int], beat: RunBeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, ended = threading.Event(), list[int]()
    monkeypatch.setattr(tune, "report", lambda _: gone.wait(60))
    monkeypatch.setattr("os._exit", ended.append)
    threading.Timer(0.1, lambda: setattr(beat, "requested", True)).start()
    worker.report_unless_asked({"epoch": 1}, beat, patience)
    gone.set()
    assert ended == ends


@pytest.mark.parametrize("trains", [True, False])
def test_sigterm_lets_a_run_save_and_ends_one_that_has_not_begun(
    trains: bool, beat: RunBeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = list[int]()
    monkeypatch.setattr("os._exit", ended.append)
    monkeypatch.setattr(worker, "_current", beat)
    beat.trains = trains
    beat.note("importing")
    worker.save_and_end()
    assert beat.is_asked or ended == [worker.LOST]
    assert beat._file.exists() == trains  # nobody waits for a run that had nothing to save


def test_a_process_whose_run_tune_has_stopped_ends_at_sigterm(beat: RunBeat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os._exit", sys.exit)
    with contextlib.suppress(SystemExit), worker.answering_sigterm(beat):
        beat.trains = True
        beat.note("epoch 3")
        raise SystemExit  # as a stop rule ends a run
    assert not beat._file.exists()
    with pytest.raises(SystemExit, match=str(worker.LOST)):  # else Ctrl-C waits for a process that has nothing to save
        worker.save_and_end()
