"""Which stored runs of a plan count as done."""

import dataclasses
from pathlib import Path

import pytest
from small_runs import spec_of

from dta_bench.data import load
from dta_bench.run import code_fingerprint
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.state import State, state_of
from dta_bench.tracking import Tracker

OLD = "0e0b16e371a5"
COMMIT = code_fingerprint.MOVE[0]
SPEC = spec_of("source_only")
OTHER = dataclasses.replace(SPEC, seed=1)


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    """An empty store."""
    made = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    made.check()
    made.experiment(load.benchmark_of("fonts_digits"))
    return made


@pytest.fixture(autouse=True)
def todays_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if today's code were that of the move."""
    monkeypatch.setattr(code_fingerprint, "RECORD", tmp_path / "record.json")
    monkeypatch.setattr(code_fingerprint, "_is_as_recorded", code_fingerprint._is_as_recorded.__wrapped__)
    code_fingerprint.write_record()


def store(tracker: Tracker, spec: RunSpec, status: str = "FINISHED", **tags: str) -> None:
    log = tracker.open_run(spec, None, f"seed={spec.seed}", set(), tags)
    tracker.end_run(log.mlflow_run_id, status)


def state(tracker: Tracker, *specs: RunSpec) -> State:
    return state_of(specs, tracker.runs("fonts_digits"), marks)


def marks(spec: RunSpec) -> dict[str, str]:
    return {"data_fingerprint": "d", "code_fingerprint": code_fingerprint.code_fingerprint(spec)}


def test_a_run_with_todays_fingerprints_is_done(tracker: Tracker) -> None:
    store(tracker, SPEC, **marks(SPEC), commit="unknown")
    found = state(tracker, SPEC, OTHER)
    assert (found.done, found.to_do, found.old_scheme) == ((SPEC,), (OTHER,), ())


def test_a_store_of_before_the_move_is_done_and_said_to_be_of_the_old_scheme(tracker: Tracker) -> None:
    for spec in (SPEC, OTHER):
        store(tracker, spec, data_fingerprint="d", code_fingerprint=OLD, commit=COMMIT)
    found = state(tracker, SPEC, OTHER)
    assert found.done == found.old_scheme == (SPEC, OTHER)
    assert not found.to_do
    assert not found.stale


@pytest.mark.parametrize("commit", [f"{COMMIT}-dirty", "unknown", "000000000000"])
def test_an_old_mark_of_another_commit_is_stale_and_says_which(commit: str, tracker: Tracker) -> None:
    store(tracker, SPEC, data_fingerprint="d", code_fingerprint=OLD, commit=commit)
    found = state(tracker, SPEC)
    assert (found.done, found.to_do) == ((), (SPEC,))
    today = code_fingerprint.code_fingerprint(SPEC)
    assert [changes for _, changes in found.stale] == [f"code was {OLD} (old scheme, commit {commit}), is {today}"]


def test_an_old_mark_is_stale_once_the_code_has_changed(tracker: Tracker) -> None:
    store(tracker, SPEC, data_fingerprint="d", code_fingerprint=OLD, commit=COMMIT)
    record = code_fingerprint.RECORD
    record.write_text(record.read_text().replace('"run/train.py"', '"run/other.py"'))
    assert state(tracker, SPEC).done == (SPEC,)  # the module has moved
    digest = code_fingerprint.OURS.digest(code_fingerprint.plugins.PACKAGE / "run/train.py")
    record.write_text(record.read_text().replace(digest, "0" * 64))
    assert len(state(tracker, SPEC).stale) == 1


def test_other_data_make_a_run_of_before_the_move_stale(tracker: Tracker) -> None:
    store(tracker, SPEC, data_fingerprint="e", code_fingerprint=OLD, commit=COMMIT)
    assert [changes for _, changes in state(tracker, SPEC).stale] == ["data was e, is d"]


def test_a_change_is_told_by_scheme_and_twelve_digits(tracker: Tracker) -> None:
    store(tracker, SPEC, data_fingerprint="d", code_fingerprint="ast1:000000000000", commit=COMMIT)
    today = code_fingerprint.code_fingerprint(SPEC)
    assert [changes for _, changes in state(tracker, SPEC).stale] == [f"code was ast1:000000000000, is {today}"]


def test_a_run_of_before_the_move_that_did_not_finish_starts_anew_but_keeps_its_place(tracker: Tracker) -> None:
    store(tracker, SPEC, "KILLED", data_fingerprint="d", code_fingerprint=OLD, commit=COMMIT)
    found = state(tracker, SPEC)
    assert found.to_do == found.old_checkpoints == (SPEC,)
    assert not found.stale
