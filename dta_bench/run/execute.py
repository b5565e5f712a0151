"""Train one run and store its results in MLflow; without Ray."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from dta_bench import plugins
from dta_bench.cost import flop_counts, stages
from dta_bench.data.device_path.choice import data_path
from dta_bench.errors import Diverged, UserError
from dta_bench.errors.credentials import mask
from dta_bench.evaluation import scenes
from dta_bench.nn import device_settings
from dta_bench.run import fingerprint, local_checkpoint, network_file, position, source_training, train
from dta_bench.run.class_scores import log_classes
from dta_bench.run.finish import FinishedRun, finish
from dta_bench.run.network_card import card_of
from dta_bench.run.placement import Placement, Stopped, StopRequest, readers
from dta_bench.run.resolve import Resolved
from dta_bench.run.workspace import KEEP_TAG, Workspace
from dta_bench.spec.prompts import describe_prompts
from dta_bench.spec.run_spec import RunResult
from dta_bench.tracking import RECIPE, RunLog

SMALL_NETWORK = 4 * 2**20  # bytes; a grid of hundreds of runs then keeps about a gigabyte


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        score: its headline metric on the labelled subset, in percent; 0 where there is no such subset.
        reason: why it failed or stopped.
        diverged: whether it failed because its numbers stopped being finite; other failures the user can mend.
        mlflow_run_id: of the run that is done.
    """

    status: Literal["done", "failed", "stopped"]
    score: float = 0.0
    reason: str = ""
    result: RunResult | None = None
    diverged: bool = False
    mlflow_run_id: str = ""


@dataclass(frozen=True)
class RunLabel:
    """What MLflow shows of a run besides its spec.

    Attributes:
        parent: the MLflow run of the sweep; None for a run by itself.
        inert: parameters that have no effect at this point.
    """

    parent: str | None
    name: str
    inert: frozenset[str] = field(default_factory=frozenset)


def execute(
    resolved: Resolved,
    workspace: Workspace,
    label: RunLabel,
    stop: StopRequest,
    on_epoch: Callable[[int, dict[str, float]], None],
) -> RunOutcome:
    """Train a run and store its metrics and results in MLflow.

    A run that diverges, or that meets something the user has to mend (an image that cannot be read), is marked failed
    with its reason. A run that is stopped keeps its checkpoint; one that is to stop before it begins leaves no trace.

    Args:
        on_epoch: called after each epoch with its number, from 1, and its metrics by name.
    """
    if stop.requested and resolved.spec.training.devices == 1:  # replicas stop together, in their first step
        return RunOutcome("stopped", reason="stopped before it began")  # and so it is not in the store as interrupted
    placement = placement_of(resolved, workspace, stop)
    tags = tags_of(resolved, workspace, placement)
    log = workspace.tracker().open_run(resolved.spec, label.parent, label.name, set(label.inert), tags)

    def each_epoch(run: train.Run, epoch: int, metrics: dict[str, float]) -> None:
        log.log_epoch(epoch, metrics)
        log_classes(log, run, epoch)
        on_epoch(epoch, metrics)

    try:
        trained = source_training.train_to_the_end(resolved, workspace.root, placement, each_epoch)
        finished = finish(trained)
    except Diverged as error:
        log.fail_diverged(str(error))
        return RunOutcome("failed", reason=str(error), diverged=True)
    except UserError as error:
        log.fail(str(error))
        return RunOutcome("failed", reason=str(error))
    except Stopped as error:
        log.interrupt()
        return RunOutcome("stopped", reason=str(error))
    except Exception as error:
        if not (reason := plugins.explain(error)):
            raise
        log.fail(reason)
        return RunOutcome("failed", reason=mask(reason))
    return store_finished(trained, finished, tags, log, workspace)


def store_finished(
    trained: train.Run, finished: FinishedRun, tags: dict[str, str], log: RunLog, workspace: Workspace
) -> RunOutcome:
    """Store all that is kept of a finished run, and remove its checkpoint.

    Args:
        tags: as :func:`tags_of`.
    """
    resolved, placement = trained.resolved, trained.placement
    if trained.kept is not None:
        log.note("features", trained.kept.note())
    if resolved.method.by_prompts:
        log.note("training", "none: one measurement without a step, which stands for all seeds")
        log.note("prompts", describe_prompts(resolved.benchmark.classes, **vars(resolved.params)))
    if waiting := trained.data_wait.note(placement.device, trained.placement.workers):
        log.note("waiting", waiting)
    if trained.spec.training.compile:
        log.note("compiled", device_settings.describe_graphs(device_settings.count_graphs()))
    _store_network(trained, tags, log, workspace)
    _store(resolved, finished, log)
    position.discard(placement)
    subset = finished.result.validation
    score = (0.0 if subset is None else getattr(subset, resolved.benchmark.headline)) or 0.0
    return RunOutcome("done", score, result=finished.result, mlflow_run_id=log.mlflow_run_id)


