"""A run of a sweep on several devices: Ray Train starts a replica on each of them, and the first one tracks the run."""

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
from dta_bench.sweep.on_ray import node_verdict, worker
from dta_bench.sweep.on_ray.node_readers import readers_of_run
from dta_bench.sweep.on_ray.tune_space import RUN
from dta_bench.sweep.on_ray.worker import Config, Job

if TYPE_CHECKING:
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    from dta_bench.run.execute import RunOutcome

ON_THE_HEAD = {"node:__internal_head__": 0.001}
"""Where a process waits for a run's replicas: it takes no CPU, and the head is not taken away."""
PATIENCE = timedelta(days=1)  # of an exchange: one replica may train a first stage meanwhile; Ray sees at once who died


def trainable(job: Job, resources: dict[str, float], devices: int) -> type:
    """Make what Tune runs for a run on several devices: :func:`run_on_replicas`, which itself computes nothing.

    Args:
        resources: of Ray, for each device.
    """
    from ray import tune
    from ray.tune.trainable.function_trainable import wrap_function

    waiting = tune.with_parameters(run_on_replicas, job=job, per_device=resources, devices=devices)

    class AwaitReplicas(wrap_function(waiting)):  # type: ignore[misc]
        @classmethod
        def default_resource_request(cls, _: Config) -> Any:
            return tune.PlacementGroupFactory([ON_THE_HEAD])

    return AwaitReplicas


def run_on_replicas(config: Config, job: Job, per_device: dict[str, float], devices: int) -> None:
    """Start the replicas and wait for them, and start them again as often as a machine is taken away.

    Losing an announced machine is no failure, so Tune hears nothing of it. A replica that dies without notice ends the
    others, too; that error reaches Tune, which starts the run again from its checkpoint.
    """
    while not finished(_trainer(config, job, per_device, devices)):
        pass


def _trainer(config: Config, job: Job, per_device: dict[str, float], devices: int) -> DataParallelTrainer:
    """Ray Train's trainer of one run, whose workers are the replicas."""
    from ray import train
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    run_id = config[RUN]
    own_job = (
        job | {name: {run_id: job[name][run_id]} for name in ("specs", "names", "parents", "inert")} | {RUN: run_id}
    )
    return DataParallelTrainer(
        replica,
        train_loop_config=own_job,
        scaling_config=train.ScalingConfig(
            num_workers=devices,
            use_gpu=per_device["GPU"] > 0,
            resources_per_worker={k: v for k, v in per_device.items() if v},
        ),
        run_config=train.RunConfig(
            name=f"{run_id}-{uuid4().hex[:6]}",
            storage_path=str(Path(job["workspace"]["out"]).resolve() / "runs" / "ray" / "replicas"),
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
    """Train as one of a run's processes; the first one also tracks the run. All report together.

    Args:
        job: as of any worker, but with this run alone, whose identity is under ``run``.

    Raises:
        Stopped: a replica's machine will be taken away, with a checkpoint kept, or it is set aside.
        UserError: what the user has to mend. It is raised and not reported, because a report waits for all replicas.
    """
    import torch
    from ray import train
    from torch import distributed

    if job["shared_file"] and (unfit := node_verdict.wait_for(Path(job["shared_file"]).name)):
        raise Stopped(unfit)
    worker.enter_working_directory(job)
    from dta_bench.run.execute import RunLabel, execute, execute_as_replica
    from dta_bench.run.resolve import resolve
    from dta_bench.run.workspace import Workspace

    torch.set_num_threads(job["threads"])
    spec, stop = RunSpec.from_dict(job["specs"][job[RUN]]), PreemptionNotice()
    workspace = Workspace(**job["workspace"] | {"readers": readers_of_run()})

    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        train.report(worker.epoch_report(spec, job, epoch, metrics))

    join_process_group(train.get_context())
    try:
        resolved = resolve(spec, workspace.root, workspace.skip_unreadable)
        if distributed.get_rank():
            outcome = execute_as_replica(resolved, workspace, stop, on_epoch)
        else:
            label = RunLabel(job["parents"][spec.id], job["names"][spec.id], frozenset(job["inert"][spec.id]))
            outcome = _shared_by_all(execute(resolved, workspace, label, stop, on_epoch))
        train.report(worker.end_report(spec, outcome))
    finally:
        distributed.destroy_process_group()


def _shared_by_all(outcome: RunOutcome) -> RunOutcome:
    """An outcome that all replicas come to; one that this replica may have alone is raised."""
    if outcome.status == "stopped":
        raise Stopped(outcome.reason)
    if outcome.status == "failed" and not outcome.diverged:
        raise UserError(outcome.reason)
    return outcome


class PreemptionNotice(StopRequest):
    """Requested as soon as Ray Train hears that a machine with one of the run's replicas will be taken away."""

    def __init__(self) -> None:
        """Keep nothing: Train is asked each time."""

    @property
    def requested(self) -> bool:  # type: ignore[override]
        """Whether a machine will be taken away."""
        from ray import train

        return train.get_preemption_info() is not None


def join_process_group(context: Any) -> None:
    """Join the other replicas in torch's process group, which listens only at their nodes' Ray addresses.

    Args:
        context: Ray Train's, with this replica's rank.
    """
    import ray
    import torch
    from ray.train.collective import broadcast_from_rank_zero
    from torch import distributed
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    rank, count = context.get_world_rank(), context.get_world_size()
    address = ray.util.get_node_ip_address()
    os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = network_interface(address)
    listening = socket.create_server((address, 0)) if rank == 0 else None
    host, port = broadcast_from_rank_zero(listening.getsockname()[:2] if listening else None)
    store = TCPStore(host, port, count, is_master=rank == 0, master_listen_fd=listening.detach() if listening else None)
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=PATIENCE)


def network_interface(address: str) -> str:
    """The name of this machine's network interface that has ``address``.

    Raises:
        UserError: no interface has it.
    """
    for name, addresses in psutil.net_if_addrs().items():
        if any(own.address == address for own in addresses):
            return name
    raise UserError(f"no network interface of {socket.gethostname()} has Ray's address {address}")
