"""Real replicas of Ray Train that end in several ways; prints, as JSON, what a sweep makes of those that are named.

This is a script for a process of its own, because Ray ends the process that started it when its node dies.
"""

import json
import os
import sys
import tempfile

import ray
from ray import train
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from dta_bench.errors import UserError
from dta_bench.run.placement import Stopped
from dta_bench.sweep.on_ray.multi_device import finished

Errors = list[Exception | None]
CONNECTION_LOST = RuntimeError("connection closed by peer")
CASES: dict[str, Errors] = {
    "mend": [CONNECTION_LOST, UserError("a.png cannot be read")],
    "stopped": [CONNECTION_LOST, Stopped("stopped in epoch 1 after step 3")],
    "done": [None, None],
    "other": [None, CONNECTION_LOST],
}


def replica(config: dict[str, Errors]) -> None:
    """Raise the error of this replica's rank, if it has one."""
    if (error := config["errors"][train.get_context().get_world_rank()]) is not None:
        raise error


def outcome(errors: Errors) -> str:
    """Whether the run has finished, or the name and text of the error that was raised."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = DataParallelTrainer(
            replica, train_loop_config={"errors": errors},
            scaling_config=train.ScalingConfig(num_workers=len(errors)),
            run_config=train.RunConfig(storage_path=folder),
        )  # fmt: skip
        try:
            return f"finished: {finished(trainer)}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")
    ray.init(
        address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
        _node_ip_address="127.0.0.1",
    )  # fmt: skip
    print(json.dumps({name: outcome(CASES[name]) for name in sys.argv[1:]}))
    ray.shutdown()
