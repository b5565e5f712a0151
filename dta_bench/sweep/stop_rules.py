"""Rules that stop a run before its last epoch; plain arithmetic, the same in a sweep and in its replay.

A stopped run has no result: its score so far is compared with other scores of the same epoch, never with final ones.
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
UNSURE = 0.95  # of log K: a mean entropy above it says that all classes are predicted alike


@dataclass(frozen=True)
class Epoch:
    """What a rule may see of a run after an epoch: the subset's score in percent, and label-free criteria."""

    epoch: int
    score: float
    classes_in_use: float
    entropy: float


class StopRule(Protocol):
    """Asked after every epoch of every run, in the order in which they come."""

    def verdict(self, run: str, seen: Epoch) -> str:
        """Why ``run`` should stop now, or nothing."""


@dataclass
class Asha:
    """Asynchronous successive halving (Li et al., MLSys 2020): at each rung only the best 1/``reduction`` go on.

    Rungs are at ``grace``, ``grace * reduction``, ... epochs. A run is compared with what has reached its rung so far;
    the first to come goes on.
    """

    epochs: int
    grace: int
    reduction: int = REDUCTION
    seen: dict[int, dict[str, float]] = field(default_factory=dict)

    def rungs(self) -> list[int]:
        """The epochs after which runs are compared; the last epoch is none."""
        count = range(max(1, self.epochs).bit_length() + 1)
        return [rung for k in count if (rung := self.grace * self.reduction**k) < self.epochs]

    def verdict(self, run: str, seen: Epoch) -> str:
        """A run is stopped if more than 1/``reduction`` of the rung's runs are better, by the subset's score."""
        if seen.epoch not in self.rungs():
            return ""
        rung = self.seen.setdefault(seen.epoch, {})
        rung[run] = seen.score
        better = sum(score > seen.score for score in rung.values())
        if better < math.ceil(len(rung) / self.reduction):
            return ""
        return f"asha: {better} of {len(rung)} runs had a better score on the labelled subset after epoch {seen.epoch}"


@dataclass
class Collapse:
    """Label-free: predictions have left half of the classes, or say nothing, for ``patience`` epochs in a row."""

    classes: int
    grace: int
    patience: int = PATIENCE
    counts: dict[str, int] = field(default_factory=dict)

    def verdict(self, run: str, seen: Epoch) -> str:
        """Counted from the first epoch, acted upon from ``grace`` on."""
        few = seen.classes_in_use < self.classes / 2
        unsure = not seen.entropy <= UNSURE * math.log(self.classes)  # what is not a number is not sure either
        self.counts[run] = self.counts.get(run, 0) + 1 if few or unsure else 0
        if self.counts[run] < self.patience or seen.epoch < self.grace:
            return ""
        if few:
            return f"collapse: {seen.classes_in_use:.0f} of {self.classes} classes in use"
        return f"collapse: mean entropy {seen.entropy:.2f} nats of at most {math.log(self.classes):.2f}"


def stop_rules(names: tuple[str, ...], epochs: int, classes: int) -> list[StopRule]:
    """The named rules for runs of ``epochs`` epochs.

    Raises:
        UserError: an unknown name, or ``none`` beside another.
    """
    check(names)
    grace = max(1, math.ceil(GRACE * epochs))
    made: Mapping[str, StopRule] = {"asha": Asha(epochs, grace), "collapse": Collapse(classes, grace)}
    return [made[name] for name in names if name != "none"]


def check(names: tuple[str, ...]) -> None:
    """Refuse what is no rule.

    Raises:
        UserError: an unknown name, or ``none`` beside another.
    """
    if unknown := [name for name in names if name not in RULES]:
        raise UserError(f"--stop {unknown[0]} is not known; it takes {', '.join(RULES)}")
    if "none" in names and len(names) > 1:
        raise UserError(f"--stop takes none alone, but {' and '.join(names)} came together")


def verdict(rules: list[StopRule], run: str, seen: Epoch) -> str:
    """The first reason to stop; every rule is asked, because each keeps account."""
    return next(filter(None, [rule.verdict(run, seen) for rule in rules]), "")
