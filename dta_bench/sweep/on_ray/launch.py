"""A sweep's runs started on Ray Tune, until all have ended or the user interrupts them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dta_bench.errors import Interrupted, UserError
from dta_bench.run.workspace import Workspace
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.on_ray import cluster, demand, gpu_share, multi_device, ray_alive, worker
from dta_bench.sweep.on_ray.progress_callback import progress_callback
from dta_bench.sweep.on_ray.ray_session import RaySession
from dta_bench.sweep.on_ray.run_beats import clear_beats, read_beats
from dta_bench.sweep.on_ray.save_runs import SAVE_SECONDS, save_runs
from dta_bench.sweep.on_ray.tune_space import SweepSpace, point_of
from dta_bench.sweep.on_ray.worker_deaths import RETRIES, count_each_death_once
from dta_bench.sweep.phases import say_that_it_stops
from dta_bench.sweep.progress_view import ProgressView
from dta_bench.sweep.run_queue import JointQueue, PlannedQueue
from dta_bench.sweep.sampler import brute_force_sampler
from dta_bench.sweep.work import Work


@dataclass(frozen=True)
class Share:
    """What one plan has to train in a start of a sweep; ``parent`` is the id in MLflow of the sweep's parent run."""

    plan: Plan
    work: Work
    parent: str


def shown_names(shares: Sequence[Share]) -> dict[str, str]:
    """Identity → what progress calls the run: its name, with its sweep's before it where there are several."""
    return {
        run.id: f"{share.plan.name}: {share.plan.run_name(run)}" if len(shares) > 1 else share.plan.run_name(run)
        for share in shares for run in share.work.runs
    }  # fmt: skip


@dataclass(frozen=True)
class Launch:
    """One start of a sweep: what is trained, where, and what shows its progress.

    Attributes:
        shares: of one plan each, that of a suite's sweep one a pair. They have one search space and training.
    """

    shares: tuple[Share, ...]
    workspace: Workspace
    resources: cluster.Resources
    view: ProgressView

    @property
    def plan(self) -> Plan:
        """The first plan; what all of them share is read from it."""
        return self.shares[0].plan

    @property
    def runs(self) -> list[RunSpec]:
        """All runs to train, in order."""
        return [run for share in self.shares for run in share.work.runs]

    def names(self) -> dict[str, str]:
        """Identity → what progress calls the run."""
        return shown_names(self.shares)


@dataclass
class Interrupt:
    """Whether Ctrl-C or SIGTERM has come; a plain flag, because Tune pickles all that it is given.

    Attributes:
        at_once: Ctrl-C and SIGTERM end the sweep without saving: replicas save only where their machine is taken away.
        running: Tune has started; before that, the sweep ends at once.
        training: a run trains, and has something to save.
        saving: Ctrl-C, SIGTERM or SIGUSR2 has come, and runs save before the sweep ends.
        seconds: how long they may take for it; None: until they have saved, or the user asks again.
        lost: the sentence of a Ray that has died; the sweep ends at once.
    """

    at_once: bool = False
    running: bool = False
    training: bool = False
    saving: bool = False
    seconds: float | None = None
    lost: str = ""

    def ray_has_died(self, sentence: str) -> None:
        """End the sweep with a sentence; called in another thread."""
        self.lost = sentence
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)  # a real signal also ends what the thread waits for


def launch(start: Launch, session: RaySession) -> dict[str, str]:
    """Train on the Ray of a session until all runs have ended.

    Returns: identity → error, for the runs that failed and for the workers that no retry saved.

    Raises:
        UserError: no Ray, or one that dies, nodes that are not fit for work, or options that do not go together.
        Interrupted: Ctrl-C, SIGTERM or SIGUSR2; finished runs are kept, the rest can be resumed.
    """
    plan = start.plan
    if plan.training.devices > 1 and any(share.work.early_stopping.rules for share in start.shares):
        raise UserError(
            f"--stop {' '.join(plan.stop)} ends runs on one device alone, and these take {plan.training.devices}"
        )
    interrupt = Interrupt(at_once=plan.training.devices > 1)
    with _interruptible(interrupt):
        try:
            joined = session.connect(start.runs[0])
            session.phases.close()
            with ray_alive.watch(interrupt.ray_has_died, start.view.note):
                errors = run_tuner(start, interrupt, joined)
        except KeyboardInterrupt as error:
            if interrupt.lost:
                raise UserError(interrupt.lost) from error
            if not interrupt.saving:
                raise
            start.view.running.clear()  # what still trains says so itself, until it has saved
            save_runs(interrupt.seconds)  # while the error holds Tune's workers: they end with what refers to them
            raise Interrupted from error
    return errors


