"""What a sweep costs beside its training, by 8 runs of half a minute, two at a time; ``make overhead``. Prints JSON.

A run's own seconds are those of its training steps and of measuring after each epoch, as every run does both.
``start`` ends when the first run is opened in MLflow: imports, data, Ray, and the first worker's own imports. CPU
seconds are those of all processes of the sweep; on a busy machine only they show what the work costs.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mlflow import MlflowClient

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
PARALLEL = 2
SPACE = f"""# 8 runs of about half a minute on one core: the demo's method and training, its published row, 8 seeds.
extends: fonts_digits
points: 1
baselines: []
seeds: 8
confirm: 0
training:
  {{epochs: {EPOCHS}, optimizer: adam, learning_rate: 1e-3, decay_every: 15, decay_factor: 0.1, batch_size: 64,
    channels_last: true, measure_every: 4}}
"""


def main() -> None:
    """Run one sweep in a temporary folder and print its figures."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "search_spaces").mkdir()
        Path(folder, "search_spaces", "overhead.yaml").write_text(SPACE)
        began, clock = time.monotonic(), time.time()
        command = [sys.executable, "-m", "dta_bench", "sweep", "overhead", "--parallel", str(PARALLEL), "--json"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        wall = time.monotonic() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        experiment = client.get_experiment_by_name("fonts_digits").experiment_id
        runs = client.search_runs([experiment], "tags.run_id != ''")
    training = sum(run.data.metrics["seconds"] for run in runs)
    measuring = sum(run.data.metrics["measuring_seconds"] for run in runs)
    inside = sum(run.info.end_time - run.info.start_time for run in runs) / 1000
    start = min(run.info.start_time for run in runs) / 1000 - clock
    print(json.dumps({
        "runs": len(runs), "epochs": EPOCHS, "parallel": PARALLEL, "wall_seconds": wall, "start_seconds": start,
        "training_seconds": training, "measuring_seconds": measuring, "inside_runs_seconds": inside,
        "ratio": (wall - start) / ((training + measuring) / PARALLEL),
        "ratio_of_training_steps_alone": (wall - start) / (training / PARALLEL),
        "cpu_seconds": used.ru_utime + used.ru_stime, "load": os.getloadavg()[0], "cores": os.cpu_count(),
    }))  # fmt: skip


main()
