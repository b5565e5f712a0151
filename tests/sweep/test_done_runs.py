"""Which stored runs of a plan count as done."""

import io
import itertools
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from small_runs import spec_of

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.run import code_fingerprint
from dta_bench.run.workspace import Workspace
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep import print_state
from dta_bench.sweep.done_runs import State, state_of
from dta_bench.tracking import Tracker

OLD = "0e0b16e371a5"
COMMIT = code_fingerprint.MOVE[0]
SEEDS = itertools.count()


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    """A store; making one takes seconds."""
    folder = tmp_path_factory.mktemp("store")
    made = Tracker(f"sqlite:///{folder / 'mlflow.db'}", folder)
    made.check()
    made.experiment(benchmark_of("fonts_digits"))
    return made


@pytest.fixture
def spec() -> RunSpec:
    """A run that the store does not know."""
    return spec_of("source_only", seed=next(SEEDS))


@pytest.fixture
def other() -> RunSpec:
    """Another one."""
    return spec_of("source_only", seed=next(SEEDS))


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


def test_a_run_with_todays_fingerprints_is_done(spec: RunSpec, other: RunSpec, tracker: Tracker) -> None:
    store(tracker, spec, **marks(spec), commit="unknown")
    found = state(tracker, spec, other)
    assert (found.done, found.to_do, found.old_scheme) == ((spec,), (other,), ())


def test_runs_of_before_the_move_are_done_and_named(spec: RunSpec, other: RunSpec, tracker: Tracker) -> None:
    for each in (spec, other):
        store(tracker, each, data_fingerprint="d", code_fingerprint=OLD, commit=COMMIT)
    found = state(tracker, spec, other)
    assert found.done == found.old_scheme == (spec, other)
    assert not found.to_do
    assert not found.stale


@pytest.mark.parametrize("commit", [f"{COMMIT}-dirty", "unknown", "000000000000"])
def test_an_old_mark_of_another_commit_is_stale_and_says_which(commit: str, spec: RunSpec, tracker: Tracker) -> None:
    store(tracker, spec, data_fingerprint="d", code_fingerprint=OLD, commit=commit)
    found = state(tracker, spec)
    assert (found.done, found.to_do) == ((), (spec,))
    today = code_fingerprint.code_fingerprint(spec)
    assert [changes for _, changes in found.stale] == [f"code was {OLD} (old scheme, commit {commit}), is {today}"]


def test_an_old_mark_is_stale_once_the_code_has_changed(spec: RunSpec, tracker: Tracker) -> None:
    store(tracker, spec, data_fingerprint="d", code_fingerprint=OLD, commit=COMMIT)
    record = code_fingerprint.RECORD
    record.write_text(record.read_text().replace('"run/train.py"', '"run/other.py"'))
    assert state(tracker, spec).done == (spec,)  # the module has moved
    digest = code_fingerprint.OURS.digest(code_fingerprint.plugins.PACKAGE / "run/train.py")
    record.write_text(record.read_text().replace(digest, "0" * 64))
    assert len(state(tracker, spec).stale) == 1


def test_other_data_make_a_run_of_before_the_move_stale(spec: RunSpec, tracker: Tracker) -> None:
    store(tracker, spec, data_fingerprint="e", code_fingerprint=OLD, commit=COMMIT)
    assert [changes for _, changes in state(tracker, spec).stale] == ["data was e, is d"]


def test_a_change_is_told_by_scheme_and_twelve_digits(spec: RunSpec, tracker: Tracker) -> None:
    store(tracker, spec, data_fingerprint="d", code_fingerprint="ast1:000000000000", commit=COMMIT)
    today = code_fingerprint.code_fingerprint(spec)
    assert [changes for _, changes in state(tracker, spec).stale] == [f"code was ast1:000000000000, is {today}"]


def test_an_unfinished_run_of_before_the_move_is_to_do_but_not_stale(spec: RunSpec, tracker: Tracker) -> None:
    store(tracker, spec, "KILLED", data_fingerprint="d", code_fingerprint=OLD, commit=COMMIT)
    found = state(tracker, spec)
    assert found.to_do == found.old_checkpoints == (spec,)
    assert not found.stale


def test_a_sweep_says_in_one_line_how_many_runs_of_the_old_scheme_count(
    spec: RunSpec, other: RunSpec, tracker: Tracker
) -> None:
    for each in (spec, other):
        store(tracker, each, data_fingerprint="d", code_fingerprint=OLD, commit=COMMIT)
    said = console()
    print_state.print_notes(
        print_state.notes_on_old_scheme(state(tracker, spec, other), Workspace("", str(tracker.out), "")), said
    )
    assert said.file.getvalue().startswith(
        "note: 2 runs have a code fingerprint of the old scheme and count as made by"
    )
    assert said.file.getvalue().count("\n") == 1


def test_a_sweep_says_which_runs_start_anew(spec: RunSpec, other: RunSpec, tracker: Tracker) -> None:
    workspace = Workspace("", str(tracker.out), "")
    workspace.checkpoint(spec.id).parent.mkdir()
    workspace.checkpoint(spec.id).touch()  # the other has none
    for each in (spec, other):
        store(tracker, each, "KILLED", data_fingerprint="d", code_fingerprint=OLD, commit=COMMIT)
    said = console()
    print_state.print_notes(print_state.notes_on_old_scheme(state(tracker, spec, other), workspace), said)
    assert said.file.getvalue().startswith("note: 1 unfinished run starts again at the first epoch")


def console() -> Any:
    return Console(file=io.StringIO(), width=80)