def execute_as_replica(
    resolved: Resolved, workspace: Workspace, stop: StopRequest, on_epoch: train.OnEpoch
) -> RunOutcome:
    """Train as one of a run's further replicas; only the first replica stores anything.

    Raises:
        Stopped: ``stop`` was set, here or at another replica.
        UserError: an image that cannot be read.
    """
    try:
        train.train(resolved, placement_of(resolved, workspace, stop), on_epoch)
    except Diverged as error:
        return RunOutcome("failed", reason=str(error), diverged=True)
    return RunOutcome("done")


def tags_of(resolved: Resolved, workspace: Workspace, placement: Placement) -> dict[str, str]:
    """What a run's numbers depend on besides its spec, as MLflow tags."""
    found = dict(resolved.fingerprints) | {
        "commit": fingerprint.commit(),
        "device": str(placement.device),
        "host": platform.node(),
        "threads": str(torch.get_num_threads()),  # in which sums of floating point numbers are split
        **({"subset_hash": resolved.splits.subset_hash} if resolved.splits.subset_hash else {}),
        "versions": " ".join(f"{k}={v}" for k, v in fingerprint.versions().items()),
        KEEP_TAG: workspace.keep_networks,
    }
    settings = _describe_settings(resolved, placement)
    found |= {"device_settings": settings} if settings else {}
    found |= {f"note_{about}": note for about, note in resolved.splits.notes.items()}
    found |= {"command": workspace.command} if workspace.command else {}
    found |= source_training.tags(resolved, workspace.root, placement)
    return found | ({RECIPE: workspace.recipe} if workspace.recipe else {})


def _describe_settings(resolved: Resolved, placement: Placement) -> str:
    """How the device computes, and how images come to it; empty where nothing could be otherwise."""
    training, device = resolved.spec.training, placement.device
    path = data_path(resolved.benchmark.for_training(training), resolved.method.second_view, training, device)
    return "; ".join(filter(None, [device_settings.describe_settings(training, device), path.said]))


def placement_of(resolved: Resolved, workspace: Workspace, stop: StopRequest) -> Placement:
    """Where a run is trained on this machine."""
    own_disk = local_checkpoint.make_folder(Path(workspace.local)) if workspace.local else None
    checkpoint, workers = workspace.checkpoint(resolved.spec.id), readers(workspace.readers)
    return Placement(checkpoint=checkpoint, own_disk=own_disk, stop=stop, workers=workers)


def _store_network(trained: train.Run, tags: dict[str, str], log: RunLog, workspace: Workspace) -> None:
    """Store the network of a trained run with its card, if the workspace keeps it."""
    keep, learner, backbone = workspace.keep_networks, trained.learner, trained.resolved.backbone
    is_small = network_file.size_in_bytes(learner.predictor) <= SMALL_NETWORK
    if keep == "none" or (keep == "small" and not is_small):
        return
    card = card_of(
        trained.spec, trained.channels, learner.normalisation, len(trained.splits.target_train),
        network_file.built_by(learner, backbone, len(trained.benchmark.classes)), tags,
    )  # fmt: skip
    with network_file.temporary_file(network_file.what_predicts(learner, card), card) as path:
        log.add_network(path)


def _store(resolved: Resolved, finished: FinishedRun, log: RunLog) -> None:
    """Store a finished run's pictures, cost, scores and arrays in MLflow."""
    if finished.scenes is not None:
        with scenes.temporary_files(finished.scenes, resolved.benchmark) as paths:
            for path in paths:
                log.add_file(path, scenes.FOLDER)
    with contextlib.suppress(UserError):  # a method whose FLOPs cannot be counted has none
        ratio = flop_counts.flops_ratio(resolved.spec, resolved.method, resolved.benchmark)
        of_run = stages.run_flops_ratio(resolved.spec)
        log.log_epoch(finished.result.epochs, {"flops_ratio": ratio, "run_flops_ratio": of_run})
    log.finish(finished.result, finished.arrays, finished.confusion, resolved.benchmark.classes)
