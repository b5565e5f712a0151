"""A complete grid kept as a table: curves by epoch for every rule, and the one final measurement of target test."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

import dta_bench
from dta_bench.errors import UserError
from dta_bench.spec.run_spec import Value
from dta_bench.spec.search_space import SearchSpace

CURVES = ("labels", "source", "entropy", "information", "bnm", "snd", "classes_in_use")


class Run(BaseModel):
    """One run: a value an epoch for each of ``CURVES``; ``final`` for rules that are measured once; test in percent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    curves: dict[str, list[float]]
    final: dict[str, float]
    test: dict[str, float]
    seconds: float


class Point(BaseModel):
    """One point of the grid with all its seeds, by ascending seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    params: dict[str, Value]
    runs: list[Run]


class Table(BaseModel):
    """The whole grid, and how it was made. ``points`` are in file order, ``first`` is the published row."""

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
    first: dict[str, Value]
    points: list[Point]
    made: dict[str, list[str]]

    @property
    def space(self) -> SearchSpace:
        """The finite space that the points fill."""
        return SearchSpace({k: tuple(v) for k, v in self.sets.items()}, self.active_when)

    def test(self, point: Point) -> float:
        """The headline metric on target test, averaged over seeds, in percent."""
        return sum(run.test[self.headline] for run in point.runs) / len(point.runs)

    def all_epochs(self) -> int:
        """What the complete grid costs."""
        return self.epochs * sum(len(point.runs) for point in self.points)

    def write(self, path: Path) -> None:
        """Keep the table as gzipped JSON, the same bytes for the same table."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.model_dump(), separators=(",", ":"))
        path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def read(path: Path) -> Table:
    """A kept table.

    Raises:
        UserError: no such file, or not a table.
    """
    try:
        return Table.model_validate_json(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValidationError) as error:
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(f"{path} is no table of a grid: {why}; dta-bench replay NAME --keep makes one") from error


def kept(name: str) -> Path:
    """Where the shipped table of a search space lies."""
    package = Path(dta_bench.__file__).parent
    places = [folder / "reports" / f"{name}.json.gz" for folder in (package, package.parent)]
    return next((path for path in places if path.exists()), places[-1])


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers cut to five decimals, which keeps every score apart and the file small."""
    return {
        k: [round(v, 5) for v in value] if isinstance(value, list) else round(value, 5) for k, value in values.items()
    }
