"""Finite sets of values of parameters, some of which are asked for only where they have an effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dta_bench.errors import UserError

Value = float | int | str | bool
Point = dict[str, Value]

RAMP, RAMPED = "ramp_up_epochs", ("delta_e", "delta_c")
"""The ramp of Eq. a-18 and what it ramps up: where both are zero, its length decides nothing."""


class Trial(Protocol):
    """Anything that chooses one of several values: a trial of Optuna, its FixedTrial, a test's own."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return one of ``choices``."""


@dataclass(frozen=True)
class SearchSpace:
    """The values that each parameter may take, in the order in which they are asked for.

    ``active_when`` names for a parameter the parent that switches it: it is asked for only where the parent is
    above zero, and then only among its non-zero values, because its zero means the same as the parent's
    (epsilon = 0 is lambda_3 = 0). So the 216 cells of the paper's sets are 120 points, each once.

    Raises:
        UserError: an empty or repeating set, a parent that comes later, a switched set without a non-zero value.
    """

    sets: Mapping[str, tuple[Value, ...]]
    active_when: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = [problem for name in [*self.sets, *self.active_when] for problem in self._problems_of_set(name)]
        if problems:
            raise UserError("; ".join(dict.fromkeys(problems)))

    def suggest(self, trial: Trial) -> Point:
        """Ask ``trial`` for one point; a parameter has the same choices every time."""
        point: Point = {}
        for name in self.sets:
            if self._has_effect(name, point):
                point[name] = trial.suggest_categorical(name, self._choices(name))
        return point

    def points(self) -> list[Point]:
        """Return every distinct point once, in a fixed order: the last parameter changes fastest."""
        points: list[Point] = [{}]
        for name in self.sets:
            points = [longer for point in points for longer in self._extend(name, point)]
        return points

    def canonical(self, params: Mapping[str, Value]) -> Point:
        """Return the point that ``params`` means: its parameters of this space, without those that have no effect.

        Raises:
            UserError: a value that is not in its set, or a parameter that matters and is missing.
        """
        kept = self._with_effect(params)
        problems = self._outside_sets(dict(params) | kept)
        missing = [name for name in self.sets if name not in params and self._has_effect(name, kept)]
        if missing:
            problems.append(f"{', '.join(missing)} missing")
        if problems:
            raise UserError("; ".join(problems))
        return {name: kept[name] for name in self.sets if name in kept}

    def inert(self, params: Mapping[str, Value]) -> set[str]:
        """Return the names in ``params`` without effect at this point: switched off, or a ramp of nothing."""
        kept = self._with_effect(params)
        return {name for name, value in params.items() if name not in kept or kept[name] != value}

    def check(self, params: Mapping[str, Value]) -> None:
        """Check that values are in their sets; a name without a set may have any value.

        Raises:
            UserError: naming every such value and what is allowed instead.
        """
        if wrong := self._outside_sets(params):
            raise UserError("; ".join(wrong))

    def _outside_sets(self, params: Mapping[str, Value]) -> list[str]:
        return [
            f"{name} is {params[name]!r}, allowed: {', '.join(map(repr, allowed))}"
            for name, allowed in self.sets.items()
            if name in params and not _is_among(params[name], allowed)
        ]

    def _has_effect(self, name: str, point: Mapping[str, Value]) -> bool:
        """Whether ``name`` has an effect, given the parameters before it without those that have none."""
        if name == RAMP:
            return any(point.get(delta, 0 if delta in self.sets else 1) for delta in RAMPED)
        parent = self.active_when.get(name)
        return parent is None or _is_positive(point.get(parent, 0))

    def _choices(self, name: str) -> tuple[Value, ...]:
        values = self.sets[name]
        return tuple(value for value in values if value != 0) if name in self.active_when else values

    def _extend(self, name: str, point: Point) -> Iterator[Point]:
        if not self._has_effect(name, point):
            yield point
            return
        for value in self._choices(name):
            yield point | {name: value}

    def _with_effect(self, params: Mapping[str, Value]) -> Point:
        """``params`` without what has no effect; a switched parameter's zero counts as its parent's."""
        meant = dict(params)
        for child in reversed(list(self.sets)):
            parent = self.active_when.get(child)
            if parent is not None and meant.get(child) == 0 and _is_positive(meant.get(parent, 0)):
                meant[parent] = 0
        ordered = [*self.sets, RAMP]
        kept = {name: value for name, value in meant.items() if name not in ordered}
        for name in ordered:
            if name in meant and self._has_effect(name, kept):
                kept[name] = meant[name]
        return kept

    def _problems_of_set(self, name: str) -> Iterator[str]:
        values, earlier = self.sets.get(name, ()), list(self.sets)
        if not values:
            yield f"{name} has no set of values"
            return
        if repeated := [value for i, value in enumerate(values) if _is_among(value, values[:i])]:
            yield f"the set of {name} holds {repeated[0]!r} more than once"
        earlier = earlier[: earlier.index(name)]
        parent = self.active_when.get(name)
        if parent is not None and parent not in earlier:
            yield f"{name} is active when {parent} is, so the set of {parent} has to come before it"
        elif parent is not None and any(map(_is_positive, self.sets[parent])) and not self._choices(name):
            yield f"the set of {name} has no value but zero, though {parent} may be above zero"
        if name == RAMP and any(delta in self.sets and delta not in earlier for delta in RAMPED):
            yield f"the set of {name} has to come after those of {' and '.join(RAMPED)}"


def _is_positive(value: Value) -> bool:
    return isinstance(value, int | float) and value > 0


def _is_among(value: Value, allowed: Sequence[Value]) -> bool:
    """Membership that tells True from 1."""
    return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in allowed)
