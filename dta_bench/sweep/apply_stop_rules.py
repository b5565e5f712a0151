"""A sweep's stop rules applied to Tune's results: which runs are stopped early, after which epoch, and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from dta_bench.sweep.stop_rules import EpochSummary, StopRule, reason_to_stop


@dataclass(frozen=True)
class StoppedEarly:
    """How far a run came that a rule stopped; ``score`` (percent) is the one after ``epoch``, not a final one."""

    epoch: int
    score: float
    reason: str


@dataclass
class EarlyStopping:
    """Decides after every result whether its run goes on.

    Args:
        rules: asked in turn; without any, no run is stopped.
        epochs: of a whole run. Nothing is stopped after the last one.
        exempt: identities of runs that are never stopped (the baselines).
        stopped: filled in: identity → how far the run came.
    """

    rules: list[StopRule]
    epochs: int
    exempt: Collection[str] = ()
    stopped: dict[str, StoppedEarly] = field(default_factory=dict)

    def should_stop(self, result: dict[str, Any]) -> bool:
        """Whether to stop the run that Tune's ``result`` is of; if so, note it in ``stopped``."""
        run, epoch = result.get("run"), result.get("epoch", 0)
        if run is None or "outcome" in result or run in self.exempt or epoch >= self.epochs:
            return False
        if "classes_in_use" not in result:  # an epoch that is not measured
            return False
        summary = EpochSummary(epoch, result["score"], result["classes_in_use"], result["entropy"])
        reason = reason_to_stop(self.rules, run, summary)
        if reason:
            self.stopped[run] = StoppedEarly(epoch, result["score"], reason)
        return bool(reason)

    def compare_with(self, run: str, epochs: list[int], curves: dict[str, list[float]]) -> None:
        """Show the rules a run of an earlier start, so that the runs to come are compared with it.

        Args:
            run: its identity.
            epochs: those after which it was measured.
            curves: ``score``, ``classes_in_use`` and ``entropy``, each with one value for each of ``epochs``.
        """
        columns = zip(epochs, curves["score"], curves["classes_in_use"], curves["entropy"], strict=False)
        for epoch, score, classes, entropy in columns:
            if epoch < self.epochs:
                reason_to_stop(self.rules, run, EpochSummary(epoch, score, classes, entropy))
