"""Specs of runs that take seconds on the small digits."""

import dataclasses
import importlib

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
