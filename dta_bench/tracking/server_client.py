"""A client of an MLflow server that is not trusted with this machine's files.

MLflow itself reads and writes artifacts wherever the server says that they lie, a path of this machine included.
"""

from __future__ import annotations

import functools
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dta_bench.errors import UserError

ELSEWHERE = (
    "mlflow-artifacts", "http", "https", "s3", "r2", "b2", "gs", "wasbs", "abfs", "abfss", "oss", "hdfs", "viewfs",
    "ftp", "sftp",
)  # fmt: skip
"""The kinds of address that mean a server. MLflow knows others, which lead to files of this machine at last."""


SHARED = "DTA_BENCH_SHARED_ARTIFACTS"
"""An environment variable: the folder of this machine in which a server that the user has started keeps artifacts."""


def shared_artifacts() -> Path | None:
    """The folder for artifacts that the server and all its clients see, if the user has named one."""
    folder = os.environ.get(SHARED)
    return Path(folder).resolve() if folder else None


def _is_shared(artifact_uri: str) -> bool:
    """Whether an address is a path in the folder of :func:`shared_artifacts`, wherever links lead."""
    shared, parts = shared_artifacts(), urlsplit(artifact_uri)
    return (
        shared is not None
        and parts.scheme == "file"
        and Path(url2pathname(parts.path)).resolve().is_relative_to(shared)
    )


class ServerClient:
    """A client of MLflow for a server: the address of a run's artifacts is asked for once, and checked.

    Args:
        client: of MLflow.
        uri: of the server.
    """

    def __init__(self, client: Any, uri: str) -> None:
        self._client, self._uri = client, uri
        self._artifacts = functools.cache(self._open_artifacts)

    def __getattr__(self, name: str) -> Any:
        if "artifact" in name:  # one that is not below would go where the server says
            raise AttributeError(f"{name} is not offered for a server")
        return getattr(self._client, name)

    def list_artifacts(self, run_id: str, path: str | None = None) -> Any:
        """What lies at the top of a run's artifacts, or in a folder of them."""
        return self._artifacts(run_id).list_artifacts(path)

    def download_artifacts(self, run_id: str, path: str, folder: str) -> str:
        """Fetch a file of a run's artifacts into a folder of this machine; returns where it is."""
        return str(self._artifacts(run_id).download_artifacts(path, folder))

    def log_artifact(self, run_id: str, local_path: str, folder: str | None = None) -> None:
        """Store a file with a run."""
        self._artifacts(run_id).log_artifact(local_path, folder)

    def log_dict(self, run_id: str, content: Any, name: str) -> None:
        """Store an object as JSON with a run."""
        self.log_text(run_id, json.dumps(content, indent=2), name)

    def log_text(self, run_id: str, text: str, name: str) -> None:
        """Store a text with a run."""
        self._log(run_id, name, lambda path: path.write_text(text, encoding="utf-8"))

    def log_figure(self, run_id: str, figure: Any, name: str) -> None:
        """Store a figure of matplotlib with a run."""
        self._log(run_id, name, figure.savefig)

    def _log(self, run_id: str, name: str, write: Callable[[Path], object]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
            self.log_artifact(run_id, str(path), name.rpartition("/")[0] or None)

    def _open_artifacts(self, run_id: str) -> Any:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        info = self._client.get_run(run_id).info
        check_address(self._uri, info.artifact_uri, f"the artifacts of run {info.run_name}")
        return get_artifact_repository(info.artifact_uri, tracking_uri=self._uri)


def check_address(uri: str, artifact_uri: str, what: str) -> None:
    """Check that a server does not name files of this machine: they would stand in a report, or be overwritten.

    Args:
        uri: of the server.
        artifact_uri: where it says that artifacts lie.
        what: these artifacts, for people.

    Raises:
        UserError: it does.
    """
    if urlsplit(artifact_uri).scheme not in ELSEWHERE and not _is_shared(artifact_uri):
        raise UserError(
            f"the MLflow server {uri} says that {what} lie at {artifact_uri!r}, a path of this machine, which is not"
            " followed; start the server with --artifacts-destination"
        )
