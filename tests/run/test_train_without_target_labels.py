"""A run whose target has no labels is trained all the same, and what needs labels is not there instead of invented."""

import dataclasses

import numpy as np
import pytest
import torch
from small_runs import spec_of

from dta_bench.data import splits
from dta_bench.domains.images import Domains
from dta_bench.evaluation.metrics import collapsed, too_few_in_use
from dta_bench.run import train as training
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve_on
from dta_bench.run.train import FinishedRun
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import LabelSubset
from dta_bench.tracking import run_log

Epochs = list[dict[str, float]]


def train_with(
    domains: Domains, benchmark: Benchmark, *, has_subset: bool, has_test: bool
) -> tuple[FinishedRun, Epochs]:
    """A run of two epochs on digits of which only the stated labels are there, and its metrics by epoch."""
    found = dataclasses.replace(
        domains, target_train=domains.target_train.without_labels(),
        target_test=domains.target_test if has_test else None,
        labelled=domains.target_train.select(range(40)) if has_subset else None,
    )  # fmt: skip
    spec = dataclasses.replace(spec_of(), label_subset=LabelSubset(size=0, given=has_subset))
    made = splits.split(found, spec.label_subset)
    epochs: Epochs = []
    placement = Placement(torch.device("cpu"))
    finished = training.train(resolve_on(spec, benchmark, made), placement, lambda _, metrics: epochs.append(metrics))
    return finished, epochs


@pytest.mark.parametrize("has_subset", [False, True])
@pytest.mark.parametrize("has_test", [False, True])
def test_only_sets_with_labels_are_measured(
    has_subset: bool, has_test: bool, small_digits: Domains, digits_benchmark: Benchmark
) -> None:
    finished, epochs = train_with(small_digits, digits_benchmark, has_subset=has_subset, has_test=has_test)
    stored = run_log._final(finished.result)
    assert any(name.startswith("test/") for name in stored) == has_test
    assert any(name.startswith("validation/") for name in [*stored, *epochs[0]]) == has_subset
    assert ("target_test_logits" in finished.arrays) == has_test
    assert ("target_validation_logits" in finished.arrays) == has_subset
    assert (finished.confusion is not None) == has_test
    assert stored["source_validation/accuracy"] > 0
    assert "target_train/entropy" in epochs[0]


def test_labels_that_are_not_there_change_no_prediction(small_digits: Domains, digits_benchmark: Benchmark) -> None:
    without, _ = train_with(small_digits, digits_benchmark, has_subset=False, has_test=False)
    with_both, _ = train_with(small_digits, digits_benchmark, has_subset=True, has_test=True)
    assert np.array_equal(without.arrays["target_train_logits"], with_both.arrays["target_train_logits"])


def test_predicted_shares_alone_tell_a_collapse_as_the_confusion_does() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        confusion = rng.integers(0, 40, (6, 6)) * (rng.random(6) < 0.5)
        shares = confusion.sum(axis=0) / max(confusion.sum(), 1)
        assert too_few_in_use(shares, None) == collapsed(confusion)
