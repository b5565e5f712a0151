"""Published estimates of target accuracy that need no target label, computed from what runs stored.

They are for images of one class each: runs on label maps do not store the logits that these need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from dta_bench.report.configurations import Configuration, StoredRun
from dta_bench.report.selection import validators
from dta_bench.report.selection.default_rule import measured_pairs
from dta_bench.spec.run_spec import Task

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

PUBLISHED: Mapping[str, str] = MappingProxyType({
    "confidence": "mean confidence, calibrated on the source (Guo et al., ICML 2017)",
    "atc": "share above the confidence threshold that is right on the source (Garg et al., ICLR 2022)",
    "agreement": "how often two seeds agree (Jiang et al., ICLR 2022)",
    "dev": "accuracy on the source, weighted towards the target (You et al., ICML 2019)",
})  # fmt: skip
"""Estimate → what it is and who published it."""


@dataclass(frozen=True)
class MeasuredError:
    """Estimate less accuracy on target test, in points, over all configurations of ``pairs`` pairs.

    ``bias`` is the mean, ``mean`` the mean size, ``worst`` the largest size.
    """

    bias: float
    mean: float
    worst: float
    pairs: int


def estimate_accuracy(configuration: Configuration) -> dict[str, float]:
    """Estimate → target accuracy in percent, mean over seeds; without those whose arrays the runs did not store."""
    found = {
        "confidence": _mean(configuration, _confidence), "atc": _mean(configuration, _thresholded),
        "agreement": _agreement(configuration), "dev": _mean(configuration, _weighted_source),
    }  # fmt: skip
    known = {name: value for name, value in found.items() if value is not None and np.isfinite(value)}
    return {name: 100 * value for name, value in known.items()}


def measured_errors(name: str, task: Task) -> MeasuredError | None:
    """How far an estimate was off on our pairs where the truth is known; None where it was not measured."""
    errors = [pair["estimates"][name] for pair in measured_pairs(task) if name in pair.get("estimates", {})]
    if not errors:
        return None
    bias, mean = (float(np.mean([error[key] for error in errors])) for key in ("bias", "error"))
    return MeasuredError(bias, mean, max(float(error["worst"]) for error in errors), len(errors))


def temperature(logits: Floats, labels: Indices) -> float:
    """The temperature at which the predictions of held-out images are best calibrated (least cross-entropy)."""

    def loss(log_temperature: float) -> float:
        log_p = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(log_p[np.arange(len(labels)), labels].mean())

    from scipy.optimize import minimize_scalar  # takes long to import, and few reports need it

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def average_thresholded_confidence(source: Floats, right: NDArray[np.bool_], target: Floats) -> float:
    """The share of target images whose confidence is above the threshold that as many source images pass as are right.

    Args:
        source: (N,) confidences of held-out source images.
        right: (N,) whether these are predicted right.
        target: (M,) confidences of target images.
    """
    wrong = int((~right).sum())
    if wrong == 0:  # every confidence that the source has is enough
        return float((target >= source.min()).mean())
    return float((target > np.sort(source)[wrong - 1]).mean())


def _mean(configuration: Configuration, of_run: Callable[[StoredRun], float | None]) -> float | None:
    values = [of_run(run) for run in configuration.runs]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _on_source(run: StoredRun) -> tuple[Floats, Indices] | None:
    stored = run.fetch(("source_validation_logits", "source_validation_labels"))
    if len(stored) < 2 or stored["source_validation_logits"].ndim != 2:
        return None
    return stored["source_validation_logits"].astype(np.float64), stored["source_validation_labels"].astype(np.int64)


def _confidence(run: StoredRun) -> float | None:
    if (source := _on_source(run)) is None:
        return None
    target = run.target_train_logits().astype(np.float64)
    return float(softmax(target / temperature(*source), axis=1).max(axis=1).mean())


def _thresholded(run: StoredRun) -> float | None:
    if (source := _on_source(run)) is None:
        return None
    logits, labels = source
    scale = temperature(logits, labels)
    target = softmax(run.target_train_logits().astype(np.float64) / scale, axis=1).max(axis=1)
    own = softmax(logits / scale, axis=1).max(axis=1)
    return average_thresholded_confidence(own, logits.argmax(axis=1) == labels, target)


def _weighted_source(run: StoredRun) -> float | None:
    names = ("source_train", "target_train", "source_validation")
    stored = run.fetch([f"probe_{name}_features" for name in names])
    rows = run.fetch(("probe_source_validation_rows",))
    if (source := _on_source(run)) is None or len(stored) < len(names) or not rows:
        return None
    logits, labels = source
    features = [stored[f"probe_{name}_features"].astype(np.float64) for name in names]
    wrong = (logits.argmax(axis=1) != labels)[rows["probe_source_validation_rows"]].astype(np.float64)
    risk = validators.deep_embedded_validation(validators.density_ratio(*features), wrong)
    return float(np.clip(1 - risk, 0, 1))


def _agreement(configuration: Configuration) -> float | None:
    if "miou" in configuration.metrics or len(configuration.runs) < 2:
        return None
    guesses = [run.target_train_logits().argmax(axis=1) for run in configuration.runs]
    return float(np.mean([(one == other).mean() for one, other in combinations(guesses, 2)]))
