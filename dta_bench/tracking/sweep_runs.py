"""The parent runs of a store: one for each sweep, under which sweeps and trainings announce what they work on."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from dta_bench.tracking import heartbeat
from dta_bench.tracking.heartbeat import ActiveSweep
from dta_bench.tracking.imported_runs import ImportedRuns
from dta_bench.tracking.retry import with_retries

TRAININGS = "train"  # the tag sweep_id of the run under which trainings without a sweep announce themselves
CONFIRM = "confirm"  # the tag of a sweep's parent run: how many confirmation runs it makes of each configuration


class SweepRuns(ImportedRuns):
    """A store with the parent runs of its sweeps."""

    @with_retries
    def start_sweep(
        self, benchmark: str, name: str, sweep_id: str, tags: dict[str, str], params: Mapping[str, object] | None = None
    ) -> str:
        """Open the parent run of a sweep, or create it.

        Args:
            benchmark: the name of the experiment, which must exist.
            name: of the search space, for people.
            sweep_id: the sweep's identity.
            tags: of the parent run; those of an earlier start are replaced.
            params: what all its runs share; written once.

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
            self._describe_once(known[0], params or {})
            return parent
        created = self._client.create_run(experiment, run_name=f"sweep {name}", tags=tags | {"sweep_id": sweep_id})
        self._describe_once(created, params or {})
        return str(created.info.run_id)

    def _describe_once(self, parent: Any, params: Mapping[str, object]) -> None:
        from mlflow.entities import Param

        missing = [Param(key, str(value)) for key, value in params.items() if key not in parent.data.params]
        if missing:
            self._client.log_batch(parent.info.run_id, params=missing)

    @with_retries
    def describe_sweep(self, benchmark: str, sweep_id: str, note: str, headline: str, page: Path) -> bool:
        """Put a sweep's outcome on its parent run: a description, its headline as a tag, and its page as a file.

        Its metrics stay with its runs: the parent's would stand in every chart beside those of the runs.

        Args:
            note: in Markdown; MLflow shows it on the run's page.
            headline: one sentence, for the table of runs.

        Returns:
            Whether the store has such a sweep.
        """
        experiment = self._experiment_named(benchmark)
        known = self._client.search_runs([experiment.experiment_id], f"tags.sweep_id = '{sweep_id}'", max_results=1)
        if not known:
            return False
        parent = str(known[0].info.run_id)
        for key, value in {"mlflow.note.content": note, "headline": headline}.items():
            if known[0].data.tags.get(key) != value:
                self._client.set_tag(parent, key, value)
        self._client.log_artifact(parent, str(page))
        return True

    @with_retries
    def requested_confirmations(self, benchmark: str) -> dict[str, int]:
        """The id in MLflow of each sweep's parent run → how many confirmation runs it makes of each configuration."""
        parents = self._runs_with_tags(benchmark, "sweep_id", CONFIRM)
        counts = {str(run.info.run_id): run.data.tags[CONFIRM] for run in parents}
        return {parent: int(count) for parent, count in counts.items() if count.isdecimal()}

    @with_retries
    def sweeps(self, benchmark: str) -> dict[str, str]:
        """The id in MLflow of each sweep's parent run → the name of its search space."""
        parents = self._runs_with_tags(benchmark, "sweep_id", "search_space")
        return {str(run.info.run_id): str(run.data.tags["search_space"]) for run in parents}

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
        parents = self._runs_with_tags(benchmark, "sweep_id")  # several sweeps may share a parent
        sweeps = heartbeat.announced_sweeps(self._client, parents)
        return [sweep for sweep in sweeps if sweep.location != location and not sweep.runs.isdisjoint(runs)]

    def living_sweep_elsewhere(self, benchmark: str, location: str, runs: Collection[str]) -> ActiveSweep | None:
        """One of :meth:`sweeps_elsewhere` that lives, if any; waits half a minute at most and removes the dead."""
        return heartbeat.find_living(self._client, lambda: self.sweeps_elsewhere(benchmark, location, runs))

    @with_retries
    def last_signs_of_life(self, benchmark: str) -> dict[str, float | None]:
        """Identity of each run that a command has announced to work on → when it last said so; see ActiveSweep.time.

        A run that is RUNNING and not among them has nobody who works on it.
        """
        found = dict[str, float | None]()
        for sweep in heartbeat.announced_sweeps(self._client, self._runs_with_tags(benchmark, "sweep_id")):
            for run in sweep.runs:
                before = found.get(run, 0.0)
                found[run] = None if sweep.time is None or before is None else max(sweep.time, before)
        return found

    @with_retries
    def end_sweep(self, parent: str, status: str) -> None:
        """Close a sweep's parent run with ``status``, FINISHED or KILLED."""
        self._client.set_terminated(parent, status)
