"""The record of a run's classes: written with each measured epoch, kept through a restart, stored when the run ends."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from small_runs import spec_of
from stored_runs import finish

from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import RunLog, TrackedRun, Tracker, class_record, store_file, stored_files
from dta_bench.tracking.class_record import ClassRecord, ClassRow, read, read_file
from dta_bench.tracking.server_client import ServerClient

SPEC = spec_of(seed=7)


def rows(epoch: int, recall: float = 90) -> list[ClassRow]:
    return [
        ClassRow(epoch, 'a, "quoted" class', 10, recall, "dog", 100 - recall, 12.5),
        ClassRow(epoch, "absent", 0, None, "", None, 0.03125),
    ]


@pytest.fixture
def tracker(finished_store: Path, tmp_path: Path) -> Tracker:
    folder = shutil.copytree(finished_store, tmp_path / "out")
    return Tracker(store_file.sqlite_uri(folder / "mlflow.db"), folder)


def opened(tracker: Tracker) -> RunLog:
    return tracker.open_run(SPEC, None, "a run", set(), {})


def stored(tracker: Tracker, spec: RunSpec = SPEC) -> TrackedRun:
    (run,) = [one for one in tracker.runs("fonts_digits") if one.run_id == spec.id]
    return run


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    ClassRecord(tmp_path / "c.csv").add(rows(4), "recall")
    found = read_file(tmp_path / "c.csv")
    assert found is not None
    assert (found.metric, found.rows) == ("recall", rows(4))


def test_a_run_that_goes_on_keeps_earlier_epochs_and_writes_later_ones_anew(tmp_path: Path) -> None:
    before = ClassRecord(tmp_path / "c.csv")
    for epoch in (1, 2, 3):
        before.add(rows(epoch), "iou")
    ClassRecord(tmp_path / "c.csv").add(rows(2, recall=50), "iou")
    assert read((tmp_path / "c.csv").read_text()).rows == [*rows(1), *rows(2, recall=50)]


@pytest.mark.parametrize("text", ["", "a,b\n", "epoch,class,images,recall,taken_for,taken,predicted\n1,2\n"])
def test_what_is_no_such_file_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.csv").write_text(text)
    assert read_file(tmp_path / "c.csv") is None


def test_a_finished_run_has_it_among_its_artifacts_and_no_longer_beside_its_checkpoint(tracker: Tracker) -> None:
    opened(tracker).log_classes(rows(1), "recall")
    beside = class_record.path_in(tracker.out / "runs", SPEC.id)
    assert beside.exists()
    finish(tracker, SPEC, 0.5)
    found = tracker.class_curves(stored(tracker))
    assert found is not None
    assert found.rows == rows(1)
    assert not beside.exists()


@pytest.mark.parametrize("end", ["fail", "fail_diverged", "interrupt"])
def test_however_a_run_ends_the_store_has_it(tracker: Tracker, end: str) -> None:
    log = opened(tracker)
    log.log_classes(rows(1), "recall")
    getattr(log, end)(*([] if end == "interrupt" else ["why"]))
    assert tracker.has_file(stored(tracker), class_record.FILE)


def test_a_run_that_trains_is_told_by_the_file_beside_its_checkpoint(tracker: Tracker) -> None:
    opened(tracker).log_classes(rows(1), "recall")
    found = tracker.class_curves(stored(tracker))
    assert found is not None
    assert found.names == ['a, "quoted" class', "absent"]


def test_a_run_of_an_earlier_version_has_none(tracker: Tracker) -> None:
    assert tracker.class_curves(stored(tracker, spec_of())) is None


def test_a_server_is_asked_for_the_folder_before_the_file() -> None:
    asked: list[str | None] = []

    def list_artifacts(_: str, folder: str | None) -> list[Any]:
        asked.append(folder)
        return [SimpleNamespace(path="confusion.csv")]

    client, run = SimpleNamespace(list_artifacts=list_artifacts), cast(Any, SimpleNamespace())
    run.artifact_uri, run.mlflow_run_id, run.name = "s3://bucket", "1", "a run"
    assert stored_files.is_there(lambda: client, "http://nowhere", run, "confusion.csv")
    assert not stored_files.is_there(lambda: client, "http://nowhere", run, class_record.FILE)
    assert asked == [None, None]


def test_a_text_in_a_folder_goes_to_that_folder_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    monkeypatch.setattr(ServerClient, "log_artifact", lambda *given: sent.append((Path(given[2]).name, given[3])))
    ServerClient(None, "http://nowhere").log_text("1", "text", class_record.FILE)
    assert sent == [("classes.csv", "curves")]
