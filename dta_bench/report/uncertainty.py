"""How sure a report is: intervals and tests of configurations, all from one model of the methods that it compares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dta_bench.report.configurations import Configuration
from dta_bench.report.document.frozen_record import Interval
from dta_bench.report.document.scores import Comparison, Difference
from dta_bench.report.statistics.best_of import probabilities_of_best
from dta_bench.report.statistics.crossed_model import CrossedModel, Evidence, crossed_model, evidence
from dta_bench.report.statistics.one_run import half_widths_of_one_run
from dta_bench.report.statistics.pair_model import PairModel
from dta_bench.report.statistics.paired_tests import comparisons


class Uncertainty:
    """Intervals and tests of configurations; what a usual variance between seeds is, the compared ones say.

    Args:
        compared: the configurations that are tested against each other, one a method.
        headline: the metric of tests and differences.
    """

    def __init__(self, compared: Sequence[Configuration], headline: str) -> None:
        self._compared = list(compared)
        self._headline = headline
        self._evidence: dict[tuple[int, str], Evidence] = {}
        self.comparisons: list[Comparison] = self._compare()

    def interval(self, configuration: Configuration, metric: str) -> Interval:
        """The 95 % interval of the expected target test score, within 0 and 100; of one seed, over images alone."""
        model = self._model([configuration], metric)
        mean, half = float(model.means[0]), float(model.half_widths()[0])
        return max(mean - half, 0.0), min(mean + half, 100.0)

    def interval_of_one_run(self, configuration: Configuration, metric: str, images: int) -> Interval | None:
        """The 95 % prediction interval of one run's score on so many new images; None with one seed."""
        model = self._model([configuration], metric)
        residuals = np.zeros(len(model.means))
        residuals[0] = self._of(configuration, metric).residual
        mean, half = float(model.means[0]), float(half_widths_of_one_run(model, residuals, images)[0])
        return None if np.isnan(half) else (max(mean - half, 0.0), min(mean + half, 100.0))

    def difference(self, one: Configuration, other: Configuration) -> Difference:
        """``one`` less ``other`` in the headline metric; with the test of the pair, if both are compared."""
        pair = PairModel(self._model([one, other], self._headline), np.array([0]), np.array([1]))
        points, half = float(pair.points[0]), float(pair.half_widths()[0])
        test = self._test(one, other)
        found = Difference(
            metric=self._headline, points=points, standard_error=float(pair.standard_errors[0]),
            over="seeds and images" if pair.testable[0] else "images", ci95=(points - half, points + half),
            seeds=min(len(one.seeds), len(other.seeds)),
        )  # fmt: skip
        if test is None:
            return found
        tested = {"p_holm": test.p_holm, "differs": test.differs, "seeds_needed": test.seeds_needed}
        return found.model_copy(update={"pairs": len(self.comparisons)} | tested)

    def _compare(self) -> list[Comparison]:
        if len(self._compared) < 2:
            return []
        model = crossed_model([self._of(c, self._headline) for c in self._compared])
        return comparisons([c.method for c in self._compared], model, self._headline)

    def _test(self, one: Configuration, other: Configuration) -> Comparison | None:
        names = {c.method for c in self._compared if c is one or c is other}
        return next((pair for pair in self.comparisons if {pair.first, pair.second} == names), None)

    def _model(self, configurations: Sequence[Configuration], metric: str) -> CrossedModel:
        """The model of some configurations; of the compared ones only their variance between seeds matters here."""
        others = [c for c in self._compared if not any(c is one for one in configurations)]
        compared = [any(c is one for c in self._compared) for one in configurations]
        return crossed_model(
            [self._of(c, metric) for c in configurations], compared, [self._of(c, metric) for c in others]
        )

    def _of(self, configuration: Configuration, metric: str) -> Evidence:
        key = id(configuration), metric
        if key not in self._evidence:
            self._evidence[key] = evidence(configuration.test, metric, collapsed=len(configuration.collapsed))
        return self._evidence[key]


def chances_by_subset(candidates: Sequence[Configuration], headline: str) -> list[float]:
    """The probability that each configuration is the best of all, by the labelled subset alone.

    Returns:
        One a configuration; none for fewer than two, or where a run has not stored its predictions.
    """
    stored = [(c.validation, len(c.collapsed)) for c in candidates]
    known = [(subset, collapsed) for subset, collapsed in stored if subset is not None]
    if len(known) < max(len(candidates), 2):
        return []
    of_subset = [evidence(subset, headline, collapsed) for subset, collapsed in known]
    return [float(p) for p in probabilities_of_best(crossed_model(of_subset))]
