"""What a sweep costs beside its training: 8 runs of about half a minute, 2 at a time; ``make overhead``. Prints JSON.

``start`` ends when the first run is opened in MLflow: imports, data, Ray, and the first worker's own imports. CPU
seconds are those of all processes of the sweep; on a busy machine they, and not the clock, tell what the work costs.
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

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 8
PARALLEL = 2
SPACE = f"""# 8 runs of about half a minute on one core.
benchmark: fonts_digits
method: source_only
baselines: []
seeds: 8
training: {{epochs: {EPOCHS}, optimizer: adam, learning_rate: 1e-3, batch_size: 64}}
backbones:
  conv3_fc2: {{}}
"""


def main() -> None:
    """One sweep in a folder of its own."""
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
    start = min(run.info.start_time for run in runs) / 1000 - clock
    print(json.dumps({
        "runs": len(runs), "epochs": EPOCHS, "parallel": PARALLEL, "wall_seconds": wall, "start_seconds": start,
        "training_seconds": training, "ratio": (wall - start) / (training / PARALLEL),
        "cpu_seconds": used.ru_utime + used.ru_stime, "load": os.getloadavg()[0], "cores": os.cpu_count(),
    }))  # fmt: skip


main()
