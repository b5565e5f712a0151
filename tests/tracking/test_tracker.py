"""Runs in a real sqlite MLflow: each identity has one run, whatever happens; a store that cannot be used is refused."""

import contextlib
import csv
import dataclasses
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.entities import Metric
from other_processes import CONTEXT
from real_sweeps import listening_addresses
from small_runs import spec_of
from sqlalchemy.orm import Query

from dta_bench.errors import UserError
from dta_bench.evaluation import metrics
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import RunResult, RunSpec
from dta_bench.tracking import RunLog, TrackedRun, Tracker, retry, serve_ui, ui_link
from dta_bench.tracking.retry import PatientClient, retrying

CLASSES = ("zero", "one", "two")
MARKS = {"data_fingerprint": "d1", "code_fingerprint": "c1"}


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose tables exist; making them takes MLflow seconds."""
    out = tmp_path_factory.mktemp("store")
    Tracker(f"sqlite:///{out / 'mlflow.db'}", out).check()
    return out


@pytest.fixture
def tracker(empty_store: Path, tmp_path: Path, digits_benchmark: Benchmark) -> Tracker:
    """An empty store with one experiment."""
    (tmp_path / "mlflow.db").write_bytes((empty_store / "mlflow.db").read_bytes())
    tracker = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    tracker.experiment(digits_benchmark)
    return tracker


def opened(tracker: Tracker, spec: RunSpec, name: str = "a run", inert: frozenset[str] = frozenset()) -> RunLog:
    return tracker.open_run(spec, None, name, set(inert), MARKS)


def only(tracker: Tracker) -> TrackedRun:
    (run,) = tracker.runs("fonts_digits")
    return run


def finished(tracker: Tracker, spec: RunSpec) -> dict[str, np.ndarray]:
    """A finished run of ten images; returns what it stored."""
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(10, 3)).astype(np.float32), np.arange(10) % 2
    confusion = metrics.confusion_matrix(labels, logits.argmax(axis=1), 3)
    scores = metrics.scores(confusion, CLASSES)
    arrays = {
        "target_test_logits": logits,
        "target_test_labels": labels,
        "target_validation_ids": np.array(["img 3", "img 7"]),
    }
    result = RunResult(spec.id, scores, scores, scores, collapsed=False, epochs=2, seconds=1.5, measuring_seconds=0.5)
    opened(tracker, spec).finish(result, arrays, confusion, CLASSES)
    return arrays


def test_a_run_is_found_by_its_identity_with_its_spec_and_fingerprints(tracker: Tracker) -> None:
    spec = spec_of(lambda_2=0.02)
    opened(tracker, spec, "lambda_2=0.02 seed=0")
    run = only(tracker)
    assert (run.run_id, run.spec, run.name, run.status) == (spec.id, spec, "lambda_2=0.02 seed=0", "RUNNING")
    assert MARKS.items() <= run.tags.items()


def test_the_same_identity_never_gets_a_second_run(tracker: Tracker) -> None:
    first = opened(tracker, spec_of())
    first.interrupt()
    assert only(tracker).status == "KILLED"
    again = opened(tracker, spec_of())
    assert again.mlflow_run_id == first.mlflow_run_id
    assert only(tracker).status == "RUNNING"


def test_different_identities_get_runs_of_their_own_in_order(tracker: Tracker) -> None:
    specs = [spec_of(seed=2), spec_of(seed=0), spec_of("source_only")]
    for spec in specs:
        opened(tracker, spec)
    assert [run.run_id for run in tracker.runs("fonts_digits")] == [spec.id for spec in specs]


def test_epochs_logged_twice_after_a_restart_are_stored_once_by_step(tracker: Tracker) -> None:
    log = opened(tracker, spec_of())
    log.log_epoch(1, {"loss/total": 3.0})
    log.log_epoch(2, {"loss/total": 2.0})
    log = opened(tracker, spec_of())
    log.log_epoch(2, {"loss/total": 2.0})
    log.log_epoch(3, {"loss/total": 1.0})
    log.flush()
    history = tracker._client.get_metric_history(log.mlflow_run_id, "loss/total")
    assert {(m.step, m.value) for m in history} == {(1, 3.0), (2, 2.0), (3, 1.0)}
    assert only(tracker).metrics["loss/total"] == 1.0


def test_a_loss_of_nan_is_stored_as_nan(tracker: Tracker) -> None:
    log = opened(tracker, spec_of())
    log.log_epoch(1, {"loss/total": float("nan")})
    log.flush()
    assert np.isnan(only(tracker).metrics["loss/total"])


def test_a_finished_run_has_its_scores_as_metrics(tracker: Tracker) -> None:
    arrays = finished(tracker, spec_of())
    run = only(tracker)
    right = arrays["target_test_logits"].argmax(axis=1) == arrays["target_test_labels"]
    assert run.status == "FINISHED"
    for part in ("test", "validation", "source_validation"):
        assert run.metrics[f"{part}/accuracy"] == pytest.approx(100 * right.mean())
    assert run.metrics["test/class/one"] == pytest.approx(100 * right[arrays["target_test_labels"] == 1].mean())
    assert "test/class/two" not in run.metrics  # absent from the test set: not 0
    assert run.tags["collapsed"] == "false"


def test_predictions_come_back_in_half_precision_and_only_those_asked_for(tracker: Tracker) -> None:
    arrays = finished(tracker, spec_of())
    run = only(tracker)
    back = tracker.predictions(run)
    assert back.keys() == arrays.keys()
    np.testing.assert_array_equal(back["target_test_logits"], arrays["target_test_logits"].astype(np.float16))
    np.testing.assert_array_equal(back["target_validation_ids"], arrays["target_validation_ids"])
    assert list(tracker.predictions(run, ["target_test_labels"])) == ["target_test_labels"]


def test_the_file_of_a_spec_spells_a_value_as_its_identity_does(tracker: Tracker, tmp_path: Path) -> None:
    opened(tracker, spec_of(lambda_2=2.0))
    file = tracker._client.download_artifacts(only(tracker).mlflow_run_id, "run_spec.json", str(tmp_path))
    assert '"lambda_2": 2,' in Path(file).read_text()


def test_a_finished_run_has_spec_subset_and_confusion_as_files(tracker: Tracker, tmp_path: Path) -> None:
    finished(tracker, spec_of())
    folder = Path(tracker._client.download_artifacts(only(tracker).mlflow_run_id, "", str(tmp_path)))
    assert RunSpec.from_dict(json.loads((folder / "run_spec.json").read_text())) == spec_of()
    assert json.loads((folder / "label_subset.json").read_text())["ids"] == ["img 3", "img 7"]
    rows = list(csv.reader((folder / "confusion.csv").open()))
    assert rows[0][1:] == [row[0] for row in rows[1:]] == list(CLASSES)
    assert sum(int(cell) for row in rows[1:] for cell in row[1:]) == 10
    assert (folder / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_parameters_without_effect_are_logged_as_not_applicable(tracker: Tracker) -> None:
    log = opened(tracker, spec_of(lambda_3=0, epsilon=0, lambda_2=0.02), inert=frozenset({"epsilon"}))
    params = tracker._client.get_run(log.mlflow_run_id).data.params
    assert (params["epsilon"], params["lambda_2"]) == ("n/a", "0.02")
    assert (params["training.batch_size"], params["labels.size"], params["method"]) == ("32", "40", "dta")


def test_a_failure_has_its_reason_until_the_run_is_tried_again(tracker: Tracker) -> None:
    opened(tracker, spec_of()).fail_diverged("loss stopped being finite in epoch 3")
    assert (only(tracker).status, only(tracker).tags["reason"]) == ("FAILED", "loss stopped being finite in epoch 3")
    opened(tracker, spec_of())
    assert (only(tracker).status, only(tracker).tags.get("reason")) == ("RUNNING", None)


def test_a_superseded_run_loses_its_identity_but_nothing_else(tracker: Tracker) -> None:
    finished(tracker, spec_of())
    old = only(tracker)
    tracker.supersede(old.mlflow_run_id)
    assert tracker.runs("fonts_digits") == []
    kept = tracker._client.get_run(old.mlflow_run_id)
    assert kept.data.tags["superseded_run_id"] == old.run_id
    assert kept.info.run_name == f"{old.name} (superseded)"
    assert kept.data.metrics == old.metrics
    assert opened(tracker, spec_of()).mlflow_run_id != old.mlflow_run_id


def refuse_results(log: RunLog, monkeypatch: pytest.MonkeyPatch) -> None:
    send = log._client.log_batch

    def named_too_long(run: str, metrics: list[Metric]) -> None:
        sent = [Metric("x" * 300, m.value, m.timestamp, m.step) if m.key == "test/accuracy" else m for m in metrics]
        send(run, metrics=sent)

    monkeypatch.setattr(log._client, "log_batch", named_too_long)


def test_an_epoch_that_mlflow_refuses_for_good_does_not_keep_the_next_one_back(tracker: Tracker) -> None:
    log = opened(tracker, spec_of())
    log.log_epoch(1, {"x" * 300: 1.0})
    log.log_epoch(2, {"loss/total": 2.0})
    log.flush()
    assert only(tracker).metrics == {"loss/total": 2.0}


def test_a_run_whose_result_mlflow_refuses_has_failed(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    log = opened(tracker, spec_of())
    refuse_results(log, monkeypatch)
    labels = np.arange(10) % 3
    confusion = metrics.confusion_matrix(labels, labels, 3)
    scores = metrics.scores(confusion, CLASSES)
    with pytest.raises(UserError, match="the MLflow store refused the result"):
        log.finish(RunResult(spec_of().id, scores, scores, scores, False, 2, 1.5, 0.5), {}, confusion, CLASSES)
    assert only(tracker).status == "FAILED"
    assert "refused the result" in only(tracker).tags["reason"]


def test_a_sweep_is_a_parent_run_that_is_opened_again(tracker: Tracker) -> None:
    parent = tracker.start_sweep("fonts_digits", "fonts_digits", "sweep-1", {"search_space": "fonts_digits"})
    tracker.end_sweep(parent, "KILLED")
    assert tracker.start_sweep("fonts_digits", "fonts_digits", "sweep-1", {}) == parent
    assert tracker.start_sweep("fonts_digits", "other", "sweep-2", {}) != parent
    tracker.open_run(spec_of(), parent, "child", set(), MARKS)
    assert only(tracker).tags["mlflow.parentRunId"] == parent


def test_a_parent_is_not_a_run_of_the_benchmark(tracker: Tracker) -> None:
    tracker.start_sweep("fonts_digits", "fonts_digits", "sweep-1", {})
    assert tracker.runs("fonts_digits") == []


def test_looking_for_runs_creates_no_store(tmp_path: Path) -> None:
    assert Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path).runs("digits") == []
    assert list(tmp_path.iterdir()) == []


def open_many(uri: str, out: Path, seeds: list[int]) -> None:
    tracker = Tracker(uri, out)
    for seed in seeds:
        log = opened(tracker, spec_of(seed=seed))
        for epoch in range(1, 4):
            log.log_epoch(epoch, {"loss/total": float(epoch)})
        log.flush()


def test_a_run_is_opened_though_another_stores_the_same_data_sets_in_the_same_moment(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    log_inputs, others = SqlAlchemyStore._log_inputs_impl, [spec_of(seed=1)]

    def after_another(store: Any, experiment: str, run: str, *inputs: Any, **more: Any) -> Any:
        if not others:
            return log_inputs(store, experiment, run, *inputs, **more)
        opened(tracker, others.pop())  # stores them, after this call has looked and found none
        with monkeypatch.context() as patch:
            patch.setattr(Query, "all", lambda _: [])
            return log_inputs(store, experiment, run, *inputs, **more)

    monkeypatch.setattr(SqlAlchemyStore, "_log_inputs_impl", after_another)
    opened(tracker, spec_of(seed=0))
    assert {run.spec.seed for run in tracker.runs("fonts_digits")} == {0, 1}


def test_two_processes_at_once_lose_no_run_and_no_epoch(tracker: Tracker) -> None:
    workers = [
        CONTEXT.Process(target=open_many, args=(tracker.uri, tracker.out, seeds)) for seeds in ([0, 1, 2], [3, 4, 5])
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    runs = tracker.runs("fonts_digits")
    assert {run.run_id for run in runs} == {spec_of(seed=seed).id for seed in range(6)}
    assert len(runs) == 6
    assert all(run.metrics["loss/total"] == 3.0 for run in runs)


def open_and_hang(uri: str, out: Path, id_file: Path) -> None:
    log = opened(Tracker(uri, out), spec_of())
    log.log_epoch(1, {"loss/total": 1.0})
    id_file.write_text(log.mlflow_run_id)
    time.sleep(600)


def test_a_run_whose_process_was_killed_is_opened_again(tracker: Tracker, tmp_path: Path) -> None:
    id_file = tmp_path / "mlflow_run_id"
    worker = CONTEXT.Process(target=open_and_hang, args=(tracker.uri, tracker.out, id_file))
    worker.start()
    while not id_file.exists() and worker.is_alive():
        time.sleep(0.1)
    os.kill(worker.pid or 0, signal.SIGKILL)
    worker.join()
    assert only(tracker).status == "RUNNING"
    finished(tracker, spec_of())
    assert (only(tracker).mlflow_run_id, only(tracker).status) == (id_file.read_text(), "FINISHED")


def test_a_run_killed_before_it_was_described_is_described_later(tracker: Tracker) -> None:
    log = opened(tracker, spec_of())
    undescribed = tracker._client.create_run(only(tracker).experiment_id, tags=only(tracker).tags | {"run_id": "later"})
    tracker.supersede(log.mlflow_run_id)
    tracker._client.set_tag(undescribed.info.run_id, "run_id", spec_of().id)
    assert opened(tracker, spec_of()).mlflow_run_id == undescribed.info.run_id
    assert tracker._client.get_run(undescribed.info.run_id).data.params["method"] == "dta"


def test_a_deleted_experiment_is_refused_with_the_command_that_restores_it(
    tracker: Tracker, digits_benchmark: Benchmark
) -> None:
    tracker._client.delete_experiment(tracker.experiment(digits_benchmark))
    with pytest.raises(UserError, match="experiments restore"):
        tracker.experiment(digits_benchmark)


def test_a_second_benchmark_has_an_experiment_of_its_own(tracker: Tracker, digits_benchmark: Benchmark) -> None:
    other = dataclasses.replace(digits_benchmark, name="other")
    assert tracker.experiment(other) != tracker.experiment(digits_benchmark) == tracker.experiment(digits_benchmark)
    assert set(tracker.experiments()) == {"fonts_digits", "other"}


def refusal(uri: str, out: Path) -> str:
    with pytest.raises(UserError) as error:
        Tracker(uri, out).check()
    return str(error.value)


def test_an_unreachable_server_is_refused(tmp_path: Path) -> None:
    assert "http://127.0.0.1:9 does not answer" in refusal("http://127.0.0.1:9", tmp_path)


def test_a_server_that_accepts_and_never_answers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dta_bench.tracking.connection.REACH_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert "does not answer" in refusal(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path)


@pytest.mark.parametrize("uri", ["file:///tmp/mlruns", "mlruns", "ftp://server"])
def test_a_store_that_mlflow_cannot_write_to_is_refused(uri: str, tmp_path: Path) -> None:
    message = refusal(uri, tmp_path)
    assert uri in message
    assert "sqlite:///FILE" in message


def test_a_folder_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written to" in refusal(f"sqlite:///{tmp_path}/file/mlflow.db", tmp_path)


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database" * 100)
    assert "not a database" in refusal(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)


def test_mlflow_prints_nothing_of_its_own(tmp_path: Path) -> None:
    code = (
        "import json, sys; from pathlib import Path; from dta_bench.spec.run_spec import RunSpec\n"
        "from dta_bench import tracking; from dta_bench.data.benchmark_plugin import benchmark_of\n"
        "t = tracking.Tracker('sqlite:///mlflow.db', Path('.')); t.check()\n"
        "t.experiment(benchmark_of('fonts_digits'))\n"
        "t.open_run(RunSpec.from_dict(json.loads(sys.argv[1])), None, 'a run', set(), {}).fail('because')\n"
    )
    command = [sys.executable, "-c", code, json.dumps(spec_of().to_dict())]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_link_leads_to_the_table_of_runs() -> None:
    assert (
        ui_link("sqlite:///x/mlflow.db", "7")
        == "http://127.0.0.1:5000/#/experiments/7/runs?viewStateShareKey=dta-bench&workflowType=machine_learning"
    )
    assert (
        ui_link("https://mlflow.lab.org/", "7")
        == "https://mlflow.lab.org/#/experiments/7/runs?viewStateShareKey=dta-bench&workflowType=machine_learning"
    )


def test_the_link_of_a_job_whose_server_ends_with_it_leads_to_its_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DTA_BENCH_STORE_AFTER_JOB", f"sqlite:///{tmp_path}/mlflow.db")
    assert ui_link("http://10.0.0.1:35703", "7").startswith("http://127.0.0.1:5000/#/experiments/7/runs?")
    (tmp_path / "mlflow.db.ui-port").write_text("5001\n")
    assert ui_link("http://10.0.0.1:35703", "7").startswith("http://127.0.0.1:5001/#/experiments/7/runs?")


# urllib keeps the opener, and with it the proxies, of its first use in this process; loopback needs none.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def served(tracker: Tracker) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """``dta-bench ui`` on the store, as a user starts it; its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dta_bench", "ui", "--out", str(tracker.out), "--port", str(port)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # A shell starts background jobs so that they, and their children, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.send_signal(signal.SIGINT)  # does nothing if it has ended
        process.wait(60)


