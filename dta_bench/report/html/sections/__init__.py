"""The report's page, section by section, from the one object that all its forms are drawn from."""

from __future__ import annotations

from typing import Any

from dta_bench.report.html.page import Page
from dta_bench.report.html.sections.classes import classes
from dta_bench.report.html.sections.confusions import confusions
from dta_bench.report.html.sections.cost import cost
from dta_bench.report.html.sections.paired import paired
from dta_bench.report.html.sections.provenance import made
from dta_bench.report.html.sections.ranking import ranking
from dta_bench.report.html.sections.scenes import scenes
from dta_bench.report.html.sections.search import search
from dta_bench.report.html.sections.selection import choosing
from dta_bench.report.html.sections.training import training
from dta_bench.report.terminal.show import answer, warnings


def page_of(found: dict[str, Any]) -> Page:
    """The page of a report; what its object lacks (an older file, a part that was not run) has no section."""
    said = answer(found) if found["selected"] else "Only baselines have been run."
    parts = (ranking, paired, classes, confusions, scenes, choosing, search, training, cost, made)
    return Page(
        title=f"{found['benchmark']}: {found['source']} → {found['target']}",
        kicker="dta-bench report",
        answer=said,
        numbers=_numbers(found),
        warnings=warnings(found),
        sections=[section for part in parts if (section := part(found)) is not None],
    )


def _numbers(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The answer's figures, large."""
    test, difference, headline = found["test"], found["difference"], found["headline"]
    if test is None:
        return []
    low, high = test["ci95" if headline == "accuracy" else f"ci95_{headline}"]
    spelt = headline.replace("_", " ")
    shown = [(f"Target test, {spelt}", f"{test[headline]:.1f} %", f"95 % interval {low:.1f} to {high:.1f}")]
    if difference:
        shown.append((
            "Against source-only", f"{difference['points']:+.1f}",
            f"points, standard error {difference['standard_error']:.1f}",
        ))  # fmt: skip
    shown.append(("Compared", str(found["compared"]), f"configurations, {found['runs']} runs"))
    return [*shown, ("Rule", found["rule"], _rule(found))]


def _rule(found: dict[str, Any]) -> str:
    size, seed = found["subset"]["size"], found["subset"]["seed"]
    rules = {
        "labels": f"{size} labelled images of target train chose (seed {seed})",
        "oracle": "the target test labels chose: a bound, not a result",
    }
    return rules.get(found["rule"], "no label of the target chose")
