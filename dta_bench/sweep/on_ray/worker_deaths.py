"""Workers that die: why in words, and what of Tune is mended so that each death is counted once and the run retried."""

from __future__ import annotations

import functools
import re
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
