"""Finished runs as configurations: one method, backbone, weights and point, with all its seeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from dta_bench.errors import UserError
from dta_bench.report.statistics import map_intervals
from dta_bench.report.statistics.intervals import Outcomes, outcomes
from dta_bench.report.statistics.map_intervals import MapOutcomes
from dta_bench.spec.parameter_order import in_space_order
from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import TrackedRun, Tracker

METRICS = ("accuracy", "mean_class_accuracy", "miou")
BASELINES = ("source_only", "target_only")  # shown beside the others; they never compete for selection

_KNOWN: WeakValueDictionary[bytes, NDArray[np.int64]] = WeakValueDictionary()
"""Labels of test sets, for as long as a run holds them."""


@dataclass(frozen=True)
class Record:
    """One finished run: its scores, and its stored predictions, fetched when first asked for."""

    run: TrackedRun
    fetch: Callable[[Collection[str]], dict[str, NDArray[Any]]]

    @property
    def spec(self) -> RunSpec:
        """What was run."""
        return self.run.spec

    @property
    def collapsed(self) -> bool:
        """Whether its target test predictions hold fewer than half of the classes."""
        return self.run.tags["collapsed"] == "true"

    def score(self, part: str, key: str) -> float:
        """A score in percent, such as ``score("test", "accuracy")``."""
        return self.run.metrics[f"{part}/{key}"]

    def class_score(self, name: str) -> float | None:
        """Of one class on target test, in percent; None if the class is absent there."""
        return self.run.metrics.get(f"test/class/{name}")

    @cached_property
    def test_labels(self) -> NDArray[np.int64]:
        """The true class of each target test image."""
        return self._test[1]

    @cached_property
    def test_correct(self) -> NDArray[np.bool_]:
        """For each target test image whether the prediction is right."""
        return self._test[0]

    @cached_property
    def _test(self) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        found = self.fetch(("target_test_logits", "target_test_labels"))
        labels = _one_of_all(found["target_test_labels"].astype(np.int64))
        return found["target_test_logits"].argmax(axis=1) == labels, labels

    @property
    def metrics(self) -> tuple[str, ...]:
        """The averages that the run's task has."""
        return tuple(key for key in METRICS if f"test/{key}" in self.run.metrics)

    @cached_property
    def test_counts(self) -> NDArray[np.float64]:
        """Of each target test label map: pixels right, true and predicted of each class, (3, images, K)."""
        return map_intervals.counts(self.fetch(("target_test_confusions",))["target_test_confusions"])

    def target_train_logits(self) -> NDArray[np.float32]:
        """Logits (N, K) of the unlabelled target train, as stored in half precision; fetched each time.

        For label maps those of a fixed sample of its pixels.
        """
        name = "target_train_pixels" if "miou" in self.metrics else "target_train_logits"
        return self.fetch((name,))[name].astype(np.float32)


@dataclass(frozen=True)
class Configuration:
    """All seeds of one configuration, by ascending seed."""

    method: str
    backbone: str
    weights: str
    params: dict[str, Any]
    records: tuple[Record, ...]

    def mean(self, part: str, key: str) -> float:
        """A score averaged over seeds, such as ``mean("test", "accuracy")``, in percent."""
        return float(np.mean([record.score(part, key) for record in self.records]))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The averages that the task has."""
        return self.records[0].metrics

    @cached_property
    def test(self) -> Outcomes | MapOutcomes:
        """Which target test images are right under which seed; of label maps, the counts of their pixels."""
        if "miou" in self.metrics:
            return MapOutcomes(np.stack([record.test_counts for record in self.records]))
        return outcomes([record.test_correct for record in self.records], self.records[0].test_labels)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that finished."""
        return tuple(record.spec.seed for record in self.records)

    @property
    def collapsed(self) -> tuple[int, ...]:
        """Seeds whose run predicts fewer than half of the classes."""
        return tuple(record.spec.seed for record in self.records if record.collapsed)


def configurations(tracker: Tracker, runs: Iterable[TrackedRun]) -> list[Configuration]:
    """Finished runs grouped into configurations, in the order in which they were first started.

    Raises:
        UserError: none is finished.
    """
    groups: dict[str, list[Record]] = {}
    for run in runs:
        if run.status == "FINISHED":
            record = Record(run, partial(tracker.predictions, run))
            groups.setdefault(_key(run.spec), []).append(record)
    if not groups:
        raise UserError("no finished run yet; start or resume a sweep first")
    return [_configuration(records) for records in groups.values()]


def comparable(found: Sequence[Configuration]) -> dict[str, list[Configuration]]:
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


def _one_of_all(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same array for all runs with these labels: hundreds of runs are tested on one set."""
    return _KNOWN.setdefault(labels.tobytes(), labels)


def _configuration(records: list[Record]) -> Configuration:
    spec = records[0].spec
    ordered = tuple(sorted(records, key=lambda record: record.spec.seed))
    params = in_space_order(spec.benchmark, spec.method, spec.params)
    return Configuration(spec.method, spec.backbone, spec.weights, params, ordered)


def _key(spec: RunSpec) -> str:
    return json.dumps({k: v for k, v in spec.to_dict().items() if k != "seed"}, sort_keys=True)
