"""Running the missing runs of a plan on Ray Tune; the only module that knows Ray."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dta_bench.errors import Interrupted, UserError
from dta_bench.run.home import Home
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep import sampler
from dta_bench.sweep.early_stopping import Stops
from dta_bench.sweep.on_ray import cluster, gpu_share, multi_device, worker
from dta_bench.sweep.on_ray.tune_space import RUN, SweepSpace, point_of
from dta_bench.sweep.progress import Progress
from dta_bench.sweep.run_queue import Feed

RETRIES = 3  # a lost worker or node, announced or not; a run that diverges is not tried again


@dataclass(frozen=True)
class Work:
    """What is to be run: ``runs`` (any of them may be), in the order of ``feed`` if there is one; when to stop one."""

    runs: tuple[RunSpec, ...]
    stops: Stops
    feed: Feed | None = None


@dataclass
class Interrupt:
    """Set by Ctrl-C or SIGTERM; a plain flag, because Tune pickles all that it is given.

    ``at_once`` where runs have replicas: Tune can only wait for these, or end with them.
    """

    at_once: bool = False
    requested: bool = False
    running: bool = False


def launch(
    plan: Plan, work: Work, home: Home, parent: str, resources: cluster.Resources, progress: Progress
) -> dict[str, str]:
    """Run ``work`` on a local Ray, or on the cluster at ``resources.address``; returns when all have ended.

    What comes back is why a run's worker died, by run id, for those that no retry could save.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; what was finished is kept, the rest can be resumed.
    """
    if plan.training.devices > 1 and work.stops.rules:
        raise UserError(
            f"--stop {' '.join(plan.stop)} ends runs on one device alone, and these take {plan.training.devices}"
        )
    runs = list(work.runs)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if not cluster.address_of(resources):
        os.environ.update(cluster.CLOSED | {"RAY_AUTH_TOKEN": os.environ.get("RAY_AUTH_TOKEN", secrets.token_hex(32))})
    import ray

    for name in ("ray.tune", "ray.air"):  # a lost worker is retried, and told by the progress view
        logging.getLogger(name).setLevel(logging.CRITICAL)
    interrupted = Interrupt(at_once=plan.training.devices > 1)
    shared = cluster.connect(resources, runs[0], home, progress.console)
    try:
        with _interruptible(interrupted), shared as token:
            died = _fit(plan, runs, home, parent, resources, progress, interrupted, token, work)
    finally:
        ray.shutdown()
    if interrupted.requested:
        raise Interrupted
    return died


class _interruptible:  # noqa: N801 - reads as a with-statement's verb
    """Ctrl-C and SIGTERM end the sweep at the next result instead of in the middle of Ray's own work."""

    def __init__(self, interrupt: Interrupt) -> None:
        self.interrupt = interrupt

    def __enter__(self) -> None:
        os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
        self._before = {s: signal.signal(s, self._note) for s in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        if not self.interrupt.running:
            raise Interrupted
        if self.interrupt.requested or self.interrupt.at_once:  # or asked twice
            raise KeyboardInterrupt
        print("stopping; finished runs are kept, the same command goes on", file=sys.stderr)
        self.interrupt.requested = True


def _fit(
    plan: Plan, runs: list[RunSpec], home: Home, parent: str, resources: cluster.Resources, progress: Progress,
    interrupted: Interrupt, token: str, work: Work,
) -> dict[str, str]:  # fmt: skip
    from ray import tune

    gpus = _gpus_a_run(plan, resources.gpus_per_run)
    job = _job(plan, runs, home, parent, resources.cpus_per_run) | {"token": token}
    each, devices = {"CPU": float(resources.cpus_per_run), "GPU": gpus}, plan.training.devices
    several = devices > 1
    trainable = multi_device.trainable(job, each, devices) if several else worker.trainable(job, each)
    died: dict[str, str] = {}
    interrupted.running = True
    tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher(plan, work),
            num_samples=len(runs),
            max_concurrent_trials=at_once(each, devices, resources.parallel) if several else resources.parallel,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=parent,
            storage_path=str(Path(home.out).resolve() / "runs" / "ray"),
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            callbacks=[watch(tune, plan, runs, progress, died, work.stops)],
            stop=lambda _, result: interrupted.requested or work.stops.asked(result),
            verbose=0,
        ),
    ).fit()
    return died


