"""Claimed against seen: the report's intervals and tests on simulated worlds of which the truth is known.

    python reports/calibration.py [--grid kept|full] [--jobs 2]

Cells that are there already, of the same statistics, are not simulated again. ``calibration.jsonl`` keeps the counts,
``calibration.md`` is drawn from them.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import datetime
import hashlib
import itertools
import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from calibration_worlds import Cell, image_standard_error, models, world_of
from numpy.typing import NDArray
from scipy import stats

from dta_bench.report.statistics import crossed_model
from dta_bench.report.statistics.crossed_model import LEVEL, CrossedModel
from dta_bench.report.statistics.pair_model import PairModel, all_pairs
from dta_bench.report.statistics.paired_tests import holm

HERE = Path(__file__).parent
WORLDS, MORE_WORLDS = 2_000, 20_000
MODULES = ("outcomes", "map_outcomes", "seed_variance", "crossed_model", "pair_model", "paired_tests")
APART = 10.0
"""Points by which the first method is better, for the power of the tests."""

Bools = NDArray[np.bool_]
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Bar:
    """What is claimed: an error rate that is not to be above ``most``; None: the rate is printed, without a bar."""

    name: str
    most: float | None


def bars(cell: Cell) -> list[Bar]:
    """What the report claims in a cell."""
    equal = cell.kind == "equal"
    if cell.seeds == 1:
        return [Bar("any false difference", 0.0), Bar("score interval over images alone misses", None)]
    misses = 0.07 if equal else 0.10
    unmet = cell.kind == "collapse"  # few seeds cannot tell how often a run collapses
    rates = [Bar("any false difference", LEVEL if equal else 0.10)]
    if cell.kind in ("half", "one"):
        rates += [Bar("interval of the widest misses", misses), Bar("interval of the steadiest misses", misses)]
    else:
        rates.append(Bar("score interval misses", None if unmet else misses))
    return [*rates, Bar("difference interval misses", misses)]


def simulate(cell: Cell, worlds: int, seed: int = 0) -> dict[str, Any]:
    """Error counts of a cell, by name, with the mean width against one who knows the variances, and the power."""
    rng = np.random.default_rng([seed, *hashlib.sha256(repr(cell).encode()).digest()[:8]])
    counts: dict[str, int] = {}
    widths, found = [], 0
    for model in models(cell, worlds, rng):
        for name, errors in _errors(cell, model).items():
            counts[name] = counts.get(name, 0) + int(errors.sum())
        widths.append(model.half_widths().sum())
        found += int(_finds(model).sum()) if cell.seeds > 1 else 0
    width = sum(widths) / (worlds * cell.methods)
    known = stats.norm.isf(LEVEL / 2) * np.hypot(cell.spreads / np.sqrt(cell.seeds), image_standard_error(cell)).mean()
    return {"counts": counts, "width": float(width / known), "power": found / worlds}


def any_difference(model: CrossedModel) -> Bools:
    """Whether any pair is said to differ (W,), exactly as the report says it.

    Holm rejects nothing where the smallest p value is not below the level over the number of pairs, which half widths
    at that level tell without a p value: so only the other worlds are tested in full.
    """
    pairs = all_pairs(model)
    if not pairs.testable.any():
        return np.zeros(len(model.means), dtype=bool)
    fewest = max(int(pairs.testable.sum(axis=-1).min()), 1)  # pairs that any world is corrected for
    beyond = np.abs(pairs.points) >= pairs.moderated_half_widths(LEVEL / fewest)
    suspicious = (pairs.testable & beyond).any(axis=1)
    claims = np.zeros(len(model.means), dtype=bool)
    for world in np.flatnonzero(suspicious):
        moderated, own = all_pairs(world_of(model, world)).p_values()
        claims[world] = bool((np.maximum(holm(moderated), own) < LEVEL).any())
    return claims


def lower_limit(errors: int, worlds: int) -> float:
    """The exact binomial lower 99.9 % limit of an error rate (Clopper and Pearson)."""
    return float(stats.binomtest(errors, worlds).proportion_ci(0.998, method="exact").low)


def verdict(bar: Bar, errors: int, worlds: int) -> str:
    """``holds``, ``FAILS``, or ``close``: above the bar, but not beyond chance."""
    if bar.most is None:
        return "no bar"
    if errors / worlds <= bar.most:
        return "holds"
    return "FAILS" if lower_limit(errors, worlds) > bar.most else "close"


def failures(cell: Cell, result: dict[str, Any], worlds: int) -> list[str]:
    """What a cell claims and does not hold, in words."""
    failed = [
        f"{bar.name}: {result['counts'][bar.name] / worlds:.3f} where {bar.most} is claimed"
        for bar in bars(cell)
        if verdict(bar, result["counts"][bar.name], worlds) == "FAILS"
    ]
    if _has_width_bar(cell) and result["width"] > 1.3:
        failed.append(f"width {result['width']:.2f} times that of one who knows the variances, 1.3 is claimed")
    if _has_power_bar(cell) and result["power"] < 0.8:
        failed.append(f"power {result['power']:.2f}, 0.8 is claimed")
    return failed


def grid(full: bool) -> list[Cell]:
    """The cells; the kept grid has the ends of each axis where the full one has all of it."""
    spreads, images = ((0.5, 1.0, 2.0, 4.0), (600, 898, 20_000)) if full else ((0.5, 2.0, 4.0), (600, 20_000))
    seeds, methods = (1, 2, 3, 5, 10), (2, 6, 25)
    metrics = ("accuracy", "mean_class_accuracy")
    cells = [
        Cell(metric, "equal", *rest)
        for metric, *rest in itertools.product(metrics, spreads, seeds, images, methods)
    ]  # fmt: skip
    odd = ("half", "one", "t3", "collapse")
    cells += [
        Cell(metric, kind, 2.0, *rest)
        for metric, kind, *rest in itertools.product(metrics if full else metrics[:1], odd, seeds[1:], images, methods)
    ]
    maps = itertools.product((0.5, 2.0, 4.0) if full else (2.0,), (2, 3, 5), (60, 500), (2, 6))
    cells += [Cell("miou", "equal", *rest) for rest in maps]
    return sorted(set(cells), key=lambda cell: cell.methods * cell.seeds * (cell.images if cell.images < 1000 else 1))


def _errors(cell: Cell, model: CrossedModel) -> dict[str, Bools]:
    """What is wrong in each world (W,), by the names of :func:`bars`."""
    missed = np.abs(model.means - cell.truth) > model.half_widths()
    pair = PairModel(model, np.array([0]), np.array([cell.methods - 1]))
    names = {
        "any false difference": any_difference(model),
        "difference interval misses": _claimed(pair)[:, 0] & (np.abs(pair.points) > pair.half_widths())[:, 0],
    }
    if cell.seeds == 1:
        return {
            "any false difference": names["any false difference"],
            "score interval over images alone misses": missed[:, 0],
        }
    if cell.kind in ("half", "one"):
        return names | {
            "interval of the widest misses": missed[:, 0],
            "interval of the steadiest misses": missed[:, -1],
        }
    return names | {"score interval misses": missed[:, 0]}


def _claimed(pair: PairModel) -> Bools:
    """Whether each interval (W, P) is claimed to cover training too; one over images alone is named so."""
    return pair.testable | np.broadcast_to(pair.model.seeds[pair.first] < 2, pair.points.shape)


def _finds(model: CrossedModel) -> Bools:
    """Whether a first method that is :data:`APART` points better is found against the last, corrected for all pairs."""
    means = model.means.copy()
    means[:, 0] += APART
    last = means.shape[1] - 1
    pair = PairModel(dataclasses.replace(model, means=means), np.array([0]), np.array([last]))
    needed = np.maximum(pair.moderated_half_widths(LEVEL / (last * (last + 1) / 2)), pair.own_half_widths())
    return np.asarray((pair.points > needed)[:, 0])


def _has_width_bar(cell: Cell) -> bool:
    return cell.kind == "equal" and cell.seeds >= 5 and cell.methods >= 2


def _has_power_bar(cell: Cell) -> bool:
    return (cell.kind, cell.spread, cell.seeds, cell.images, cell.methods) == ("equal", 2.0, 3, 20_000, 25)


def _run_cell(cell: Cell, worlds: int) -> dict[str, Any]:
    """A row of ``calibration.jsonl``; a cell that is close to a bar is simulated again with more worlds."""
    result = simulate(cell, worlds)
    close = any(verdict(bar, result["counts"][bar.name], worlds) != "holds" for bar in bars(cell) if bar.most)
    if close and worlds < MORE_WORLDS:
        worlds = MORE_WORLDS
        result = simulate(cell, worlds, seed=1)
    return {**dataclasses.asdict(cell), "worlds": worlds, "date": f"{datetime.date.today()}", **result}


def _code() -> str:
    """What the counts depend on: the statistics and the worlds."""
    folder = Path(crossed_model.__file__).parent
    files = [*(folder / f"{name}.py" for name in MODULES), HERE / "calibration_worlds.py"]
    return hashlib.sha256("".join(_without_words(file) for file in files).encode()).hexdigest()[:12]


def _without_words(file: Path) -> str:
    """A file's code without comments and docstrings."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[:1] = [ast.Pass()]
    return ast.unparse(tree)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grid", choices=("kept", "full"), default="kept")
    parser.add_argument("--worlds", type=int, default=WORLDS)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="simulate cells again that other statistics were run on")
    options = parser.parse_args()
    from calibration_headline import HeadlineCell, headline_grid, run_headline
    from calibration_tables import document

    headlines = _simulate("calibration_headline.jsonl", headline_grid(), run_headline, HeadlineCell, options)
    rows = _simulate("calibration.jsonl", grid(options.grid == "full"), _run_cell, Cell, options)
    (HERE / "calibration.md").write_text(document(rows, headlines))


def _simulate(
    name: str, cells: Sequence[Any], run: Callable[[Any, int], Row], kind: type, options: argparse.Namespace
) -> list[Row]:
    """The rows of the file ``name``, with those of the cells that it has not yet."""
    kept, code = HERE / name, _code()
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    if options.again:
        rows = [row for row in rows if row["code"] == code]
    done = {cell_of(row, kind) for row in rows}
    to_do = [cell for cell in cells if cell not in done]
    with ProcessPoolExecutor(options.jobs) as pool:
        futures = [pool.submit(run, cell, options.worlds) for cell in to_do]
        for count, future in enumerate(as_completed(futures), start=1):
            rows.append({**future.result(), "code": code})
            kept.write_text("".join(json.dumps(row) + "\n" for row in rows))
            print(f"{count} of {len(to_do)}: {cell_of(rows[-1], kind)}", file=sys.stderr)
    return rows


def cell_of(row: Row, kind: type = Cell) -> Any:
    """The cell that a row of a file is of."""
    return kind(**{field.name: row[field.name] for field in dataclasses.fields(kind)})


if __name__ == "__main__":
    main()
