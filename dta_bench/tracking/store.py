"""A connection to an MLflow store: what is opened, whether it can be used, and its experiments, one a benchmark."""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from dta_bench.errors import UserError
from dta_bench.spec.benchmark import Benchmark
from dta_bench.tracking import connection, read_only_store, sqlite_runs, store_file, ui_metadata
from dta_bench.tracking.retry import PatientClient
from dta_bench.tracking.server_client import ServerClient, shared_artifacts

PAGE = 1000


class Store:
    """One MLflow store or server.

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

    @property
    def _database(self) -> Path | None:
        """The SQLite file, checked, from which runs are read without MLflow; None for another store."""
        return None if self.can_only_be_read else store_file.sqlite_path(self.opened_uri)

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
        is_new = not self.exists()
        if self.can_only_be_read:
            raise UserError(read_only_store.refusal(self.uri))
        try:
            self._client.search_experiments(max_results=1)
        except UserError:
            raise
        except Exception as error:  # MLflow and its stores raise many kinds
            raise UserError(f"the MLflow store {self.uri} cannot be used: {str(error).splitlines()[0]}") from error
        if is_new:
            self._hide_default_experiment()

    def _hide_default_experiment(self) -> None:
        """Mark the empty experiment that MLflow puts into a new store as deleted, where this package has made it."""
        default = self._client.get_experiment_by_name("Default")
        if default is not None and default.lifecycle_stage == "active":
            with contextlib.suppress(Exception):  # another process has just done it
                self._client.delete_experiment(default.experiment_id)

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
            try:
                self._make_experiment(benchmark)
            except Exception:  # another process has created it in the meantime
                found = self._experiment_named(benchmark.name)
                if found is None:
                    raise
            else:
                found = self._experiment_named(benchmark.name)
        if found.lifecycle_stage == "deleted":
            raise UserError(
                f"the MLflow experiment {benchmark.name} has been deleted; bring it back with"
                f" mlflow experiments restore -x {found.experiment_id}, or name another folder with --out"
            )
        for key, value in ui_metadata.tags_to_set(benchmark.headline, found.tags).items():
            self._client.set_experiment_tag(found.experiment_id, key, value)
        return str(found.experiment_id)

    def keep_view(self, benchmark: Benchmark) -> None:
        """Save the view of the runs page in a store that has none yet, or one of an earlier version.

        Raises:
            Exception: of MLflow, where it cannot be written.
        """
        path = self._database
        if path is None or ui_metadata.tags_to_set(
            benchmark.headline, sqlite_runs.experiment_tags(path, benchmark.name)
        ):
            self.experiment(benchmark)

    def _experiment_named(self, benchmark: str) -> Any:
        """A benchmark's experiment, also one that an earlier version named in decomposed form, if there is one."""
        found = self._client.get_experiment_by_name(benchmark)
        decomposed = unicodedata.normalize("NFD", benchmark)
        if found is None and decomposed != benchmark:
            return self._client.get_experiment_by_name(decomposed)
        return found

    def _make_experiment(self, benchmark: Benchmark) -> None:
        folder = shared_artifacts() if connection.is_server(self.uri) else (self.out / "mlartifacts").resolve()
        local = folder.as_uri() if folder else None
        tags = {"mlflow.note.content": f"{benchmark.source} -> {benchmark.target}. {benchmark.splits_stated}"}
        tags |= ui_metadata.KIND
        self._client.create_experiment(benchmark.name, artifact_location=local, tags=tags)

    def _runs_with_tags(self, benchmark: str, *tags: str) -> Iterator[Any]:
        """The runs of a benchmark that have all these tags, none of them empty, in the order of their start.

        A SQLite file is read without MLflow.
        """
        if not self.exists():
            return
        if (path := self._database) is not None:
            yield from sqlite_runs.runs_with_tags(path, benchmark, tags)
            return
        experiment = self._experiment_named(benchmark)
        if experiment is not None:
            yield from self._search(experiment.experiment_id, " and ".join(f"tags.{tag} != ''" for tag in tags))

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
