"""Workers that die: why is said in words, each death counts once, and one that dies while it starts is noticed."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from dta_bench.sweep.on_ray.ray_alive import StartingWorkers, find_raylet
from dta_bench.sweep.on_ray.worker_deaths import count_each_death_once, say_of_restart, why_it_died

OF_MEMORY = """Failure # 1 (occurred at 2026-11-30_00-06-44)
1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 192.0.2.2, ID: 7) was 10.65GB \
used / 23.54GB limit (0.452221)
OOM kill reason: Memory usage exceeded threshold
Refer to the documentation on how to address the out of memory issue
"""
KILLED = """Failure # 2 (occurred at 2026-11-30_00-07-44)
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: End of file.
"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (OF_MEMORY, "memory ran out on its machine (10.65GB of 23.54GB in use), and Ray ended its worker"),
        (OF_MEMORY + KILLED, "its worker's process died without a word"),
        ("Failure # 1\nTraceback\ndta_bench.errors.UserError: node 7 does not see out\n", "node 7 does not see out"),
    ],
)
def test_the_last_death_is_said_in_words(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "error.txt").write_text(text)
    assert why in why_it_died(str(tmp_path / "error.txt"))


def test_a_death_without_a_file_is_said_too() -> None:
    assert why_it_died(None) == "the worker died"


def test_a_restart_says_which_retry_it_is() -> None:
    said = say_of_restart("dta seed=0", "the worker died", 2)
    assert said == "dta seed=0: the worker died; the run starts again from its checkpoint (retry 2 of 3)"


class Trial:
    """A run as Tune knows it."""


def test_tune_takes_one_death_once_and_no_longer_resets_the_run() -> None:
    """As it happens between two runs: Tune is told of the worker that died and of its task that failed."""
    count_each_death_once()
    from ray.tune.execution.tune_controller import TuneController

    trial, taken = Trial(), list[Exception]()

    def take(_: Trial, exception: Exception) -> None:
        taken.append(exception)

    controller: Any = SimpleNamespace(
        _resetting_trials={trial}, _fail_fast=False, RAISE="raise", _print_trial_errors=False,
        _process_trial_failure=take,
    )  # fmt: skip
    first, second = RuntimeError("died"), RuntimeError("died again")
    for death in (first, first, second):
        TuneController._trial_task_failure(controller, trial, exception=death)
    assert taken == [first, second]
    assert controller._resetting_trials == set()


def test_a_worker_ended_for_want_of_memory_is_a_lost_worker_to_tune() -> None:
    count_each_death_once()
    from ray.air.execution._internal.actor_manager import RayActorManager
    from ray.exceptions import OutOfMemoryError, RayActorError

    heard = list[Exception]()
    actor = SimpleNamespace(actor_id=7, _on_error=None)
    task: Any = SimpleNamespace(_tracked_actor=actor, _on_error=lambda _, exception: heard.append(exception))
    manager: Any = SimpleNamespace(_failed_actor_ids=set(), _cleanup_actor=lambda **_: None)
    RayActorManager._actor_task_failed(manager, tracked_actor_task=task, exception=OutOfMemoryError("low on memory"))
    assert [type(death) for death in heard] == [RayActorError]
    assert str(heard[0]).endswith("low on memory")


def test_a_worker_that_dies_before_it_reports_is_noticed_once() -> None:
    """The test's own process stands for the raylet, and a child named as Ray names a worker that starts."""
    with subprocess.Popen(["ray/default_worker.py", "100"], executable="/bin/sleep") as child:
        workers = StartingWorkers(psutil.Process())
        assert workers.vanished() == []
        child.kill()
        child.wait()
        assert workers.vanished() == [child.pid]
        assert workers.vanished() == []


def test_a_worker_that_has_reported_is_not_said_to_have_died() -> None:
    workers = StartingWorkers(psutil.Process())
    with subprocess.Popen(["ray/default_worker.py", "100"], executable="/bin/sleep") as child:
        workers.vanished()
        workers._starting[child.pid] = psutil.Process()  # it runs, and Ray has given it another title
        child.kill()
        child.wait()
        assert workers.vanished() == []


def test_a_raylet_that_is_not_there_is_not_taken_for_one_that_cannot_be_seen() -> None:
    with pytest.raises(LookupError):
        find_raylet("/no/such/sockets/raylet")
