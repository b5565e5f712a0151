"""An MLflow store as a whole: its experiments, its sweeps, and its runs by their identity."""

from __future__ import annotations

import contextlib
import json
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from dta_bench.errors import UserError
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import (
    connection,
    heartbeat,
    metric_names,
    read_only_store,
    store_file,
    stored_files,
    ui_metadata,
)  # fmt: skip
from dta_bench.tracking.heartbeat import ActiveSweep
from dta_bench.tracking.retry import PatientClient, with_retries
from dta_bench.tracking.run_log import PREDICTIONS, Arrays, RunLog
from dta_bench.tracking.server_client import ServerClient
from dta_bench.tracking.tracked_run import TrackedRun, UnreadableSpecError, read_run

PAGE = 1000
TRAININGS = "train"  # the tag sweep_id of the run under which trainings without a sweep announce themselves
IDENTITY = "identity"  # the tag of a run that an earlier version stored under another identity
CONFIRM = "confirm"  # the tag of a sweep's parent run: how many confirmation runs it makes of each configuration
STOPPED = "stopped_epoch"  # the tag of a run that a rule stopped early; it has no result


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
        client = connection.client(self.opened_uri)
        if self.can_only_be_read:
            return read_only_store.ReadOnlyClient(client, self.uri)
        return (ServerClient if connection.is_server(self.uri) else PatientClient)(client, self.uri)

    @cached_property
    def opened_uri(self) -> str:
        """What MLflow opens: the store itself, checked, or a copy of it where it can only be read.

        Raises:
            UserError: the store cannot be used.
        """
        return read_only_store.opened_uri(self.uri, self)

    @property
    def can_only_be_read(self) -> bool:
        """Whether runs are read from a copy of the store, so that nothing can be written."""
        return read_only_store.is_read_only(self.uri)

    def check_address(self) -> None:
        """Check within seconds that there is something to read from: a kind of store that MLflow has, and that answers.

        Raises:
            UserError: there is not.
        """
        connection.check_address(self.uri)

    def check(self) -> None:
        """Check within seconds that runs can be written; create a sqlite store if it is missing.

        Raises:
            UserError: the server does not answer, or the store cannot be written.
        """
        connection.check(self.uri, self.out)
        if self.can_only_be_read:
            raise UserError(read_only_store.refusal(self.uri))
        try:
            self._client.search_experiments(max_results=1)
        except UserError:
            raise
        except Exception as error:  # MLflow and its stores raise many kinds
            raise UserError(f"the MLflow store {self.uri} cannot be used: {str(error).splitlines()[0]}") from error

    def exists(self) -> bool:
        """Whether there is a store; asking does not create one."""
        path = store_file.sqlite_path(self.uri)
        return path is None or path.exists()

    def experiments(self) -> dict[str, str]:
        """Benchmark name → id of its experiment."""
        found = self._client.search_experiments()
        return {e.name: str(e.experiment_id) for e in found if e.name != "Default"}

    def experiment(self, benchmark: Benchmark) -> str:
        """The id of the benchmark's experiment; the experiment is created if it is missing.

        Raises:
            UserError: someone has deleted it, and MLflow keeps its name.
        """
        found = self._experiment_named(benchmark.name)
        if found is None:
            with contextlib.suppress(Exception):  # another process has created it in the meantime
                self._make_experiment(benchmark)
            found = self._experiment_named(benchmark.name)
        if found.lifecycle_stage == "deleted":
            raise UserError(
                f"the MLflow experiment {benchmark.name} has been deleted; bring it back with"
                f" mlflow experiments restore -x {found.experiment_id}, or name another folder with --out"
            )
        for key, view in ui_metadata.saved_view(benchmark.headline).items():
            if found.tags.get(key) != view:
                self._client.set_experiment_tag(found.experiment_id, key, view)
        return str(found.experiment_id)

    def _experiment_named(self, benchmark: str) -> Any:
        """A benchmark's experiment, also one that an earlier version named in decomposed form, if there is one."""
        found = self._client.get_experiment_by_name(benchmark)
        decomposed = unicodedata.normalize("NFD", benchmark)
        if found is None and decomposed != benchmark:
            return self._client.get_experiment_by_name(decomposed)
        return found

    def _make_experiment(self, benchmark: Benchmark) -> None:
        local = None if connection.is_server(self.uri) else (self.out / "mlartifacts").resolve().as_uri()
        tags = {"mlflow.note.content": f"{benchmark.source} -> {benchmark.target}. {benchmark.splits_stated}"}
        self._client.create_experiment(benchmark.name, artifact_location=local, tags=tags)

    @with_retries
    def start_sweep(self, benchmark: str, name: str, sweep_id: str, tags: dict[str, str]) -> str:
        """Open the parent run of a sweep, or create it.

        Args:
            benchmark: the name of the experiment, which must exist.
            name: of the search space, for people.
            sweep_id: the sweep's identity.
            tags: of the parent run; those of an earlier start are replaced.

        Returns: the parent run's id in MLflow.
        """
        experiment = self._experiment_named(benchmark).experiment_id
        known = self._client.search_runs([experiment], f"tags.sweep_id = '{sweep_id}'", max_results=1)
        if known:
            parent = str(known[0].info.run_id)
            for key, value in tags.items():
                if known[0].data.tags.get(key) != value:
                    self._client.set_tag(parent, key, value)
            self._client.update_run(parent, status="RUNNING")
            return parent
        created = self._client.create_run(experiment, run_name=f"sweep {name}", tags=tags | {"sweep_id": sweep_id})
        return str(created.info.run_id)

    @with_retries
    def requested_confirmations(self, benchmark: str) -> dict[str, int]:
        """The id in MLflow of each sweep's parent run → how many confirmation runs it makes of each configuration."""
        experiment = self._experiment_named(benchmark) if self.exists() else None
        if experiment is None:
            return {}
        parents = self._search(experiment.experiment_id, f"tags.sweep_id != '' and tags.{CONFIRM} != ''")
        counts = {str(run.info.run_id): run.data.tags[CONFIRM] for run in parents}
        return {parent: int(count) for parent, count in counts.items() if count.isdecimal()}

    @with_retries
    def parent_of_trainings(self, benchmark: str) -> str:
        """The id in MLflow of the run under which ``train`` announces what it works on; it is made if it is missing."""
        experiment = self._experiment_named(benchmark).experiment_id
        known = self._client.search_runs([experiment], f"tags.sweep_id = '{TRAININGS}'", max_results=1)
        if known:
            return str(known[0].info.run_id)
        created = self._client.create_run(experiment, run_name="single trainings", tags={"sweep_id": TRAININGS})
        self._client.set_terminated(created.info.run_id, "FINISHED")
        return str(created.info.run_id)

    def announce_sweep(
        self, parent: str, location: str, runs: Collection[str]
    ) -> contextlib.AbstractContextManager[None]:
        """Let other sweeps see, within the block, that the sweep at ``location`` works on ``runs`` (identities)."""
        return heartbeat.announce(self._client, parent, location, runs)

    @with_retries
    def sweeps_elsewhere(self, benchmark: str, location: str, runs: Collection[str]) -> list[ActiveSweep]:
        """Sweeps announced at other locations than ``location`` that share some of ``runs``; some may be dead."""
        experiment = self._experiment_named(benchmark)
        if experiment is None:
            return []
        parents = self._search(experiment.experiment_id, "tags.sweep_id != ''")  # several sweeps may share a parent
        sweeps = heartbeat.announced_sweeps(self._client, parents)
        return [sweep for sweep in sweeps if sweep.location != location and not sweep.runs.isdisjoint(runs)]

    def living_sweep_elsewhere(self, benchmark: str, location: str, runs: Collection[str]) -> ActiveSweep | None:
        """One of :meth:`sweeps_elsewhere` that lives, if any; waits half a minute at most and removes the dead."""
        return heartbeat.find_living(self._client, lambda: self.sweeps_elsewhere(benchmark, location, runs))

    @with_retries
    def end_sweep(self, parent: str, status: str) -> None:
        """Close a sweep's parent run with ``status``, FINISHED or KILLED."""
        self._client.set_terminated(parent, status)

    @with_retries
    def end_run(
        self, mlflow_run_id: str, status: str, reason: str | None = None, stopped_epoch: int | None = None
    ) -> None:
        """Close a run whose worker is gone.

        Args:
            status: FAILED or KILLED.
            stopped_epoch: the epoch after which a stop rule stopped the run, if one did.
        """
        if reason:
            self._client.set_tag(mlflow_run_id, "reason", reason)
        if stopped_epoch is not None:
            self._client.set_tag(mlflow_run_id, STOPPED, str(stopped_epoch))
        self._client.set_terminated(mlflow_run_id, status)

    def runs(self, benchmark: str) -> list[TrackedRun]:
        """All runs of a benchmark that have an identity, in the order in which they were first started.

        A run whose spec cannot be read is left out: it is not ours, or has a value that is no longer allowed.
        """
        return self.runs_and_unreadable(benchmark)[0]

    @with_retries
    def runs_and_unreadable(self, benchmark: str) -> tuple[list[TrackedRun], dict[str, str]]:
        """:meth:`runs`, and those that are left out: identity → name, and why its spec cannot be read."""
        experiment = self._experiment_named(benchmark) if self.exists() else None
        if experiment is None:
            return [], {}
        runs, unreadable = [], {}
        for run in self._search(experiment.experiment_id, "tags.run_id != ''"):
            try:
                runs.append(read_run(run))
            except UnreadableSpecError as error:
                unreadable[str(run.data.tags["run_id"])] = f"{run.info.run_name}: {error}"
        return runs, unreadable

    def _search(self, experiment: str, filter_string: str) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs(
                [experiment], filter_string, max_results=PAGE, order_by=["attributes.start_time ASC"], page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    @with_retries
    def open_run(
        self, spec: RunSpec, parent: str | None, name: str, inert: set[str], provenance: dict[str, str]
    ) -> RunLog:
        """Open the one MLflow run of ``spec``, found by its identity, or create it.

        Args:
            parent: the id of the sweep's parent run in MLflow; None for a run without a sweep.
            name: for people.
            inert: parameters that have no effect in this run.
            provenance: tags to set: commit, host, fingerprints and the like.
        """
        experiment = self._experiment_named(spec.benchmark).experiment_id
        known = self._stored_run(str(experiment), spec)
        tags = provenance | ui_metadata.source_tags(provenance) | ({"mlflow.parentRunId": parent} if parent else {})
        if known:
            self._reopen(known[0], name, tags)
            log = RunLog(self._client, str(known[0].info.run_id), spec, self.uri, self.out / "runs")
        else:
            tags |= {"run_id": spec.id, "spec": json.dumps(spec.to_dict(), sort_keys=True)}
            created = self._client.create_run(experiment, run_name=name, tags=tags)
            log = RunLog(self._client, str(created.info.run_id), spec, self.uri, self.out / "runs")
        if not (known and known[0].data.params):  # also where a worker was killed before it described its run
            log.describe(inert, provenance.get("data_fingerprint", ""))
        return log

    def _stored_run(self, experiment: str, spec: RunSpec) -> list[Any]:
        """The run of a spec, by its identity, or by the one under which an earlier version stored it."""
        for tag in ("run_id", IDENTITY):
            filter_string = f"tags.{tag} = '{spec.id}'"
            newest_first = ["attributes.start_time DESC"]
            known = self._client.search_runs([experiment], filter_string, max_results=1, order_by=newest_first)
            if known:
                return list(known)
        return []

    def adopt(self, runs: Iterable[TrackedRun]) -> None:
        """Note today's identity beside that of runs which an earlier version stored under another one."""
        for run in runs:
            if run.alias != run.run_id and run.tags.get(IDENTITY) != run.run_id:
                self._client.set_tag(run.mlflow_run_id, IDENTITY, run.run_id)

    def _reopen(self, run: Any, name: str, tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
        for tag in {
            "reason",
            "diverged",
            STOPPED,
        } & run.data.tags.keys():  # of the failure that is tried again
            self._client.delete_tag(run.info.run_id, tag)
        self._client.update_run(run.info.run_id, status="RUNNING", name=name)

    def mark_chosen(self, runs: Iterable[TrackedRun], rule: str, chosen: Collection[str]) -> None:
        """Tag the chosen runs with ``chosen_by_<rule>``, and take the tag from all others.

        Args:
            runs: all runs that may have the tag.
            rule: the selection rule.
            chosen: the chosen runs' ids in MLflow.
        """
        tag = f"chosen_by_{rule}"
        for run in runs:
            is_chosen, was_chosen = run.mlflow_run_id in chosen, tag in run.tags
            if is_chosen and not was_chosen:
                self._client.set_tag(run.mlflow_run_id, tag, "yes")
            elif was_chosen and not is_chosen:
                self._client.delete_tag(run.mlflow_run_id, tag)

    def supersede(self, mlflow_run_id: str) -> None:
        """Take a run's identity away, because other data or code made it; nothing else is deleted."""
        run = self._client.get_run(mlflow_run_id)
        self._client.set_tag(mlflow_run_id, "superseded_run_id", run.data.tags["run_id"])
        for tag in {"run_id", IDENTITY} & run.data.tags.keys():
            self._client.delete_tag(mlflow_run_id, tag)
        self._client.update_run(mlflow_run_id, name=f"{run.info.run_name} (superseded)")

    def history(self, run: TrackedRun, keys: Collection[str]) -> dict[str, tuple[list[int], list[float]]]:
        """Read the history of some metrics of a run.

        Returns: metric → its epochs in ascending order, and its value at each of them; of an epoch that was logged
            twice (after a restart) the last value.
        """
        histories = {}
        for key in keys:
            by_epoch = {m.step: float(m.value) for m in self._stored_history(run, key)}
            epochs = sorted(by_epoch)
            histories[key] = (epochs, [by_epoch[epoch] for epoch in epochs])
        return histories

    def _stored_history(self, run: TrackedRun, key: str) -> Any:
        return self._client.get_metric_history(run.mlflow_run_id, metric_names.encode(key))

    def read_text(self, run: TrackedRun, name: str) -> str:
        """Read a text file of a run's artifacts, such as ``confusion.csv``."""
        with self.artifact(run, name) as path:
            return path.read_text(encoding="utf-8")

    def has_file(self, run: TrackedRun, name: str) -> bool:
        """Whether a file or folder of this name is among the run's artifacts."""
        return name in {file.path for file in self._client.list_artifacts(run.mlflow_run_id)}

    def add_file(self, run: TrackedRun, path: Path, folder: str) -> None:
        """Store a file with the run, in a folder of its artifacts."""
        self._client.log_artifact(run.mlflow_run_id, str(path), folder)

    def tag(self, run: TrackedRun, key: str, value: str) -> None:
        """Set a tag of a run."""
        self._client.set_tag(run.mlflow_run_id, key, value)

    def remove_file(self, mlflow_run_id: str, name: str) -> bool:
        """Remove a file from a run's artifacts; returns whether there was one.

        Raises:
            Exception: of MLflow or of the store, which does not remove files, or does not answer.
        """
        if name not in {file.path for file in self._client.list_artifacts(mlflow_run_id)}:
            return False
        stored_files.remove(self.uri, self._client.get_run(mlflow_run_id).info.artifact_uri, name)
        return True

    def predictions(self, run: TrackedRun, names: Collection[str] | None = None) -> Arrays:
        """Read a finished run's predictions by name (only ``names``, if given); see ``FinishedRun.arrays``."""
        with self.artifact(run, PREDICTIONS) as path:
            return stored_files.load_arrays(path, names)

    @contextlib.contextmanager
    def artifact(self, run: TrackedRun, name: str) -> Iterator[Path]:
        """A file of a run's artifacts, on this machine within the block.

        Raises:
            UserError: a server says that it is a file of this machine, which would show any file in a report.
        """
        with stored_files.on_this_machine(self._client, self.uri, run, name) as path:
            yield path