def wait_for(address: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        try:
            DIRECT.open(address).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError("the server did not come up")


def test_the_ui_serves_the_store_whose_files_no_other_program_follows_through_it(tracker: Tracker) -> None:
    finished(tracker, spec_of())
    with served(tracker) as (address, process):
        page = DIRECT.open(f"{address}/").read().decode()
        assert "<title>MLflow</title>" in page
        assert listening_addresses(process.pid) == {"127.0.0.1"}
        remote = Tracker(address, tracker.out)
        remote.check()
        assert remote.runs("fonts_digits") == tracker.runs("fonts_digits")
        with pytest.raises(UserError, match="a path of this machine, which is not followed"):
            remote.predictions(only(remote))
        process.send_signal(signal.SIGINT)  # Ctrl-C
        stdout, stderr = process.communicate(timeout=60)
    assert stdout == ""
    assert ui_link(address, only_experiment(tracker)) in stderr
    assert "Traceback" not in stderr


def only_experiment(tracker: Tracker) -> str:
    (experiment_id,) = tracker.experiments().values()
    return experiment_id


def test_the_ui_of_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no runs"):
        serve_ui(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path, "127.0.0.1", 5000)


def test_a_port_that_is_taken_is_refused(tracker: Tracker) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match="--port"):
            serve_ui(tracker.uri, tracker.out, "127.0.0.1", taken.getsockname()[1])


