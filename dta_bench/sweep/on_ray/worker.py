"""A worker of a sweep: it trains one run after another, reports to Tune, and saves when its machine is taken away."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dta_bench.errors import UserError, call_masked
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.on_ray import node_verdict
from dta_bench.sweep.on_ray.node_readers import readers_of_run
from dta_bench.sweep.on_ray.run_beats import RunBeat, beat_file
from dta_bench.sweep.on_ray.tune_space import RUN

if TYPE_CHECKING:
    from dta_bench.run.execute import RunOutcome

Config = dict[str, Any]
Job = dict[str, Any]
LOST = 143  # the exit status of a process that SIGTERM ended; Tune counts its worker as lost

_current: RunBeat | None = None  # of the run that this process trains
LOOK_SECONDS = 0.2
"""Between two looks whether a run that waits for Tune is asked to stop."""
ANSWER_SECONDS = 10.0
"""How long the end of a run that is asked to stop waits for Tune, which the driver may have left."""


def trainable(job: Job, resources: dict[str, float]) -> type:
    """Make what Tune runs: :func:`run_one` with ``resources`` for it alone, in a process that answers SIGTERM.

    The class's name is part of the process's title, by which ``cluster/node.sh`` finds the runs of a node.
    """
    from ray import tune
    from ray.tune.trainable.function_trainable import wrap_function

    class TrainRun(wrap_function(tune.with_parameters(run_one, job=job))):  # type: ignore[misc]
        def setup(self, config: Config) -> None:
            signal.signal(signal.SIGTERM, save_and_end)  # Tune calls this in the main thread, and run_one in another
            super().setup(config)

        @classmethod
        def default_resource_request(cls, _: Config) -> Any:
            return tune.PlacementGroupFactory([resources])

    return TrainRun


def save_and_end(*_: object) -> None:
    """Answer SIGTERM: let the run save its position after this step and end its process; without a run, end at once."""
    if _current is None or not _current.trains:
        if _current is not None:
            _current.remove()
        os._exit(LOST)
    _current.requested = True


def run_one(config: Config, job: Job) -> None:
    """Train and track one run, and report each epoch and the end to Tune.

    Args:
        config: Tune's, with the run's identity.
        job: what all runs of the sweep share, and their specs by identity.
    """
    if job["shared_file"] and node_verdict.wait_for(Path(job["shared_file"]).name):
        os._exit(LOST)  # this node has joined late and is set aside; Tune does not count it, and takes another
    enter_working_directory(job)
    spec = RunSpec.from_dict(job["specs"][config[RUN]])
    with answering_sigterm(RunBeat(beat_file(job["workspace"]["out"], spec.id), spec.training.batch_size)) as beat:
        _train(spec, job, beat)


@contextlib.contextmanager
def answering_sigterm(beat: RunBeat) -> Iterator[RunBeat]:
    """Within the block SIGTERM is for this run, however the block ends; the process may train another one after it."""
    global _current
    _current = beat
    try:
        yield beat
    finally:
        beat.remove()
        if _current is beat:
            _current = None


def _train(spec: RunSpec, job: Job, beat: RunBeat) -> None:
    beat.note("importing")
    import torch

    from dta_bench.run.execute import RunLabel, RunOutcome, execute
    from dta_bench.run.resolve import resolve
    from dta_bench.run.workspace import Workspace

    torch.set_num_threads(job["threads"])
    label = RunLabel(job["parents"][spec.id], job["names"][spec.id], frozenset(job["inert"][spec.id]))

    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        beat.epoch_done(epoch)
        report_unless_asked(epoch_report(spec, job, epoch, metrics), beat)

    workspace = Workspace(**job["workspace"] | {"readers": readers_of_run()})
    beat.note("loading its data")
    resolved = resolve(spec, workspace.root, workspace.skip_unreadable)  # without the data: Tune tries another node
    beat.note("epoch 1")
    beat.trains = True
    try:
        outcome = call_masked(execute, resolved, workspace, label, beat, on_epoch)
    except UserError as error:  # such as a full disk, which would be as full the next time
        outcome = RunOutcome("failed", reason=str(error))
    if outcome.status == "stopped":
        beat.remove()
        os._exit(LOST)  # Tune starts the run again where there is room
    beat.remove()
    report_unless_asked(end_report(spec, outcome), beat, ANSWER_SECONDS)


def report_unless_asked(report: dict[str, Any], beat: RunBeat, patience: float = 0.0) -> None:
    """Report to Tune and wait for its answer, but not where the run is asked to stop: nobody may be there to answer.

    Args:
        patience: seconds to wait all the same once the run is asked; the process ends if there is no answer then.
    """
    from ray import tune

    answer = ThreadPoolExecutor(1).submit(tune.report, report)
    while not (wait([answer], LOOK_SECONDS).done or beat.is_asked):
        pass
    if wait([answer], patience).done:
        answer.result()  # raises what ends the run, where Tune stops it
    elif patience:
        os._exit(LOST)


def epoch_report(spec: RunSpec, job: Job, epoch: int, metrics: dict[str, float]) -> dict[str, Any]:
    """What Tune gets after an epoch: the run, its score on the labelled subset, and what stop rules look at.

    The score is 0 where there is no labelled subset; rules that compare scores are refused there. Stop rules see
    only measured epochs.
    """
    report = {"score": metrics.get(job["headline"], 0.0), "epoch": epoch, "run": spec.id}
    if not spec.training.is_measured(epoch):
        return report
    return report | {name: metrics[f"target_train/{name}"] for name in ("classes_in_use", "entropy")}


def end_report(spec: RunSpec, outcome: RunOutcome) -> dict[str, Any]:
    """What Tune gets at a run's end; only this report has an ``outcome``."""
    return {
        "score": outcome.score, "epoch": spec.training.epochs, "run": spec.id,
        "outcome": outcome.status, "reason": outcome.reason, "mlflow_run_id": outcome.mlflow_run_id,
    }  # fmt: skip


def enter_working_directory(job: Job) -> None:
    """Go to the folder of the user's command, so that plug-ins in it are found.

    Raises:
        UserError: this node does not see the folder that the sweep writes to.
    """
    if Path(job["cwd"]).is_dir():
        os.chdir(job["cwd"])
        if job["cwd"] not in sys.path:
            sys.path.append(job["cwd"])  # at the end: a random.py of the user must not hide the library of this name
    shared_file = job["shared_file"]
    if shared_file and not Path(shared_file).exists():
        raise UserError(f"{os.uname().nodename} does not see {shared_file}; --out must be storage that all nodes share")
