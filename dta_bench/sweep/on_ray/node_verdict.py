"""Whether a node of a cluster is fit for a sweep: its driver writes it down in Ray, and workers wait for it."""

from __future__ import annotations

import time
from functools import cache

from dta_bench.errors import UserError

FIT = "fit"
WAIT_SECONDS = 330.0  # a little more than a node may take to check itself


def write(sweep: str, node: str, verdict: str) -> None:
    """Write down for a sweep that a node is ``FIT``, or why it is not.

    Args:
        sweep: the name of the file that all nodes of this start of the sweep see.
        node: Ray's id of the node.
    """
    from ray.experimental.internal_kv import _internal_kv_put

    _internal_kv_put(_key(sweep, node), verdict)


@cache
def wait_for(sweep: str) -> str:
    """Wait for the verdict on the node of this process.

    Returns: why the node is not fit; empty if it is.

    Raises:
        UserError: nobody has checked the node in time.
    """
    import ray
    from ray.experimental.internal_kv import _internal_kv_get

    key, deadline = _key(sweep, ray.get_runtime_context().get_node_id()), time.monotonic() + WAIT_SECONDS
    while not (found := _internal_kv_get(key)):
        if time.monotonic() > deadline:
            raise UserError(f"this node was not checked within {WAIT_SECONDS:.0f} s")
        time.sleep(0.5)
    verdict = found.decode()
    return "" if verdict == FIT else verdict


def _key(sweep: str, node: str) -> str:
    return f"dta-bench/{sweep}/{node}"
