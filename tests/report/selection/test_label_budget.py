"""Regret against the number of labels, against enumeration of all subsets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dta_bench.report.selection.label_budget import label_budget

RNG = np.random.default_rng(1)
LABELS = np.arange(12) % 3
CORRECT = (RNG.random((5, 12)) < np.array([[0.5], [0.6], [0.6], [0.7], [0.4]])).astype(np.float64)
TEST = [50.0, 60.0, 61.0, 58.0, 40.0]


def enumerated(size: int, headline: str) -> float:
    """Mean regret over every subset of ``size`` images."""
    regrets = []
    for subset in itertools.combinations(range(12), size):
        taken = np.array(subset)
        if headline == "accuracy":
            scores = [row[taken].mean() for row in CORRECT]
        else:
            present = np.unique(LABELS[taken])
            scores = [np.mean([row[taken[LABELS[taken] == k]].mean() for k in present]) for row in CORRECT]
        best = next(i for i, score in enumerate(scores) if score >= max(scores) - 1e-12)
        regrets.append(max(TEST) - TEST[best])
    return float(np.mean(regrets))


@pytest.mark.parametrize("headline", ["accuracy", "mean_class_accuracy"])
def test_the_mean_regret_is_that_over_all_subsets(headline: str) -> None:
    ten, every = label_budget(CORRECT, LABELS, TEST, headline, draws=4000)
    assert (ten.labels, every.labels) == (10, 12)
    assert ten.regret == pytest.approx(enumerated(10, headline), abs=0.5)
    assert every.regret == pytest.approx(enumerated(12, headline))


def test_more_labels_choose_better_where_target_train_is_like_target_test() -> None:
    rates = np.linspace(0.5, 0.8, 20)
    correct = (RNG.random((20, 3000)) < rates[:, None]).astype(np.float64)
    rows = label_budget(correct, np.arange(3000) % 10, list(100 * correct.mean(axis=1)), "accuracy", draws=200)
    regrets = [row.regret for row in rows]
    assert [row.labels for row in rows] == [10, 20, 50, 100, 200, 500, 1000, 2000, 3000]
    assert regrets[0] > regrets[3] > regrets[-2] > regrets[-1] == 0
    assert rows[-1].finds_the_best == 1
    assert all(row.low <= row.high for row in rows)


def test_the_same_runs_give_the_same_curve() -> None:
    assert label_budget(CORRECT, LABELS, TEST, "accuracy") == label_budget(CORRECT, LABELS, TEST, "accuracy")
