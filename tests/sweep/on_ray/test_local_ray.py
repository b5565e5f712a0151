"""The Ray of one machine: how many CPUs it counts."""

import subprocess
import sys

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
