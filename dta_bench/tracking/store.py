"""Runs remembered in MLflow: a benchmark is an experiment, a sweep a parent run, a RunSpec a child of it."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from dta_bench.domains import Benchmark
from dta_bench.errors import UserError
from dta_bench.experiment import RunResult, RunSpec

REACH_SECONDS = 5.0  # how long a tracking server may take to answer the first knock
PAGE = 1000


@dataclass(frozen=True)
class TrackedRun:
    """A run as the store knows it. ``run_id`` is our identity, ``mlflow_run_id`` MLflow's."""

    mlflow_run_id: str
    run_id: str
    name: str
    status: str
    spec: RunSpec
    tags: dict[str, str]
    metrics: dict[str, float]
    experiment_id: str


class Tracker:
    """A connection to one MLflow store or server.

    Args:
        uri: ``sqlite:///...`` or ``http(s)://...``.
        out: where a sqlite store keeps its artifacts, under ``mlartifacts``.
    """

    def __init__(self, uri: str, out: Path) -> None:
        self.uri, self.out = uri, out
        self._made: Any = None

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = _client(self.uri)
        return self._made

    def check(self) -> None:
        """Make sure that runs can be written before any is started; creates a sqlite store.

        Raises:
            UserError: the server does not answer, or the store cannot be written.
        """
        parts = urlsplit(self.uri)
        if parts.scheme in ("http", "https"):
            _knock(self.uri, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        try:
            self._client.search_experiments(max_results=1)
        except Exception as error:  # MLflow and its stores raise many kinds
            raise UserError(f"the MLflow store {self.uri} cannot be used: {str(error).splitlines()[0]}") from error

    def exists(self) -> bool:
        """Whether there is a store to look into (looking must not create one)."""
        return not self.uri.startswith("sqlite:///") or Path(self.uri.removeprefix("sqlite:///")).exists()

    def experiment(self, benchmark: Benchmark) -> str:
        """The id of the benchmark's experiment, made if it is new."""
        found = self._client.get_experiment_by_name(benchmark.name)
        if found is not None:
            return str(found.experiment_id)
        local = None if self.uri.startswith("http") else (self.out / "mlartifacts").resolve().as_uri()
        tags = {"mlflow.note.content": f"{benchmark.source} -> {benchmark.target}. {benchmark.splits_stated}"}
        return str(self._client.create_experiment(benchmark.name, artifact_location=local, tags=tags))

    def start_sweep(self, benchmark: str, name: str, sweep_id: str, tags: dict[str, str]) -> str:
        """The parent run of a sweep, opened again if it is known."""
        experiment = self._client.get_experiment_by_name(benchmark).experiment_id
        known = self._client.search_runs([experiment], f"tags.sweep_id = '{sweep_id}'", max_results=1)
        if known:
            parent = str(known[0].info.run_id)
            self._client.update_run(parent, status="RUNNING")
            return parent
        made = self._client.create_run(experiment, run_name=f"sweep {name}", tags=tags | {"sweep_id": sweep_id})
        return str(made.info.run_id)

    def end_sweep(self, parent: str, status: str) -> None:
        """Close a sweep's parent run: FINISHED or KILLED."""
        self._client.set_terminated(parent, status)

    def end_run(self, mlflow_run_id: str, status: str) -> None:
        """Close a run whose worker is gone."""
        self._client.set_terminated(mlflow_run_id, status)

    def runs(self, benchmark: str) -> list[TrackedRun]:
        """All runs of a benchmark that have an identity, in the order in which they were first started."""
        if not self.exists():
            return []
        experiment = self._client.get_experiment_by_name(benchmark)
        if experiment is None:
            return []
        return [_tracked(run) for run in self._pages(experiment.experiment_id, "tags.run_id != ''")]

    def _pages(self, experiment: str, filter_string: str) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs(
                [experiment], filter_string, max_results=PAGE, order_by=["attributes.start_time ASC"], page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def open_run(
        self, spec: RunSpec, parent: str | None, name: str, inert: set[str], provenance: dict[str, str]
    ) -> RunLog:
        """The one MLflow run of ``spec``: found by its identity and opened again, or made."""
        experiment = self._client.get_experiment_by_name(spec.benchmark).experiment_id
        known = self._client.search_runs([experiment], f"tags.run_id = '{spec.id}'", max_results=1)
        tags = provenance | ({"mlflow.parentRunId": parent} if parent else {})
        if known:
            mlflow_run_id = str(known[0].info.run_id)
            for key, value in tags.items():
                self._client.set_tag(mlflow_run_id, key, value)
            self._client.update_run(mlflow_run_id, status="RUNNING", name=name)
            return RunLog(self._client, mlflow_run_id, spec)
        tags |= {"run_id": spec.id, "spec": json.dumps(spec.to_dict(), sort_keys=True)}
        made = self._client.create_run(experiment, run_name=name, tags=tags)
        log = RunLog(self._client, str(made.info.run_id), spec)
        log.describe(inert)
        return log

    def supersede(self, mlflow_run_id: str) -> None:
        """Take a run's identity from it, because other data or code made it; nothing is deleted."""
        run = self._client.get_run(mlflow_run_id)
        self._client.set_tag(mlflow_run_id, "superseded_run_id", run.data.tags["run_id"])
        self._client.delete_tag(mlflow_run_id, "run_id")
        self._client.update_run(mlflow_run_id, name=f"{run.info.run_name} (superseded)")

    def predictions(self, mlflow_run_id: str) -> dict[str, NDArray[Any]]:
        """What a finished run predicted, by name; see ``training.Finished.arrays``."""
        with tempfile.TemporaryDirectory() as folder:
            path = self._client.download_artifacts(mlflow_run_id, "predictions.npz", folder)
            with np.load(path, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}


class RunLog:
    """Writes one run."""

    def __init__(self, client: Any, mlflow_run_id: str, spec: RunSpec) -> None:
        self._client, self.mlflow_run_id, self._spec = client, mlflow_run_id, spec

    def describe(self, inert: set[str]) -> None:
        """Log what the run is: every parameter (``n/a`` where it has no effect), training, label subset, seed."""
        from mlflow.entities import Param

        spec = self._spec
        flat = {"backbone": spec.backbone, "weights": spec.weights, "method": spec.method, "seed": spec.seed}
        flat |= {key: "n/a" if key in inert else value for key, value in spec.params.items()}
        flat |= {f"training.{key}": value for key, value in spec.training.model_dump().items()}
        flat |= {f"labels.{key}": value for key, value in spec.label_subset.model_dump().items()}
        self._client.log_batch(self.mlflow_run_id, params=[Param(k, str(v)) for k, v in flat.items()])
        self._client.log_dict(self.mlflow_run_id, spec.to_dict(), "run_spec.json")

    def log_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """One batch, with the epoch as its step; an epoch that is told twice, after a restart, is the same numbers."""
        self._log(metrics, epoch)

    def finish(
        self, result: RunResult, arrays: dict[str, NDArray[Any]], confusion: NDArray[np.int64], classes: Sequence[str]
    ) -> None:
        """Log the one measurement of target test and everything later selection may read, then close the run."""
        self._log(_final(result), result.epochs)
        ids = {"ids": [str(i) for i in arrays["target_validation_ids"]]}
        self._client.log_dict(self.mlflow_run_id, ids, "label_subset.json")
        self._client.log_text(self.mlflow_run_id, _csv(confusion, classes), "confusion.csv")
        self._client.log_figure(self.mlflow_run_id, _figure(confusion, classes), "confusion.png")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "predictions.npz")
            small: dict[str, Any] = {n: a.astype(np.float16) if a.dtype == np.float32 else a for n, a in arrays.items()}
            np.savez_compressed(path, **small)
            self._client.log_artifact(self.mlflow_run_id, str(path))
        self._client.set_tag(self.mlflow_run_id, "collapsed", str(result.collapsed).lower())
        self._client.set_tag(self.mlflow_run_id, "result", json.dumps(dataclasses.asdict(result)))
        self._client.set_terminated(self.mlflow_run_id, "FINISHED")

    def fail(self, reason: str) -> None:
        """Close the run as failed, with its reason."""
        self._client.set_tag(self.mlflow_run_id, "reason", reason)
        self._client.set_terminated(self.mlflow_run_id, "FAILED")

    def kill(self) -> None:
        """Close the run as interrupted; it can be opened again."""
        self._client.set_terminated(self.mlflow_run_id, "KILLED")

    def _log(self, metrics: dict[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self.mlflow_run_id, metrics=[Metric(k, v, now, step) for k, v in metrics.items()])


def ui_link(uri: str, experiment_id: str, port: int = 5000) -> str:
    """The page of an experiment's runs, at the server itself or where ``dta-bench ui`` serves a local store."""
    base = uri.rstrip("/") if uri.startswith("http") else f"http://127.0.0.1:{port}"
    return f"{base}/#/experiments/{experiment_id}/runs"


def serve_ui(uri: str, out: Path, host: str, port: int) -> None:
    """Serve MLflow's UI on a local store until interrupted, or say where the server's own is.

    Raises:
        UserError: there is no store yet, or the port is taken.
    """
    if uri.startswith("http"):
        print(f"MLflow is served at {uri}", file=sys.stderr)
        return
    tracker = Tracker(uri, out)
    if not tracker.exists():
        raise UserError(f"there are no runs in {out}; run a sweep there first, or name another folder with --out")
    with socket.socket() as probe:
        if probe.connect_ex((host, port)) == 0:
            raise UserError(f"port {port} on {host} is taken; choose another one with --port")
    for experiment in tracker._client.search_experiments():
        if experiment.name != "Default":
            print(f"{experiment.name}: {ui_link(uri, experiment.experiment_id, port)}", file=sys.stderr)
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", host, "--port", str(port),
        "--serve-artifacts", "--artifacts-destination", str(out / "mlartifacts"),
    ]  # fmt: skip
    subprocess.run(command, check=False)


def _client(uri: str) -> Any:
    """An MLflow client that says nothing on its own and gives up on a dead server within seconds."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    warnings.filterwarnings("ignore", module="mlflow")
    with contextlib.redirect_stdout(io.StringIO()):
        from mlflow import MlflowClient

    for name in ("mlflow", "mlflow.store.db.utils", "alembic"):  # MLflow sets its own levels when imported
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _knock(uri: str, host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=REACH_SECONDS).close()
    except OSError as error:
        raise UserError(
            f"the MLflow server {uri} does not answer ({error.strerror or error}); start it, or leave out"
            " --tracking-uri and MLFLOW_TRACKING_URI for a local store"
        ) from error


def _tracked(run: Any) -> TrackedRun:
    tags = dict(run.data.tags)
    return TrackedRun(
        mlflow_run_id=run.info.run_id, run_id=tags["run_id"], name=run.info.run_name, status=run.info.status,
        spec=RunSpec.from_dict(json.loads(tags["spec"])), tags=tags, metrics=dict(run.data.metrics),
        experiment_id=run.info.experiment_id,
    )  # fmt: skip


def _final(result: RunResult) -> dict[str, float]:
    found = {"seconds": result.seconds}
    for name in ("test", "validation", "source_validation"):
        scores = getattr(result, name)
        found |= {f"{name}/accuracy": scores.accuracy, f"{name}/mean_class_accuracy": scores.mean_class_accuracy}
    found |= {f"test/class/{name}": value for name, value in result.test.per_class.items() if value is not None}
    return found | ({"test/miou": result.test.miou} if result.test.miou is not None else {})


def _csv(confusion: NDArray[np.int64], classes: Sequence[str]) -> str:
    head = ",".join(["true \\ predicted", *classes])
    rows = [",".join([name, *map(str, row)]) for name, row in zip(classes, confusion, strict=True)]
    return "\n".join([head, *rows]) + "\n"


def _figure(confusion: NDArray[np.int64], classes: Sequence[str]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5.5), layout="constrained")
    axes = figure.subplots()
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shown = axes.imshow(100 * share, cmap="cividis", vmin=0, vmax=100)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    figure.colorbar(shown, label="% of the true class")
    return figure
