"""Finished runs as configurations: one method, backbone, weights and point, with all its seeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.errors import UserError
from dta_bench.experiment import RunSpec
from dta_bench.tracking import TrackedRun, Tracker

BASELINES = ("source_only", "target_only")  # shown beside the others; they never compete for selection


@dataclass(frozen=True)
class Record:
    """One finished run: its scores, and its stored predictions, fetched when first asked for."""

    run: TrackedRun
    fetch: Callable[[], dict[str, NDArray[Any]]]

    @property
    def spec(self) -> RunSpec:
        """What was run."""
        return self.run.spec

    @cached_property
    def result(self) -> dict[str, Any]:
        """``RunResult`` as a plain dict."""
        found: dict[str, Any] = json.loads(self.run.tags["result"])
        return found

    @cached_property
    def predictions(self) -> dict[str, NDArray[Any]]:
        """Logits, labels and ids by name; see ``training.Finished.arrays``."""
        return self.fetch()

    @cached_property
    def test_correct(self) -> NDArray[np.float64]:
        """For each target test image, 1 where the prediction is right."""
        found = self.predictions
        right = found["target_test_logits"].argmax(axis=1) == found["target_test_labels"]
        correct: NDArray[np.float64] = right.astype(np.float64)
        return correct


@dataclass(frozen=True)
class Configuration:
    """All seeds of one configuration, by ascending seed."""

    method: str
    backbone: str
    weights: str
    params: dict[str, Any]
    records: tuple[Record, ...]
    inert: frozenset[str] = field(default_factory=frozenset)

    def mean(self, part: str, key: str) -> float:
        """A score averaged over seeds, such as ``mean("test", "accuracy")``, in percent."""
        return float(np.mean([record.result[part][key] for record in self.records]))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that finished."""
        return tuple(record.spec.seed for record in self.records)

    @property
    def collapsed(self) -> tuple[int, ...]:
        """Seeds whose run predicts fewer than half of the classes."""
        return tuple(record.spec.seed for record in self.records if record.result["collapsed"])


def configurations(tracker: Tracker, runs: Iterable[TrackedRun]) -> list[Configuration]:
    """Finished runs grouped into configurations, in the order in which they were first started.

    Raises:
        UserError: none is finished.
    """
    groups: dict[str, list[Record]] = {}
    for run in runs:
        if run.status == "FINISHED":
            record = Record(run, lambda mlflow_run_id=run.mlflow_run_id: tracker.predictions(mlflow_run_id))  # type: ignore[misc]
            groups.setdefault(_key(run.spec), []).append(record)
    if not groups:
        raise UserError("no finished run yet; start or resume a sweep first")
    return [_configuration(records) for records in groups.values()]


def comparable(found: list[Configuration]) -> dict[str, list[Configuration]]:
    """Configurations by what must be equal for a comparison: training, label subset, data."""
    groups: dict[str, list[Configuration]] = {}
    for configuration in found:
        run = configuration.records[0].run
        shared = {
            "training": run.spec.training.model_dump(), "labels": run.spec.label_subset.model_dump(),
            "data": run.tags.get("data_fingerprint"),
        }  # fmt: skip
        groups.setdefault(json.dumps(shared, sort_keys=True), []).append(configuration)
    return groups


def _configuration(records: list[Record]) -> Configuration:
    spec = records[0].spec
    ordered = tuple(sorted(records, key=lambda record: record.spec.seed))
    return Configuration(spec.method, spec.backbone, spec.weights, dict(spec.params), ordered)


def _key(spec: RunSpec) -> str:
    return json.dumps({k: v for k, v in spec.to_dict().items() if k != "seed"}, sort_keys=True)
