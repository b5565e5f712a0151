"""How long the command of a large sweep takes to know what is done, after its driver was killed; ``make scale``.

``resume.py RUNS`` starts a sweep of RUNS runs that do not train but are opened and finished in MLflow, kills its driver
with SIGKILL once nine in ten of them are done, and starts the same sweep again. Prints JSON: the seconds from that
second start until it has said what is done, and until the first missing run has ended.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from scale import plan_of

from dta_bench.run import fingerprint
from dta_bench.run.workspace import Workspace
from dta_bench.sweep.on_ray import worker
from dta_bench.sweep.on_ray.cluster import Resources
from dta_bench.sweep.sweep import sweep

METRICS = 30  # as many as a run on ten classes has at its end
DONE = 0.9


def tracked_only(config: dict[str, Any], job: dict[str, Any]) -> None:
    """Stand in for a run: opened, logged and finished in MLflow, and reported to the driver, without training."""
    from ray import tune

    worker.enter_working_directory(job)
    spec, workspace = worker.RunSpec.from_dict(job["specs"][config["run"]]), Workspace(**job["workspace"])
    marks, inert = fingerprint.fingerprints(spec, workspace.root), set(job["inert"][spec.id])
    log = workspace.tracker().open_run(spec, job["parents"][spec.id], job["names"][spec.id], inert, marks)
    log.log_epoch(1, {f"metric/{number}": 0.5 for number in range(METRICS)})
    log.flush()
    workspace.tracker().end_run(log.mlflow_run_id, "FINISHED")
    tune.report(
        {"score": 1.0, "epoch": 1, "run": spec.id, "outcome": "done", "reason": "", "mlflow_run_id": log.mlflow_run_id}
    )


def drive(runs: int, folder: Path) -> None:
    """Be the driver: a sweep as a user starts it, with runs that do not train."""
    worker.run_one = tracked_only
    workspace = Workspace(str(folder), str(folder), f"sqlite:///{folder / 'mlflow.db'}")
    sweep(
        plan_of(runs, folder, epochs=1), workspace, Resources(parallel=os.cpu_count()), Console(stderr=True, width=200)
    )


@contextmanager
def driver(runs: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The sweep in a process of its own, killed with SIGKILL at the end of the block."""
    command = [sys.executable, __file__, str(runs), str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def line_with(words: str, process: subprocess.Popen[str]) -> tuple[str, float]:
    """Wait for the first line on stderr that holds ``words``; the line, and the monotonic time at which it came."""
    assert process.stderr is not None
    for line in process.stderr:
        print(line, end="", file=sys.stderr)
        if words in line:
            return line.strip(), time.monotonic()
    raise SystemExit(f"the sweep ended without saying {words}")


def finished(folder: Path) -> int:
    """How many runs of the store are finished."""
    with closing(sqlite3.connect(f"file:{folder / 'mlflow.db'}?mode=ro", uri=True)) as store:
        return int(store.execute("select count(*) from runs where status = 'FINISHED'").fetchone()[0])


def main(runs: int) -> None:
    """Kill once, resume once."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:  # a killed driver's workers still write
        folder = Path(name)
        with driver(runs, folder) as first:
            killed_at = 0
            while killed_at < DONE * runs:
                line_with("labelled subset", first)
                killed_at = finished(folder)
        began = time.monotonic()
        with driver(runs, folder) as again:
            said, knew = line_with(" to do", again)
            cpu = psutil.Process(again.pid).cpu_times()
            _, went_on = line_with("labelled subset", again)
    print(json.dumps({
        "runs": runs, "finished_when_killed": killed_at, "said": said.partition("; ")[2],
        "seconds_until_it_knew": knew - began, "cpu_seconds_until_it_knew": cpu.user + cpu.system,
        "seconds_until_a_run_ended": went_on - began, "load": os.getloadavg()[0], "cores": os.cpu_count(),
    }))  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) > 2:
        drive(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        main(int(sys.argv[1]))
