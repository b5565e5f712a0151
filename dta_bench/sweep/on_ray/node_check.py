"""What a node of a cluster says of itself before the first run: is storage shared, the data there, MLflow near."""

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

SETTLE_SECONDS = 10.0  # a network file system may take this long to show a new file


@dataclass(frozen=True)
class Report:
    """A node's answer; ``problems`` are sentences without a subject, ``clock`` its Unix time in seconds."""

    host: str
    problems: tuple[str, ...]
    fingerprint: str
    clock: float


def look(job: dict[str, Any], node: str) -> Report:
    """Look around on this node.

    Args:
        job: as a worker gets it, with the ``spec`` of a run.
        node: under this name the node leaves a note beside the token.
    """
    problems = [_shared(Path(job["token"]), node)]
    problems.append(_tracker(job["home"]["tracking_uri"], Path(job["home"]["out"])))
    fingerprint, problem = _data(RunSpec.from_dict(job["spec"]), job["home"]["root"], job["cwd"])
    return Report(platform.node(), tuple(p for p in [*problems, problem] if p), fingerprint, time.time())


def appears(path: Path) -> bool:
    """Whether ``path`` is there, or comes to be within the time that a network file system may need."""
    waited = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda found: not found),
        stop=tenacity.stop_after_delay(SETTLE_SECONDS), wait=tenacity.wait_fixed(0.5),
        retry_error_callback=lambda _: False,
    )  # fmt: skip
    return bool(waited(path.exists))


def _shared(token: Path, node: str) -> str:
    if not appears(token):
        return f"does not see {token}, which the head has written; --out must be storage that all nodes share"
    try:
        token.with_name(f"{token.name}.{node}").write_text(node)
    except OSError as error:
        return f"cannot write to {token.parent} ({error.strerror}); --out must be storage that all nodes share"
    return ""


def _tracker(uri: str, out: Path) -> str:
    from dta_bench.tracking import connection

    try:
        connection.check(uri, out)
    except UserError as error:
        return f"cannot reach the tracker: {error}"
    return ""


def _data(spec: RunSpec, root: str, cwd: str) -> tuple[str, str]:
    """The data's fingerprint, or what is wrong with it."""
    from dta_bench.data import load

    if Path(cwd).is_dir():
        os.chdir(cwd)
    try:
        return load.domains(spec.benchmark, root).fingerprint, ""
    except UserError as error:
        return "", f"has not the data: {error}"
