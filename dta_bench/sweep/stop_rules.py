"""Rules that stop a run before its last epoch; plain arithmetic, the same in a sweep and in a replay.

A run that is stopped early has no result: its score so far is compared with scores of the same epoch, never with final
ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dta_bench.errors import UserError

RULES = ("none", "asha", "collapse")
GRACE = 0.3  # the share of a run's epochs in which no rule stops it
REDUCTION = 3  # at a rung, one run in this many goes on
PATIENCE = 2  # epochs in a row in which a run looks collapsed
UNSURE = 0.95  # of log K: a mean entropy above it means that all classes are predicted alike


@dataclass(frozen=True)
class EpochSummary:
    """What a rule may see of a run after an epoch.

    Attributes:
        epoch: counts from 1.
        score: on the labelled subset, in percent.
        classes_in_use: how many classes are predicted for target train; needs no labels.
        entropy: the mean entropy of the predictions for target train, in nats; needs no labels.
    """

    epoch: int
    score: float
    classes_in_use: float
    entropy: float


class StopRule(Protocol):
    """Asked after every epoch of every run, in the order in which they come."""

    def reason_to_stop(self, run: str, summary: EpochSummary) -> str:
        """Why ``run`` should stop now; empty if it goes on."""


@dataclass
class Asha:
    """Asynchronous successive halving (Li et al., MLSys 2020): at each rung only the best 1/``reduction`` go on.

    Rungs are at ``grace``, ``grace * reduction``, ... epochs. A run is compared with the runs that have reached its
    rung so far; the first one goes on. A rung at an epoch that is not measured moves to the next one that is.
    """

    epochs: int
    grace: int
    reduction: int = REDUCTION
    measure_every: int = 1
    scores: dict[int, dict[str, float]] = field(default_factory=dict)

    def rungs(self) -> list[int]:
        """The epochs after which runs are compared; the last epoch is none of them."""
        count = range(max(1, self.epochs).bit_length() + 1)
        every = self.measure_every
        rungs = (math.ceil(self.grace * self.reduction**k / every) * every for k in count)
        return sorted({rung for rung in rungs if rung < self.epochs})

    def reason_to_stop(self, run: str, summary: EpochSummary) -> str:
        """Stop a run if more than 1/``reduction`` of its rung's runs have a better score on the labelled subset."""
        if summary.epoch not in self.rungs():
            return ""
        rung = self.scores.setdefault(summary.epoch, {})
        rung[run] = summary.score
        better = sum(score > summary.score for score in rung.values())
        if better < math.ceil(len(rung) / self.reduction):
            return ""
        return (
            f"asha: {better} of {len(rung)} runs had a better score on the labelled subset after epoch {summary.epoch}"
        )


@dataclass
class Collapse:
    """Stops a run, without labels, once its predictions look collapsed after ``patience`` measured epochs in a row.

    They look collapsed if they use fewer than half of the classes, or if their mean entropy is close to log K.
    """

    classes: int
    grace: int
    patience: int = PATIENCE
    counts: dict[str, int] = field(default_factory=dict)

    def reason_to_stop(self, run: str, summary: EpochSummary) -> str:
        """Count collapsed epochs from the first one, but stop no run before epoch ``grace``."""
        few = summary.classes_in_use < self.classes / 2
        unsure = not summary.entropy <= UNSURE * math.log(self.classes)  # an entropy of nan counts as unsure
        self.counts[run] = self.counts.get(run, 0) + 1 if few or unsure else 0
        if self.counts[run] < self.patience or summary.epoch < self.grace:
            return ""
        if few:
            return f"collapse: {summary.classes_in_use:.0f} of {self.classes} classes in use"
        return f"collapse: mean entropy {summary.entropy:.2f} nats of at most {math.log(self.classes):.2f}"


def stop_rules(names: tuple[str, ...], epochs: int, classes: int, measure_every: int = 1) -> list[StopRule]:
    """Make the named rules for runs of ``epochs`` epochs on ``classes`` classes, measured every so many epochs.

    Raises:
        UserError: an unknown name, or ``none`` beside another.
    """
    check(names)
    grace = max(1, math.ceil(GRACE * epochs))
    rules: Mapping[str, StopRule] = {
        "asha": Asha(epochs, grace, measure_every=measure_every),
        "collapse": Collapse(classes, grace),
    }
    return [rules[name] for name in names if name != "none"]


def check(names: tuple[str, ...]) -> None:
    """Check the names of stop rules.

    Raises:
        UserError: an unknown name, or ``none`` beside another.
    """
    if unknown := [name for name in names if name not in RULES]:
        raise UserError(f"--stop {unknown[0]} is not known; it takes {', '.join(RULES)}")
    if "none" in names and len(names) > 1:
        raise UserError(f"--stop takes none alone, but {' and '.join(names)} came together")


def reason_to_stop(rules: list[StopRule], run: str, summary: EpochSummary) -> str:
    """The first rule's reason to stop ``run``, or nothing. Every rule is asked, because each one keeps account."""
    return next(filter(None, [rule.reason_to_stop(run, summary) for rule in rules]), "")
