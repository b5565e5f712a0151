"""What a report can say of a choice without a labelled target test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dta_bench.evaluation.label_free import IN_USE
from dta_bench.report.configurations import Configuration, StoredRun
from dta_bench.report.document.scores import Averages
from dta_bench.report.document.without_test import Estimate, WithoutTest
from dta_bench.report.selection.estimates import PUBLISHED, estimate_accuracy, measured_errors

STATISTICS = "target_train/"

Shares = NDArray[np.float64]


def describe_without_test(chosen: Configuration, classes: Sequence[str]) -> WithoutTest:
    """What the selected configuration's runs stored that needs no label of the target.

    Args:
        classes: the classes of the benchmark, in order.
    """
    predicted = np.mean([_predicted_shares(run, len(classes)) for run in chosen.runs], axis=0)
    true_in_source = _source_shares(chosen.runs[0], len(classes))
    names = [name for name in chosen.runs[0].tracked.metrics if name.startswith(STATISTICS)]
    return WithoutTest(
        source_validation=Averages(**{key: chosen.mean("source_validation", key) for key in chosen.metrics}),
        source_images=None if "miou" in chosen.runs[0].metrics else len(_source_labels(chosen.runs[0])),
        label_free={
            name.removeprefix(STATISTICS): float(np.mean([run.tracked.metrics[name] for run in chosen.runs]))
            for name in names
            if all(name in run.tracked.metrics for run in chosen.runs)
        },
        predicted_shares=_in_percent(classes, predicted),
        source_shares=_in_percent(classes, true_in_source),
        estimates=_estimates(chosen),
        rarely_predicted=[
            name
            for name, share, in_source in zip(classes, predicted, true_in_source, strict=True)
            if share < min(IN_USE, 0.1 * in_source)
        ],
    )


def _estimates(chosen: Configuration) -> list[Estimate]:
    found = []
    for name, accuracy in estimate_accuracy(chosen).items():
        off = measured_errors(name, "classification")
        errors = (None, None, None) if off is None else (off.bias, off.mean, off.worst)
        bias, mean, worst = errors
        found.append(
            Estimate(
                name=name, published=PUBLISHED[name], accuracy=accuracy, bias=bias, mean_error=mean, worst_error=worst
            )
        )  # fmt: skip
    return found


def _predicted_shares(run: StoredRun, classes: int) -> Shares:
    """The share of target train that is predicted as each class, (K,); of label maps the share of sampled pixels."""
    guesses = run.target_train_logits().argmax(axis=1)
    return np.asarray(np.bincount(guesses, minlength=classes) / max(len(guesses), 1), dtype=np.float64)


def _source_shares(run: StoredRun, classes: int) -> Shares:
    """The true share of each class in source validation, (K,), of images or of pixels."""
    if "miou" in run.metrics:
        counts = run.fetch(("source_validation_confusions",))["source_validation_confusions"].sum(axis=(0, 2))
    else:
        counts = np.bincount(_source_labels(run), minlength=classes)
    return np.asarray(counts / max(counts.sum(), 1), dtype=np.float64)


def _source_labels(run: StoredRun) -> NDArray[np.int64]:
    """The labels of source validation, one of each image."""
    return run.fetch(("source_validation_labels",))["source_validation_labels"].astype(np.int64)


def _in_percent(classes: Sequence[str], shares: Shares) -> dict[str, float]:
    return {name: 100 * float(share) for name, share in zip(classes, shares, strict=True)}
