"""``dta-bench replay``: a kept table read (or made from the runs of a complete grid), and searches replayed on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dta_bench.replay.collect import collect, summary
from dta_bench.replay.regret import BAR_POINTS, BAR_SHARE, replay
from dta_bench.replay.show import write
from dta_bench.replay.table import kept, read
from dta_bench.run.home import Home
from dta_bench.spec.plan import Plan


def replayed(name: str, table: Path | None, repetitions: int, share: float, folder: Path) -> dict[str, Any]:
    """Replay every search on a table (by default the shipped one of the search space ``name``), kept in ``folder``.

    Raises:
        UserError: there is no such table.
    """
    grid = read(table or kept(name))
    found = {
        "name": grid.name,
        "labels": grid.labels,
        "bar_points": BAR_POINTS,
        "bar_share": BAR_SHARE,
        "table": summary(grid),
    }
    found |= replay(grid, repetitions, share)
    write(found, folder)
    return found


def keep(plan: Plan, home: Home, path: Path) -> dict[str, Any]:
    """Write the table of a complete grid's runs at ``path``.

    Raises:
        UserError: the grid is not complete.
    """
    table = collect(plan, home.tracker())
    table.write(path)
    return {"name": table.name, "kept": str(path), "bytes": path.stat().st_size} | summary(table)
