"""What every form of a report says of confirmation: on which seeds a figure is, and what has none with fresh ones."""

from __future__ import annotations

from collections.abc import Sequence

from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import LeaderboardRow, differing_params
from dta_bench.report.labels import label_row

NO_WIDTH = 0.05
"""An interval that is narrower, in points, is printed with equal ends."""


def describe_seeds(confirmed: bool) -> str:
    """On which seeds a figure is, for the middle of a sentence."""
    return "on fresh seeds, which had no part in choosing" if confirmed else "on the seeds of the search"


def count_fresh(row: LeaderboardRow) -> str:
    """A row's number of seeds: ``3 fresh``, or ``2`` of the search."""
    return f"{row.seeds} fresh" if row.confirmed else str(row.seeds)


def legend_of_intervals(report: Report) -> list[str]:
    """What the intervals of a table are over, on which seeds its rows are, and which of its intervals say little."""
    rows = [row for row in report.leaderboard if row.ci95 is not None]
    lines = [_spell_over(rows)] if rows else []
    if any(row.confirmed for row in report.leaderboard):
        lines.append('Fresh seeds had no part in choosing. Rows without "fresh" are on the seeds of the search.')
    elif rows:
        lines.append("All rows are on the seeds of the search, which flatter what was chosen on them.")
    return lines + _without_width(report)


def interval_over(row: LeaderboardRow) -> str:
    """What a row's interval is over: ``fresh seeds and images``, ``seeds of the search and images``, ``images``."""
    if row.ci95 is None:
        return ""
    seeds = "fresh seeds" if row.confirmed else "seeds of the search"
    return "images" if _is_over_images(row) else f"{seeds} and images"


def _is_over_images(row: LeaderboardRow) -> bool:
    """Whether nothing is known of how far seeds are apart: of one seed, and of two that both collapsed."""
    return row.seeds == 1 or row.seeds == row.collapsed == 2


def _spell_over(rows: Sequence[LeaderboardRow]) -> str:
    of_images = [_is_over_images(row) for row in rows]
    if all(of_images):
        return "Intervals are over test images only: one seed does not show how far seeds are apart."
    one = "; of one seed, or two that collapsed, over test images only" if any(of_images) else ""
    return f"Intervals are over training seeds and test images{one}."


def _without_width(report: Report) -> list[str]:
    """A word on intervals of runs that predict one class: other images would give them the same score."""
    names, several = differing_params(report.leaderboard), len({row.backbone for row in report.leaderboard}) > 1
    found = [
        label_row(row, names, several)
        for row in report.leaderboard
        if row.ci95 is not None and _is_over_images(row) and row.ci95[1] - row.ci95[0] < NO_WIDTH
    ]
    if not found:
        return []
    return [
        f"No width ({', '.join(dict.fromkeys(found))}): all images of a class are right, or all are wrong, as when one"
        " class is predicted for everything. Other images would give this score again, another seed may not."
    ]


def search_sentences(report: Report) -> list[str]:
    """The figure of a confirmed choice on the seeds of the search."""
    search = report.selected.search if report.selected else None
    if search is None or search.test is None:
        return []
    seeds = "the seed" if search.seeds == 1 else f"the {search.seeds} seeds"
    return [f"On {seeds} of the search it has {search.test:.1f} % on target test."]


def unconfirmed_sentences(report: Report) -> list[str]:
    """What was to be confirmed and is not yet, and what was confirmed and is no longer chosen."""
    asked, sentences = report.confirmation, []
    if asked.done < asked.requested:
        sentences.append(
            f"Confirmation: {asked.done} of {asked.requested} runs with fresh seeds are done; the same sweep command"
            " goes on with those that did not fail."
        )
    earlier = [row for row in report.leaderboard if row.confirmed_earlier]
    if earlier:
        names, several = differing_params(report.leaderboard), len({row.backbone for row in report.leaderboard}) > 1
        shown = "; ".join(
            label_row(row, names, several) + ("" if row.test is None else f", {row.test:.1f} %") for row in earlier
        )
        sentences.append(f"Confirmed earlier, before another configuration of its method was chosen: {shown}.")
    return sentences


def source_only_twice(report: Report) -> list[str]:
    """Which figure of source-only is which, where the ranking has another one than stands beside the choice."""
    beside, row = report.source_only, report.rows_by_side().get("source_only")
    if (
        beside is None
        or row is None
        or row.test is None
        or report.selected is None
        or row.confirmed == beside.confirmed
    ):
        return []
    return [
        f"Source-only has two figures: {row.test:.1f} % in the ranking, on its fresh seeds; and"
        f" {beside.average(report.headline):.1f} % beside {report.selected.method}, on the seeds of the search, because"
        f" this configuration of {report.selected.method} has no runs with fresh seeds (a sweep makes them of what its"
        " own rule chooses)."
    ]


def untested_sentences(report: Report) -> list[str]:
    """Which methods are left out of the paired tests; or that all of these are on the seeds of the search."""
    if report.untested:
        return [f"Left out of these tests, because they have no runs with fresh seeds: {', '.join(report.untested)}."]
    firsts = {row.method: row for row in reversed(report.leaderboard)}
    if sum(row.confirmed for row in firsts.values()) < 2:
        return ["These tests use the seeds of the search, which flatters what was chosen on them."]
    return []
