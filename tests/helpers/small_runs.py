"""Runs that take seconds on the small digits."""

import dataclasses
import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from dta_bench.run.placement import Placement, Stopped, StopRequest
from dta_bench.run.resolve import Resolved
from dta_bench.run.train import FinishedRun, Run, train
from dta_bench.spec.identity import without_later_defaults
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training


def spec_of(method: str = "dta", seed: int = 0, epochs: int = 2, **params: float | str) -> RunSpec:
    """A run of less than a second on the small digits."""
    defaults = dataclasses.asdict(importlib.import_module(f"dta_bench.methods.{method}").Params())
    return RunSpec(
        benchmark="fonts_digits", backbone="conv3_tiny", weights="none", method=method,
        params=without_later_defaults(defaults | params),
        training=Training(epochs=epochs, optimizer="adam", learning_rate=1e-3, batch_size=32),
        label_subset=LabelSubset(size=40), seed=seed,
    )  # fmt: skip


def figures(finished: FinishedRun) -> list[float]:
    """Scores and sums of logits, which tell two runs apart."""
    arrays = [
        finished.arrays[name].astype(np.float64).sum() for name in sorted(finished.arrays) if name.endswith("logits")
    ]
    return [finished.result.test.accuracy, finished.result.validation.accuracy, *arrays]


def resumed_after_two_steps(resolved: Callable[[], Resolved], checkpoint: Path) -> FinishedRun:
    """A run that was stopped after its second step, resumed by a new object and ended."""
    stop = StopRequest()
    placement = Placement(torch.device("cpu"), checkpoint, stop=stop)
    interrupted = Run(resolved(), placement)
    take = interrupted._take_step

    def take_and_stop(*batch: object) -> None:
        take(*batch)  # type: ignore[arg-type]
        stop.requested = interrupted.step == 2

    interrupted._take_step = take_and_stop  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        train_until_stopped(interrupted)
    stop.requested = False
    torch.manual_seed(12345)
    return train(resolved(), placement)


def train_until_stopped(run: Run) -> None:
    """Train epoch by epoch until the run is stopped."""
    while True:
        run.train_epoch()
        run.start_next_epoch()
