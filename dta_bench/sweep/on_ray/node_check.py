"""The nodes of a cluster: wait for them, let each check itself, refuse those that cannot be used.

A node checks the shared storage, the data, and the way to MLflow.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tenacity
from rich.console import Console

from dta_bench.errors import UserError
from dta_bench.run.workspace import Workspace
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.on_ray import demand, node_verdict
from dta_bench.sweep.on_ray.autoscaler_report import autoscaler_says

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


def wait_for_nodes(nodes: int, wait_minutes: float, per_run: Mapping[str, float], console: Console) -> None:
    """Wait for the promised worker nodes; ``ray up`` does not, and a sweep would begin on the first node alone.

    Args:
        per_run: what a run asks for; where machines come and go, so much is asked for on each of the nodes.

    Raises:
        UserError: fewer than ``nodes`` are there after ``wait_minutes``, or the cluster file has fewer.
    """
    most = demand.most_machines()
    if most is not None and nodes > most:
        raise UserError(f"--nodes {nodes} is more than the {most} machines that the cluster file allows (max_workers)")
    deadline, printed, patience = time.monotonic() + 60 * wait_minutes, -1, demand.Patience()
    with demand.asking_for_nodes(nodes if most else 0, per_run):
        while (here := len(worker_nodes())) < nodes:
            if here != printed:
                console.print(f"waiting for worker nodes: {here} of {nodes} are here", highlight=False)
                printed = here
            if patience.is_over() and (says := autoscaler_says()):
                console.print(f"waiting for worker nodes: {says}", highlight=False, soft_wrap=True)
            if time.monotonic() > deadline:
                raise UserError(
                    f"{here} of {nodes} worker nodes joined in {wait_minutes:g} minutes; ray status on"
                    f" the head says what the others do, --nodes {max(here, 1)} starts without them"
                )
            time.sleep(1)


@dataclass(frozen=True)
class NodeCheck:
    """How the nodes of a sweep are checked.

    Attributes:
        run: one of the sweep's runs, for its data.
        shared_file: what every node must see.
        on_gpus: whether runs train on the GPUs that Ray counts.
    """

    run: RunSpec
    workspace: Workspace
    shared_file: Path
    on_gpus: bool = True

    def start(self, nodes: Iterable[str]) -> dict[str, Any]:
        """Let nodes check themselves; returns Ray's reference of each one's report."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        check = ray.remote(num_cpus=0, max_retries=0)(check_node)
        job = {
            "shared_file": str(self.shared_file), "workspace": vars(self.workspace), "spec": self.run.to_dict(),
            "cwd": str(Path.cwd()), "on_gpus": self.on_gpus,
        }  # fmt: skip
        return {
            node: check.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(job, node)
            for node in nodes
        }

    def problems(self, reports: Mapping[str, NodeReport]) -> list[str]:
        """Everything that is wrong with nodes, by their reports; sentences that begin with the host."""
        found = [f"{r.host} {problem}" for r in reports.values() for problem in r.problems]
        found += _unseen_files(reports, self.shared_file) if not found else []
        return found + _differing_data(reports, self.run, self.workspace)


def check_nodes(check: NodeCheck, console: Console) -> set[str]:
    """Let all nodes check themselves at once, before the first run.

    Returns: the ids of the nodes, which are fit.

    Raises:
        UserError: a node cannot be used; all problems of all nodes, in one sentence.
    """
    import ray

    checks, started = check.start(node["NodeID"] for node in worker_nodes()), time.time()
    try:
        reports = dict(zip(checks, ray.get(list(checks.values()), timeout=CHECK_SECONDS), strict=True))
    except ray.exceptions.RayError as error:
        raise UserError(f"a node could not be checked before the first run: {str(error).splitlines()[-1]}") from error
    if problems := check.problems(reports):
        raise UserError(f"not every node is fit for work: {'; '.join(problems)}")
    for report in reports.values():
        note_clock(report, started, console)
    for node in reports:
        node_verdict.write(check.shared_file.name, node, node_verdict.FIT)
    return set(reports)


def note_clock(report: NodeReport, started: float, console: Console) -> None:
    """Tell if a node's clock is far off that of the head, by which the check was started at ``started``."""
    if not started - CLOCK_SECONDS < report.clock < time.time() + CLOCK_SECONDS:
        off = report.clock - time.time()
        console.print(f"note: the clock of {report.host} is {off:+.0f} s off; steps are right, times are not")


def _unseen_files(reports: Mapping[str, NodeReport], shared_file: Path) -> list[str]:
    return [
        f"what {report.host} writes to {shared_file.parent} is not seen here; --out must be storage that all nodes"
        " share"
        for node, report in reports.items()
        if not appears(shared_file.with_name(f"{shared_file.name}.{node}"))
    ]


def _differing_data(reports: Mapping[str, NodeReport], run: RunSpec, workspace: Workspace) -> list[str]:
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
        job: ``shared_file``, ``workspace`` and ``cwd`` as a worker gets them, the ``spec`` of a run, and whether runs
            train ``on_gpus``.
        node: the node's id; a file with this ending is written beside the shared file.
    """
    problems = [_check_storage(Path(job["shared_file"]), node)]
    problems.append(_check_tracker(job["workspace"]["tracking_uri"], Path(job["workspace"]["out"])))
    problems.append(_check_gpus(node) if job["on_gpus"] else "")
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


def _check_gpus(node: str) -> str:
    import ray

    (counted,) = (one["Resources"].get("GPU", 0) for one in ray.nodes() if one["NodeID"] == node)
    return gpus_out_of_reach(counted)


def gpus_out_of_reach(counted: float) -> str:
    """Why GPUs that Ray counts on this machine cannot be used, without the subject; empty if there is nothing wrong.

    Runs would be trained on its CPUs, and nobody would notice.
    """
    if not counted:
        return ""
    import torch

    if torch.cuda.is_available():
        return ""
    gpus = "GPU" if counted == 1 else "GPUs"
    return (
        f"has {counted:g} {gpus} by Ray's count, and torch {torch.__version__} can use none: the driver may be missing"
        f" or too old (torch is built for CUDA {torch.version.cuda}); --gpus-per-run 0 trains on CPUs"
    )


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
        return "", f"does not have the data: {error}"
