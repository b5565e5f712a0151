"""A cluster node's check of itself before the first run: shared storage, the data, and the way to MLflow."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tenacity

from dta_bench.errors import UserError
from dta_bench.spec.run_spec import RunSpec

APPEAR_SECONDS = 10.0  # a network file system may take this long to show a new file


@dataclass(frozen=True)
class NodeReport:
    """What a node found.

    Attributes:
        problems: sentences without their subject, which is the host.
        fingerprint: of the node's data; empty if there is a problem with it.
        clock: the node's Unix time in seconds.
    """

    host: str
    problems: tuple[str, ...]
    fingerprint: str
    clock: float


def check_node(job: dict[str, Any], node: str) -> NodeReport:
    """Check the node on which this runs.

    Args:
        job: ``shared_file``, ``workspace`` and ``cwd`` as a worker gets them, and the ``spec`` of a run.
        node: the node's id; a file with this ending is written beside the shared file.
    """
    problems = [_check_storage(Path(job["shared_file"]), node)]
    problems.append(_check_tracker(job["workspace"]["tracking_uri"], Path(job["workspace"]["out"])))
    fingerprint, problem = _check_data(RunSpec.from_dict(job["spec"]), job["workspace"]["root"], job["cwd"])
    return NodeReport(platform.node(), tuple(p for p in [*problems, problem] if p), fingerprint, time.time())


def appears(path: Path) -> bool:
    """Whether ``path`` exists, or appears within the time that a network file system may need."""
    waited = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda exists: not exists),
        stop=tenacity.stop_after_delay(APPEAR_SECONDS), wait=tenacity.wait_fixed(0.5),
        retry_error_callback=lambda _: False,
    )  # fmt: skip
    return bool(waited(path.exists))


def _check_storage(shared_file: Path, node: str) -> str:
    if not appears(shared_file):
        return f"does not see {shared_file}, which the head has written; --out must be storage that all nodes share"
    try:
        shared_file.with_name(f"{shared_file.name}.{node}").write_text(node)
    except OSError as error:
        return f"cannot write to {shared_file.parent} ({error.strerror}); --out must be storage that all nodes share"
    return ""


def _check_tracker(uri: str, out: Path) -> str:
    from dta_bench.tracking import connection

    try:
        connection.check(uri, out)
    except UserError as error:
        return f"cannot reach the tracker: {error}"
    return ""


def _check_data(spec: RunSpec, root: str, cwd: str) -> tuple[str, str]:
    """The data's fingerprint and nothing, or nothing and what is wrong with the data."""
    from dta_bench.data import load

    if Path(cwd).is_dir():
        os.chdir(cwd)
    try:
        return load.domains(spec.benchmark, root).fingerprint, ""
    except UserError as error:
        return "", f"has not the data: {error}"
