"""One RunSpec trained and evaluated on one device; knows neither Ray nor MLflow nor Optuna."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import Tensor

from dta_bench import checkpoint, metrics, plugins, pretrained
from dta_bench.batches import Batches
from dta_bench.domains import Benchmark, Splits
from dta_bench.errors import Diverged
from dta_bench.experiment import RunResult, RunSpec, Training
from dta_bench.measurement import Measured, Meter, Surveyed, named
from dta_bench.network import Labelled, Network, Unlabelled
from dta_bench.probes import probes

EpochMetrics = dict[str, float]
OnEpoch = Callable[[int, EpochMetrics], None]


@dataclass(frozen=True)
class Finished:
    """A run's result, and what selection rules may want later: arrays by name, and the test confusion.

    ``arrays``: of each set its ids, and its logits and labels, or its confusions, entropies and mean predictions
    (see :mod:`dta_bench.measurement`) under ``<set>_<name>``.
    """

    result: RunResult
    arrays: dict[str, NDArray[Any]]
    confusion: NDArray[np.int64]


class Stopped(Exception):
    """The run was asked to stop; its checkpoint holds everything to go on exactly."""


@dataclass
class Stop:
    """Asked for from outside (a signal, a pre-emption notice); training looks at it after every step."""

    requested: bool = False


@dataclass(frozen=True)
class Place:
    """Where a run computes and keeps its checkpoint. ``every_seconds`` bounds what a kill can lose inside an epoch."""

    device: torch.device = field(default_factory=lambda: torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    checkpoint: Path | None = None
    fingerprints: dict[str, str] = field(default_factory=dict)
    every_seconds: float = 600.0
    stop: Stop = field(default_factory=Stop)


def train(
    spec: RunSpec, benchmark: Benchmark, splits: Splits, place: Place, on_epoch: OnEpoch = lambda *_: None
) -> Finished:
    """Train ``spec`` to its last epoch, from its checkpoint if there is one, and measure the target test set once.

    Raises:
        Diverged: the loss stopped being finite.
        Stopped: ``place.stop`` was set; call again to go on.
    """
    run = Run(spec, benchmark, splits, place)
    run.resume()
    while run.epoch <= spec.training.epochs:
        on_epoch(run.epoch, run.one_epoch())
        run.advance()
    return run.finish()


class Run:
    """The moving parts of one run: network, optimiser, batches, and the position (epoch, step)."""

    def __init__(self, spec: RunSpec, benchmark: Benchmark, splits: Splits, place: Place) -> None:
        self.spec, self.benchmark, self.splits, self.place = spec, benchmark, splits, place
        torch.manual_seed(spec.seed)
        self.method = plugins.load("method", spec.method)
        # A whole number in a file is an int; a method asked for a float.
        self.params = TypeAdapter(self.method.Params).validate_python(spec.params)
        backbone = pretrained.backbone(spec.backbone, benchmark.image_size)
        self.channels = backbone.channels
        self.network = self._build(backbone)
        self.optimizer = optimizer(self.network, spec.training)
        self.batches = Batches(
            splits.source_train, splits.target_train, benchmark, spec.training.batch_size, spec.seed, self.channels,
            normalisation=self.network.normalisation,
        )  # fmt: skip
        self.meter = self._meter()
        self.epoch, self.step = 1, 0
        self.sums: dict[str, float] = {}
        self.seconds = 0.0
        self.best = {"epoch": 0.0, "validation": -1.0}
        self.validation: dict[str, Measured] = {}
        self.surveyed: Surveyed | None = None
        self._saved_at = time.monotonic()

    def _build(self, backbone: pretrained.Backbone) -> Network:
        network = backbone.build(len(self.benchmark.classes), self.spec.weights).to(self.place.device)
        if self.spec.training.channels_last:
            network = network.to(memory_format=torch.channels_last)
        return network.train()

    def one_epoch(self) -> EpochMetrics:
        """Train the rest of this epoch; the mean of each part of the loss, and the validation scores after it."""
        started = time.monotonic()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.spec.training, self.epoch)
        for source, target in self.batches.epoch(self.epoch, self.step):
            self._take_step(source, target)
            self.step += 1
            self._keep_position(started)
        self.seconds += time.monotonic() - started
        losses = {f"loss/{name}": total / self.step for name, total in self.sums.items()}
        if not all(math.isfinite(value) for value in losses.values()):
            bad = ", ".join(name for name, value in losses.items() if not math.isfinite(value))
            raise Diverged(f"{bad} stopped being finite in epoch {self.epoch}")
        return losses | self._validate() | {"learning_rate": learning_rate(self.spec.training, self.epoch)}

    def _take_step(self, source: Labelled, target: Unlabelled) -> None:
        training, device = self.spec.training, self.place.device
        self.optimizer.zero_grad(set_to_none=True)
        for piece_s, piece_t in pieces(source, target, training, device):
            with torch.autocast(device.type, torch.bfloat16, enabled=training.precision == "bfloat16"):
                parts = self.method.loss(self.network, piece_s, piece_t, self.epoch, self.params)
            (parts["total"] / training.accumulate).backward()
            for name, value in parts.items():
                self.sums[name] = self.sums.get(name, 0.0) + float(value.detach()) / training.accumulate
        self.optimizer.step()

    def _keep_position(self, started: float) -> None:
        """Save inside the epoch when asked to stop, or when the last checkpoint has grown old."""
        old = time.monotonic() - self._saved_at > self.place.every_seconds
        if not (self.place.stop.requested or old):
            return
        self._save(self.seconds + time.monotonic() - started)
        if self.place.stop.requested:
            raise Stopped(f"stopped in epoch {self.epoch} after step {self.step}")

    def _meter(self) -> Meter:
        """Measures this run's network; evaluation keeps no gradients, so that twice the batch fits."""
        return Meter(self.network, self.benchmark, self.channels, 2 * self.spec.training.batch_size, self.place.device)

    def _validate(self) -> EpochMetrics:
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
        headline = found[f"validation/{self.benchmark.headline}"]
        if headline > self.best["validation"]:
            self.best = {"epoch": float(self.epoch), "validation": headline}
        return found

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
            collapsed=metrics.collapsed(test.confusion, self.benchmark.task == "segmentation"),
            epochs=self.spec.training.epochs,
            seconds=self.seconds,
        )
        return Finished(result, arrays, test.confusion)

    def _probes(self, surveyed: Surveyed) -> dict[str, NDArray[Any]]:
        """What other rules need of images that have one class each; label maps leave no such thing."""
        logits = surveyed.arrays.get("logits")
        if logits is None:
            return {}
        return dict(probes(self.network, self.meter.batches, self.splits, logits, self.place.device))

    def _save(self, seconds: float) -> None:
        self._saved_at = time.monotonic()
        if self.place.checkpoint is None:
            return
        cuda = torch.cuda.get_rng_state(self.place.device) if self.place.device.type == "cuda" else None
        state = self.place.fingerprints | {
            "run_id": self.spec.id, "epoch": self.epoch, "step": self.step, "sums": self.sums, "best": self.best,
            "seconds": seconds, "network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(), "random_cuda": cuda,
        }  # fmt: skip
        checkpoint.save(self.place.checkpoint, state)

    def resume(self) -> None:
        """Take up the position of the checkpoint, if there is one of this very run, data and code."""
        path = self.place.checkpoint
        state = checkpoint.load(path, {"run_id": self.spec.id} | self.place.fingerprints) if path else None
        if state is None:
            return
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self.sums = state["epoch"], state["step"], state["sums"]
        self.best, self.seconds = state["best"], state["seconds"]
        torch.set_rng_state(state["random"])
        if state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"], self.place.device)


