"""Finished runs grouped into configurations: one method, backbone, weights and point, with all its seeds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from dta_bench.domains import data_fingerprint
from dta_bench.errors import UserError
from dta_bench.plugins import composed
from dta_bench.report.document.frozen_record import Params
from dta_bench.report.statistics import map_outcomes
from dta_bench.report.statistics.calibration import Calibration, calibration
from dta_bench.report.statistics.map_outcomes import MapOutcomes
from dta_bench.report.statistics.outcomes import Outcomes, outcomes
from dta_bench.spec.identity import LATER_PARAMETERS
from dta_bench.spec.parameter_order import in_space_order
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.seeds import is_confirmation
from dta_bench.tracking import TrackedRun, Tracker

METRICS = ("accuracy", "mean_class_accuracy", "miou")
LOST = 0.1
"""A class is nearly lost whose accuracy is under this share of the mean of all classes."""

_LABELS_IN_USE: WeakValueDictionary[bytes, NDArray[np.int64]] = WeakValueDictionary()
"""Labels of test sets, for as long as a run holds them."""


@dataclass(frozen=True)
class StoredRun:
    """A finished run: its scores, and its stored predictions, which are fetched when first asked for.

    ``fetch`` takes names of arrays and returns those that the run stored, by name.
    """

    tracked: TrackedRun
    fetch: Callable[[Collection[str]], dict[str, NDArray[Any]]]

    @property
    def spec(self) -> RunSpec:
        """The specification of the run."""
        return self.tracked.spec

    @property
    def collapsed(self) -> bool:
        """Whether its target test predictions hold fewer than half of the classes."""
        return self.tracked.tags["collapsed"] == "true"

    @property
    def lost_classes(self) -> list[str]:
        """Classes of images whose accuracy on target test is under a tenth of the mean of all classes."""
        prefix, known = "test/class/", self.tracked.metrics
        if "miou" in self.metrics or self.collapsed:
            return []
        of_class = {key.removeprefix(prefix): value for key, value in known.items() if key.startswith(prefix)}
        mean = sum(of_class.values()) / max(1, len(of_class))
        return [name for name, accuracy in of_class.items() if accuracy < LOST * mean]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The averages that the run's task has."""
        known = self.tracked.metrics
        return tuple(key for key in METRICS if f"source_validation/{key}" in known or f"test/{key}" in known)

    def has(self, part: str) -> bool:
        """Whether the run was measured on a part of the data: ``test``, ``validation`` (the labelled subset)."""
        return f"{part}/accuracy" in self.tracked.metrics

    def score(self, part: str, metric: str) -> float:
        """A score in percent, such as ``score("test", "accuracy")``."""
        return self.tracked.metrics[f"{part}/{metric}"]

    def class_score(self, name: str) -> float | None:
        """Accuracy of one class on target test (for label maps its IoU), in percent; None if the class is absent."""
        return self.tracked.metrics.get(f"test/class/{composed(name)}")

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
        stored = self.fetch(("target_test_logits", "target_test_labels"))
        labels = _share_equal(stored["target_test_labels"].astype(np.int64))
        return stored["target_test_logits"].argmax(axis=1) == labels, labels

    @cached_property
    def test_calibration(self) -> Calibration | None:
        """How well the probabilities of target test fit; None where the run stored no logits of it."""
        stored = self.fetch(("target_test_logits", "target_test_labels"))
        if len(stored) < 2 or not len(stored["target_test_labels"]):
            return None
        return calibration(stored["target_test_logits"], stored["target_test_labels"].astype(np.int64))

    @cached_property
    def test_counts(self) -> NDArray[np.float64]:
        """Pixels right, true and predicted of each class in each target test label map, (3, images, K)."""
        confusions = self.fetch(("target_test_confusions",))["target_test_confusions"]
        return map_outcomes.counts(confusions)

    def target_train_logits(self) -> NDArray[np.float32]:
        """Logits (N, K) of the unlabelled target train, as stored in half precision; fetched each time.

        For label maps those of a fixed sample of its pixels.
        """
        name = "target_train_pixels" if "miou" in self.metrics else "target_train_logits"
        return self.fetch((name,))[name].astype(np.float32)