def at_once(each: dict[str, float], devices: int, parallel: int | None) -> int:
    """How many runs of ``devices`` replicas, each with these resources, the cluster has room for, at most ``parallel``.

    Tune itself sees only what waits for the replicas, which is on the head.

    Raises:
        UserError: not for a single one.
    """
    import ray

    there = ray.cluster_resources()
    fit = int(min(there.get(kind, 0) // (devices * amount) for kind, amount in each.items() if amount))
    if fit < 1:
        needs = " and ".join(f"{devices * amount:g} {kind}s" for kind, amount in each.items() if amount)
        has = " and ".join(f"{there.get(kind, 0):g} {kind}s" for kind, amount in each.items() if amount)
        raise UserError(f"a run on {devices} devices needs {needs}, and the cluster has {has}; give fewer devices")
    return min(fit, parallel or fit)


def _gpus_a_run(plan: Plan, asked: float | Literal["auto"] | None) -> float:
    """What was asked for; else a whole GPU where there are any; ``auto`` measures on one of them."""
    import ray

    devices = plan.training.devices
    if devices > 1 and asked not in (None, 0, 1):
        raise UserError(f"a run on {devices} devices has a GPU on each of them; leave out --gpus-per-run {asked}")
    if asked != "auto" and asked is not None:
        return asked
    if not ray.cluster_resources().get("GPU", 0):
        return 0.0
    if asked is None:
        return 1.0
    networks = [
        {"benchmark": plan.file.benchmark, "backbone": b, "methods": {m: plan.params(b, m, {}) for m in plan.methods}}
        for b in plan.backbones
    ]
    job = {"networks": networks, "training": plan.training.model_dump()}
    return gpu_share.share(*ray.get(ray.remote(num_gpus=1)(gpu_share.measured).remote(job)))


def searcher(plan: Plan, work: Work) -> Any:
    """Optuna's order as it was planned; a feed of our own where what comes next depends on what has ended."""
    if work.feed is not None:
        from dta_bench.sweep.on_ray.searcher import FeedSearcher

        return FeedSearcher(plan, work.feed)
    from ray.tune.search.optuna import OptunaSearch

    return OptunaSearch(
        space=SweepSpace.of(plan, work.runs),
        points_to_evaluate=[point_of(plan, run) for run in work.runs],
        sampler=sampler.sampler(),
        metric="score",
        mode="max",
    )


def _job(plan: Plan, runs: list[RunSpec], home: Home, parent: str, threads: int) -> dict[str, Any]:
    """All that a worker needs, in plain names and numbers."""
    return {
        "home": vars(home),
        "parent": parent,
        "cwd": str(Path.cwd()),
        "threads": threads,
        "specs": {run.id: run.to_dict() for run in runs},
        "names": {run.id: plan.run_name(run) for run in runs},
        "headline": f"validation/{plan.benchmark.headline}",
        "inert": {run.id: sorted(plan.space(run.method).inert(run.params)) for run in runs},
    }


def watch(tune: Any, plan: Plan, runs: list[RunSpec], progress: Progress, died: dict[str, str], stops: Stops) -> Any:
    """Tune's callback that feeds the progress view, and notes why workers died."""
    names = {run.id: plan.run_name(run) for run in runs}
    methods = {run.id: run.method for run in runs}

    class Watch(tune.Callback):  # type: ignore[misc]
        def __reduce__(self) -> tuple[Any, ...]:
            return tune.Callback, ()  # Tune saves its callbacks; a screen cannot be saved

        def on_trial_result(self, *_: Any, result: dict[str, Any], **__: Any) -> None:
            if "run" not in result:
                return
            if "outcome" not in result:
                progress.epoch(names[result["run"]], result["epoch"])
                return
            if result["outcome"] == "failed":
                died[result["run"]] = result["reason"]
            competes = methods[result["run"]] == plan.methods[0]
            progress.end(names[result["run"]], result["outcome"], result["score"], result["reason"], competes)

        def on_trial_complete(self, *_: Any, trial: Any, **__: Any) -> None:
            run = trial.config[RUN]
            if run in stops.stopped and "outcome" not in (trial.last_result or {}):
                progress.end(names[run], "stopped", 0.0, stops.stopped[run].reason)

        def on_trial_error(self, *_: Any, trial: Any, **__: Any) -> None:
            run = trial.config[RUN]
            died[run] = last_line(trial.error_file)
            progress.end(names[run], "failed", 0.0, died[run])

    return Watch()


def last_line(error_file: str | None) -> str:
    """What a worker died of, in one line."""
    lines = Path(error_file).read_text(errors="replace").strip().splitlines() if error_file else []
    return lines[-1] if lines else "the worker died"
