"""Workers that die or never start: why in words, and what of Ray is mended so that the run is retried, once a death."""

from __future__ import annotations

import functools
import re
import time
import weakref
from pathlib import Path
from typing import Any

RETRIES = 3
"""For a worker or node that is lost, announced or not; a run that diverges is not tried again."""
MEMORY = re.compile(r"low on memory.*? was (\S+) used / (\S+) limit", re.DOTALL)
FAILURE = "Failure # "
"""How Tune begins what it writes of each failure of a run."""


def why_it_died(error_file: str | None) -> str:
    """Say why a run's worker died the last time.

    Args:
        error_file: of Tune, in which each failure of the run is added to the ones before.
    """
    said = Path(error_file).read_text(errors="replace").strip() if error_file else ""
    last = said.rpartition(FAILURE)[2]
    if memory := MEMORY.search(last):
        used, limit = memory.groups()
        return f"memory ran out on its machine ({used} of {limit} in use), and Ray ended its worker"
    if "its worker process has died" in last:
        return "its worker's process died without a word: killed, as the system does when memory runs out, or crashed"
    return last.splitlines()[-1] if last else "the worker died"


def say_of_restart(name: str, why: str, failures: int) -> str:
    """The sentence for a run whose worker died and that is started again."""
    return f"{name}: {why}; the run starts again from its checkpoint (retry {failures} of {RETRIES})"


def count_each_death_once() -> None:
    """Mend how Tune takes the death of a worker between two runs, when it resets it for the next one.

    Tune counts that death twice: first it puts the run back into its queue, then it fails it, though it has retries
    left. And it goes on taking the run for one that is being reset, so that no other worker would ever start it.
    """
    from ray.air.execution._internal.actor_manager import RayActorManager
    from ray.exceptions import OutOfMemoryError, RayActorError
    from ray.tune.execution.tune_controller import TuneController

    if hasattr(TuneController._trial_task_failure, "__wrapped__"):
        return
    take_failure, fail_task = TuneController._trial_task_failure, RayActorManager._actor_task_failed
    last_death = weakref.WeakKeyDictionary[Any, Exception]()

    @functools.wraps(take_failure)
    def take_failure_once(self: Any, trial: Any, exception: Exception) -> None:
        self._resetting_trials.discard(trial)
        if last_death.get(trial) is exception:
            return
        last_death[trial] = exception
        take_failure(self, trial, exception)

    @functools.wraps(fail_task)
    def fail_task_of_lost_worker(self: Any, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):  # not a RayActorError, and Tune would end the whole sweep with it
            exception = RayActorError(error_msg=str(exception))
        fail_task(self, tracked_actor_task, exception)

    TuneController._trial_task_failure = take_failure_once
    RayActorManager._actor_task_failed = fail_task_of_lost_worker


class LostStarts:
    """Runs whose worker was asked of a node that leaves, and for which Ray waits without end.

    A node that is drained ends its idle workers, also the one that it has just started for a run. It keeps the run's
    place, stays alive for that, and starts nothing. So the place is given back once the node's time is over; then Tune
    looks for another one.
    """

    LOOK_SECONDS, AFTER_SECONDS = 10.0, 5.0

    def __init__(self) -> None:
        self._next = 0.0

    def give_back(self) -> list[str]:
        """Give such places back, if it is time to look; return a sentence for each."""
        if time.monotonic() < self._next:
            return []
        self._next = time.monotonic() + self.LOOK_SECONDS
        import ray
        from ray._private.state import state

        now = time.time() - self.AFTER_SECONDS
        late = {node for node, until in state.get_draining_nodes().items() if 0 < until / 1000 < now}
        job = ray.get_runtime_context().get_job_id()
        if not late or not state.actor_table(None, ray.JobID.from_hex(job), "PENDING_CREATION"):
            return []
        alive = state.actor_table(None, ray.JobID.from_hex(job), "ALIVE").values()
        return _give_back_places(late - {actor["Address"]["NodeID"] for actor in alive}, job)


def _give_back_places(nodes: set[str], job: str) -> list[str]:
    """Give back a job's places on nodes; a place's identity ends with that of its job."""
    import ray
    from ray.util import placement_group_table, remove_placement_group
    from ray.util.placement_group import PlacementGroup

    hosts = {node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes()}
    groups: Any = placement_group_table()
    sentences = []
    for name, group in groups.items():
        node = group["bundles_to_node_id"].get(0)
        if name.endswith(job) and group["state"] == "CREATED" and node in nodes:
            remove_placement_group(PlacementGroup(ray.PlacementGroupID.from_hex(name)))
            sentences.append(f"{hosts.get(node, node)} leaves and has not started a run's worker; it starts elsewhere")
    return sentences
