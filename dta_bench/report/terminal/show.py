"""The report on a terminal, within 80 columns; and the sentence that answers first."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dta_bench.report.paper.published import beside, not_compared
from dta_bench.report.summary import LEADERS, averages, differing
from dta_bench.report.terminal.audit import ORACLE, show_choosing
from dta_bench.spec.run_spec import spelt

MOST_NAMES = 10
"""Runs that a warning names; the JSON and the page's table have all."""


def show(found: dict[str, Any], console: Console) -> None:
    """Print leaderboard, selected configuration, per-class table, and what is not to be overlooked."""
    console.print(_leaderboard(found), style=ORACLE if found["rule"] == "oracle" else None)
    if found["selected"]:
        console.print(f"[bold]Selected[/bold] by {_rule(found)}: {escape(_selected(found))}\n", highlight=False)
        console.print(_per_class(found))
        console.print(f"[bold]{escape(answer(found))}[/bold]", highlight=False)
    show_choosing(found, console)
    for warning in warnings(found):
        console.print(escape(warning), highlight=False)
    if rows := beside(found):
        console.print(_published(rows))
    if found.get("link"):
        console.print(f"\nThese runs in MLflow: dta-bench ui, then {found['link']}", highlight=False, soft_wrap=True)


def answer(found: dict[str, Any]) -> str:
    """One sentence: what won, by how much, chosen how, how sure; or that it did not win."""
    test, difference, headline = found["test"], found["difference"], found["headline"]
    low, high = test["ci95" if headline == "accuracy" else f"ci95_{headline}"]
    said = (
        f"{found['selected']['method']}, chosen by {_rule(found)}, has {spelt(headline)} {test[headline]:.1f} % on"
        f" target test (95 % interval {low:.1f} to {high:.1f}, {_seeds(test['seeds'])})"
    )
    if difference is None:
        return f"{said}; source-only has not been run beside it with the same seeds."
    gap = (
        f"{difference['points']:+.1f} points against source-only's {found['source_only'][headline]:.1f} %, "
        f"standard error {difference['standard_error']:.1f} over {difference['over']}"
    )
    if difference["seeds"] < test["seeds"]:
        gap += f" (on the {_seeds(difference['seeds'])} that both have)"
    alone = " One seed says nothing of training's own chance." if difference["seeds"] == 1 else ""
    return f"{said}: {gap}, {_verdict(difference)}.{alone}"


def _verdict(difference: dict[str, Any]) -> str:
    if difference["beyond_two_standard_errors"]:
        return "more than two standard errors above it"
    if difference["points"] < -2 * difference["standard_error"]:
        return "more than two standard errors BELOW it: it loses to source-only here"
    return "NOT more than two standard errors above it: no gain is shown"


def warnings(found: dict[str, Any]) -> list[str]:
    """What a reader must not overlook, a sentence each."""
    said = []
    if found["rule"] == "oracle":
        said.append("ORACLE: chosen by the target test labels themselves; a bound, not a result.")
    if found["collapsed"]:
        said.append(f"Collapsed (fewer than half of the classes predicted): {_some(found['collapsed'])}.")
    for reason in dict.fromkeys(found["failed"].values()):
        said.append(f"Failed: {_some([name for name, why in found['failed'].items() if why == reason])}: {reason}.")
    if stopped := found.get("stopped"):
        epochs = sorted({one["epoch"] for one in stopped.values()})
        rules = sorted({one["reason"].partition(":")[0] for one in stopped.values()})
        said.append(
            f"Stopped early by {' and '.join(rules)}, after epoch {', '.join(map(str, epochs))}: {len(stopped)} runs;"
            " they have no result and take no part in the choice."
        )
    if found["unfinished"]:
        said.append(f"Not finished: {_some(found['unfinished'])}; the same sweep command goes on.")
    said += [f"Left out, they cannot be read: {names}." for names in found["unreadable"]]
    if found["whole"]:
        scores = ", ".join(f"{spelt(key)} {value:.1f} %" for key, value in found["whole"].items())
        said.append(f"For comparison, with the labelled subset put back into target test, as papers have it: {scores}.")
    if found["too_few_seeds"]:
        said.append(f"{_configurations(found['too_few_seeds'])} fewer seeds finished, so no part in the choice.")
    said += not_compared(found)
    if count := found.get("old_fingerprints"):
        said.append(
            f"{'Runs' if count > 1 else 'Run'} with a code fingerprint of the old scheme: {count}. A sweep counts such"
            " runs as made by today's code only while no shipped file that decides their numbers has changed."
        )
    if found["left_out"]:
        said.append(f"{_configurations(found['left_out'])} other training, labels or data, not compared here.")
    return said


