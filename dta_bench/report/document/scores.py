"""Scores and comparisons in a report; scores in percent, differences in points, intervals of 95 %."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dta_bench.report.document.frozen_record import FrozenRecord, Interval, Params


class Averages(FrozenRecord):
    """The averages of one set of images in percent, over seeds; for label maps accuracy is over pixels."""

    accuracy: float
    mean_class_accuracy: float
    miou: float | None = None
    """Only for label maps."""

    def average(self, metric: str) -> float | None:
        """The average named ``metric``; None where it was not measured, or where no such metric is known."""
        return {"accuracy": self.accuracy, "mean_class_accuracy": self.mean_class_accuracy, "miou": self.miou}.get(
            metric
        )

    @property
    def measured(self) -> dict[str, float]:
        """Metric → average, for the metrics of the task."""
        names = ("accuracy", "mean_class_accuracy", "miou")
        return {name: value for name in names if (value := self.average(name)) is not None}


class ReliabilityBin(FrozenRecord):
    """Images whose confidence lies in one of 15 equal bins: their mean confidence and accuracy, and their share."""

    confidence: float
    accuracy: float
    share: float


class TargetScores(Averages):
    """Target test scores at the last epoch, averaged over seeds; ``ci95`` is the interval of accuracy.

    ``per_class`` holds accuracy (for label maps IoU), None for a class that target test lacks; ``by_seed`` the headline
    metric of each seed.
    """

    per_class: dict[str, float | None]
    ci95: Interval
    ci95_mean_class_accuracy: Interval
    ci95_miou: Interval | None = None
    seeds: int
    by_seed: dict[str, float]
    calibration_error: float | None = None
    """Expected calibration error in percent, as ``brier`` (0 to 2) from the stored logits; not for label maps."""
    brier: float | None = None
    reliability: list[ReliabilityBin] | None = None
    """Confidence against accuracy, over all seeds; only where the runs stored logits."""
    confirmed: bool = False
    """Whether the seeds are of confirmation runs."""

    def interval(self, metric: str) -> Interval | None:
        """The interval of the average named ``metric``; None where it was not measured."""
        return {
            "accuracy": self.ci95, "mean_class_accuracy": self.ci95_mean_class_accuracy, "miou": self.ci95_miou,
        }.get(metric)  # fmt: skip


class SeedsNeeded(FrozenRecord):
    """Seeds of both methods with which a difference would be shown; None: more than 50."""

    at_least: int | None
    """If the difference is as large as the farther end of its interval."""
    as_seen: int | None
    """If it is the one seen."""


class Estimate(FrozenRecord):
    """A difference in the headline metric, in points, with its interval of 95 %."""

    metric: str
    points: float
    standard_error: float
    over: str
    """What interval and standard error are over: ``seeds and images``; ``images`` where one side has one seed."""
    ci95: Interval
    seeds: int
    """Of the side that has fewer."""


class Comparison(Estimate):
    """A test of two methods; ``points`` is the first less the second."""

    first: str
    second: str
    p: float | None
    """None where a method has one seed: nothing is known of training's own chance."""
    p_holm: float | None
    """``p`` after Holm's correction for all pairs of the report."""
    differs: bool
    seeds_needed: SeedsNeeded | None = None
    """Only where no difference is shown."""


class Difference(Estimate):
    """A configuration less source-only; where the two are among the compared methods, with the test of that pair."""

    p_holm: float | None = None
    pairs: int | None = None
    """How many pairs the p value is corrected for; None where this configuration is not one of those compared."""
    differs: bool = False
    seeds_needed: SeedsNeeded | None = None
    confirmed: bool = False
    """Whether both are measured by confirmation runs."""


class Confirmation(FrozenRecord):
    """Runs with seeds that chose nothing, of what the rule of sweeps chooses of each method and of the baselines."""

    seeds: list[int]
    requested: int
    """How many of these runs the sweeps asked for."""
    done: int


class SearchScores(FrozenRecord):
    """The figures of a confirmed configuration on the seeds that chose it, in the headline metric."""

    test: float | None
    ci95: Interval | None
    seeds: int
    collapsed: int
    mlflow_run_ids: list[str]


class ChosenConfiguration(FrozenRecord):
    """A configuration that a selection rule chose."""

    params: Params
    method: str
    backbone: str
    weights: str | None = None
    """Only for the selected configuration of a report, as ``confirmed`` and ``search`` are."""
    confirmed: bool | None = None
    """Whether its scores are of confirmation runs; else they are of the seeds that chose it."""
    search: SearchScores | None = None
    """Where it is confirmed: its figures on the seeds that chose it."""


class Regret(FrozenRecord):
    """What a choice loses on target test against the oracle's, which is itself chosen by the test labels."""

    points: float
    ci95: Interval
    oracle: float
    """The target test score of the oracle's choice."""


class LeaderboardRow(FrozenRecord):
    """One configuration; ``validation`` and ``test`` are the headline metric on labelled subset and target test.

    ``score`` and ``validation`` are of the search's seeds, always. ``validation`` and ``test`` are None where there are
    no such labels; ``source_validation`` is given where no labelled target test is there.
    """

    method: str
    backbone: str
    params: Params
    competes: bool
    score: float | None
    """What the selection rule gives it; higher is better, and None where the runs did not store what it needs."""
    validation: float | None
    test: float | None
    ci95: Interval | None
    seeds: int
    collapsed: int
    """Seeds that predict fewer than half of the classes."""
    mlflow_run_ids: list[str]
    difference: Difference | None = None
    band: str | None = None
    """Letters, where it was compared: rows that share one cannot be told apart."""
    chance_of_best: float | None = None
    """The probability that it is the best of those that competed, by the labelled subset; only of the rule labels."""
    confirmed: bool = False
    """Whether ``test`` and what follows are of confirmation runs; else they are of the seeds that chose."""
    confirmed_earlier: bool = False
    """Whether it is confirmed, and the rule of sweeps has chosen another configuration of its method since."""
    search: SearchScores | None = None
    """Where it is confirmed: its figures on the seeds of the search."""
    source_validation: float | None = None

    @property
    def every_mlflow_run_id(self) -> list[str]:
        """The ids of the runs of the search and of the confirmation runs."""
        return self.mlflow_run_ids + (self.search.mlflow_run_ids if self.search else [])


class RuleRow(FrozenRecord):
    """What one selection rule chose among the same runs; ``unavailable`` is the reason why it could not choose."""

    rule: str
    selected: ChosenConfiguration | None
    test: float | None
    regret: float | None
    rank_correlation: float | None
    """Spearman's, between the rule's scores and those on target test; None where either is constant."""
    unavailable: str | None = None
    regret_ci95: Interval | None = None


class LabelBudgetRow(FrozenRecord):
    """Regret of choosing with so many labels: its mean and middle 90 % over ``draws`` labelled subsets, in points."""

    labels: int
    regret: float
    low: float
    high: float
    finds_the_best: float
    """Share of the subsets that choose the configuration with the highest target test score."""
    draws: int


def differing_params(rows: Sequence[LeaderboardRow]) -> list[str]:
    """Names of the parameters in which the rows of one method differ."""
    names: list[str] = []
    for method in dict.fromkeys(row.method for row in rows):
        points = [row.params for row in rows if row.method == method]
        names += [n for n in points[0] if n not in names and len({json.dumps(p.get(n)) for p in points}) > 1]
    return names
