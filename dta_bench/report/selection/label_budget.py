"""How many labels choosing needs: regret against the size of the labelled subset, drawn again and again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dta_bench.report.document.scores import LabelBudgetRow

Floats = NDArray[np.float64]
SIZES = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
DRAWS = 500
DRAWS_IN_MEMORY = 50


def label_budget(
    correct: Floats, labels: NDArray[np.int64], test: list[float], headline: str, draws: int = DRAWS
) -> list[LabelBudgetRow]:
    """How many labels choosing needs: labelled subsets of each size are drawn, and rule ``labels`` chooses by each.

    Args:
        correct: (configurations, images) of target train, the share of seeds that are right.
        labels: the true class of each image; used to draw and to score subsets, never seen by a run.
        test: the target test score of each configuration in percent.
        headline: ``accuracy`` or ``mean_class_accuracy``, of the classes that a subset holds.
        draws: subsets of each size.

    Returns:
        A row for each number of labels, 10 to all: regret in points, and the share of draws that choose the best.
    """
    rng = np.random.default_rng(0)
    sizes = [size for size in SIZES if size < len(labels)]
    regrets: dict[int, list[float]] = {size: [] for size in sizes}
    for start in range(0, draws, DRAWS_IN_MEMORY):
        order = rng.random((min(DRAWS_IN_MEMORY, draws - start), len(labels))).argsort(axis=1).argsort(axis=1)
        for size in sizes:
            regrets[size] += _regrets((order < size).astype(np.float64), correct, labels, test, headline)
    every = np.ones((1, len(labels)))
    regrets[len(labels)] = _regrets(every, correct, labels, test, headline)
    return [_row(size, np.array(values)) for size, values in regrets.items()]


def _regrets(
    drawn: Floats, correct: Floats, labels: NDArray[np.int64], test: list[float], headline: str
) -> list[float]:
    """What the choice by each draw loses; ``drawn`` (draws, images) is one where an image is in the subset."""
    chosen = _scores(drawn, correct, labels, headline).argmax(axis=1)
    return [max(test) - test[i] for i in chosen]


def _scores(drawn: Floats, correct: Floats, labels: NDArray[np.int64], headline: str) -> Floats:
    """The headline metric (draws, configurations) on each drawn subset, as a share."""
    if headline == "accuracy":
        return np.asarray(drawn @ correct.T / drawn.sum(axis=1, keepdims=True))
    total, present = np.zeros((len(drawn), len(correct))), np.zeros((len(drawn), 1))
    for one in np.unique(labels):
        part = drawn[:, labels == one]
        count = part.sum(axis=1, keepdims=True)
        total += np.divide(part @ correct[:, labels == one].T, count, out=np.zeros_like(total), where=count > 0)
        present += count > 0
    return np.asarray(total / present)


def _row(size: int, regrets: Floats) -> LabelBudgetRow:
    low, high = np.quantile(regrets, (0.05, 0.95))
    return LabelBudgetRow(
        labels=size, regret=float(regrets.mean()), low=float(low), high=float(high),
        finds_the_best=float((regrets == 0).mean()), draws=len(regrets),
    )  # fmt: skip
