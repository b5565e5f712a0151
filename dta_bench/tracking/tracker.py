"""The store as a whole: experiments, sweeps, and runs by their identity."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np

from dta_bench.errors import UserError
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import connection, heartbeat, ui_metadata
from dta_bench.tracking.heartbeat import AtWork
from dta_bench.tracking.retry import patient
from dta_bench.tracking.run_log import PREDICTIONS, Arrays, RunLog

PAGE = 1000
STOPPED = "stopped_epoch"  # the tag of a run that a rule stopped early; it has no result


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
    artifact_uri: str


class Tracker:
    """A connection to one MLflow store or server.

    Args:
        uri: ``sqlite:///...`` or another database's URL, or ``http(s)://...``.
        out: where a store without a server keeps its artifacts, under ``mlartifacts``.
    """

    def __init__(self, uri: str, out: Path) -> None:
        self.uri, self.out = uri, out

    @cached_property
    def _client(self) -> Any:
        return connection.client(self.uri)

    def check(self) -> None:
        """Make sure, within seconds, that runs can be written before any is started; creates a sqlite store.

        Raises:
            UserError: the server does not answer, or the store cannot be written.
        """
        connection.check(self.uri, self.out)
        try:
            self._client.search_experiments(max_results=1)
        except Exception as error:  # MLflow and its stores raise many kinds
            raise UserError(f"the MLflow store {self.uri} cannot be used: {str(error).splitlines()[0]}") from error

    def exists(self) -> bool:
        """Whether there is a store to look into (looking must not create one)."""
        path = connection.sqlite_path(self.uri)
        return path is None or path.exists()

    def experiments(self) -> dict[str, str]:
        """Ids of the benchmarks' experiments by name."""
        found = self._client.search_experiments()
        return {e.name: str(e.experiment_id) for e in found if e.name != "Default"}

    def experiment(self, benchmark: Benchmark) -> str:
        """The id of the benchmark's experiment, made if it is new.

        Raises:
            UserError: someone has deleted it, and MLflow keeps the name.
        """
        found = self._client.get_experiment_by_name(benchmark.name)
        if found is None:
            with contextlib.suppress(Exception):  # made by another process in the meantime
                self._make_experiment(benchmark)
            found = self._client.get_experiment_by_name(benchmark.name)
        if found.lifecycle_stage == "deleted":
            raise UserError(
                f"the MLflow experiment {benchmark.name} has been deleted; bring it back with"
                f" mlflow experiments restore -x {found.experiment_id}, or name another folder with --out"
            )
        for key, view in ui_metadata.saved_view(benchmark.headline).items():
            if found.tags.get(key) != view:
                self._client.set_experiment_tag(found.experiment_id, key, view)
        return str(found.experiment_id)

    def _make_experiment(self, benchmark: Benchmark) -> None:
        local = None if connection.is_server(self.uri) else (self.out / "mlartifacts").resolve().as_uri()
        tags = {"mlflow.note.content": f"{benchmark.source} -> {benchmark.target}. {benchmark.splits_stated}"}
        self._client.create_experiment(benchmark.name, artifact_location=local, tags=tags)

    @patient
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

    def saying(self, parent: str, place: str, runs: Collection[str]) -> contextlib.AbstractContextManager[None]:
        """Within the block others see the sweep at ``place`` at work on ``runs``, given by their identities."""
        return heartbeat.saying(self._client, parent, place, runs)

    @patient
    def at_work_elsewhere(self, benchmark: str, place: str, runs: Collection[str]) -> list[AtWork]:
        """Sweeps at other places than ``place`` that say that they work on some of ``runs``; some may be dead."""
        experiment = self._client.get_experiment_by_name(benchmark)
        if experiment is None:
            return []
        parents = self._pages(experiment.experiment_id, "tags.sweep_id != '' and attributes.status = 'RUNNING'")
        said = heartbeat.said(self._client, parents)
        return [each for each in said if each.place != place and not each.runs.isdisjoint(runs)]

    def alive_elsewhere(self, benchmark: str, place: str, runs: Collection[str]) -> AtWork | None:
        """One of these that lives, told from the dead by waiting, half a minute at most; forgets the dead."""
        return heartbeat.alive(self._client, lambda: self.at_work_elsewhere(benchmark, place, runs))

    @patient
    def end_sweep(self, parent: str, status: str) -> None:
        """Close a sweep's parent run: FINISHED or KILLED."""
        self._client.set_terminated(parent, status)

    @patient
    def end_run(
        self, mlflow_run_id: str, status: str, reason: str | None = None, stopped_epoch: int | None = None
    ) -> None:
        """Close a run whose worker is gone: FAILED or KILLED, the reason, and where a rule stopped it, its epoch."""
        if reason:
            self._client.set_tag(mlflow_run_id, "reason", reason)
        if stopped_epoch is not None:
            self._client.set_tag(mlflow_run_id, STOPPED, str(stopped_epoch))
        self._client.set_terminated(mlflow_run_id, status)

    @patient
    def runs(self, benchmark: str) -> list[TrackedRun]:
        """All runs of a benchmark that have an identity, in the order in which they were first started.

        A run with an identity whose spec cannot be read is not ours, and is passed over.
        """
        if not self.exists():
            return []
        experiment = self._client.get_experiment_by_name(benchmark)
        if experiment is None:
            return []
        found = (_tracked(run) for run in self._pages(experiment.experiment_id, "tags.run_id != ''"))
        return [run for run in found if run is not None]

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

    @patient
    def open_run(
        self, spec: RunSpec, parent: str | None, name: str, inert: set[str], provenance: dict[str, str]
    ) -> RunLog:
        """The one MLflow run of ``spec``: found by its identity and opened again, or made."""
        experiment = self._client.get_experiment_by_name(spec.benchmark).experiment_id
        known = self._client.search_runs([experiment], f"tags.run_id = '{spec.id}'", max_results=1)
        tags = provenance | ui_metadata.source_tags(provenance) | ({"mlflow.parentRunId": parent} if parent else {})
        if known:
            self._reopen(known[0], name, tags)
            log = RunLog(self._client, str(known[0].info.run_id), spec, self.uri, self.out / "runs")
        else:
            tags |= {"run_id": spec.id, "spec": json.dumps(spec.to_dict(), sort_keys=True)}
            made = self._client.create_run(experiment, run_name=name, tags=tags)
            log = RunLog(self._client, str(made.info.run_id), spec, self.uri, self.out / "runs")
        if not (known and known[0].data.params):  # a worker may have been killed before it came to this
            log.describe(inert, provenance.get("data_fingerprint", ""))
        return log

    def _reopen(self, run: Any, name: str, tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
        for tag in {"reason", "diverged", STOPPED} & run.data.tags.keys():  # of a failure that is being tried again
            self._client.delete_tag(run.info.run_id, tag)
        self._client.update_run(run.info.run_id, status="RUNNING", name=name)

    def mark_chosen(self, runs: Iterable[TrackedRun], rule: str, chosen: Collection[str]) -> None:
        """Tag the runs that ``rule`` chooses, by their MLflow ids, and no other, as ``chosen_by_<rule>``."""
        tag = f"chosen_by_{rule}"
        for run in runs:
            is_chosen, was_chosen = run.mlflow_run_id in chosen, tag in run.tags
            if is_chosen and not was_chosen:
                self._client.set_tag(run.mlflow_run_id, tag, "yes")
            elif was_chosen and not is_chosen:
                self._client.delete_tag(run.mlflow_run_id, tag)

    def supersede(self, mlflow_run_id: str) -> None:
        """Take a run's identity from it, because other data or code made it; nothing is deleted."""
        run = self._client.get_run(mlflow_run_id)
        self._client.set_tag(mlflow_run_id, "superseded_run_id", run.data.tags["run_id"])
        self._client.delete_tag(mlflow_run_id, "run_id")
        self._client.update_run(mlflow_run_id, name=f"{run.info.run_name} (superseded)")

    def history(self, run: TrackedRun, keys: Collection[str]) -> dict[str, tuple[list[int], list[float]]]:
        """Epochs and values of some metrics of a run; of an epoch that was told twice, after a restart, the last."""
        found = {}
        for key in keys:
            by_epoch = {m.step: float(m.value) for m in self._client.get_metric_history(run.mlflow_run_id, key)}
            epochs = sorted(by_epoch)
            found[key] = (epochs, [by_epoch[epoch] for epoch in epochs])
        return found

    def text(self, run: TrackedRun, name: str) -> str:
        """A text that a run keeps, such as ``confusion.csv``."""
        with self.artifact(run, name) as path:
            return path.read_text(encoding="utf-8")

    def keeps(self, run: TrackedRun, name: str) -> bool:
        """Whether the run keeps a file of this name."""
        return name in {file.path for file in self._client.list_artifacts(run.mlflow_run_id)}

    def keep(self, run: TrackedRun, path: Path, folder: str) -> None:
        """Keep a file with the run, in a folder of its artifacts."""
        self._client.log_artifact(run.mlflow_run_id, str(path), folder)

    def predictions(self, run: TrackedRun, names: Collection[str] | None = None) -> Arrays:
        """What a finished run predicted, by name (only ``names``, if given); see ``training.Finished.arrays``."""
        with self.artifact(run, PREDICTIONS) as path:
            return _load(path, names)

    @contextlib.contextmanager
    def artifact(self, run: TrackedRun, name: str) -> Iterator[Path]:
        """A file that a run keeps, there within the block."""
        parts = urlsplit(run.artifact_uri)
        here = Path(url2pathname(parts.path)) / name
        if parts.scheme == "file" and here.is_file():  # asking MLflow takes 80 ms, and reports ask for hundreds of runs
            yield here
            return
        with tempfile.TemporaryDirectory() as folder:
            yield Path(self._client.download_artifacts(run.mlflow_run_id, name, folder))


def _load(path: Path, names: Collection[str] | None) -> Arrays:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files if names is None or name in names}


def _tracked(run: Any) -> TrackedRun | None:
    tags = dict(run.data.tags)
    try:
        spec = RunSpec.from_dict(json.loads(tags["spec"]))
    except (KeyError, ValueError, TypeError):
        return None
    return TrackedRun(
        mlflow_run_id=run.info.run_id, run_id=tags["run_id"], name=run.info.run_name, status=run.info.status,
        spec=spec, tags=tags, metrics=dict(run.data.metrics),
        experiment_id=run.info.experiment_id, artifact_uri=run.info.artifact_uri,
    )  # fmt: skip
