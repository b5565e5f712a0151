"""A worker says in a file what its run does, and the driver reads it."""

from pathlib import Path

import pytest

from dta_bench.sweep.on_ray import run_beats
from dta_bench.sweep.on_ray.run_beats import RunBeat, beat_file, read_beats


def test_what_a_worker_notes_is_what_the_driver_reads(tmp_path: Path) -> None:
    RunBeat(beat_file(str(tmp_path), "one"), 64).note("importing")
    RunBeat(beat_file(str(tmp_path), "other"), 64).note("importing")
    assert read_beats(str(tmp_path), ["one", "not_started"]) == {"one": "importing"}


def test_its_pace_is_counted_by_how_often_it_is_asked_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(run_beats.time, "monotonic", lambda: clock[0])
    beat = RunBeat(beat_file(str(tmp_path), "one"), 64)
    beat.epoch_done(2)
    for _ in range(5):
        clock[0] += 0.5
        assert not beat.requested
    assert read_beats(str(tmp_path), ["one"]) == {"one": "epoch 3, 128 images/s"}


def test_a_request_to_stop_is_heard(tmp_path: Path) -> None:
    beat = RunBeat(beat_file(str(tmp_path), "one"), 64)
    beat.requested = True
    assert beat.requested


def test_a_run_that_has_ended_says_nothing(tmp_path: Path) -> None:
    beat = RunBeat(beat_file(str(tmp_path), "one"), 64)
    beat.note("epoch 1")
    beat.remove()
    assert read_beats(str(tmp_path), ["one"]) == {}


def test_a_disk_that_takes_no_note_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    RunBeat(beat_file(str(tmp_path), "one"), 64).note("importing")
    assert read_beats(str(tmp_path), ["one"]) == {}
