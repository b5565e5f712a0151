"""Runs that take seconds on the small digits."""

import dataclasses
import importlib

import numpy as np

from dta_bench.run.train import FinishedRun, Run
from dta_bench.spec.identity import without_later_defaults
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training


def spec_of(method: str = "dta", seed: int = 0, epochs: int = 2, **params: float | str) -> RunSpec:
    """A run of a minute's tenth on the small digits."""
    defaults = dataclasses.asdict(importlib.import_module(f"dta_bench.methods.{method}").Params())
    return RunSpec(
        benchmark="fonts_digits", backbone="conv3_fc2", weights="none", method=method,
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


def train_until_stopped(run: Run) -> None:
    """Train epoch by epoch until the run is stopped."""
    while True:
        run.train_epoch()
        run.start_next_epoch()
