"""Selection rules side by side, and how many labels choosing needs."""

from __future__ import annotations

from typing import Any

from dta_bench.report.html.charts.chart import Axes, Series, lines
from dta_bench.report.html.page import Cell, Figure, Section, Table
from dta_bench.report.html.sections.spelling import configuration, number, runs_page
from dta_bench.report.summary import differing
from dta_bench.report.terminal.audit import audit, disagreement


def choosing(found: dict[str, Any]) -> Section | None:
    """What choosing cost, every rule and the label-budget curve; without these two, the command that fills them."""
    if not found["selected"]:
        return None
    rules, budget = found.get("rules"), found.get("label_budget")
    words = audit(found)
    if not rules and not budget:
        words = [*words, "The other selection rules, on these same runs, have not been asked for. To see them:"]
        return Section("choosing", "Choosing", words, commands=[f"dta-bench report {found['benchmark']} --select all"])
    words.append(
        "Every rule chooses among the same runs. Regret is what its choice loses on target test against the oracle's,"
        " in points; the oracle reads the test labels and is a bound, not a rule. Rank"
        " correlation is Spearman's between a rule's scores and those on target test."
    )
    words += disagreement(found) if rules else []
    if reason := found.get("label_budget_unavailable"):
        words.append(f"How many labels choosing needs cannot be said: {reason}")
    return Section(
        "choosing", "Choosing", words,
        tables=[_rules(rules, differing(found["leaderboard"]))] if rules else [],
        figures=[_curve(found, budget)] if budget else [],
    )  # fmt: skip


def _rules(rules: list[dict[str, Any]], names: list[str]) -> Table:
    head = ["rule", "what it chose", "target test, %", "regret, points", "rank correlation"]
    rows = [_rule(one, names) for one in rules]
    oracle = frozenset(i for i, one in enumerate(rules) if one["rule"] == "oracle")
    return Table(head, rows, "", frozenset(), oracle)


def _rule(one: dict[str, Any], names: list[str]) -> list[Cell]:
    if one.get("unavailable"):
        return [Cell(one["rule"]), Cell(f"not available: {one['unavailable']}"), Cell(""), Cell(""), Cell("")]
    bounds = one.get("regret_ci95")
    regret = "" if one["regret"] is None else f"{one['regret']:.1f}"
    regret += f" ({bounds[0]:.1f} to {bounds[1]:.1f})" if bounds else ""
    return [
        Cell(one["rule"]), Cell(_chosen(one["selected"], names)), number(one["test"]), Cell(regret, number=True),
        number(one["rank_correlation"], 2),
    ]  # fmt: skip


def _chosen(selected: Any, names: list[str]) -> str:
    if not isinstance(selected, dict):
        return str(selected)
    return configuration(selected, names)


def _curve(found: dict[str, Any], budget: list[dict[str, Any]]) -> Figure:
    x = [float(one["labels"]) for one in budget]
    bands = all("low" in one and "high" in one for one in budget)
    series = Series(
        "rule: labels", x, [one["regret"] for one in budget], 1,
        low=[one["low"] for one in budget] if bands else (), high=[one["high"] for one in budget] if bands else (),
        link=runs_page(found),
    )  # fmt: skip
    axes = Axes("Regret by labels", "labelled target images", "regret, points", logarithmic=True, from_zero=True)
    caption = "How many labels choosing needs here: mean regret over resampled subsets, with the middle 90 % of them."
    links = [("these runs", address)] if (address := runs_page(found)) else []
    return Figure(lines([series], axes), caption, links)
