"""Calibration error is torchmetrics', and the Brier score scikit-learn's or what its definition says."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from dta_bench.report.statistics.calibration import BINS, calibration


@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(1, 200), st.floats(0.1, 10))
def test_the_error_is_that_of_torchmetrics(seed: int, classes: int, images: int, sharpness: float) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = sharpness * rng.standard_normal((images, classes)), rng.integers(0, classes, images)
    probabilities = torch.from_numpy(logits).softmax(1)
    expected = multiclass_calibration_error(probabilities, torch.from_numpy(labels), classes, n_bins=BINS, norm="l1")
    assert calibration(logits, labels).error == pytest.approx(100 * float(expected), abs=1e-3)


def test_the_brier_score_of_two_classes_is_twice_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((50, 2)), rng.integers(0, 2, 50)
    of_one = torch.from_numpy(logits).softmax(1)[:, 1].numpy()
    assert calibration(logits, labels).brier == pytest.approx(2 * brier_score_loss(labels, of_one))


def test_certainty_is_perfect_or_worst() -> None:
    logits = np.array([[0, 100.0], [100, 0.0]], dtype=np.float16)
    right, wrong = calibration(logits, np.array([1, 0])), calibration(logits, np.array([0, 1]))
    assert (right.error, right.brier) == pytest.approx((0, 0))
    assert (wrong.error, wrong.brier) == pytest.approx((100, 2))
