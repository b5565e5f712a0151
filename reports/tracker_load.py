"""How many epochs a second a tracking server takes, and how long listing all runs takes; part of ``make scale``.

The server runs on sqlite, as on the head of a cluster. Its clients are threads, each of which logs one epoch's batch
after the other. Prints JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from mlflow.entities import Metric

from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training
from dta_bench.tracking import Tracker
from dta_bench.tracking.connection import client

PORT, METRICS, RUNS = 5987, 16, 100


def main(seconds: float) -> None:
    """Start the server, write with 1 and with 8 clients, and list all runs."""
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        address = ["--host", "127.0.0.1", "--port", str(PORT), "--workers", "4"]
        storage = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", folder]
        command = [sys.executable, "-m", "mlflow", "server", *address, *storage]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
        try:
            tracker = _reach(f"http://127.0.0.1:{PORT}", Path(folder))
            experiment = client(tracker.uri).create_experiment("fonts_digits")
            runs = [_make(tracker, experiment, seed) for seed in range(RUNS)]
            before = _cpu(server.pid)
            written = {threads: _write(tracker, runs, threads, seconds) for threads in (1, 8)}
            used = (_cpu(server.pid) - before) / (seconds * sum(written.values()))
            began = time.monotonic()
            assert len(tracker.runs("fonts_digits")) == RUNS
            look = time.monotonic() - began
        finally:
            server.terminate()
            server.wait()
    print(json.dumps({
        "metrics_a_batch": METRICS, "batches_a_second_by_clients": written, "server_cpu_ms_a_batch": 1000 * used,
        "look_ms_a_run": 1000 * look / RUNS, "load": os.getloadavg()[0], "cores": os.cpu_count(),
    }))  # fmt: skip


def _reach(uri: str, out: Path) -> Tracker:
    tracker = Tracker(uri, out)
    for _ in range(300):
        try:
            tracker.check()
        except Exception:  # not up yet
            time.sleep(1)
        else:
            return tracker
    raise SystemExit("the server did not come up")


def _make(tracker: Tracker, experiment: str, seed: int) -> str:
    spec = RunSpec(
        "fonts_digits", "conv3_fc2", "none", "dta", {}, Training(epochs=20, optimizer="adam", learning_rate=1e-3,
        batch_size=64), LabelSubset(size=100), seed,
    )  # fmt: skip
    tags = {"run_id": spec.id, "spec": json.dumps(spec.to_dict())}
    return str(client(tracker.uri).create_run(experiment, run_name=str(seed), tags=tags).info.run_id)


def _write(tracker: Tracker, runs: list[str], threads: int, seconds: float) -> float:
    """Batches a second, all threads together."""
    until, counts = time.monotonic() + seconds, [0] * threads

    def work(number: int) -> None:
        writer = client(tracker.uri)
        while time.monotonic() < until:
            step = counts[number]
            batch = [Metric(f"metric/{m}", 0.5, int(time.time() * 1000), step) for m in range(METRICS)]
            writer.log_batch(runs[(number + step * threads) % len(runs)], metrics=batch)
            counts[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    return sum(counts) / seconds


def _cpu(pid: int) -> float:
    """CPU seconds of a process and its children until now."""
    process = psutil.Process(pid)
    times = [p.cpu_times() for p in [process, *process.children(recursive=True)]]
    return sum(t.user + t.system for t in times)


main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0)