@dataclass(frozen=True)
class Configuration:
    """All seeds of one configuration; ``params`` are in the order of the search space.

    Attributes:
        runs: of the search, by ascending seed. Whatever chooses reads these alone.
        confirmation: runs with confirmation seeds, by ascending seed; nothing is chosen by them.
    """

    method: str
    backbone: str
    weights: str
    params: Params
    runs: tuple[StoredRun, ...]
    confirmation: tuple[StoredRun, ...] = ()

    @cached_property
    def shown(self) -> Configuration:
        """The same by its confirmation runs alone, where it has any: what scores and tests are about."""
        return dataclasses.replace(self, runs=self.confirmation, confirmation=()) if self.confirmation else self

    @cached_property
    def searched(self) -> Configuration:
        """The same by the runs of the search alone."""
        return dataclasses.replace(self, confirmation=()) if self.confirmation else self

    @property
    def every_run(self) -> tuple[StoredRun, ...]:
        """The runs of the search, then the confirmation runs."""
        return self.runs + self.confirmation

    def mean(self, part: str, metric: str) -> float:
        """A score averaged over seeds, such as ``mean("test", "accuracy")``, in percent."""
        return float(np.mean([run.score(part, metric) for run in self.runs]))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The averages that the task has."""
        return self.runs[0].metrics

    def mean_if_measured(self, part: str, metric: str) -> float | None:
        """As :meth:`mean`; None where the runs were not measured on that part of the data."""
        return self.mean(part, metric) if self.has(part) else None

    def has(self, part: str) -> bool:
        """Whether all runs were measured on a part of the data: ``test``, ``validation`` (the labelled subset)."""
        return all(run.has(part) for run in self.runs)

    @cached_property
    def test(self) -> Outcomes | MapOutcomes:
        """Which target test images are right under which seed; of label maps, the counts of their pixels."""
        if "miou" in self.metrics:
            return MapOutcomes(np.stack([run.test_counts for run in self.runs]))
        return outcomes([run.test_correct for run in self.runs], self.runs[0].test_labels)

    @property
    def validation(self) -> Outcomes | MapOutcomes | None:
        """As :attr:`test`, of the images of the labelled subset; None where a run has not stored its predictions."""
        prefix, segments = "target_validation", "miou" in self.metrics
        names = [f"{prefix}_confusions"] if segments else [f"{prefix}_logits", f"{prefix}_labels"]
        stored = [run.fetch(names) for run in self.runs]
        if any(name not in arrays for arrays in stored for name in names):
            return None
        if segments:
            return MapOutcomes(np.stack([map_outcomes.counts(arrays[names[0]]) for arrays in stored]))
        labels = stored[0][names[1]].astype(np.int64)
        return outcomes([arrays[names[0]].argmax(axis=1) == labels for arrays in stored], labels)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that finished."""
        return tuple(run.spec.seed for run in self.runs)

    @property
    def collapsed(self) -> tuple[int, ...]:
        """Seeds whose run predicts fewer than half of the classes."""
        return tuple(run.spec.seed for run in self.runs if run.collapsed)


def group_runs(tracker: Tracker, runs: Iterable[TrackedRun]) -> list[Configuration]:
    """Group the finished ones of ``runs`` into configurations, in the order in which they were first started.

    A configuration of which only confirmation runs are finished has been searched by nobody, and is left out.

    Raises:
        UserError: none is finished.
    """
    groups: dict[str, list[StoredRun]] = {}
    for run in runs:
        if run.status == "FINISHED":
            finished = StoredRun(run, partial(tracker.predictions, run))
            groups.setdefault(all_but_seed(run.spec), []).append(finished)
    searched = [group for group in groups.values() if not all(is_confirmation(run.spec.seed) for run in group)]
    if not searched:
        alone = "of a search yet, only of its confirmation (dta-bench runs ID shows one)" if groups else "yet"
        raise UserError(f"no finished run {alone}; start or resume a sweep first")
    return _with_later_parameters([_configuration(group) for group in searched])


def comparable_groups(configurations: Sequence[Configuration]) -> list[list[Configuration]]:
    """Configurations grouped by what must be equal for a comparison: training, budget, labelled subset, data."""
    groups: dict[str, list[Configuration]] = {}
    data = _data_of_fingerprint(configurations)
    for configuration in configurations:
        tracked = configuration.runs[0].tracked
        shared = {
            "training": tracked.spec.training.model_dump(), "labels": tracked.spec.label_subset.model_dump(),
            "budget": tracked.spec.budget and tracked.spec.budget.of,
            "data": data[tracked.tags.get("data_fingerprint", "")],
        }  # fmt: skip
        groups.setdefault(json.dumps(shared, sort_keys=True), []).append(configuration)
    return list(groups.values())


def _data_of_fingerprint(configurations: Sequence[Configuration]) -> dict[str, str]:
    """Fingerprint → what names its data: an older one counts as the only one of contents with the same listing."""
    marks = {c.runs[0].tracked.tags.get("data_fingerprint", "") for c in configurations}
    contents: dict[str, list[str]] = {}
    for mark in marks:
        if data_fingerprint.is_of_contents(mark):
            contents.setdefault(data_fingerprint.listing(mark), []).append(mark)
    return {mark: contents[mark][0] if len(contents.get(mark, ())) == 1 else mark for mark in marks}


def _share_equal(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """One array for all runs with these labels: hundreds of runs are tested on one set."""
    return _LABELS_IN_USE.setdefault(labels.tobytes(), labels)


def _configuration(runs: Sequence[StoredRun]) -> Configuration:
    spec = runs[0].spec
    spelled = spec.identifying_fields()["params"]  # one spelling of each value: 2, whether 2 or 2.0 was typed
    params = in_space_order(spec.benchmark, spec.method, spelled)
    by_seed = sorted(runs, key=lambda run: run.spec.seed)
    search = tuple(run for run in by_seed if not is_confirmation(run.spec.seed))
    return Configuration(spec.method, spec.backbone, spec.weights, params, search, tuple(by_seed[len(search) :]))


def _with_later_parameters(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Name a parameter that is in no spec at its default wherever another configuration of the method has a value."""
    later: dict[str, dict[str, Any]] = {}
    for one in configurations:
        own = {name: LATER_PARAMETERS[name] for name in one.params if name in LATER_PARAMETERS}
        later.setdefault(one.method, {}).update(own)
    return [
        dataclasses.replace(
            one, params=in_space_order(one.runs[0].spec.benchmark, one.method, {**later[one.method], **one.params})
        )
        if later[one.method]
        else one
        for one in configurations
    ]


def all_but_seed(spec: RunSpec) -> str:
    """What runs of one configuration share, spelled as for their identity: 2.0 of a file is 2 of a command line."""
    return json.dumps({k: v for k, v in spec.identifying_fields().items() if k != "seed"}, sort_keys=True)
