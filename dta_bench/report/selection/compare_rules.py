"""Every selection rule on the same runs: what it chooses, and how much worse that is than the oracle's choice."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dta_bench.report.configurations import Configuration
from dta_bench.report.document.frozen_record import Interval
from dta_bench.report.document.scores import ChosenConfiguration, RuleRow
from dta_bench.report.selection.rules import RULES, Unavailable, competitors, scores
from dta_bench.report.uncertainty import Uncertainty


def all_rules(group: Sequence[Configuration], headline: str, uncertainty: Uncertainty) -> list[RuleRow]:
    """A row a rule, the oracle last: what it chose among the competing configurations, and its regret in points.

    ``regret`` is the oracle's target test score less that of the choice, ``regret_ci95`` its interval, both choices
    held fixed; ``rank_correlation`` is Spearman's between the rule's scores of all configurations and their test
    scores. All three are None where no labelled target test is there.
    """
    candidates = competitors(group)
    if not candidates:
        return []
    if not all(candidate.has("test") for candidate in candidates):
        return [_row(name, candidates, None, headline, uncertainty) for name in RULES]
    truth = scores(candidates, "oracle", headline)
    return [_row(name, candidates, truth, headline, uncertainty) for name in RULES]


def regret(
    chosen: Configuration, best: Configuration, headline: str, uncertainty: Uncertainty
) -> tuple[float, Interval]:
    """What ``chosen`` loses on target test against ``best``, in points, and the 95 % interval."""
    if chosen is best:
        return 0.0, (0.0, 0.0)
    points = best.mean("test", headline) - chosen.mean("test", headline)
    return points, uncertainty.difference(best.searched, chosen.searched).ci95


def _row(
    name: str, candidates: list[Configuration], truth: list[float] | None, headline: str, uncertainty: Uncertainty
) -> RuleRow:
    """What a rule chose; without the ``truth`` (scores on target test) neither its regret nor its correlation."""
    try:
        values = scores(candidates, name, headline)
    except Unavailable as error:
        return RuleRow(rule=name, selected=None, test=None, regret=None, rank_correlation=None, unavailable=str(error))
    chosen = candidates[_first_best(values)]
    if truth is None:
        return RuleRow(rule=name, selected=_name(chosen), test=None, regret=None, rank_correlation=None)
    points, ci95 = regret(chosen, candidates[_first_best(truth)], headline, uncertainty)
    return RuleRow(
        rule=name,
        selected=_name(chosen),
        test=chosen.mean("test", headline), regret=points, rank_correlation=_rank_correlation(values, truth),
        regret_ci95=ci95,
    )  # fmt: skip


def _name(chosen: Configuration) -> ChosenConfiguration:
    return ChosenConfiguration(method=chosen.method, backbone=chosen.backbone, params=chosen.params)


def _first_best(values: list[float]) -> int:
    """The index of the first highest value; NaN never wins."""
    known = [-math.inf if math.isnan(value) else value for value in values]
    return known.index(max(known))


def _rank_correlation(values: list[float], truth: list[float]) -> float | None:
    if len(set(values)) < 2 or len(set(truth)) < 2:
        return None
    from scipy.stats import spearmanr  # takes as long to import as most reports to make

    correlation = float(spearmanr(values, truth).statistic)
    return None if math.isnan(correlation) else correlation
