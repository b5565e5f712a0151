"""Let all runs of a cluster save their position and end, before the machines are taken away."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from typing import Any

import psutil

SAVE_SECONDS = 120.0
"""How long a step, and writing a checkpoint, may take where the machine will be gone."""
RUN = "ray::TrainRun"
"""How Ray titles the process of a run, after the class in worker.py."""


def save_runs(seconds: float | None) -> None:
    """Ask the runs on every node to save and end, and wait for it.

    Tune must not be running: it would start them again.

    Args:
        seconds: how long a step, and writing a checkpoint, may take; None: as long as it takes.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    _print_no_message_of_ray()
    ask = ray.remote(num_cpus=0, max_retries=0)(save_runs_of_node)
    asked = [
        ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(seconds)
        for node in ray.nodes()
        if node["Alive"]
    ]
    _, late = ray.wait(asked, num_returns=len(asked), timeout=None if seconds is None else seconds + 30)
    for reference in late:
        with contextlib.suppress(ray.exceptions.RayError):
            ray.cancel(reference)


def _print_no_message_of_ray() -> None:
    """Ray prints a paragraph for each process that ends, which here is what was asked for."""
    with contextlib.suppress(ImportError):
        from ray._private.ray_logging import stdout_deduplicator

        stdout_deduplicator.skip_re = re.compile("A worker died or was killed")


def save_runs_of_node(seconds: float | None) -> int:
    """Ask this job's runs on the node of this process to save and end; returns how many have ended."""
    import ray

    raylet, job = psutil.Process().parent(), ray.get_runtime_context().get_job_id()
    return end_all(runs_of_job(raylet.children(), job) if raylet else [], seconds)


def runs_of_job(processes: Iterable[psutil.Process], job: str) -> list[psutil.Process]:
    """The processes that train runs of a job of Ray; a cluster may have other sweeps, which go on."""
    return [one for one in processes if _title(one).startswith(RUN) and _job_of(one) in (job, "")]


def end_all(processes: list[psutil.Process], seconds: float | None) -> int:
    """Send SIGTERM to processes and wait until they have ended, at most some seconds; returns how many have."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    ended, _ = psutil.wait_procs(processes, timeout=seconds)
    return len(ended)


def _job_of(process: psutil.Process) -> str:
    """The job that Ray has started a process for; empty where it does not say so."""
    try:
        return process.environ().get("RAY_JOB_ID", "")
    except psutil.Error:
        return ""


def _title(process: Any) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
