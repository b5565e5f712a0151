"""``calibration.md``: what the report's statistics claim against what was seen, worst first, and the power table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from calibration import Bar, Row, bars, cell_of, failures, grid, lower_limit, verdict
from calibration_headline import FRESH, HeadlineCell
from calibration_worlds import Cell

from dta_bench.report.statistics.crossed_model import LEVEL

HEAD = """# Claimed against seen

Made by `make calibration` from `calibration.jsonl`; drawn worlds of which the truth is known (`calibration_worlds.py`),
the report's own functions. A rate is the share of worlds in which a claim is false; a cell **FAILS** where the exact
binomial lower 99.9 % limit of that rate lies above what is claimed; one that is above it by less was simulated again
with 20,000 worlds.
"""


def document(rows: Sequence[Row], headlines: Sequence[Row] = ()) -> str:
    """The whole page; ``headlines`` are the rows of ``calibration_headline.jsonl``."""
    parts = [HEAD, _summary(rows, headlines), _headlines(headlines), *_claims(rows)]
    parts += [_collapse(rows), _one_seed(rows), _widths(rows), _power(rows)]
    return "\n".join(parts)


def _summary(rows: Sequence[Row], headlines: Sequence[Row]) -> str:
    failed = [f"* {_name(cell_of(row))}: {'; '.join(found)}" for row in rows if (found := _failures(row))]
    failed += [f"* {cell_of(row, HeadlineCell)}: {_null_rate(row):.3f}" for row in headlines if _judged(row) == "FAILS"]
    dates = sorted({row["date"] for row in rows})
    kept = grid(full=False)
    missing = set(kept) - {cell_of(row) for row in rows}
    lines = [
        f"{len(rows)} cells, simulated from {dates[0]} to {dates[-1]}; {len(failed)} do not hold what is claimed.",
        f"Of the {len(kept)} cells of the kept grid {len(missing)} are not simulated yet; the same command goes on.",
        "",
        *failed,
    ]
    return "\n".join(lines) + "\n"


def _headlines(rows: Sequence[Row]) -> str:
    found = sorted(rows, key=lambda row: -_null_rate(row))
    table = _table(
        ["cell", "worlds", "on fresh seeds, at most 0.05", "lower limit", "on the seeds that chose", ""],
        [
            [f"{cell_of(row, HeadlineCell)}", f"{row['worlds']:,}", f"{_null_rate(row):.4f}",
             f"{lower_limit(row['counts'][FRESH], row['worlds']):.4f}",
             f"{row['counts']['on the seeds that chose'] / row['worlds']:.4f}", _judged(row)]
            for row in found[:15]
        ],
    )  # fmt: skip
    return (
        "## The headline\n\nHow often the chosen configuration is said to be better than source-only where all are as"
        " good as it: chosen by 100 labelled images on two search seeds, tested on fresh ones"
        " (`calibration_headline.py`)."
        f" The 15 cells that come nearest to what is claimed, of {len(found)}."
        f"\n\n{table}"
    )


def _null_rate(row: Row) -> float:
    return float(row["counts"][FRESH] / row["worlds"])


def _judged(row: Row) -> str:
    return verdict(Bar("better than source-only", LEVEL), row["counts"][FRESH], row["worlds"])


def _claims(rows: Sequence[Row]) -> Iterable[str]:
    names = dict.fromkeys(bar.name for row in rows for bar in bars(cell_of(row)) if bar.most)
    for name in names:
        found = [(row, bar) for row in rows for bar in bars(cell_of(row)) if bar.name == name and bar.most]
        found.sort(key=lambda pair: pair[1].most / max(_rate(*pair), 1e-9))
        yield f"## {name[0].upper()}{name[1:]}\n\nThe 15 cells that come nearest to what is claimed, of {len(found)}.\n"
        yield _table(
            ["cell", "worlds", "claimed at most", "seen", "lower limit", "date", ""],
            [
                [_name(cell_of(row)), f"{row['worlds']:,}", f"{bar.most:.3f}", f"{_rate(row, bar):.4f}",
                 f"{lower_limit(row['counts'][name], row['worlds']):.4f}", row["date"],
                 verdict(bar, row["counts"][name], row["worlds"])]
                for row, bar in found[:15]
            ],
        )  # fmt: skip


def _collapse(rows: Sequence[Row]) -> str:
    found = [row for row in rows if row["kind"] == "collapse"]
    name = "score interval misses"
    table = _table(
        ["cell", "score interval misses"],
        [[_name(cell_of(row)), f"{row['counts'][name] / row['worlds']:.3f}"] for row in found],
    )
    return (
        "## Where a run in ten collapses\n\nThe expected score holds the collapses, and a few seeds of which none has"
        " collapsed cannot tell how often they do. No coverage is claimed: the report names every collapsed run, and"
        f" says that an interval holds no chance of collapse that was not seen.\n\n{table}"
    )


def _one_seed(rows: Sequence[Row]) -> str:
    name = "score interval over images alone misses"
    found = sorted((row for row in rows if row["seeds"] == 1), key=lambda row: -row["counts"][name])
    table = _table(
        ["cell", "misses the expected score"],
        [[_name(cell_of(row)), f"{row['counts'][name] / row['worlds']:.3f}"] for row in found],
    )
    return (
        "## One seed\n\nThe interval is over test images only, is named so, and no difference is claimed. As an"
        f" interval of the expected score over training seeds it would miss this often:\n\n{table}"
    )


def _widths(rows: Sequence[Row]) -> str:
    found = [row for row in rows if row["kind"] == "equal" and row["seeds"] > 1]
    groups: dict[tuple[int, int], list[float]] = {}
    for row in found:
        groups.setdefault((row["seeds"], row["methods"]), []).append(row["width"])
    table = _table(
        ["seeds", "methods", "least", "most"],
        [[str(s), str(m), f"{min(w):.2f}", f"{max(w):.2f}"] for (s, m), w in sorted(groups.items())],
    )
    return (
        "## What not knowing the variance costs\n\nMean width of a score's interval, in intervals of one who knows the"
        f" variances; at most 1.3 is claimed from 5 seeds on.\n\n{table}"
    )


def _power(rows: Sequence[Row]) -> str:
    found = [row for row in rows if row["kind"] == "equal" and row["seeds"] > 1]
    found.sort(key=lambda row: (row["metric"], row["images"], row["methods"], row["spread"], row["seeds"]))
    table = _table(
        ["metric", "test images", "methods", "SD", "seeds", "power"],
        [
            [row["metric"], f"{row['images']:,}", str(row["methods"]), f"{row['spread']:g}", str(row["seeds"]),
             f"{row['power']:.2f}"]
            for row in found
        ],
    )  # fmt: skip
    return (
        "## Power\n\nThe share of worlds in which a method that is 10 points better than another is found to be, after"
        f" the correction for all pairs. SD is the standard deviation between seeds, in points.\n\n{table}"
    )


def _failures(row: Row) -> list[str]:
    return failures(cell_of(row), row, row["worlds"])


def _rate(row: Row, bar: Bar) -> float:
    return float(row["counts"][bar.name] / row["worlds"])


def _name(cell: Cell) -> str:
    spreads = {"half": "SD 1 and 4", "one": "SD 2, one 8", "t3": "SD 2, t3", "collapse": "SD 2, collapses"}
    spread = spreads.get(cell.kind, f"SD {cell.spread:g}")
    return f"{cell.metric}, {spread}, {cell.seeds} seeds, {cell.images:,} images, {cell.methods} methods"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"
