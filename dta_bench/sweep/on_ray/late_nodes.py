"""Nodes that join during a sweep: each is checked once, and one that is not fit is set aside and named."""

from __future__ import annotations

import threading
import time
from typing import Any

from rich.console import Console

from dta_bench.sweep.on_ray import node_check, node_verdict
from dta_bench.sweep.on_ray.node_check import NodeCheck, NodeReport

LOOK_SECONDS = 2.0
IN_VAIN = 3
"""So many machines are set aside before a sweep without any other ends: a cloud would go on renting more of them."""


class LateNodes:
    """Watches, in a thread of its own, which nodes join.

    Args:
        check: how nodes are checked.
        known: the ids of the nodes that were there before the first run.
    """

    def __init__(self, check: NodeCheck, known: set[str], console: Console) -> None:
        self._check, self._console = check, console
        self._fit, self._aside = set(known), set[str]()
        self._waiting = dict[str, tuple[Any, float]]()
        self._told = set[str]()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="late nodes", daemon=True)
        self.in_vain = ""
        """Why the sweep has to end, if every machine that comes is unfit."""

    def __enter__(self) -> LateNodes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=10)

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception as error:  # of Ray, while nodes come and go; the next look may succeed
                self._tell(f"note: nodes that join cannot be looked at ({str(error).splitlines()[0]})")

    def look(self) -> None:
        """Start the check of nodes that are new, and decide about those that have ended theirs."""
        import ray

        alive = {node["NodeID"]: node["NodeManagerHostname"] for node in node_check.worker_nodes()}
        new = [node for node in alive if node not in self._fit | self._aside | self._waiting.keys()]
        now = time.time()
        self._waiting |= {node: (reference, now) for node, reference in self._check.start(new).items()}
        for node, (reference, started) in list(self._waiting.items()):
            late = time.time() - started > node_check.CHECK_SECONDS
            if node in alive and not late and not ray.wait([reference], timeout=0)[0]:
                continue
            del self._waiting[node]
            if node in alive:
                self._decide(node, alive[node], reference, started, late)
        if not self._fit & alive.keys() and len(self._aside) >= IN_VAIN:
            self.in_vain = f"no machine that joined is fit for work; the last one: {self._last}"

    def _decide(self, node: str, host: str, reference: Any, started: float, late: bool) -> None:
        import ray

        if late:
            self._set_aside(node, f"{host} did not end its check in {node_check.CHECK_SECONDS:.0f} s")
            return
        try:
            report: NodeReport = ray.get(reference)
        except ray.exceptions.RayError as error:
            self._set_aside(node, f"{host} could not be checked: {str(error).splitlines()[-1]}")
            return
        if problems := self._check.problems({node: report}):
            self._set_aside(node, "; ".join(problems))
            return
        node_check.note_clock(report, started, self._console)
        self._fit.add(node)
        node_verdict.write(self._check.shared_file.name, node, node_verdict.FIT)

    def _set_aside(self, node: str, problem: str) -> None:
        self._aside.add(node)
        self._last = problem
        self._tell(f"a machine is set aside, and nothing is trained on it: {problem}")
        drain(node, problem)
        node_verdict.write(self._check.shared_file.name, node, problem)

    def _tell(self, sentence: str) -> None:
        if sentence not in self._told:  # one of a user's own machines may be started again and again
            self._told.add(sentence)
            self._console.print(sentence, highlight=False, soft_wrap=True)


def drain(node: str, reason: str) -> None:
    """Let Ray place nothing more on a node; what is lost there does not count as a failure."""
    import ray
    from ray.core.generated.autoscaler_pb2 import DrainNodeReason

    ray._private.worker.global_worker.gcs_client.drain_node(
        node, DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION"), reason, int(1000 * time.time())
    )
