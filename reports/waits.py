"""What people wait for before anything trains, in CPU seconds, each beside its bar: ``make waits``.

``python reports/waits.py`` prints Markdown. Each command runs in a process of its own, the better of two starts counts,
and beside its CPU seconds stands their ratio to a reference that the same program has timed in the same minutes, a
fixed loop of Python. Stores of many finished runs are rows written straight into MLflow's tables, as tracking would
have written them; nothing was trained.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import psutil

REFERENCE = "sum(i * i for i in range(10_000_000))"
METRICS = 40  # as many as a run on ten classes has at its end
COMPLETION = "from dta_bench.cli import app; from dta_bench.cli.completion import complete; complete('method')('dt')"
PLANNING = """
import sys, time
from dta_bench.spec.search_space import SearchSpace
from dta_bench.sweep.point_order import grid_order
count = int(sys.argv[1])
space = SearchSpace({"a": tuple(range(10)), "b": tuple(range(10)), "c": tuple(range(10)), "d": tuple(range(10))})
began = time.process_time()
grid_order(space, space.points()[0], count)
print(time.process_time() - began)
"""
RESUMING = """
import sys, time
from pathlib import Path
from dta_bench.tracking import Tracker
tracker = Tracker(f"sqlite:///{sys.argv[1]}/mlflow.db", Path(sys.argv[1]))
began = time.process_time()
found = tracker.runs(sys.argv[2])
print((time.process_time() - began) / len(found))
"""


class Waits:
    """Measures commands and prints each row as soon as it is there."""

    def __init__(self) -> None:
        self.reference = min(cpu_seconds([sys.executable, "-c", REFERENCE]) for _ in range(3))

    def row(self, what: str, bar: float, measured: float) -> None:
        """Print a row."""
        verdict = "met" if measured <= bar else "**not met**"
        print(f"| {what} | {measured:.3g} | {measured / self.reference:.2f} | {bar:g} | {verdict} |", flush=True)

    def command(
        self, what: str, bar: float, *arguments: str, starts: int = 2, status: int = 0, **environment: str
    ) -> None:
        """Measure a command of dta-bench."""
        command = [sys.executable, "-m", "dta_bench", *arguments]
        self.row(what, bar, min(cpu_seconds(command, environment, status) for _ in range(starts)))


def cpu_seconds(command: list[str], environment: dict[str, str] | None = None, status: int = 0) -> float:
    """The CPU seconds of a command and of its children.

    Raises:
        SystemExit: it ended with another status.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | (environment or {}))
    if done.returncode != status:
        raise SystemExit(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def first_words(command: list[str], folder: Path, until: str = "") -> tuple[float, float]:
    """Start a command that would go on for long, interrupt it once it has said something, and wait for its answer.

    Args:
        until: what it has said before it is interrupted; empty for its first line.

    Returns: its CPU seconds until then, and the seconds from the interrupt to the next line that says that it stops.

    Raises:
        SystemExit: it ended without.
    """
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        _wait_for_line(process.stderr, until)
        used = psutil.Process(process.pid).cpu_times()
        interrupted_at = time.monotonic()
        process.send_signal(signal.SIGINT)
        _wait_for_line(process.stderr, "stopping")
        return used.user + used.system, time.monotonic() - interrupted_at
    finally:
        process.terminate()
        process.stderr.read()
        process.wait()


def _wait_for_line(lines: Iterable[str], words: str) -> None:
    if not any(words in line for line in lines):
        raise SystemExit(f"it ended without saying {words!r}")


def printed_number(code: str, *arguments: str) -> float:
    """What a piece of Python prints; the better of two."""
    command = [sys.executable, "-c", code, *arguments]
    return min(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(2))


def write_store(out: Path, name: str, seeds: int) -> int:
    """Write a store in which every run of a sweep is finished; returns how many there are."""
    from dta_bench.cli.arguments import options_of, plan_of
    from dta_bench.run.code_fingerprint import code_fingerprint
    from dta_bench.tracking import Tracker

    plan = plan_of(name, options_of(seeds=seeds, confirm=0))
    tracker = Tracker(f"sqlite:///{out / 'mlflow.db'}", out)
    tracker.check()
    experiment = int(tracker.experiment(plan.benchmark))
    with closing(sqlite3.connect(out / "mlflow.db")) as store, store:
        for number, run in enumerate(plan.runs):
            of_mlflow = uuid.UUID(int=number + 1).hex
            folder = f"file://{out}/mlartifacts/{of_mlflow}"
            store.execute(
                "INSERT INTO runs (run_uuid, name, source_type, source_name, user_id, status, start_time, end_time,"
                " lifecycle_stage, artifact_uri, experiment_id) VALUES (?, ?, 'LOCAL', 'dta-bench', 'somebody',"
                " 'FINISHED', ?, ?, 'active', ?, ?)",
                (
                    of_mlflow,
                    plan.run_name(run),
                    number,
                    number + 1,
                    folder,
                    experiment,
                ),
            )
            tags = {
                "run_id": run.id, "spec": json.dumps(run.to_dict(), sort_keys=True), "collapsed": "false",
                "code_fingerprint": code_fingerprint(run), "data_fingerprint": "drawn", "commit": "none",
            }  # fmt: skip
            store.executemany(
                "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", [(*tag, of_mlflow) for tag in tags.items()]
            )
            store.executemany(
                "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)"
                " VALUES (?, 0.5, 0, 1, 0, ?)",
                [(f"metric/{kind}", of_mlflow) for kind in range(METRICS)],
            )
    return len(plan.runs)


def main() -> None:
    """Measure all."""
    waits = Waits()
    print("# What people wait for\n")
    print(
        f"`make waits` on {os.cpu_count()} cores, with {os.getloadavg()[0]:.1f} processes waiting at its start. CPU "
        "seconds are those of the process and its children; the ratio is to a loop of Python of "
        f"{waits.reference:.2f} s (`{REFERENCE}`), timed first.\n"
    )
    print("| what | CPU seconds | ratio | bar | |\n| --- | ---: | ---: | ---: | --- |", flush=True)
    waits.row("completion of a method's name in a shell", 0.3, cpu_seconds([sys.executable, "-c", COMPLETION]))
    what = "`check cluster cluster.yaml`, where something is left to fill in"
    waits.command(what, 1.5, "check", "cluster", "cluster.yaml", status=2)
    thousand, all_points = (printed_number(PLANNING, count) for count in ("1000", "10000"))
    waits.row("the order of 1,000 points of a grid", 1.5, thousand)
    waits.row("the order of 10,000 points, in times that of 1,000 (linear: 10)", 15, all_points / thousand)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = {"DTA_BENCH_CACHE": str(folder / "cache")}
        dry = ("sweep", "visda", "--dry-run", "--out")
        empty = str(folder / "none")
        sweep = [sys.executable, "-m", "dta_bench", "sweep", "fonts_digits", "--confirm", "0"]
        waits.row("`sweep`, until its first line", 1, first_words(sweep, folder)[0])
        what = "Ctrl-C while Ray starts, in seconds of the clock until it is answered"
        waits.row(what, 1, first_words(sweep, folder, "starting Ray")[1])
        waits.command("`sweep visda --dry-run`, nothing counted yet", 11.5, *dry, empty, starts=1, **cache)
        waits.command("`sweep visda --dry-run`, counts kept, estimate included", 2.5, *dry, empty, **cache)
        (folder / "many").mkdir()
        runs = write_store(folder / "many", "visda", 8)
        what = f"the same with a store of {runs:,} finished runs"
        waits.command(what, 2.5, *dry, str(folder / "many"), "--seeds", "8", "--confirm", "0", **cache)
        seconds = printed_number(RESUMING, str(folder / "many"), "visda")
        waits.row("reading one finished run of that store", 0.001, seconds)
        waits.command("`report` of 20 drawn runs", 5, *report_of_drawn_runs(folder / "small"), starts=1)
        waits.command("the same, nothing changed", 2, "report", "fonts_digits", "--out", str(folder / "small"))
        every = ("sweep", "compare_digits", "--methods", "all", "--points", "1", "--dry-run", "--out", empty)
        waits.command("`--methods all --dry-run`, nothing counted yet", 30, *every, starts=1, **cache)
        waits.command("`--methods all --dry-run`, counts kept", 3, *every, **cache)


def report_of_drawn_runs(out: Path) -> tuple[str, ...]:
    """Write 20 finished runs with drawn predictions; returns the command that reports them."""
    from speed import write

    out.mkdir()
    write(out, 20)
    return "report", "fonts_digits", "--out", str(out)


if __name__ == "__main__":
    main()