def test_class_names_that_mlflow_refuses_come_back_as_they_were_written(tracker: Tracker) -> None:
    names = ("T-shirt & top", "cat, black", "$a$ $b$")
    confusion = np.array([[3, 1, 0], [0, 2, 0], [0, 0, 1]])
    scores = metrics.scores(confusion, names)
    result = RunResult("any", scores, scores, scores, collapsed=False, epochs=1, seconds=1.0, measuring_seconds=0.5)
    opened(tracker, spec_of()).finish(result, {"target_validation_ids": np.array(["a"])}, confusion, names)
    run = only(tracker)
    assert run.metrics["test/class/T-shirt & top"] == pytest.approx(75.0)
    assert tracker.history(run, ["test/class/cat, black"])["test/class/cat, black"] == ([1], [100.0])
    rows = list(csv.reader(tracker.read_text(run, "confusion.csv").splitlines()))
    assert rows[0][1:] == [row[0] for row in rows[1:]] == list(names)


class LockedClient:
    """Stands for MLflow's client on a store that is locked for some calls."""

    def __init__(self, locked_calls: int) -> None:
        self.locked_calls = locked_calls
        self.done = 0

    def set_tag(self, run: str, key: str, value: str) -> str:
        if self.locked_calls:
            self.locked_calls -= 1
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        self.done += 1
        return f"{run} {key} {value}"


