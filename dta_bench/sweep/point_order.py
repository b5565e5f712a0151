"""The order of a grid's points: that of Optuna's BruteForceSampler, in time that grows with the number of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.errors import UserError
from dta_bench.spec.search_space import Point, SearchSpace

SEARCHES = ("grid", "random", "tpe")


def check_search(kind: str) -> None:
    """Check the name of a search.

    Raises:
        UserError: an unknown name.
    """
    if kind not in SEARCHES:
        raise UserError(f"--search {kind} is not known; it takes {', '.join(SEARCHES)}")


def grid_order(space: SearchSpace, first: Point, count: int, seed: int = 0) -> list[Point]:
    """The first ``count`` distinct points in the order of a seeded BruteForceSampler, beginning with ``first``.

    Optuna builds its tree of the points that have been proposed anew for each parameter of each point, which takes the
    square of their number; here it is kept, and the draws are the same. A test compares the two.

    Args:
        count: at most the number of points in ``space``.
    """
    root, random = _Branch(), np.random.RandomState(seed)
    points = list[Point]()
    while len(points) < count:
        walk = _Walk(root, random, first if not points else None)
        points.append(space.suggest(walk))
        walk.mark_proposed()
    return points


class _Branch:
    """A place in the tree of proposed points, after some parameters have their values.

    Attributes:
        open: for each choice of the next parameter, how many branches under it are not proposed yet; a branch without
            a proposal counts as one, however many points it has.
        children: choice → its branch, once something is proposed under it.
    """

    __slots__ = ("children", "open")

    def __init__(self) -> None:
        self.open: NDArray[np.float64] = np.zeros(0)
        self.children: dict[int, _Branch] = {}

    def draw(self, random: np.random.RandomState) -> int:
        """Draw a choice: half by the number of open branches, half alike among choices that have one (as Optuna)."""
        by_number = self.open / self.open.sum()
        alike = np.where(self.open > 0, 1.0, 0.0)
        alike /= alike.sum()
        weights = (1.0 - 0.5) * by_number + 0.5 * alike
        weights /= weights.sum()
        return int(random.choice(len(weights), p=weights))


@dataclass
class _Walk:
    """One way through the tree; stands in for a trial of Optuna.

    Attributes:
        fixed: the point to take; None: drawn.
    """

    branch: _Branch
    random: np.random.RandomState
    fixed: Point | None

    def __post_init__(self) -> None:
        self._taken = list[tuple[_Branch, int]]()

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return one of ``choices``."""
        if not self.branch.open.size:
            self.branch.open = np.ones(len(choices))
        if self.fixed is not None:
            choice = choices.index(self.fixed[name])
        else:
            choice = self.branch.draw(self.random) if len(choices) > 1 else 0  # of one, Optuna draws nothing
        self._taken.append((self.branch, choice))
        self.branch = self.branch.children.setdefault(choice, _Branch())
        return choices[choice]

    def mark_proposed(self) -> None:
        """Count the point as proposed."""
        left = 0.0
        for branch, choice in reversed(self._taken):
            branch.open[choice] = left
            left = branch.open.sum()
