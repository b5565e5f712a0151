"""The runs of an MLflow store, by their identity."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import class_record, logged_models, metric_names, sqlite_runs, stored_files, ui_metadata
from dta_bench.tracking.class_record import ClassCurves
from dta_bench.tracking.retry import wait_while_locked, with_retries
from dta_bench.tracking.run_log import PREDICTIONS, Arrays, RunLog
from dta_bench.tracking.sweep_runs import SweepRuns
from dta_bench.tracking.tracked_run import PARENT, STOPPED, TrackedRun, UnreadableSpecError, read_run

IDENTITY = "identity"  # the tag of a run that an earlier version stored under another identity
CHOSEN_BY = "chosen_by_"  # with a rule's name behind it, the tag of the runs that this rule chose in the last report


class Tracker(SweepRuns):
    """A connection to one MLflow store or server, with its sweeps and runs.

    Args:
        uri: ``sqlite:///...`` or another database's URL, or ``http(s)://...``.
        out: where a store without a server keeps its artifacts, under ``mlartifacts``.
    """

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
        runs, unreadable = [], {}
        for run in self._runs_with_tags(benchmark, "run_id"):
            try:
                runs.append(read_run(run))
            except UnreadableSpecError as error:
                unreadable[str(run.data.tags["run_id"])] = f"{run.info.run_name}: {error}"
        return runs, unreadable

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
        tags = provenance | ui_metadata.source_tags(provenance) | ({PARENT: parent} if parent else {})
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
        """Tag the chosen runs with ``chosen_by_<rule>``, and take the tag from all others; SQLite without MLflow.

        Args:
            runs: all runs that may have the tag.
            rule: the selection rule.
            chosen: the chosen runs' ids in MLflow.
        """
        tag, changes = f"{CHOSEN_BY}{rule}", dict[str, str | None]()
        for run in runs:
            is_chosen = run.mlflow_run_id in chosen
            if is_chosen != (tag in run.tags):
                changes[run.mlflow_run_id] = "yes" if is_chosen else None
        if changes and (path := self._database) is not None:
            wait_while_locked(self.uri, sqlite_runs.change_tag, path, tag, changes)
            return
        for mlflow_run_id, value in changes.items():
            if value is None:
                self._client.delete_tag(mlflow_run_id, tag)
            else:
                self._client.set_tag(mlflow_run_id, tag, value)

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
        histories, stored = {}, self._stored_histories(run, keys)
        for key in keys:
            by_epoch = dict(stored[key])
            epochs = sorted(by_epoch)
            histories[key] = (epochs, [by_epoch[epoch] for epoch in epochs])
        return histories

    def _stored_histories(self, run: TrackedRun, keys: Collection[str]) -> dict[str, list[tuple[int, float]]]:
        """Metric → (epoch, value) as they were logged. A SQLite file is read without MLflow."""
        if (path := self._database) is not None:
            names = {metric_names.encode(key): key for key in keys}
            found = wait_while_locked(self.uri, sqlite_runs.histories, path, run.mlflow_run_id, list(names))
            return {key: found[name] for name, key in names.items()}
        return {
            key: [
                (int(logged.step), float(logged.value))
                for logged in self._client.get_metric_history(run.mlflow_run_id, metric_names.encode(key))
            ]
            for key in keys
        }

    def read_text(self, run: TrackedRun, name: str) -> str:
        """Read a text file of a run's artifacts, such as ``confusion.csv``."""
        with self.artifact(run, name) as path:
            return path.read_text(encoding="utf-8")

    def class_curves(self, run: TrackedRun) -> ClassCurves | None:
        """How each class fared after each measured epoch; None where nothing was measured, or an earlier version did.

        Of a run that has not ended, what lies beside its checkpoint.
        """
        if not self.has_file(run, class_record.FILE):
            return class_record.read_file(class_record.path_in(self.out / "runs", run.run_id))
        with contextlib.suppress(ValueError):  # an archive of others may hold anything
            return class_record.read(self.read_text(run, class_record.FILE))
        return None

    def has_file(self, run: TrackedRun, name: str) -> bool:
        """Whether a file or folder, such as ``curves/classes.csv``, is among the run's artifacts."""
        return stored_files.is_there(lambda: self._client, self.uri, run, name)

    def add_file(self, run: TrackedRun, path: Path, folder: str) -> None:
        """Store a file with the run, in a folder of its artifacts."""
        self._client.log_artifact(run.mlflow_run_id, str(path), folder)

    def tag(self, run: TrackedRun, key: str, value: str) -> None:
        """Set a tag of a run."""
        self._client.set_tag(run.mlflow_run_id, key, value)

    def remove_file(self, mlflow_run_id: str, name: str) -> bool:
        """Remove a file from a run's artifacts, and the model that it was; returns whether there was one.

        Raises:
            Exception: of MLflow or of the store, which does not remove files, or does not answer.
        """
        if name not in {file.path for file in self._client.list_artifacts(mlflow_run_id)}:
            return False
        stored_files.remove(self.uri, self._client.get_run(mlflow_run_id).info.artifact_uri, name)
        if name == logged_models.FILE:
            logged_models.remove_models(self._client, mlflow_run_id)
        return True

    @with_retries
    def remove_run(self, mlflow_run_id: str) -> int:
        """Remove a run's files, and mark it as deleted; MLflow can restore its scores, not its files.

        Returns: how many bytes the files had.
        """
        folder, freed = self._client.get_run(mlflow_run_id).info.artifact_uri, 0
        for name, size in self._files_of(mlflow_run_id):
            stored_files.remove(self.uri, folder, name)
            freed += size
        logged_models.remove_models(self._client, mlflow_run_id)
        self._client.delete_run(mlflow_run_id)
        return freed

    def _files_of(self, mlflow_run_id: str, within: str | None = None) -> Iterator[tuple[str, int]]:
        for file in self._client.list_artifacts(mlflow_run_id, within):
            if file.is_dir:
                yield from self._files_of(mlflow_run_id, file.path)
            else:
                yield file.path, file.file_size or 0

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
        with stored_files.on_this_machine(lambda: self._client, self.uri, run, name) as path:
            yield path
