"""How long a large report takes: a store of 500 runs with 50 metrics each, then ``dta-bench report`` on it.

``python reports/speed.py [RUNS [FOLDER]]`` prints Markdown; ``make speed`` keeps it as reports/speed.md. The runs are
made of drawn predictions through the same writing code as real ones; they say nothing about any method. A FOLDER keeps
them, and those of an earlier call are measured again.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.evaluation import metrics
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import LabelSubset, RunResult, RunSpec, Training
from dta_bench.tracking import Tracker

RUNS, SEEDS, EPOCHS, KINDS = 500, 2, 5, 40  # 40 metrics an epoch, and those at the end of a run: more than 50


def main(count: int, kept: str | None = None) -> None:
    """Write the store, time the report in a process of its own, print both."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(kept or folder)
        metrics_each = metric_count(out) if (out / "mlflow.db").exists() else write(out, count)
        print("# How long a large report takes\n")
        print(f"`python reports/speed.py {count}` on {os.cpu_count()} cores, with {machine_load()} processes waiting:")
        print(
            f"{count} runs of drawn predictions with {metrics_each} metrics each, written by the code that writes real "
            "ones.\n"
        )
        print("| command | seconds | CPU seconds | peak memory, MiB |\n| --- | ---: | ---: | ---: |")
        report, helped = timed(out), timed(out, "--help")
        html = (out / "reports" / "fonts_digits" / "report.html").stat().st_size // 1000
        print(f"| `dta-bench report fonts_digits` (JSON, HTML of {html} kB, Markdown, SVG) | {row(*report)} |")
        print(f"| `dta-bench --help` | {row(*helped)} |")


def machine_load() -> str:
    """Return the mean number of processes that want a core, over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def row(seconds: float, cpu: float, peak: float) -> str:
    """Return seconds, CPU seconds and MiB as three cells."""
    return f"{seconds:.1f} | {cpu:.1f} | {peak:.0f}"


def metric_count(out: Path) -> int:
    """Count the metrics of a run in the store."""
    return len(Tracker(f"sqlite:///{out / 'mlflow.db'}", out).runs("fonts_digits")[0].metrics)


def write(out: Path, count: int) -> int:
    """Write ``count`` finished runs; return how many metrics each has."""
    tracker = Tracker(f"sqlite:///{out / 'mlflow.db'}", out)
    tracker.check()
    benchmark = benchmark_of("fonts_digits")
    tracker.experiment(benchmark)
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 10
    defaults = method_plugin("dta").defaults()
    for i in range(count):
        method = "source_only" if i < SEEDS else "dta"
        params = {} if i < SEEDS else defaults | {"lambda_2": 0.001 * (i // SEEDS)}
        training = Training(epochs=EPOCHS, optimizer="adam", learning_rate=1e-3, batch_size=64)
        spec = RunSpec("fonts_digits", "conv3_fc2", "none", method, params, training, LabelSubset(size=100), i % SEEDS)
        logits = rng.standard_normal((600, 10)).astype(np.float32) + 2 * np.eye(10, dtype=np.float32)[labels]
        confusion = metrics.confusion_matrix(labels, logits.argmax(axis=1), 10)
        scored = metrics.scores(confusion, benchmark.classes)
        arrays = {
            "target_test_logits": logits, "target_test_labels": labels, "target_train_logits": logits,
            "target_validation_ids": np.array([str(k) for k in range(100)]),
        }  # fmt: skip
        log = tracker.open_run(spec, None, f"run {i}", set(), {"data_fingerprint": "drawn"})
        for epoch in range(1, EPOCHS + 1):
            log.log_epoch(epoch, {f"loss/part_{k}": float(rng.random()) for k in range(KINDS)})
        log.log_epoch(EPOCHS, {"flops_ratio": 1.0 if i < SEEDS else 2.0})  # as run/execute.py logs it
        result = RunResult(spec.id, scored, scored, scored, False, EPOCHS, 1.0, 0.5)
        log.finish(result, arrays, confusion, benchmark.classes)
    return metric_count(out)


# A child's peak counts what its parent held at the fork, and this process holds torch: a small one stands between.
BETWEEN = """
import json, resource, subprocess, sys, time
started = time.monotonic()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([status, time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


def timed(out: Path, *instead: str) -> tuple[float, float, float]:
    """Run a command in a process of its own; return its seconds, CPU seconds, and peak memory in MiB."""
    what = instead or ("report", "fonts_digits", "--out", str(out))
    command = [sys.executable, "-c", BETWEEN, sys.executable, "-m", "dta_bench", *what]
    status, seconds, cpu, peak = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if status:
        raise SystemExit(f"{' '.join(what)} ended with status {status}")
    return seconds, cpu, peak


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS, *sys.argv[2:3])
