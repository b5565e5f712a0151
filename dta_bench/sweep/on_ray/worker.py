"""A worker's side of a sweep: one run after another, each told to Tune, and a checkpoint when room has to be made."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dta_bench.errors import UserError
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.on_ray.tune_space import RUN

if TYPE_CHECKING:
    from dta_bench.run.execute import RunOutcome
    from dta_bench.run.placement import StopRequest

Config = dict[str, Any]
Job = dict[str, Any]

_current: StopRequest | None = None  # of the run that this process trains


def trainable(job: Job, resources: dict[str, float]) -> type:
    """What Tune runs: :func:`run_one`, with ``resources`` for it alone, in a process that heeds SIGTERM."""
    from ray import tune
    from ray.tune.trainable.function_trainable import wrap_function

    class TrainRun(wrap_function(tune.with_parameters(run_one, job=job))):  # type: ignore[misc]
        def setup(self, config: Config) -> None:
            signal.signal(signal.SIGTERM, make_room)  # Tune calls this in the main thread, and run_one in another
            super().setup(config)

        @classmethod
        def default_resource_request(cls, _: Config) -> Any:
            return tune.PlacementGroupFactory([resources])

    return TrainRun


def make_room(*_: object) -> None:
    """SIGTERM: this machine will be taken away. The run saves its position after this step and ends its process."""
    if _current is None:
        os._exit(143)
    _current.requested = True


def run_one(config: Config, job: Job) -> None:
    """One run: train, track, and report each epoch to Tune."""
    from ray import tune

    settle(job)
    import torch

    from dta_bench.run.execute import RunLabel, RunOutcome, execute
    from dta_bench.run.home import Home
    from dta_bench.run.placement import StopRequest
    from dta_bench.run.resolve import resolve

    global _current
    torch.set_num_threads(job["threads"])
    spec = RunSpec.from_dict(job["specs"][config[RUN]])
    label = RunLabel(job["parent"], job["names"][spec.id], frozenset(job["inert"][spec.id]))

    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        tune.report(of_epoch(spec, job, epoch, metrics))

    home = Home(**job["home"])
    resolved = resolve(spec, home.root, home.skip_unreadable)  # without the data: Tune tries another node
    _current = StopRequest()
    try:
        outcome = execute(resolved, home, label, _current, on_epoch)
    except UserError as error:  # a full disk: it would be as full the next time
        outcome = RunOutcome("failed", reason=str(error))
    if outcome.status == "stopped":
        os._exit(143)  # Tune takes it for a lost worker, and starts the run again where there is room
    _current = None
    tune.report(of_end(spec, outcome))


def of_epoch(spec: RunSpec, job: Job, epoch: int, metrics: dict[str, float]) -> dict[str, Any]:
    """What Tune is told of an epoch: the score, and what rules that stop runs look at."""
    seen = {name: metrics[f"target_train/{name}"] for name in ("classes_in_use", "entropy")}
    return {"score": metrics[job["headline"]], "epoch": epoch, "run": spec.id} | seen


def of_end(spec: RunSpec, outcome: RunOutcome) -> dict[str, Any]:
    """What Tune is told of a run's end."""
    return {
        "score": outcome.score, "epoch": spec.training.epochs, "run": spec.id,
        "outcome": outcome.status, "reason": outcome.reason,
    }  # fmt: skip


def settle(job: Job) -> None:
    """Be where the user's command was given, so that plug-ins of the working directory are found.

    Raises:
        UserError: this node does not see the folder that the sweep writes to.
    """
    if Path(job["cwd"]).is_dir():
        os.chdir(job["cwd"])
        if job["cwd"] not in sys.path:
            sys.path.insert(0, job["cwd"])
    token = job["token"]
    if token and not Path(token).exists():
        raise UserError(f"{os.uname().nodename} does not see {token}; --out must be storage that all nodes share")
