"""Files of a run's artifacts, brought onto this machine."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np

from dta_bench.tracking import connection, server_client
from dta_bench.tracking.run_log import Arrays
from dta_bench.tracking.tracked_run import TrackedRun


@contextlib.contextmanager
def on_this_machine(client: Callable[[], Any], uri: str, run: TrackedRun, name: str) -> Iterator[Path]:
    """A file of a run's artifacts, on this machine within the block.

    Args:
        client: gives MLflow's, which is asked for only where it is needed: it takes seconds to import.
        uri: of the store.

    Raises:
        UserError: a server says that it is a file of this machine, which would show any file in a report.
    """
    parts = urlsplit(run.artifact_uri)
    if connection.is_server(uri):
        server_client.check_address(uri, run.artifact_uri, f"the artifacts of run {run.name}")
    local = Path(url2pathname(parts.path)) / name
    if parts.scheme == "file" and local.is_file():  # MLflow takes 80 ms, and reports read hundreds of runs
        yield local
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(client().download_artifacts(run.mlflow_run_id, name, folder))


def is_there(client: Callable[[], Any], uri: str, run: TrackedRun, name: str) -> bool:
    """Whether a file or folder is among a run's artifacts; arguments and errors as of :func:`on_this_machine`."""
    parts = urlsplit(run.artifact_uri)
    if connection.is_server(uri):
        server_client.check_address(uri, run.artifact_uri, f"the artifacts of run {run.name}")
    if parts.scheme == "file":
        return (Path(url2pathname(parts.path)) / name).exists()
    folders = name.split("/")[:-1]
    within = [None, *("/".join(folders[: depth + 1]) for depth in range(len(folders)))]
    wanted = [*within[1:], name]  # a folder that is not there is not asked for what it holds
    return all(
        path in {file.path for file in client().list_artifacts(run.mlflow_run_id, folder)}
        for folder, path in zip(within, wanted, strict=True)
    )


def remove(uri: str, artifact_uri: str, name: str) -> None:
    """Remove a file from a run's artifacts.

    Args:
        uri: of the store.
        artifact_uri: the folder of the run's artifacts.

    Raises:
        Exception: of MLflow, whose stores do not all remove files.
        UserError: a server names a folder of this machine.
    """
    if connection.is_server(uri):
        server_client.check_address(uri, artifact_uri, "the artifacts of a run")
    parts = urlsplit(artifact_uri)
    if parts.scheme in ("file", ""):
        (Path(url2pathname(parts.path)) / name).unlink(missing_ok=True)
        return
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(artifact_uri, tracking_uri=uri).delete_artifacts(name)


def load_arrays(path: Path, names: Collection[str] | None) -> Arrays:
    """The arrays of a file by name (only ``names``, if given); nothing in it is unpickled."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files if names is None or name in names}
