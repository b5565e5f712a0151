"""The Ray of one machine: how many CPUs it counts, and what is said when it does not start."""

import subprocess
import sys

import pytest

from dta_bench.errors import UserError
from dta_bench.sweep.on_ray import cluster

SCRIPT = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import ray
from dta_bench.sweep.on_ray import cluster
started = {}
ray.init = lambda **options: started.update(options)
ray.cluster_resources = dict
cluster._start_local(cluster.Resources(parallel=PARALLEL), 1)
print(started["num_cpus"])
"""


def counted(parallel: str) -> int:
    script = SCRIPT.replace("PARALLEL", parallel)
    return int(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout)


def test_only_cpus_that_this_process_may_use_are_counted() -> None:
    assert counted("None") == 1


def test_as_many_runs_at_a_time_as_were_asked_for_have_room() -> None:
    assert counted("3") == 3


def test_a_ray_that_is_too_slow_to_start_names_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def times_out(**_: object) -> None:
        raise RuntimeError("The current node timed out during startup.\nMore lines follow.")

    monkeypatch.setattr("ray.init", times_out)
    with pytest.raises(UserError, match="timed out during startup; the machine may be too busy: run the same command"):
        cluster._start_local(cluster.Resources(), 1)
