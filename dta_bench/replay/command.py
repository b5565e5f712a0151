"""What ``dta-bench replay`` does: read a kept grid and replay searches on it, or make one from a sweep's runs."""

from __future__ import annotations

from pathlib import Path

from dta_bench.replay.collect import collect_grid
from dta_bench.replay.grid import read_grid, shipped_grid
from dta_bench.replay.outputs import write_replay
from dta_bench.replay.replay_grid import replay_grid, summarise_grid
from dta_bench.report.document.replay import GridSummary, Replay
from dta_bench.run.workspace import Workspace
from dta_bench.spec.plan import Plan


class KeptGrid(GridSummary):
    """What ``--keep`` has written: of which search space, where, and how large."""

    name: str
    kept: str
    bytes: int


def replay_searches(name: str, grid_path: Path | None, repetitions: int, share: float, folder: Path) -> Replay:
    """Replay every search on a kept grid, and keep the result in ``folder``.

    Args:
        name: a search space with a shipped grid.
        grid_path: another kept grid; None takes the shipped one.
        repetitions: of each search, each with its own seed.
        share: of the grid's epochs that a search may spend.

    Raises:
        UserError: there is no such grid.
    """
    grid = read_grid(grid_path or shipped_grid(name))
    replay = replay_grid(grid, repetitions, share)
    write_replay(replay, folder)
    return replay


def keep_grid(plan: Plan, workspace: Workspace, path: Path) -> KeptGrid:
    """Write the grid of a sweep's runs at ``path``.

    Raises:
        UserError: the grid is not complete.
    """
    workspace.tracker().check_address()
    grid = collect_grid(plan, workspace.tracker())
    grid.write(path)
    summary = summarise_grid(grid)
    return KeptGrid(name=grid.name, kept=str(path), bytes=path.stat().st_size, **summary.model_dump())
