"""The nodes of a cluster before the first run: wait for them, let each check itself, refuse those that cannot be used.

A node checks the shared storage, the data, and the way to MLflow.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tenacity
from rich.console import Console

from dta_bench.errors import UserError
from dta_bench.run.workspace import Workspace
from dta_bench.spec.run_spec import RunSpec

CLOCK_SECONDS = 30.0  # a clock that is further off is reported
CHECK_SECONDS = 300.0  # how long a node may take to check itself
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


def worker_nodes() -> list[dict[str, Any]]:
    """The nodes that are alive and have a CPU to train on."""
    import ray

    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]


def wait_for_nodes(nodes: int, wait_minutes: float, console: Console) -> None:
    """Wait for the promised worker nodes; ``ray up`` does not, and a sweep would begin on the first node alone.

    Raises:
        UserError: fewer than ``nodes`` are there after ``wait_minutes``.
    """
    deadline, printed = time.monotonic() + 60 * wait_minutes, -1
    while (here := len(worker_nodes())) < nodes:
        if here != printed:
            console.print(f"waiting for worker nodes: {here} of {nodes} are here", highlight=False)
            printed = here
        if time.monotonic() > deadline:
            raise UserError(
                f"{here} of {nodes} worker nodes joined in {wait_minutes:g} minutes; ray status on"
                f" the head says what the others do, --nodes {max(here, 1)} starts without them"
            )
        time.sleep(1)


def check_nodes(run: RunSpec, workspace: Workspace, shared_file: Path, console: Console) -> None:
    """Let all nodes check themselves at once, before the first run.

    Raises:
        UserError: a node cannot be used; all problems of all nodes, in one sentence.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    check = ray.remote(num_cpus=0, max_retries=0)(check_node)
    job = {"shared_file": str(shared_file), "workspace": vars(workspace), "spec": run.to_dict(), "cwd": str(Path.cwd())}
    checks = {
        node["NodeID"]: check.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        .remote(job, node["NodeID"])
        for node in worker_nodes()
    }  # fmt: skip
    started = time.time()
    try:
        reports = dict(zip(checks, ray.get(list(checks.values()), timeout=CHECK_SECONDS), strict=True))
    except ray.exceptions.RayError as error:
        raise UserError(f"a node could not look around before the first run: {str(error).splitlines()[-1]}") from error
    problems = [f"{r.host} {problem}" for r in reports.values() for problem in r.problems]
    problems += _unseen_files(reports, shared_file) if not problems else []
    problems += _differing_data(reports, run, workspace)
    if problems:
        raise UserError(f"not every node is fit for work: {'; '.join(problems)}")
    for report in reports.values():
        if not started - CLOCK_SECONDS < report.clock < time.time() + CLOCK_SECONDS:
            off = report.clock - time.time()
            console.print(f"note: the clock of {report.host} is {off:+.0f} s off; steps are right, times are not")


def _unseen_files(reports: dict[str, NodeReport], shared_file: Path) -> list[str]:
    return [
        f"what {report.host} writes to {shared_file.parent} is not seen here; --out must be storage that all nodes"
        " share"
        for node, report in reports.items()
        if not appears(shared_file.with_name(f"{shared_file.name}.{node}"))
    ]


def _differing_data(reports: dict[str, NodeReport], run: RunSpec, workspace: Workspace) -> list[str]:
    from dta_bench.data import load

    here = load.domains(run.benchmark, workspace.root).fingerprint
    return [
        f"{report.host} has other data under {workspace.root} than the head"
        f" ({report.fingerprint[:12]}, here {here[:12]})"
        for report in reports.values()
        if report.fingerprint and report.fingerprint != here
    ]


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
