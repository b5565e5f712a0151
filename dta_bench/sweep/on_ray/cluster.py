"""The Ray that a sweep runs on: its own one on this machine, or a cluster whose nodes have been checked."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from rich.console import Console

from dta_bench.errors import UserError
from dta_bench.run.workspace import Workspace
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.on_ray import node_check

LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
"""Settings under which a Ray of one machine listens on loopback alone, and only to those who have its token.

They have to be set before Ray is imported. Without the first, which Ray has by default on macOS and Windows, Ray takes
127.0.0.1 for the machine's address and listens everywhere.
"""
CLOCK_SECONDS = 30.0  # a clock that is further off is reported
REACH_SECONDS = 5.0  # how long the head may take for its first answer
CHECK_SECONDS = 300.0  # how long a node may take to check itself


@dataclass(frozen=True)
class Resources:
    """How runs share the machine or the cluster.

    Attributes:
        parallel: runs at a time; None for as many as there is room for.
        cpus_per_run: for each device of a run.
        gpus_per_run: may be a fraction; ``auto`` measures how many runs share a GPU; None takes a whole one.
        address: of a cluster; None for ``RAY_ADDRESS``, or else a Ray of this machine.
        nodes: workers to wait for before the first run, at most ``wait_minutes``.
    """

    parallel: int | None = None
    cpus_per_run: int = 1
    gpus_per_run: float | Literal["auto"] | None = None
    address: str | None = None
    nodes: int = 0
    wait_minutes: float = 10.0


@contextmanager
def connect(resources: Resources, run: RunSpec, workspace: Workspace, console: Console) -> Iterator[str]:
    """Start a Ray on this machine, or connect to a cluster, wait for its nodes and check each of them.

    Args:
        run: one of the sweep's runs, for its data.

    Yields: the path of a file that every node of the cluster sees while the sweep lasts; empty without a cluster.

    Raises:
        UserError: no cluster answers, nodes do not come, or nodes are not fit for work.
    """
    address = address_of(resources)
    if not address and resources.nodes:
        raise UserError(
            f"{resources.nodes} worker nodes are to be waited for, but no cluster is named; give --address or"
            " RAY_ADDRESS, or leave out --nodes and DTA_BENCH_NODES"
        )
    if not address:
        _start_local(resources, run.training.devices)
        yield ""
        return
    _join(address)
    _wait_for_nodes(resources, console)
    shared_file = Path(workspace.out, "runs", f"sweep-{uuid4().hex[:12]}")
    shared_file.write_text("every node must see this file\n")
    try:
        _check_nodes(run, workspace, shared_file, console)
        yield str(shared_file)
    finally:
        for file in shared_file.parent.glob(f"{shared_file.name}*"):
            file.unlink(missing_ok=True)


def address_of(resources: Resources) -> str | None:
    """The address of the cluster that the user named, if any."""
    return resources.address or os.environ.get("RAY_ADDRESS")


def _start_local(resources: Resources, devices: int) -> None:
    # A busy machine takes longer than Ray's own 30 seconds.
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")
    import ray

    cpus = max(os.cpu_count() or 1, (resources.parallel or 1) * resources.cpus_per_run * devices)
    try:
        ray.init(
            address="local", num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
            _node_ip_address="127.0.0.1",
        )  # fmt: skip
    except Exception as error:  # Ray has no exception class of its own here
        raise UserError(f"Ray does not start on this machine: {str(error).splitlines()[0]}") from error


def _join(address: str) -> None:
    import ray

    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"no Ray cluster answers at {address}: {str(error).splitlines()[0]}") from error


def _knock(address: str) -> None:
    """Check that something listens at ``address``; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()


def worker_nodes() -> list[dict[str, Any]]:
    """The nodes that are alive and have a CPU to train on."""
    import ray

    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]


def _wait_for_nodes(resources: Resources, console: Console) -> None:
    """Wait for the promised nodes: ``ray up`` does not, and a sweep started at once would run on the first alone."""
    deadline, printed = time.monotonic() + 60 * resources.wait_minutes, -1
    while (here := len(worker_nodes())) < resources.nodes:
        if here != printed:
            console.print(f"waiting for worker nodes: {here} of {resources.nodes} are here", highlight=False)
            printed = here
        if time.monotonic() > deadline:
            raise UserError(
                f"{here} of {resources.nodes} worker nodes joined in {resources.wait_minutes:g} minutes; ray status on"
                f" the head says what the others do, --nodes {max(here, 1)} starts without them"
            )
        time.sleep(1)


def _check_nodes(run: RunSpec, workspace: Workspace, shared_file: Path, console: Console) -> None:
    """Let all nodes check themselves at once, and report all their problems in one sentence, before the first run."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    check = ray.remote(num_cpus=0, max_retries=0)(node_check.check_node)
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


def _unseen_files(reports: dict[str, node_check.NodeReport], shared_file: Path) -> list[str]:
    return [
        f"what {report.host} writes to {shared_file.parent} is not seen here; --out must be storage that all nodes"
        " share"
        for node, report in reports.items()
        if not node_check.appears(shared_file.with_name(f"{shared_file.name}.{node}"))
    ]


def _differing_data(reports: dict[str, node_check.NodeReport], run: RunSpec, workspace: Workspace) -> list[str]:
    from dta_bench.data import load

    here = load.domains(run.benchmark, workspace.root).fingerprint
    return [
        f"{report.host} has other data under {workspace.root} than the head"
        f" ({report.fingerprint[:12]}, here {here[:12]})"
        for report in reports.values()
        if report.fingerprint and report.fingerprint != here
    ]
