"""One run of a sweep on several devices: Ray Train starts a replica on each, and the first tracks the run."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psutil

from dta_bench.errors import UserError
from dta_bench.run.placement import Stopped, StopRequest
from dta_bench.spec.run_spec import RunSpec
from dta_bench.sweep.on_ray import worker
from dta_bench.sweep.on_ray.tune_space import RUN
from dta_bench.sweep.on_ray.worker import Config, Job

if TYPE_CHECKING:
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    from dta_bench.run.execute import RunOutcome

ON_THE_HEAD = {"node:__internal_head__": 0.001}
"""Where a run is waited for: that takes no CPU, and the head is no machine that is taken away."""
PATIENCE = timedelta(days=1)  # of an exchange: a first stage may be trained meanwhile; who died is seen by Ray at once


def trainable(job: Job, resources: dict[str, float], devices: int) -> type:
    """What Tune runs for a run on several devices: :func:`run`, which itself computes nothing."""
    from ray import tune
    from ray.tune.trainable.function_trainable import wrap_function

    class AwaitReplicas(wrap_function(tune.with_parameters(run, job=job, each=resources, devices=devices))):  # type: ignore[misc]
        @classmethod
        def default_resource_request(cls, _: Config) -> Any:
            return tune.PlacementGroupFactory([ON_THE_HEAD])

    return AwaitReplicas


def run(config: Config, job: Job, each: dict[str, float], devices: int) -> None:
    """Start the replicas and wait for them, and start them again as often as a machine is taken away.

    Losing an announced machine is no failure, so Tune hears nothing of it. A replica that dies without notice ends the
    others, too; that error reaches Tune, which starts the run again from its checkpoint.
    """
    while not finished(_trainer(config, job, each, devices)):
        pass


def _trainer(config: Config, job: Job, each: dict[str, float], devices: int) -> DataParallelTrainer:
    """Ray Train's trainer of one run, whose workers are the replicas."""
    from ray import train
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    run_id = config[RUN]
    own = job | {name: {run_id: job[name][run_id]} for name in ("specs", "names", "inert")} | {RUN: run_id}
    return DataParallelTrainer(
        replica,
        train_loop_config=own,
        scaling_config=train.ScalingConfig(
            num_workers=devices, use_gpu=each["GPU"] > 0, resources_per_worker={k: v for k, v in each.items() if v}
        ),
        run_config=train.RunConfig(
            name=f"{run_id}-{uuid4().hex[:6]}",
            storage_path=str(Path(job["home"]["out"]).resolve() / "runs" / "ray" / "replicas"),
            callbacks=[TuneReportCallback()],
        ),
    )


def finished(trainer: DataParallelTrainer) -> bool:
    """Train on the replicas of ``trainer``.

    Returns: whether the run came to its end; False if its replicas saved a checkpoint and stopped.

    Raises:
        UserError: a replica asks the user to mend something. It is raised even if others failed otherwise: they lost
            their connection to the one that ended.
        WorkerGroupError: a replica died or failed for another reason.
    """
    from ray.train import WorkerGroupError

    try:
        trainer.fit()
    except WorkerGroupError as error:
        failures = list(error.worker_failures.values())  # the replicas' own exceptions, not their text
        for failure in failures:
            if isinstance(failure, UserError):
                raise failure from error
        if any(isinstance(failure, Stopped) for failure in failures):
            return False
        raise
    return True


def replica(job: Job) -> None:
    """One of a run's processes: each trains, the first also tracks; all report together.

    Raises:
        Stopped: a replica's machine will be taken away; a checkpoint is kept.
        UserError: what the user has to mend; raised, not told, so that no other replica waits for this one.
    """
    import torch
    from ray import train
    from torch import distributed

    worker.settle(job)
    from dta_bench.run.execute import RunLabel, execute, execute_as_replica
    from dta_bench.run.home import Home
    from dta_bench.run.resolve import resolve

    torch.set_num_threads(job["threads"])
    spec, home, stop = RunSpec.from_dict(job["specs"][job[RUN]]), Home(**job["home"]), Notice()

    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        train.report(worker.of_epoch(spec, job, epoch, metrics))

    meet(train.get_context())
    try:
        resolved = resolve(spec, home.root, home.skip_unreadable)
        if distributed.get_rank():
            outcome = execute_as_replica(resolved, home, stop, on_epoch)
        else:
            label = RunLabel(job["parent"], job["names"][spec.id], frozenset(job["inert"][spec.id]))
            outcome = _told(execute(resolved, home, label, stop, on_epoch))
        train.report(worker.of_end(spec, outcome))
    finally:
        distributed.destroy_process_group()


def _told(outcome: RunOutcome) -> RunOutcome:
    """The outcome, if all replicas came to the same."""
    if outcome.status == "stopped":
        raise Stopped(outcome.reason)
    if outcome.status == "failed" and not outcome.diverged:
        raise UserError(outcome.reason)
    return outcome


class Notice(StopRequest):
    """Asked for by Ray Train, once a machine that holds a replica is announced to be taken away."""

    def __init__(self) -> None:
        """Nothing is kept: Train is asked each time."""

    @property
    def requested(self) -> bool:  # type: ignore[override]
        """Whether a machine will go."""
        from ray import train

        return train.get_preemption_info() is not None


def meet(context: Any) -> None:
    """Make torch's process group of the replicas; it listens at their nodes' Ray addresses alone, not everywhere."""
    import ray
    import torch
    from ray.train.collective import broadcast_from_rank_zero
    from torch import distributed
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    rank, count = context.get_world_rank(), context.get_world_size()
    address = ray.util.get_node_ip_address()
    os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = interface(address)
    listening = socket.create_server((address, 0)) if rank == 0 else None
    host, port = broadcast_from_rank_zero(listening.getsockname()[:2] if listening else None)
    store = TCPStore(host, port, count, is_master=rank == 0, master_listen_fd=listening.detach() if listening else None)
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=PATIENCE)


def interface(address: str) -> str:
    """The network interface of this machine that has ``address``.

    Raises:
        UserError: none has.
    """
    for name, addresses in psutil.net_if_addrs().items():
        if any(found.address == address for found in addresses):
            return name
    raise UserError(f"no network interface of {socket.gethostname()} has Ray's address {address}")
