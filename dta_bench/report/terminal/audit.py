"""How the choice was made, on a terminal: what the subset was asked, what was lost, and what other rules would do."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from dta_bench.report.summary import differing

SHOWN_PAIRS = 6
ORACLE = "magenta"  # the one rule that is none


def show_choosing(found: dict[str, Any], console: Console) -> None:
    """Print the audit of the choice, and the rules' table and the label budget where they were asked for."""
    for line in audit(found):
        console.print(line, highlight=False)
    for line in tests(found):
        console.print(line, highlight=False)
    if found.get("rules"):
        console.print(_rules(found))
        for line in disagreement(found):
            console.print(line, highlight=False)
    if found.get("label_budget"):
        console.print(_budget(found["label_budget"]))
    elif reason := found.get("label_budget_unavailable"):
        console.print(f"How many labels choosing needs cannot be said: {reason}", highlight=False)


def audit(found: dict[str, Any]) -> list[str]:
    """What choosing cost and may have gained by luck, a sentence each."""
    subset, lost = found["subset"], found.get("regret")
    drawn = "stratified by class" if subset["stratified"] else "at random"
    said = [
        f"Labelled subset: {subset['size']} images drawn {drawn} by seed {subset['seed']}, hash {subset['hash'][:12]}; "
        f"its labels were asked {subset['asked']} times by the runs in this table."
    ]
    if lost is None:
        return said
    if found["rule"] == "labels":
        said.append(
            f"Its score of the chosen is {found['inflation']:+.1f} points off target test: it is there for choosing."
        )
    if found["rule"] != "oracle":
        said.append(f"Regret: {points(lost['points'], lost['ci95'])} lost against the oracle's {lost['oracle']:.1f} %.")
    return said


def tests(found: dict[str, Any]) -> list[str]:
    """Which methods differ, by paired tests over seeds and images, corrected for their number by Holm."""
    pairs = found.get("comparisons") or []
    said = [
        f"{one['first']} against {one['second']}: {one['points']:+.1f} points, {_p(one['p_holm'])}"
        f" ({'they differ' if one['differs'] else 'no difference is shown'})."
        for one in pairs[:SHOWN_PAIRS]
    ]
    heading = f"Paired tests over seeds and images, Holm's correction for {len(pairs)}:"
    more = [f"{len(pairs) - SHOWN_PAIRS} more pairs are in the JSON."] if len(pairs) > SHOWN_PAIRS else []
    return [heading, *said, *more] if said else []


def _p(value: float) -> str:
    return "p below 0.001" if value < 0.001 else f"p {value:.3f}"


def disagreement(found: dict[str, Any]) -> list[str]:
    """Where label-free, labelled and test choice differ, in words."""
    rows = {one["rule"]: one for one in found["rules"] if not one.get("unavailable")}
    bound = rows["oracle"]
    said = []
    for name in ("labels", "source"):
        if name in rows and rows[name]["selected"] != bound["selected"]:
            why = f"{name} chose {_point(found, rows[name])}, the oracle {_point(found, bound)}"
            said.append(f"{why}: {rows[name]['test']:.1f} against {bound['test']:.1f} % on target test.")
    if {"labels", "source"} <= rows.keys() and rows["labels"]["selected"] != rows["source"]["selected"]:
        gap = rows["labels"]["test"] - rows["source"]["test"]
        said.append(f"Choosing by target labels instead of source labels is worth {gap:+.1f} points here.")
    return said


def points(value: float, bounds: list[float] | None) -> str:
    """``1.2 points (95 % interval 0.3 to 2.0)``."""
    interval = f" (95 % interval {bounds[0]:.1f} to {bounds[1]:.1f})" if bounds else ""
    return f"{value:.1f} points{interval}"


def _rules(found: dict[str, Any]) -> Table:
    shown = Table(title="Every rule on the same runs", title_justify="left")
    shown.add_column("rule")
    shown.add_column("what it chose", ratio=1)
    for column in ("target\ntest, %", "regret, points\n(95 % interval)", "rank corr.\nwith oracle"):
        shown.add_column(column, justify="right")
    for one in found["rules"]:
        style = ORACLE if one["rule"] == "oracle" else None
        if reason := one.get("unavailable"):
            shown.add_row(one["rule"], f"unavailable: {reason}", "", "", "", style="dim")
            continue
        shown.add_row(
            one["rule"], _point(found, one), f"{one['test']:.1f}", _regret(one),
            "-" if one["rank_correlation"] is None else f"{one['rank_correlation']:.2f}", style=style,
        )  # fmt: skip
    shown.caption = "The oracle reads the test labels: a bound, not a rule. Regret: what a choice loses against it."
    shown.caption_justify = "left"
    return shown


def _regret(one: dict[str, Any]) -> str:
    bounds = one["regret_ci95"]
    return f"{one['regret']:.1f}" + (f" ({bounds[0]:.1f}..{bounds[1]:.1f})" if bounds else "")


def _point(found: dict[str, Any], one: dict[str, Any]) -> str:
    rows, chosen = [row for row in found["leaderboard"] if row["competes"]], one["selected"]
    values = [f"{n}={chosen['params'][n]}" for n in differing(rows) if n in chosen["params"]]
    return " ".join([chosen["method"], *values])


def _budget(rows: list[dict[str, Any]]) -> Table:
    shown = Table(title="How many labels choosing needs here (subsets drawn again and again)", title_justify="left")
    for column in ("labels", "mean regret,\npoints", "middle 90 %", "finds the\nbest, %"):
        shown.add_column(column, justify="right")
    for one in rows:
        shown.add_row(
            str(one["labels"]), f"{one['regret']:.2f}", f"{one['low']:.2f}..{one['high']:.2f}",
            f"{100 * one['finds_the_best']:.0f}",
        )  # fmt: skip
    shown.caption = f"{rows[0]['draws']} draws each; the last row is all of target train."
    shown.caption_justify = "left"
    return shown
