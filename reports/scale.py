"""What a sweep of many runs costs its driver, on a real Ray with simulated nodes; run by ``make scale``.

Prints JSON. The driver is the real one (our search, our callback, Tune); the runs report without training.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from dta_bench.run.workspace import Workspace
from dta_bench.spec import search_space_file
from dta_bench.spec.plan import Options, Plan
from dta_bench.sweep.apply_stop_rules import EarlyStopping
from dta_bench.sweep.choose_runs import make_plan
from dta_bench.sweep.on_ray import launch, worker
from dta_bench.sweep.on_ray.cluster import Joined, Resources
from dta_bench.sweep.progress_view import ProgressView
from dta_bench.sweep.work import Work

EPOCHS = int(os.environ.get("EPOCHS", "20"))
CPUS_A_NODE = 2
SPACE = """# {runs} runs of nothing.
benchmark: fonts_digits
method: dta
baselines: []
seeds: 10
points: {points}
training: {{epochs: {epochs}, optimizer: adam, learning_rate: 1e-3, batch_size: 64}}
sets:
  delta_e: [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1]
  delta_c: [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1]
backbones:
  conv3_fc2: {{lambda_1: 2, lambda_2: 0.01, lambda_3: 0, delta_e: 0.1, delta_c: 0.05, ramp_up_epochs: 15, epsilon: 0}}
"""


def report_only(config: dict[str, Any], job: dict[str, Any]) -> None:
    """Stand in for a run: report to the driver what a worker reports, without training."""
    from ray import tune

    spec = worker.RunSpec.from_dict(job["specs"][config["run"]])
    run, epochs = spec.id, spec.training.epochs
    for epoch in range(1, epochs + 1):
        tune.report({"score": float(epoch), "epoch": epoch, "run": run, "classes_in_use": 10.0, "entropy": 0.5})
    tune.report({"score": 1.0, "epoch": epochs, "run": run, "outcome": "done", "reason": "", "mlflow_run_id": ""})


def plan_of(runs: int, folder: Path, epochs: int = EPOCHS) -> Plan:
    """``runs`` runs, a multiple of ten."""
    file = folder / f"scale_{runs}.yaml"
    file.write_text(SPACE.format(runs=runs, points=runs // 10, epochs=epochs))
    return make_plan(file.stem, search_space_file.read(file), Options())


def measure(runs: int, folder: Path) -> dict[str, float]:
    """The driver's own seconds and memory for a sweep of ``runs`` runs."""
    plan = plan_of(runs, folder)
    workspace = Workspace(str(folder), str(folder), "sqlite:///none.db")
    with Path(os.devnull).open("w") as nowhere:
        view = ProgressView(Console(file=nowhere), runs, EPOCHS)
        used, started = _cpu(), time.monotonic()
        work = Work(plan.runs, EarlyStopping([], EPOCHS))
        start = launch.Launch((launch.Share(plan, work, f"scale{runs}"),), workspace, Resources(), view)
        with view:
            errors = launch.run_tuner(start, launch.Interrupt(), Joined())
        wall, cpu = time.monotonic() - started, _cpu() - used
    assert (errors, view.done) == ({}, runs)
    results = runs * (EPOCHS + 1)
    return {
        "runs": runs, "results": results, "wall_seconds": wall, "driver_cpu_seconds": cpu,
        "driver_cpu_ms_a_result": 1000 * cpu / results, "results_a_second": results / wall,
        "driver_mib": psutil.Process().memory_info().rss / 2**20,
    }  # fmt: skip


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(nodes: int, sizes: list[int]) -> None:
    """Start the nodes once; one sweep a size."""
    for name in ("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        os.environ.setdefault(name, "1")
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    # Not at the top: reports/resume.py reads the plan from here, and its Ray has a token, which is read on import.
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(nodes):
        cluster.add_node(num_cpus=CPUS_A_NODE, object_store_memory=80_000_000)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    worker.run_one = report_only
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for runs in sizes:
            found.append(measure(runs, Path(folder)))
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    processes = psutil.Process().children(recursive=True)
    print(json.dumps({
        "nodes": nodes, "cpus_a_node": CPUS_A_NODE, "epochs": EPOCHS, "sweeps": found,
        "growth_a_result": found[-1]["driver_cpu_ms_a_result"] / found[0]["driver_cpu_ms_a_result"],
        "all_nodes_mib": sum(p.memory_info().rss for p in processes) / 2**20,
        "load": os.getloadavg()[0], "cores": os.cpu_count(),
    }))  # fmt: skip
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(size) for size in sys.argv[2:]])