def test_every_call_of_the_client_waits_while_the_store_is_locked(caplog: pytest.LogCaptureFixture) -> None:
    client = LockedClient(locked_calls=2)
    assert PatientClient(client, "sqlite:///x.db").set_tag("run", "key", value="yes") == "run key yes"
    assert client.done == 1
    assert "locked by another program" in caplog.text


def test_a_store_that_stays_locked_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "PATIENCE", 0.0)
    with pytest.raises(UserError, match=r"x\.db has been locked by another program for 0 minutes; end that program"):
        PatientClient(LockedClient(locked_calls=9), "sqlite:///x.db").set_tag("run", "key", "yes")


def test_a_locked_store_is_waited_for(tracker: Tracker, caplog: pytest.LogCaptureFixture) -> None:
    locker = sqlite3.connect(tracker.out / "other.db", isolation_level=None)
    locker.execute("CREATE TABLE t (x)")
    locker.execute("BEGIN EXCLUSIVE")

    def write() -> None:
        with contextlib.closing(sqlite3.connect(tracker.out / "other.db", timeout=0)) as database:
            try:
                database.execute("INSERT INTO t VALUES (1)")
            except sqlite3.OperationalError:
                locker.rollback()
                raise

    retrying(tracker.uri)(write)
    assert "locked by another program" in caplog.text
