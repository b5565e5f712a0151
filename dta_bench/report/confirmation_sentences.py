"""What every form of a report says of confirmation: on which seeds a figure is, and what has none with fresh ones."""

from __future__ import annotations

from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import LeaderboardRow, differing_params
from dta_bench.report.labels import label_row


def describe_seeds(confirmed: bool) -> str:
    """On which seeds a figure is, for the middle of a sentence."""
    return "on fresh seeds, which had no part in choosing" if confirmed else "on the seeds of the search"


def count_fresh(row: LeaderboardRow) -> str:
    """A row's number of seeds: ``3 fresh``, or ``2`` of the search."""
    return f"{row.seeds} fresh" if row.confirmed else str(row.seeds)


def legend_of_seeds(report: Report) -> list[str]:
    """What ``fresh`` stands for in a table; nothing where no row has it."""
    if not any(row.confirmed for row in report.leaderboard):
        return []
    return ['Fresh seeds had no part in choosing. Rows without "fresh" are measured on the seeds of the search.']


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


def untested_sentences(report: Report) -> list[str]:
    """Which methods are left out of the paired tests; or that all of these are on the seeds of the search."""
    if report.untested:
        return [f"Left out of these tests, because they have no runs with fresh seeds: {', '.join(report.untested)}."]
    firsts = {row.method: row for row in reversed(report.leaderboard)}
    if sum(row.confirmed for row in firsts.values()) < 2:
        return ["These tests use the seeds of the search, which flatters what was chosen on them."]
    return []