class _interruptible:  # noqa: N801 - reads as a with-statement's verb
    """Within the block Ctrl-C, SIGTERM and SIGUSR2 leave Tune at once: it starts no further run, and runs save.

    SIGUSR2 says that the machines will be gone in minutes. It is not SIGUSR1, whose handler Tune replaces by its own.
    """

    def __init__(self, interrupt: Interrupt) -> None:
        self.interrupt = interrupt

    def __enter__(self) -> None:
        os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
        self._before = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _: object) -> None:
        if self.interrupt.lost:
            raise KeyboardInterrupt
        if not self.interrupt.running:
            say_that_it_stops()
            raise Interrupted
        if number == signal.SIGUSR2:
            signal.signal(number, signal.SIG_IGN)  # once is enough
            self.interrupt.saving, self.interrupt.seconds = True, SAVE_SECONDS
            raise KeyboardInterrupt
        say_that_it_stops()
        is_first = not self.interrupt.saving
        self.interrupt.saving = is_first and self.interrupt.training and not self.interrupt.at_once
        raise KeyboardInterrupt  # the second time it ends the saving too


def run_tuner(start: Launch, interrupt: Interrupt, joined: cluster.Joined) -> dict[str, str]:
    """Run Tune, in a process that is connected to Ray; see :func:`launch`."""
    from ray import tune

    resources, devices = start.resources, start.plan.training.devices
    per_device = {
        "CPU": float(resources.cpus_per_run),
        "GPU": gpu_share.gpus_for(start.plan, start.resources.gpus_per_run),
    }
    job = _job(start, joined.shared_file)
    if devices > 1:
        trainable = multi_device.trainable(job, per_device, devices)
        parallel: int | None = concurrent_runs(per_device, devices, resources.parallel)
    else:
        trainable, parallel = worker.trainable(job, per_device), resources.parallel
        if joined.late and (most := demand.room(per_device, demand.expected_resources())) and demand.most_of_file():
            # All runs that will have a place wait for it at once, so that their machines start at once.
            parallel = min(most, parallel or most)
            os.environ[demand.PENDING] = str(parallel)
    count_each_death_once()
    errors: dict[str, str] = {}
    # Tune pickles what decides when to stop, and a view cannot be pickled
    stopping = {run.id: share.work.early_stopping for share in start.shares for run in share.work.runs}
    names = start.names()
    clear_beats(start.workspace.out, names)
    start.view.runs_begin(
        lambda: {names[run]: doing for run, doing in read_beats(start.workspace.out, names).items()},
        lambda: interrupt.saving,
    )
    interrupt.running = True
    tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher(start.shares),
            num_samples=len(start.runs),
            max_concurrent_trials=parallel,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=start.shares[0].parent,
            storage_path=str(Path(start.workspace.out).resolve() / "runs" / "ray"),
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            callbacks=[progress_callback(start, errors, per_device, joined, interrupt)],
            stop=lambda _, result: result.get("run") in stopping and stopping[result["run"]].should_stop(result),
            verbose=0,
        ),
    ).fit()
    return errors


def concurrent_runs(per_device: dict[str, float], devices: int, parallel: int | None) -> int:
    """How many runs on several devices the cluster has room for when all its machines are there, at most ``parallel``.

    Tune does not know it: it sees only the process that waits for a run's replicas, which is on the head.

    Args:
        per_device: Ray's resources of one replica.

    Raises:
        UserError: there is no room for a single run.
    """
    available = demand.expected_resources()
    fit = int(min(available.get(kind, 0) // (devices * amount) for kind, amount in per_device.items() if amount))
    if fit < 1:
        needs = " and ".join(f"{devices * amount:g} {kind}s" for kind, amount in per_device.items() if amount)
        has = " and ".join(f"{available.get(kind, 0):g} {kind}s" for kind, amount in per_device.items() if amount)
        raise UserError(f"a run on {devices} devices needs {needs}, and the cluster has {has}; give fewer devices")
    return min(fit, parallel or fit)


def searcher(shares: Sequence[Share]) -> Any:
    """What Tune asks for the next run.

    Returns: Ray's OptunaSearch, whose study has the runs in its queue, or a searcher around a queue where the next run
        depends on how others have ended, or where there are several plans, whose points are the same.
    """
    plan, work = shares[0].plan, shares[0].work
    if work.queue is not None or len(shares) > 1:
        from dta_bench.sweep.on_ray.queue_searcher import QueueSearcher

        queues = {one.plan.file.benchmark: one.work.queue or PlannedQueue(one.work.runs) for one in shares}
        return QueueSearcher(plan, JointQueue(queues))
    from ray.tune.search.optuna import OptunaSearch

    return OptunaSearch(
        space=SweepSpace.of(plan, work.runs),
        points_to_evaluate=[point_of(plan, run) for run in work.runs],
        sampler=brute_force_sampler(),
        metric="score",
        mode="max",
    )


def _job(start: Launch, shared_file: str) -> dict[str, Any]:
    """All that a worker needs, as plain names and numbers; specs, names, parents and ``inert`` are by identity."""
    plan, runs = start.plan, start.runs
    return {
        "workspace": vars(start.workspace),
        "parents": {run.id: share.parent for share in start.shares for run in share.work.runs},
        "cwd": str(Path.cwd()),
        "threads": start.resources.cpus_per_run,
        "specs": {run.id: run.to_dict() for run in runs},
        "names": {run.id: share.plan.run_name(run) for share in start.shares for run in share.work.runs},
        "headline": f"validation/{plan.benchmark.headline}",
        "inert": {run.id: sorted(plan.space(run.method).inert(run.params)) for run in runs},
        "shared_file": shared_file,
    }
