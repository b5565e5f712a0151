"""Train one run on one device, or as one of its replicas."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor

from dta_bench.data.batches import Batches, class_counts
from dta_bench.data.device_path.choice import data_path
from dta_bench.domains.images import Image, SelectedItems
from dta_bench.errors import Diverged, UserError
from dta_bench.evaluation.evaluator import Evaluation, Evaluator, LabelFreeEvaluation
from dta_bench.nn import batch_norm, distributed, learner
from dta_bench.nn.activation_checkpointing import recompute_activations
from dta_bench.nn.device_settings import begin_step, compile_parts, puts_channels_last, refuse_in_words, use_settings
from dta_bench.nn.learner import Learner, Progress, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.nn.optimisation import learning_rate
from dta_bench.run import position
from dta_bench.run.data_wait import DataWait
from dta_bench.run.finish import FinishedRun, finish
from dta_bench.run.on_features import FeatureEvaluator, keep_features
from dta_bench.run.placement import Placement, Stopped
from dta_bench.run.resolve import Resolved
from dta_bench.spec.method_plugin import SOURCE_ONLY_EPOCHS

EpochMetrics = dict[str, float]
OnEpoch = Callable[[int, EpochMetrics], None]


def train(resolved: Resolved, placement: Placement, on_epoch: OnEpoch = lambda *_: None) -> FinishedRun:
    """Train a run to its last epoch, from its checkpoint if there is one, and measure the target test set once.

    Args:
        on_epoch: called after each epoch with its number, from 1, and its metrics by name.

    Raises:
        Diverged: the loss stopped being finite.
        Stopped: ``placement.stop`` was set; call again to go on.
    """
    return finish(Run(resolved, placement, train_first_stage(resolved, placement)).train_to_the_end(on_epoch))


def train_first_stage(resolved: Resolved, placement: Placement) -> Run | None:
    """Train the run that a method's second stage starts from: same seed, data and training, by another method.

    It is trained once: its last checkpoint stays in ``first/`` beside the run's own, where other runs find it.

    Returns:
        The trained run; None for a method of one stage.
    """
    first = resolved.first_stage
    if first is None:
        return None
    if placement.checkpoint is None:
        return Run(first, placement).train_to_the_end()
    shared = placement.checkpoint.parent / "first" / f"{first.spec.id}.pt"
    shared.parent.mkdir(parents=True, exist_ok=True)
    with nullcontext() if distributed.rank() else FileLock(shared.with_suffix(".lock")):
        distributed.any_replica(False, placement.device)  # all replicas wait for the one that holds the lock
        return Run(first, dataclasses.replace(placement, checkpoint=shared, own_disk=None)).train_to_the_end()


class Run:
    """The state of one run in training: network, optimisers, batches, and the position (epoch, step).

    Args:
        first: the trained run of the method's first stage, if it has one.

    Attributes:
        benchmark: at the run's image size and crop.
        channels: of the network's input.
        epoch: the current epoch, counted from 1.
        step: how many steps of the current epoch are done.
        total_steps: of all epochs.
        sums: each part of the loss, summed over the current epoch's steps.
        data_wait: how long this process has waited for batches, of this stage alone.
        seconds: of training steps, the first stage included.
        measuring_seconds: of the evaluations after epochs, the first stage included.
        best: the epoch with the highest headline metric on the labelled subset, and that metric in percent; epoch 0
            where there is no such subset.
        validation: what the last evaluation found on the labelled subset and on source validation.
        label_free: what the last evaluation found on target train, without its labels.
        subset_queries: how often the labels of the labelled subset were used to measure this run.
    """

    def __init__(self, resolved: Resolved, placement: Placement, first: Run | None = None) -> None:
        self.resolved, self.placement = resolved, placement
        self.spec, self.splits, training = resolved.spec, resolved.splits, resolved.spec.training
        self.benchmark = resolved.benchmark.for_training(training)
        use_settings(training, placement.device)
        torch.manual_seed(self.spec.seed)
        self.channels = resolved.backbone.channels
        self.network = self._build_network()
        path = data_path(self.benchmark, resolved.method.second_view, training, placement.device)
        images = Batches(
            self.splits.source_train, self.splits.target_train, self.benchmark, training.batch_size, self.spec.seed,
            self.channels, workers=placement.workers, normalisation=self.network.normalisation,
            second_view=resolved.method.second_view, source_odds=self._source_odds(),
            steps=training.iterations_per_epoch, device=placement.device if path.on_device else None,
            noise=training.noise,
        )  # fmt: skip
        self.kept = (
            keep_features(resolved, self.network, self.benchmark, placement) if training.keeps_features else None
        )
        self.batches = images if self.kept is None else self.kept.batches(images.steps, images.source_odds)
        self.total_steps = self._count_steps()
        self.learner = self._build_learner(first)
        if distributed.rank():  # equal weights, own masks: from here on each replica draws for itself
            torch.manual_seed(self.spec.seed + (distributed.rank() << 32))
        self.evaluator = self._build_evaluator()
        if self.kept is not None:
            self.splits = self.kept.measured_sets(self.learner.restates_statistics)
        if self.learner.restates_statistics and not (self.kept and self.kept.keeper.has_statistics):
            batch_norm.check_has_statistics(self.learner.predictor, self.spec.backbone, "estimating statistics again")
        self.epoch, self.step = 1 if self.total_steps else training.epochs, 0  # without steps one measurement is all
        self._check_lengths()
        self.sums: dict[str, float] = {}
        self._sums_on_device: dict[str, Tensor] = {}
        self.data_wait = DataWait()
        self.seconds: float = first.seconds if first else 0.0
        self.measuring_seconds: float = first.measuring_seconds if first else 0.0
        self.best = {"epoch": 0.0, "validation": -1.0}
        self.validation: dict[str, Evaluation] = {}
        self.label_free: LabelFreeEvaluation | None = None
        self.subset_queries = 0
        self._saved_at = time.monotonic()

    def train_to_the_end(self, on_epoch: OnEpoch = lambda *_: None) -> Run:
        """Train from the checkpoint, if there is one, to the end of the last epoch."""
        position.resume_run(self)
        while self.epoch <= self.spec.training.epochs:
            on_epoch(self.epoch, self.train_epoch())
            self.start_next_epoch()
            self._stop_if_asked()
        return self

    def _build_network(self) -> Network:
        training = self.spec.training
        network = self.resolved.backbone.build(len(self.benchmark.classes), self.spec.weights)
        network = network.to(self.placement.device)
        if puts_channels_last(training, self.placement.device, network):
            network = network.to(memory_format=torch.channels_last)
        if training.checkpointing:
            recompute_activations(network)
        if training.batchnorm:
            batch_norm.check_has_statistics(network, self.spec.backbone, "batchnorm")
        if training.batchnorm.get("statistics") == "frozen":
            batch_norm.freeze_backbone(network)
        if training.compile:
            compile_parts(network, training)
        return network.train()

    def _build_learner(self, first: Run | None) -> Learner:
        shape = (self.channels, *self.benchmark.train_size) if self.kept is None else self.kept.shape
        classes, targets = self.benchmark.classes, len(self.splits.target_train)
        before = first.learner if first else None
        has_weights = self.spec.weights != "none"
        last = puts_channels_last(self.spec.training, self.placement.device, self.network)
        training = self.spec.training.model_copy(update={"channels_last": last})
        setting = Setting(training, len(classes), shape, targets, before, classes, has_weights)
        return learner.build(self.resolved.method, self.network, self.resolved.params, setting)

    def _source_odds(self) -> NDArray[np.float64] | None:
        """How likely each source image is at each draw, shape (source images,); None where the method does not say."""
        odds_from_counts = self.resolved.method.source_odds
        if odds_from_counts is None:
            return None
        counts = class_counts(self.splits.source_train, len(self.benchmark.classes))
        odds: NDArray[np.float64] = odds_from_counts(self.resolved.params, counts)
        return odds

    def train_epoch(self) -> EpochMetrics:
        """Train the rest of this epoch, and evaluate where the training says so.

        Returns:
            By their names in MLflow: the mean of each part of the loss over the epoch's steps, the learning rate of the
            epoch's last step, and, after a measured epoch, the scores in percent and the label-free statistics of
            target train.

        Raises:
            Diverged: a part of the loss is not finite.
            Stopped: the run was asked to stop.
        """
        started = time.monotonic()
        self.begin_epoch()
        batches = self.batches.epoch(self.epoch, self.step) if self.total_steps else ()
        for source, target in self.data_wait.watch(batches):
            self._take_step(source, target)
            self.step += 1
            self._save_if_due(started)
        self.seconds += time.monotonic() - started
        return self.end_epoch()

    def begin_epoch(self) -> None:
        """Make ready for the rest of this epoch's steps."""
        self.batches.steps = self._steps_before(self.epoch + 1) - self._steps_before(self.epoch)
        self.learner.at = self.progress(self.step)
        if self.step == 0:
            self.learner.before_epoch(self._unaugmented_targets)
        distributed.broadcast_from_first([*self.learner.parameters(), *self.learner.buffers()])

    def end_epoch(self) -> EpochMetrics:
        """Evaluate after an epoch's steps; returns and raises as :meth:`train_epoch`."""
        self._read_sums()
        losses = {f"loss/{name}": total / self.step for name, total in self.sums.items()}
        if not all(math.isfinite(value) for value in losses.values()):
            not_finite = ", ".join(name for name, value in losses.items() if not math.isfinite(value))
            raise Diverged(f"{not_finite} stopped being finite in epoch {self.epoch}")
        rate = {}
        if self.total_steps:
            rate = {"learning_rate": learning_rate(self.spec.training, self.progress(self.step - 1))}
        if not self.spec.training.is_measured(self.epoch):
            return losses | rate
        started = time.monotonic()
        scores = self.validate()
        self.measuring_seconds += time.monotonic() - started
        return losses | scores | rate

    def _take_step(self, source: Labelled, target: Unlabelled) -> None:
        self.learner.at = self.progress(self.step)
        begin_step(self.spec.training, self.placement.device)
        try:
            parts = self.learner.step_of_epoch(source, target)
        except Exception as error:
            refuse_in_words(error, self.spec.method, self.spec.training)
            raise
        for name, value in parts.items():
            before = self._sums_on_device.get(name, self.sums.get(name, 0.0))
            self._sums_on_device[name] = before + value.detach().double()  # to read it here would wait for the GPU
        distributed.average([statistic for statistic in self.learner.buffers() if statistic.is_floating_point()])

    def _read_sums(self) -> None:
        """Read the sums of the loss from the device, which waits for all that it still computes."""
        if self._sums_on_device:
            values = torch.stack(list(self._sums_on_device.values())).tolist()
            self.sums |= dict(zip(self._sums_on_device, values, strict=True))
            self._sums_on_device = {}

    def progress(self, step: int) -> Progress:
        """How far the run is before a step of the current epoch, which counts from 0."""
        return Progress(self.epoch, self._steps_before(self.epoch) + step, self.total_steps)

    def _count_steps(self) -> int:
        """Steps of the whole run, of this stage alone; none where the method trains nothing."""
        if self.resolved.method.by_prompts:
            return 0
        epochs, budget = self.spec.training.epochs, self.spec.budget
        natural = len(self.batches)
        return epochs * natural if budget is None else budget.batches(epochs, natural)

    def _steps_before(self, epoch: int) -> int:
        """Steps of the epochs before one; the epochs are as equal as the number of all steps allows."""
        return (epoch - 1) * self.total_steps // self.spec.training.epochs

    def _check_lengths(self) -> None:
        first, epochs = self.spec.params.get(SOURCE_ONLY_EPOCHS, 0), self.spec.training.epochs
        if isinstance(first, int | float) and first >= epochs:
            raise UserError(f"source_only_epochs {first:g} leaves none of the {epochs} epochs to {self.spec.method}")
        total, warm_up = self.total_steps, self.spec.training.learning_rate_warm_up
        if total and warm_up >= total:
            raise UserError(f"learning_rate_warm_up {warm_up} leaves nothing of the {total} steps of this run")

    def _save_if_due(self, started: float) -> None:
        """Save inside the epoch if a stop is requested, or if the last checkpoint is too old."""
        is_old = time.monotonic() - self._saved_at > self.placement.checkpoint_seconds
        stop = distributed.any_replica(self.placement.stop.requested, self.placement.device)
        if not (stop or distributed.any_replica(is_old, self.placement.device)):
            return
        self._save(self.seconds + time.monotonic() - started)
        if stop:
            raise Stopped(f"stopped in epoch {self.epoch} after step {self.step}")

    def _build_evaluator(self) -> Evaluator:
        """The evaluator of this run's predictions; it keeps no gradients, so batches of twice the piece fit."""
        placement, training = self.placement, self.spec.training
        kind = Evaluator if self.kept is None else FeatureEvaluator
        return kind(
            self.learner, self.benchmark, self.channels, 2 * training.piece, placement.device, training.window,
            workers=placement.workers, data_on_device=training.data_on_device,
        )  # fmt: skip

    def restate_statistics(self) -> None:
        """Estimate BatchNorm's statistics on target train, where the training or the method asks for it."""
        if self.learner.restates_statistics:
            if self.learner.predictor.input_is_fixed:
                batch_norm.restate_frozen(self.learner.predictor.body, self._unaugmented_targets())
            batch_norm.restate_statistics(self.learner, self._unaugmented_targets())

    def validate(self) -> EpochMetrics:
        """Evaluate as :meth:`_measure` does; training goes on with BatchNorm's statistics as they were."""
        before = batch_norm.running_statistics(self.learner) if self.learner.restates_statistics else []
        self.restate_statistics()
        try:
            return self._measure()
        finally:
            batch_norm.put_back(before)

    def _measure(self) -> EpochMetrics:
        """Evaluate on the labelled subset and source validation, and on target train without labels.

        Returns:
            ``<set>/<score>`` in percent, ``target_train/<statistic>``, and, where there is a labelled subset,
            ``validation/asked``, how often it was used.
        """
        subset = self.splits.target_validation
        self.validation = {} if subset is None else {"validation": self.evaluator.evaluate(subset)}
        self.validation["source_validation"] = self.evaluator.evaluate(self.splits.source_validation)
        self.label_free = self.evaluator.evaluate_without_labels(self._surveyed())
        scores = {
            f"{name}/{key}": value
            for name, measured in self.validation.items()
            for key, value in measured.scores.means().items()
        }
        scores |= {f"target_train/{name}": value for name, value in self.label_free.statistics.items()}
        if subset is None:
            return scores
        self.subset_queries += 1
        scores["validation/asked"] = float(self.subset_queries)
        headline = scores[f"validation/{self.benchmark.headline}"]
        if headline > self.best["validation"]:
            self.best = {"epoch": float(self.epoch), "validation": headline}
        return scores

    def _surveyed(self) -> Sequence[Image]:
        """The images of target train that are measured: a fixed sample before the last epoch, if a survey is asked."""
        images, survey = self.splits.target_train.images, self.spec.training.survey
        if survey is None or survey >= len(images) or self.epoch >= self.spec.training.epochs:
            return images
        return SelectedItems(images, np.sort(np.random.default_rng(0).permutation(len(images))[:survey]))

    def _unaugmented_targets(self) -> Iterator[Tensor]:
        return (images.to(self.placement.device) for images in self.evaluator.batches(self.splits.target_train.images))

    def start_next_epoch(self) -> None:
        """Go to the start of the next epoch and save."""
        self.epoch, self.step, self.sums = self.epoch + 1, 0, {}
        self._save(self.seconds)

    def _stop_if_asked(self) -> None:
        """End between two epochs, where the run was asked to stop since its last step."""
        is_over = self.epoch > self.spec.training.epochs
        if not is_over and distributed.any_replica(self.placement.stop.is_asked, self.placement.device):
            raise Stopped(f"stopped after epoch {self.epoch - 1}")

    def save(self) -> None:
        """Save the position inside an epoch."""
        self._save(self.seconds)

    def _save(self, seconds: float) -> None:
        self._read_sums()
        self._saved_at = time.monotonic()
        position.save_run(self, seconds)
