"""Let all runs of a cluster save their position and end, before the machines are taken away."""

from __future__ import annotations

import contextlib
from typing import Any

import psutil

SAVE_SECONDS = 120.0  # how long a step, and writing a checkpoint, may take
RUN = "ray::TrainRun"
"""How Ray titles the process of a run, after the class in worker.py."""


def save_runs() -> None:
    """Ask the runs on every node to save and end, and wait for it.

    Tune must not be running: it would start them again.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(num_cpus=0, max_retries=0)(save_runs_of_node)
    asked = [
        ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote()
        for node in ray.nodes()
        if node["Alive"]
    ]
    _, late = ray.wait(asked, num_returns=len(asked), timeout=SAVE_SECONDS + 30)
    for reference in late:
        with contextlib.suppress(ray.exceptions.RayError):
            ray.cancel(reference)


def save_runs_of_node() -> int:
    """Ask the runs on the node of this process; returns how many have ended."""
    raylet = psutil.Process().parent()
    runs = [process for process in raylet.children() if _title(process).startswith(RUN)] if raylet else []
    return end_all(runs)


def end_all(processes: list[psutil.Process], seconds: float = SAVE_SECONDS) -> int:
    """Send SIGTERM to processes and wait until they have ended; returns how many have."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    ended, _ = psutil.wait_procs(processes, timeout=seconds)
    return len(ended)


def _title(process: Any) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
