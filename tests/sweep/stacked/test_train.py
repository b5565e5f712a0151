"""A stacked sweep in two processes: one that is killed is started again, and its runs go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from dta_bench.tracking.class_record import read_file

SWEEP = (
    "sweep", "frozen_pair", "--benchmark", "fonts_digits", "--backbone", "conv3_tiny", "--stacked", "--parallel", "2",
    "--points", "12", "--training", "epochs=10", "--confirm", "0", "--out", "store", "--json",
)  # fmt: skip


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dta_bench", *SWEEP]
    env = os.environ | {"DTA_BENCH_CACHE": str(folder / "cache")}
    return subprocess.Popen(command, cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def stacks_in(sweep: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that train."""
    return [one for one in psutil.Process(sweep.pid).children() if "spawn_main" in " ".join(one.cmdline())]


@pytest.mark.slow
def test_a_killed_process_is_started_again_and_every_run_ends_once(tmp_path: Path) -> None:
    sweep = start(tmp_path)
    while not list(tmp_path.glob("store/runs/*.metrics.jsonl")) and sweep.poll() is None:
        time.sleep(0.1)
    first = stacks_in(sweep)
    assert len(first) == 2
    first[0].send_signal(signal.SIGKILL)
    out, err = sweep.communicate()
    assert sweep.returncode == 0, err
    rows = {row["method"]: row["seeds"] for row in json.loads(out)["leaderboard"]}
    assert rows == {"dta": 3, "source_only": 3}
    assert not list(tmp_path.glob("store/runs/*.pt"))
    records = [read_file(file) for file in tmp_path.glob("store/mlartifacts/*/artifacts/curves/classes.csv")]
    assert len(records) >= 6
    assert all(record and [row.epoch for row in record.of_class("seven")] == list(range(1, 11)) for record in records)


@pytest.mark.slow
def test_a_stopped_sweep_keeps_positions_and_the_same_command_ends_it(tmp_path: Path) -> None:
    sweep = start(tmp_path)
    while not list(tmp_path.glob("store/runs/*.metrics.jsonl")) and sweep.poll() is None:
        time.sleep(0.1)
    sweep.send_signal(signal.SIGINT)
    _, err = sweep.communicate()
    assert sweep.returncode not in (0, 1), err
    assert list(tmp_path.glob("store/runs/*.pt"))
    again = start(tmp_path)
    out, err = again.communicate()
    assert again.returncode == 0, err
    assert {row["seeds"] for row in json.loads(out)["leaderboard"]} == {3}
