"""A complete grid in one file: curves by epoch for every selection rule, and one measurement of target test a run."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

import dta_bench
from dta_bench.errors import UserError
from dta_bench.spec.run_spec import Value
from dta_bench.spec.search_space import Point, SearchSpace

CURVES = ("labels", "source", "entropy", "information", "bnm", "snd", "classes_in_use")
"""What is kept of each epoch: scores by rules ``labels`` and ``source`` in percent, and label-free criteria."""


class GridRun(BaseModel):
    """One run: a value an epoch for each of ``CURVES``; ``final`` for rules that are measured once; test in percent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    curves: dict[str, list[float]]
    final: dict[str, float]
    test: dict[str, float]
    seconds: float


class GridPoint(BaseModel):
    """One point of the grid with all its seeds, by ascending seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    params: Point
    runs: list[GridRun]


class Grid(BaseModel):
    """A method's whole grid on one backbone, and how it was made.

    ``points`` are in the order of the search space, ``first`` is the published row, ``labels`` the size of the labelled
    subset, ``made`` the commit, data, code, versions and devices of the runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    benchmark: str
    method: str
    backbone: str
    headline: str
    classes: int
    epochs: int
    labels: int
    sets: dict[str, list[Value]]
    active_when: dict[str, str]
    first: Point
    points: list[GridPoint]
    made: dict[str, list[str]]

    @property
    def space(self) -> SearchSpace:
        """The finite space that the points fill."""
        return SearchSpace({k: tuple(v) for k, v in self.sets.items()}, self.active_when)

    def test_score(self, point: GridPoint) -> float:
        """The headline metric on target test, averaged over seeds, in percent."""
        return sum(run.test[self.headline] for run in point.runs) / len(point.runs)

    def total_epochs(self) -> int:
        """How many epochs the complete grid trains."""
        return self.epochs * sum(len(point.runs) for point in self.points)

    def write(self, path: Path) -> None:
        """Keep the grid as gzipped JSON, the same bytes for the same grid."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.model_dump(), separators=(",", ":"))
        path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def read_grid(path: Path) -> Grid:
    """Read a kept grid.

    Raises:
        UserError: no such file, or not a grid.
    """
    try:
        return Grid.model_validate_json(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValidationError) as error:
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(f"{path} is no table of a grid: {why}; dta-bench replay NAME --keep makes one") from error


def shipped_grid(name: str) -> Path:
    """Where the shipped grid of a search space lies."""
    package = Path(dta_bench.__file__).parent
    paths = [folder / "reports" / f"{name}.json.gz" for folder in (package, package.parent)]
    return next((path for path in paths if path.exists()), paths[-1])


def round_numbers(values: dict[str, Any]) -> dict[str, Any]:
    """Round numbers, alone or in lists, to five decimals, which keeps every score apart and the file small."""
    return {
        k: [round(v, 5) for v in value] if isinstance(value, list) else round(value, 5) for k, value in values.items()
    }
