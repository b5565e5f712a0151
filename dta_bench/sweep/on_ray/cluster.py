"""The Ray that a sweep runs on: its own one on this machine, or a cluster whose nodes have been checked."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

from rich.console import Console

from dta_bench.errors import UserError
from dta_bench.run.workspace import Workspace
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.on_ray import demand, node_check
from dta_bench.sweep.on_ray.late_nodes import LateNodes
from dta_bench.sweep.on_ray.session_folder import session_folder
from dta_bench.sweep.on_ray.worker_path import own_path_only

LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
"""Settings under which a Ray of one machine listens on loopback alone, and only to those who have its token.

They have to be set before Ray is imported. Without the first, which Ray has by default on macOS and Windows, Ray takes
127.0.0.1 for the machine's address and listens everywhere.
"""
REACH_SECONDS = 5.0  # how long the head may take for its first answer


@dataclass(frozen=True)
class Resources:
    """How runs share the machine or the cluster.

    Attributes:
        parallel: runs at a time; None for as many as there is room for.
        cpus_per_run: for each device of a run.
        gpus_per_run: may be a fraction; ``auto`` measures how many runs share a GPU; None takes a whole one.
        address: of a cluster; None for ``RAY_ADDRESS``, or else a Ray of this machine.
        stacked: whether runs of small heads on kept features train together, in a process for each core, without Ray.
        nodes: workers to wait for before the first run, at most ``wait_minutes``.
    """

    parallel: int | None = None
    cpus_per_run: int = 1
    gpus_per_run: float | Literal["auto"] | None = None
    address: str | None = None
    nodes: int = 0
    wait_minutes: float = 10.0
    stacked: bool = False


@dataclass(frozen=True)
class Joined:
    """The cluster that a sweep has joined.

    Attributes:
        shared_file: a file that every node sees while the sweep lasts; empty on a Ray of this machine.
        late: watches the nodes that join later; None on a Ray of this machine.
    """

    shared_file: str = ""
    late: LateNodes | None = None


@contextmanager
def connect(resources: Resources, run: RunSpec, workspace: Workspace, console: Console) -> Iterator[Joined]:
    """Start a Ray on this machine, or connect to a cluster, wait for its nodes and check each of them.

    Args:
        run: one of the sweep's runs, for its data.

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
        yield Joined()
        return
    _join(address)
    node_check.wait_for_nodes(resources.nodes, resources.wait_minutes, _least_of_a_run(resources), console)
    shared_file = Path(workspace.out, "runs", f"sweep-{uuid4().hex[:12]}")
    shared_file.write_text("every node must see this file\n")
    try:
        check = node_check.NodeCheck(run, workspace, shared_file, resources.gpus_per_run != 0)
        with LateNodes(check, node_check.check_nodes(check, console), console) as late:
            yield Joined(str(shared_file), late)
    finally:
        for file in shared_file.parent.glob(f"{shared_file.name}*"):
            file.unlink(missing_ok=True)


def _least_of_a_run(resources: Resources) -> dict[str, float]:
    """What a machine must offer to be of use: CPUs for a run, and a GPU where the cluster's machines have any."""
    share = resources.gpus_per_run if isinstance(resources.gpus_per_run, float | int) else 1.0
    gpus = share if demand.expected_resources().get("GPU", 0) else 0.0
    return {"CPU": float(resources.cpus_per_run), "GPU": float(gpus)}


def address_of(resources: Resources) -> str | None:
    """The address of the cluster that the user named, if any."""
    return resources.address or os.environ.get("RAY_ADDRESS")


def _start_local(resources: Resources, devices: int) -> None:
    # A busy machine takes longer than Ray's own 30 seconds.
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")
    # With the first workers started before the driver is let in, one that dies meanwhile would keep it out for ever.
    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
    folder = session_folder()
    import joblib
    import ray

    # Those that this process may use, by its affinity and its control group, not those of the machine.
    cpus = max(joblib.cpu_count(), (resources.parallel or 1) * resources.cpus_per_run * devices)
    try:
        ray.init(
            address="local", num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
            _node_ip_address="127.0.0.1", _temp_dir=str(folder), job_config=own_path_only(),
        )  # fmt: skip
    except Exception as error:  # Ray has no exception class of its own here
        raise UserError(_why_ray_does_not_start(error)) from error
    if resources.gpus_per_run != 0 and (problem := node_check.gpus_out_of_reach(_gpus())):
        raise UserError(f"this machine {problem}")


def _why_ray_does_not_start(error: Exception) -> str:
    said = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    is_late = "timed out" in said or "Failed to start" in said
    busy = "; the machine may be too busy: run the same command again when it is not" if is_late else ""
    return f"Ray does not start on this machine: {said}{busy}"


def _gpus() -> float:
    """How many GPUs Ray counts."""
    import ray

    return float(ray.cluster_resources().get("GPU", 0))


def _join(address: str) -> None:
    import ray

    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", job_config=own_path_only())
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"no Ray cluster answers at {address}: {str(error).splitlines()[0]}") from error


def _knock(address: str) -> None:
    """Check that something listens at ``address``; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
