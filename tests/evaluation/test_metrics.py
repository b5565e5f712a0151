"""One confusion matrix and the scores read from it, against scikit-learn and torchmetrics."""

import numpy as np
import pytest
import torch
import torchmetrics.functional.classification as reference
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics as sklearn

from dta_bench.evaluation import metrics

K = 5
CLASSES = [f"class {k}" for k in range(K)]
PAIRS = arrays.arrays(np.int64, st.tuples(st.just(2), st.integers(1, 200)), elements=st.integers(0, K - 1))
MAPS = arrays.arrays(np.uint8, (2, 6, 7), elements=st.sampled_from([0, 1, 2, 3, 4, 255]))


@given(PAIRS)
def test_the_confusion_matrix_is_scikit_learns(pair: np.ndarray) -> None:
    expected = sklearn.confusion_matrix(pair[0], pair[1], labels=range(K))
    np.testing.assert_array_equal(metrics.confusion_matrix(pair[0], pair[1], K), expected)


@given(PAIRS, PAIRS)
def test_matrices_of_parts_add_up_to_that_of_the_whole(one: np.ndarray, other: np.ndarray) -> None:
    whole = np.concatenate([one, other], axis=1)
    summed = metrics.confusion_matrix(*one, K) + metrics.confusion_matrix(*other, K)
    np.testing.assert_array_equal(metrics.confusion_matrix(*whole, K), summed)


@given(MAPS, MAPS)
def test_ignored_pixels_do_not_count(labels: np.ndarray, predictions: np.ndarray) -> None:
    predictions = predictions % K
    counted = labels != 255
    expected = sklearn.confusion_matrix(labels[counted], predictions[counted], labels=range(K)) if counted.any() else 0
    np.testing.assert_array_equal(metrics.confusion_matrix(labels, predictions, K), expected)


@given(PAIRS)
def test_accuracy_and_class_mean_are_scikit_learns_in_percent(pair: np.ndarray) -> None:
    scores = metrics.scores(metrics.confusion_matrix(*pair, K), CLASSES)
    recalls = sklearn.recall_score(*pair, labels=np.unique(pair[0]), average=None)
    assert scores.accuracy == pytest.approx(100 * sklearn.accuracy_score(*pair))
    assert scores.mean_class_accuracy == pytest.approx(100 * recalls.mean())
    assert [v for v in scores.per_class.values() if v is not None] == pytest.approx(list(100 * recalls))


@given(PAIRS)
def test_iou_is_torchmetrics_in_percent(pair: np.ndarray) -> None:
    truth, guess = torch.from_numpy(pair)
    expected = 100 * reference.multiclass_jaccard_index(guess, truth, K, average="none")
    scores = metrics.scores(metrics.confusion_matrix(*pair, K), CLASSES, segmentation=True)
    for name, value, theirs in zip(CLASSES, scores.per_class.values(), expected, strict=True):
        assert value is None or value == pytest.approx(float(theirs), abs=1e-4), name
    present = [k for k in range(K) if k in pair]
    assert scores.miou == pytest.approx(float(expected[present].mean()), abs=1e-4)


def test_a_class_without_truth_is_none_and_not_zero() -> None:
    scores = metrics.scores(metrics.confusion_matrix([0, 0, 1], [0, 2, 1], 3), ["a", "b", "c"])
    assert scores.per_class == {"a": 50, "b": 100, "c": None}
    assert scores.mean_class_accuracy == 75


def test_visda_prints_instance_accuracy_under_avg_for_the_papers_own_row() -> None:
    counts = [3646, 3475, 4690, 10401, 4691, 2075, 5796, 4000, 4549, 2281, 4236, 5548]
    printed = [93.7, 82.2, 85.6, 83.8, 93.0, 81.0, 90.7, 82.1, 95.1, 78.1, 86.4, 32.1]
    right = np.round(np.array(counts) * printed / 100).astype(np.int64)
    confusion = np.diag(right)
    confusion[np.arange(12), (np.arange(12) + 1) % 12] = counts - right
    scores = metrics.scores(confusion, [str(k) for k in range(12)])
    assert scores.accuracy == pytest.approx(81.5, abs=0.05)
    assert scores.mean_class_accuracy == pytest.approx(81.98, abs=0.01)


@pytest.mark.parametrize(("used", "expected"), [(1, True), (4, True), (5, False), (10, False)])
def test_collapse_is_fewer_than_half_of_the_classes_in_use(used: int, expected: bool) -> None:
    predictions = np.arange(1000) % used
    assert metrics.collapsed(metrics.confusion_matrix(np.arange(1000) % 10, predictions, 10)) is expected


def test_a_class_with_under_one_percent_of_predictions_is_not_in_use() -> None:
    predictions = np.array([0] * 991 + [1, 2, 3] * 3)
    assert metrics.collapsed(metrics.confusion_matrix(np.zeros(1000), predictions, 4))


@given(MAPS, MAPS)
def test_iou_of_maps_is_scikit_learns_with_ignored_pixels_out_and_absent_classes_absent(
    labels: np.ndarray, predictions: np.ndarray
) -> None:
    predictions, counted = predictions % K, labels != 255
    if not counted.any():
        return
    scores = metrics.scores(metrics.confusion_matrix(labels, predictions, K), CLASSES, segmentation=True)
    there = np.union1d(labels[counted], predictions[counted])
    expected = 100 * sklearn.jaccard_score(labels[counted], predictions[counted], labels=there, average=None)
    assert [k for k, value in enumerate(scores.per_class.values()) if value is not None] == there.tolist()
    assert [value for value in scores.per_class.values() if value is not None] == pytest.approx(list(expected))
    assert scores.miou == pytest.approx(expected.mean())