def learning_rate(training: Training, epoch: int) -> float:
    """The step decay of Appendix B: times ``decay_factor`` after every ``decay_every`` epochs; epochs count from 1."""
    decays = (epoch - 1) // training.decay_every if training.decay_every else 0
    return training.learning_rate * training.decay_factor**decays


def optimizer(network: torch.nn.Module, training: Training) -> torch.optim.Optimizer:
    """Adam, AdamW or SGD over all weights; norms and biases are not decayed."""
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": training.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if training.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=training.learning_rate, momentum=training.momentum, fused=True)
    kind = torch.optim.Adam if training.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=training.learning_rate, fused=True)


def pieces(
    source: Labelled, target: Unlabelled, training: Training, device: torch.device
) -> Iterator[tuple[Labelled, Unlabelled]]:
    """A batch in ``accumulate`` equal pieces on the device, in the memory format that the run asks for."""
    layout = torch.channels_last if training.channels_last else torch.contiguous_format

    def moved(images: Tensor) -> tuple[Tensor, ...]:
        return images.to(device, non_blocking=True, memory_format=layout).chunk(training.accumulate)

    labels = source.labels.to(device, non_blocking=True).chunk(training.accumulate)
    for images_s, labels_s, images_t in zip(moved(source.images), labels, moved(target.images), strict=True):
        yield Labelled(images_s, labels_s), Unlabelled(images_t)
