"""How long a large report takes: a store of 500 runs with 50 metrics each, then ``dta-bench report`` on it.

``python reports/speed.py [RUNS]`` prints Markdown; ``make speed`` keeps it as reports/speed.md. The runs are made of
drawn predictions through the same writing code as real ones; they say nothing about any method.
"""

import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from dta_bench import execution, metrics, plugins
from dta_bench.experiment import LabelSubset, RunResult, RunSpec, Training
from dta_bench.tracking import Tracker

RUNS, SEEDS, EPOCHS, KINDS = 500, 2, 5, 40  # 40 a run's epoch tells of, and those of its end: above 50 in all


def main(count: int) -> None:
    """Write the store, time the report in a process of its own, print both."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        started = time.monotonic()
        told = write(out, count)
        written = time.monotonic() - started
        seconds, peak, html = timed(out)
        first, _, _ = timed(out, "--help")
        print("# How long a large report takes\n")
        print(f"`python reports/speed.py {count}` on {os.cpu_count()} cores: {count} runs of drawn predictions, {told}")
        print(f"metrics each, written in {written:.0f} s through the code that writes real ones.\n")
        print("| command | seconds | peak memory, MiB |\n| --- | ---: | ---: |")
        print(
            f"| `dta-bench report fonts_digits` (JSON, HTML of {html} kB, Markdown, SVG) | {seconds:.1f} | {peak:.0f} |"
        )
        print(f"| `dta-bench --help` | {first:.2f} |  |")


def write(out: Path, count: int) -> int:
    """``count`` finished runs; how many metrics each has."""
    tracker = Tracker(f"sqlite:///{out / 'mlflow.db'}", out)
    tracker.check()
    benchmark = execution.benchmark_of("fonts_digits")
    tracker.experiment(benchmark)
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 10
    defaults = dataclasses.asdict(plugins.load("method", "dta").Params())
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
        log.log_epoch(EPOCHS, {"flops_ratio": 1.0 if i < SEEDS else 2.0})  # as execution.py notes it
        result = RunResult(spec.id, scored, scored, scored, False, EPOCHS, 1.0, 0.5)
        log.finish(result, arrays, confusion, benchmark.classes)
    return len(tracker.runs("fonts_digits")[0].metrics)


def timed(out: Path, *instead: str) -> tuple[float, float, int]:
    """Seconds, peak memory in MiB, and the size of the page, of a command in a process of its own."""
    what = instead or ("report", "fonts_digits", "--out", str(out))
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "dta_bench", *what], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(what)} ended with status {status}")
    page = out / "reports" / "fonts_digits" / "report.html"
    return time.monotonic() - started, usage.ru_maxrss / 1024, page.stat().st_size // 1000 if page.exists() else 0


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
