"""A node of the lab whose clock is wrong, and a node's Ray started by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netns_cluster import Cluster
from netns_lab import Host

JOIN = "env RAY_worker_niceness=0 RAY_memory_monitor_refresh_ms=0 ray start --address=10.77.0.2:6379"
# libfaketime can move the wall clock alone, but this breaks Python's sleep, which waits for a monotonic time.
SLEEP = "import select, time; time.sleep = lambda seconds: select.select([], [], [], seconds) and None"
AHEAD = "PYTHONPATH=/mnt/ahead:$PYTHONPATH FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f +5h"


def five_hours_ahead(cluster: Cluster) -> str:
    """A prefix under which a command's clock is five hours ahead."""
    (cluster.shared / "ahead").mkdir()
    (cluster.shared / "ahead" / "sitecustomize.py").write_text(SLEEP)
    return AHEAD


def join(host: Host, clock: str = "", cpus: int = 2) -> None:
    """Start a worker's Ray anew, under the command ``clock``, if any."""
    host.run(f". ~/.dta-bench.sh; ray stop; {clock} {JOIN} --num-cpus={cpus}")


@contextmanager
def no_autoscaler(cluster: Cluster) -> Iterator[None]:
    """Suspend the autoscaler within the block: it would start a silent node's Ray by the machine's own clock."""
    scalers = cluster.head.processes("autoscaler/_private/monitor.py")
    assert scalers
    for scaler in scalers:
        scaler.suspend()
    try:
        yield
    finally:
        for scaler in scalers:
            scaler.resume()
