"""Estimates of target accuracy without target labels, against closed forms and brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from small_runs import spec_of
from stored_runs import LABELS, Runs, logits_of

from dta_bench.report.configurations import Configuration, group_runs
from dta_bench.report.selection.estimates import (
    PUBLISHED,
    average_thresholded_confidence,
    estimate_accuracy,
    measured_errors,
    temperature,
)


@given(st.integers(0, 200))
def test_on_the_source_itself_the_thresholded_share_is_its_accuracy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence, right = rng.random(50), rng.random(50) < 0.7
    estimated = average_thresholded_confidence(confidence, right, confidence)
    assert estimated == pytest.approx(right.mean() if not right.all() else 1.0)


def test_less_confident_target_images_are_counted_as_wrong() -> None:
    source, right = np.array([0.5, 0.6, 0.7, 0.8, 0.9]), np.array([False, False, True, True, True])
    assert average_thresholded_confidence(source, right, np.array([0.55, 0.65, 0.95, 0.99])) == pytest.approx(0.75)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_a_scale(scale: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 4))
    labels = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert temperature(scale * logits, labels) == pytest.approx(scale, rel=0.1)


def configuration(rates: list[float]) -> Configuration:
    """One configuration, a seed a rate of success, with predictions of source validation, all of them right."""
    runs = Runs()
    for seed, rate in enumerate(rates):
        spec = spec_of("dta", seed=seed)
        runs.add(spec, rate)
        runs._arrays[spec.id]["source_validation_logits"] = logits_of(1.1, spec)
    (found,) = group_runs(runs, runs.tracked)  # type: ignore[arg-type]
    return found


def test_agreement_is_the_share_of_images_that_two_seeds_predict_alike() -> None:
    found = configuration([0.9, 0.5])
    one, other = (run.target_train_logits().argmax(axis=1) for run in found.runs)
    alike = sum(a == b for a, b in zip(one, other, strict=True)) / len(LABELS)
    assert estimate_accuracy(found)["agreement"] == pytest.approx(100 * alike)


def test_one_seed_agrees_with_nobody() -> None:
    assert "agreement" not in estimate_accuracy(configuration([0.9]))


def test_what_a_run_did_not_store_is_not_estimated() -> None:
    assert set(estimate_accuracy(configuration([0.9, 0.5]))) == {"confidence", "atc", "agreement"}


def test_every_estimate_has_an_error_measured_on_our_pairs() -> None:
    for name in PUBLISHED:
        off = measured_errors(name, "classification")
        assert off is not None
        assert abs(off.bias) <= off.mean <= off.worst
