"""One RunSpec trained and evaluated on one device, or as one of its replicas; knows no Ray, MLflow or Optuna."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import Tensor

from dta_bench import plugins
from dta_bench.data import splits as validation
from dta_bench.data.batches import Batches, class_counts
from dta_bench.domains.benchmark import Benchmark
from dta_bench.domains.images import Splits
from dta_bench.errors import Diverged
from dta_bench.evaluation import metrics
from dta_bench.evaluation.evaluator import Measured, Meter, Surveyed, named
from dta_bench.evaluation.probes import probes
from dta_bench.evaluation.scenes import Scenes, collect
from dta_bench.nn import distributed, learner, pretrained
from dta_bench.nn.activation_checkpointing import recompute_activations
from dta_bench.nn.learner import Learner, Progress, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled
from dta_bench.run import checkpoint
from dta_bench.run.placement import Place, Stopped
from dta_bench.spec.run_spec import RunResult, RunSpec, Scores

EpochMetrics = dict[str, float]
OnEpoch = Callable[[int, EpochMetrics], None]


@dataclass(frozen=True)
class Finished:
    """A run's result, and what selection rules may want later: arrays by name, and the test confusion.

    ``arrays``: of each set its ids, and its logits and labels, or its confusions, entropies and mean predictions
    (see :mod:`dta_bench.evaluation.evaluator`) under ``<set>_<name>``.
    """

    result: RunResult
    arrays: dict[str, NDArray[Any]]
    confusion: NDArray[np.int64]
    network: Network
    scenes: Scenes | None = None


def train(
    spec: RunSpec, benchmark: Benchmark, splits: Splits, place: Place, on_epoch: OnEpoch = lambda *_: None
) -> Finished:
    """Train ``spec`` to its last epoch, from its checkpoint if there is one, and measure the target test set once.

    Raises:
        Diverged: the loss stopped being finite.
        Stopped: ``place.stop`` was set; call again to go on.
    """
    return (
        Run(spec, benchmark, splits, place, first_stage(spec, benchmark, splits, place)).to_the_end(on_epoch).finish()
    )


def first_stage(spec: RunSpec, benchmark: Benchmark, splits: Splits, place: Place) -> Run | None:
    """The finished run that a method's second stage starts from: same seed, data and training, by another method.

    It is trained once: its last checkpoint is kept in ``first/`` beside the run's own, where other runs find it.
    """
    named = getattr(plugins.load("method", spec.method), "first_stage", None)
    if named is None:
        return None
    method, params = named(spec.params)
    defaults = dataclasses.asdict(plugins.load("method", method).Params())
    before = dataclasses.replace(spec, method=method, params=defaults | params)
    if place.checkpoint is None:
        return Run(before, benchmark, splits, place).to_the_end()
    kept = place.checkpoint.parent / "first" / f"{before.id}.pt"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with nullcontext() if distributed.rank() else FileLock(kept.with_suffix(".lock")):
        distributed.any_replica(False, place.device)  # all wait for the one that holds the lock
        return Run(before, benchmark, splits, dataclasses.replace(place, checkpoint=kept)).to_the_end()


class Run:
    """The moving parts of one run: network, optimiser, batches, and the position (epoch, step)."""

    def __init__(
        self, spec: RunSpec, benchmark: Benchmark, splits: Splits, place: Place, first: Run | None = None
    ) -> None:
        benchmark = benchmark.under(spec.training)
        self.spec, self.benchmark, self.splits, self.place = spec, benchmark, splits, place
        torch.manual_seed(spec.seed)
        self.method = plugins.load("method", spec.method)
        # A whole number in a file is an int; a method asked for a float.
        self.params = TypeAdapter(self.method.Params).validate_python(spec.params)
        backbone = pretrained.backbone(spec.backbone, benchmark.train_size)
        self.channels = backbone.channels
        self.network = self._build(backbone)
        self.batches = Batches(
            splits.source_train, splits.target_train, benchmark, spec.training.batch_size, spec.seed, self.channels,
            workers=place.workers, normalisation=self.network.normalisation,
            second_view=getattr(self.method, "second_view", None),
            source_odds=self._source_odds(),
        )  # fmt: skip
        self.learner = self._learner(first)
        if distributed.rank():  # equal weights, own masks: from here on each replica draws for itself
            torch.manual_seed(spec.seed + (distributed.rank() << 32))
        self.meter = self._meter()
        self.epoch, self.step = 1, 0
        self.sums: dict[str, float] = {}
        self.seconds: float = first.seconds if first else 0.0
        self.measuring_seconds: float = first.measuring_seconds if first else 0.0
        self.best = {"epoch": 0.0, "validation": -1.0}
        self.validation: dict[str, Measured] = {}
        self.surveyed: Surveyed | None = None
        self.asked = 0  # how often the labelled target subset was asked
        self._saved_at = time.monotonic()

    def to_the_end(self, on_epoch: OnEpoch = lambda *_: None) -> Run:
        """From the checkpoint, if there is one, to the end of the last epoch."""
        self.resume()
        while self.epoch <= self.spec.training.epochs:
            on_epoch(self.epoch, self.one_epoch())
            self.advance()
        return self

    def _build(self, backbone: pretrained.Backbone) -> Network:
        network = backbone.build(len(self.benchmark.classes), self.spec.weights).to(self.place.device)
        if self.spec.training.channels_last:
            network = network.to(memory_format=torch.channels_last)
        if self.spec.training.checkpointing:
            recompute_activations(network)
        return network.train()

    def _learner(self, first: Run | None) -> Learner:
        shape = (self.channels, *self.benchmark.train_size)
        classes, targets = self.benchmark.classes, len(self.splits.target_train)
        before = first.learner if first else None
        setting = Setting(self.spec.training, len(classes), shape, targets, before, classes)
        return learner.make(self.method, self.network, self.params, setting)

    def _source_odds(self) -> NDArray[np.float64] | None:
        """How likely a method wants each source image at each draw, where it says so."""
        wanted = getattr(self.method, "source_odds", None)
        if wanted is None:
            return None
        odds: NDArray[np.float64] = wanted(
            self.params, class_counts(self.splits.source_train, len(self.benchmark.classes))
        )
        return odds

    def one_epoch(self) -> EpochMetrics:
        """Train the rest of this epoch; the mean of each part of the loss, and the validation scores after it."""
        started = time.monotonic()
        self.learner.set_learning_rates(self.epoch)
        self.learner.at = self._progress()
        if self.step == 0:
            self.learner.before_epoch(self._plain_targets)
        distributed.broadcast_from_first([*self.learner.parameters(), *self.learner.buffers()])
        for source, target in self.batches.epoch(self.epoch, self.step):
            self._take_step(source, target)
            self.step += 1
            self._keep_position(started)
        self.seconds += time.monotonic() - started
        losses = {f"loss/{name}": total / self.step for name, total in self.sums.items()}
        if not all(math.isfinite(value) for value in losses.values()):
            bad = ", ".join(name for name, value in losses.items() if not math.isfinite(value))
            raise Diverged(f"{bad} stopped being finite in epoch {self.epoch}")
        started = time.monotonic()
        scores = self._validate()
        self.measuring_seconds += time.monotonic() - started
        return losses | scores | {"learning_rate": learner.learning_rate(self.spec.training, self.epoch)}

    def _take_step(self, source: Labelled, target: Unlabelled) -> None:
        self.learner.at = self._progress()
        for name, value in self.learner.step(source, target).items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)
        distributed.average([statistic for statistic in self.learner.buffers() if statistic.is_floating_point()])

    def _progress(self) -> Progress:
        steps = len(self.batches)
        return Progress(self.epoch, (self.epoch - 1) * steps + self.step, self.spec.training.epochs * steps)

    def _keep_position(self, started: float) -> None:
        """Save inside the epoch when asked to stop, or when the last checkpoint has grown old."""
        old = time.monotonic() - self._saved_at > self.place.every_seconds
        stop = distributed.any_replica(self.place.stop.requested, self.place.device)
        if not (stop or distributed.any_replica(old, self.place.device)):
            return
        self._save(self.seconds + time.monotonic() - started)
        if stop:
            raise Stopped(f"stopped in epoch {self.epoch} after step {self.step}")

    def _meter(self) -> Meter:
        """Measures what this run's method predicts; evaluation keeps no gradients, so twice the piece fits."""
        place, training = self.place, self.spec.training
        return Meter(
            self.learner, self.benchmark, self.channels, 2 * training.piece, place.device, training.window,
            workers=place.workers,
        )  # fmt: skip

    def _validate(self) -> EpochMetrics:
        self.asked += 1
        self.validation = {
            "validation": self.meter.measure(self.splits.target_validation),
            "source_validation": self.meter.measure(self.splits.source_validation),
        }
        self.surveyed = self.meter.survey(self.splits.target_train.images)
        found = {
            f"{name}/{key}": value
            for name, measured in self.validation.items()
            for key, value in measured.scores.means().items()
        }
        found |= {f"target_train/{name}": value for name, value in self.surveyed.statistics.items()}
        found["validation/asked"] = float(self.asked)
        headline = found[f"validation/{self.benchmark.headline}"]
        if headline > self.best["validation"]:
            self.best = {"epoch": float(self.epoch), "validation": headline}
        return found

    def _plain_targets(self) -> Iterator[Tensor]:
        return (images.to(self.place.device) for images in self.meter.batches(self.splits.target_train.images))

    def advance(self) -> None:
        """Go to the start of the next epoch and save."""
        self.epoch, self.step, self.sums = self.epoch + 1, 0, {}
        self._save(self.seconds)

    def finish(self) -> Finished:
        """Measure the target test set, once, and collect what selection rules may want."""
        if self.surveyed is None:  # resumed after the last epoch
            self._validate()
        assert self.surveyed is not None
        test = self.meter.measure(self.splits.target_test)
        subset, source = self.validation["validation"], self.validation["source_validation"]
        arrays = {
            **named("target_train", self.surveyed.arrays),
            "target_train_ids": np.array(self.splits.target_train.ids),
            **named("target_validation", subset.arrays),
            "target_validation_ids": np.array(self.splits.target_validation.ids),
            **named("source_validation", source.arrays),
            **named("target_test", test.arrays),
            "target_test_ids": np.array(self.splits.target_test.ids),
            **self._probes(self.surveyed),
        }
        result = RunResult(
            run_id=self.spec.id,
            validation=subset.scores,
            source_validation=source.scores,
            test=test.scores,
            whole=self._whole(test, subset),
            collapsed=metrics.collapsed(test.confusion, self.benchmark.task == "segmentation"),
            epochs=self.spec.training.epochs,
            seconds=self.seconds,
            measuring_seconds=self.measuring_seconds,
        )
        return Finished(result, arrays, test.confusion, self.learner.predictor, self._scenes(test))

    def _scenes(self, test: Measured) -> Scenes | None:
        """Label maps to look at; images of one class each have none."""
        counted = test.arrays.get("confusions")
        return None if counted is None else collect(self.meter, self.splits.target_test, counted)

    def _whole(self, test: Measured, subset: Measured) -> Scores | None:
        """The test set with the labelled subset that was left out of it, as papers measure that train on their test."""
        if validation.LEFT_OUT not in self.splits.notes:
            return None
        segments = self.benchmark.task == "segmentation"
        return metrics.scores(test.confusion + subset.confusion, self.benchmark.classes, segments)

    def _probes(self, surveyed: Surveyed) -> dict[str, NDArray[Any]]:
        """What other rules need of images that have one class each; label maps leave no such thing."""
        logits = surveyed.arrays.get("logits")
        if logits is None:
            return {}
        return dict(probes(self.learner, self.meter.batches, self.splits, logits, self.place.device))

    def _save(self, seconds: float) -> None:
        self._saved_at = time.monotonic()
        if self.place.checkpoint is None:
            return
        random = distributed.gather(torch.get_rng_state(), self.place.device)
        on_cuda = self.place.device.type == "cuda"
        cuda = distributed.gather(torch.cuda.get_rng_state(self.place.device), self.place.device) if on_cuda else None
        if not distributed.rank():
            self._write(self.place.checkpoint, seconds, random, cuda)
        distributed.any_replica(False, self.place.device)  # none goes on, or ends, before the checkpoint is there

    def _write(self, path: Path, seconds: float, random: list[Tensor], cuda: list[Tensor] | None) -> None:
        state = self.place.fingerprints | {
            "run_id": self.spec.id, "epoch": self.epoch, "step": self.step, "sums": self.sums, "best": self.best,
            "seconds": seconds, "measuring_seconds": self.measuring_seconds, "learner": self.learner.position(),
            "asked": self.asked,
            "random": random, "random_cuda": cuda,
        }  # fmt: skip
        checkpoint.save(path, state)

    def resume(self) -> None:
        """Take up the position of the checkpoint, if there is one of this very run, data and code."""
        path = self.place.checkpoint
        state = checkpoint.load(path, {"run_id": self.spec.id} | self.place.fingerprints) if path else None
        if state is None:
            return
        self.learner.restore(state["learner"])
        self.epoch, self.step, self.sums = state["epoch"], state["step"], state["sums"]
        self.best, self.asked = state["best"], state["asked"]
        self.seconds, self.measuring_seconds = state["seconds"], state["measuring_seconds"]
        torch.set_rng_state(state["random"][distributed.rank()])
        if state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"][distributed.rank()], self.place.device)
