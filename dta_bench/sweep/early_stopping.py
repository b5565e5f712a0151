"""A sweep's stop rules at work on Tune's results: which runs were stopped, after which epoch, and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from dta_bench.sweep.stop_rules import Epoch, StopRule, verdict


@dataclass(frozen=True)
class Stopped:
    """A run that a rule stopped; ``score`` is a partial one."""

    epoch: int
    score: float
    reason: str


@dataclass
class Stops:
    """Asked after every result; ``exempt`` runs (the baselines) and last epochs are never stopped."""

    rules: list[StopRule]
    epochs: int
    exempt: Collection[str] = ()
    stopped: dict[str, Stopped] = field(default_factory=dict)

    def asked(self, result: dict[str, Any]) -> bool:
        """Whether the run that this result is of should stop."""
        run, epoch = result.get("run"), result.get("epoch", 0)
        if run is None or "outcome" in result or run in self.exempt or epoch >= self.epochs:
            return False
        seen = Epoch(epoch, result["score"], result["classes_in_use"], result["entropy"])
        reason = verdict(self.rules, run, seen)
        if reason:
            self.stopped[run] = Stopped(epoch, result["score"], reason)
        return bool(reason)

    def recall(self, run: str, curves: dict[str, list[float]]) -> None:
        """Show the rules the epochs of a run that an earlier start has done, so that others are compared with it."""
        columns = zip(curves["score"], curves["classes_in_use"], curves["entropy"], strict=False)
        for epoch, (score, classes, entropy) in enumerate(columns, start=1):
            if epoch < self.epochs:
                verdict(self.rules, run, Epoch(epoch, score, classes, entropy))