def _some(names: list[str]) -> str:
    """Names, but not hundreds of them."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _rule(found: dict[str, Any]) -> str:
    size = found["subset"]["size"]
    rules = {
        "labels": f"{size} labelled images of target train (rule: labels)",
        "source": "held-out source images (rule: source)",
        "entropy": "the entropy of its target predictions (rule: entropy)",
        "last": "nobody: it is the row that was started first (rule: last)",
        "oracle": "ORACLE: the target test labels",
    }
    label_free = f"{found['rule'].replace('_', ' ')}, without a target label (rule: {found['rule']})"
    return rules.get(found["rule"], label_free)


def _selected(found: dict[str, Any]) -> str:
    selected = found["selected"]
    params = " ".join(f"{k}={_short(v)}" for k, v in selected["params"].items())
    return f"{selected['method']} on {selected['backbone']}, {params}"


def _leaderboard(found: dict[str, Any]) -> Table:
    rows = found["leaderboard"]
    names = differing(rows)
    many = len({row["backbone"] for row in rows}) > 1
    headline = spelt(found["headline"])
    shown = Table(title=f"{found['benchmark']}: {found['source']} -> {found['target']}", title_justify="left")
    shown.add_column("#", justify="right")
    shown.add_column("configuration", ratio=1)
    for column in ("subset*", f"target test\n{headline}, %", "95 % interval", "seeds"):
        shown.add_column(column, justify="right")
    for rank, row in enumerate(rows[:LEADERS], start=1):
        point = [f"{n}={_short(row['params'][n])}" for n in names if n in row["params"]]
        shown.add_row(
            str(rank) if row["competes"] else "-",
            " ".join([row["method"], *([row["backbone"]] if many else []), *point]),
            f"{row['validation']:.1f}", f"{row['test']:.1f}", _range(row["ci95"]),
            str(row["seeds"]), style=None if row["competes"] else "dim",
        )  # fmt: skip
    more = f"; {len(rows) - LEADERS} more in the JSON" if len(rows) > LEADERS else ""
    shown.caption = (
        f"{found['compared']} compared, ranked by {_rule(found)}{more}\n"
        f"* {spelt(found['headline'])} on the {found['subset']['size']} labelled images of target train; not a result"
    )
    shown.caption_justify = "left"
    return shown


def _per_class(found: dict[str, Any]) -> Table:
    """Selected beside source-only, class by class, over the same seeds and budget."""
    sides = {
        found["selected"]["method"]: found["test"],
        "source-only": found["source_only"],
        "target-only": found["target_only"],
    }
    sides = {name: scores for name, scores in sides.items() if scores}
    shown = Table(title="target test, %, last epoch, mean over seeds", title_justify="left")
    shown.add_column("class")
    for name, scores in sides.items():
        shown.add_column(f"{name} ({_seeds(scores['seeds'])})", justify="right")
    for one in found["test"]["per_class"]:
        shown.add_row(one, *[_percent(scores["per_class"].get(one)) for scores in sides.values()])
    for name, key, interval in averages(found["test"]):
        shown.add_section()
        shown.add_row(name, *[f"{scores[key]:.1f}" for scores in sides.values()])
        shown.add_row("95 % interval", *[_range(scores[interval]) for scores in sides.values()])
    return shown


def _published(rows: list[list[str]]) -> Table:
    shown = Table(title="Published, as printed, beside ours in the same metric", title_justify="left")
    for column in ("table", "row", "backbone", "metric"):
        shown.add_column(column)
    for column in ("printed", "ours"):
        shown.add_column(column, justify="right")
    for row in rows:
        shown.add_row(*map(escape, row))
    return shown


def _range(interval: list[float]) -> str:
    return f"{interval[0]:.1f}..{interval[1]:.1f}"


def _percent(value: float | None) -> str:
    return "absent" if value is None else f"{value:.1f}"


def _configurations(count: int) -> str:
    return f"{count} configuration has" if count == 1 else f"{count} configurations have"


def _seeds(count: int) -> str:
    return f"{count} seed" if count == 1 else f"{count} seeds"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
