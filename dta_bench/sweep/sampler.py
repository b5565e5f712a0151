"""Optuna's walk over a finite conditional space; the only module that knows Optuna."""

from __future__ import annotations

import contextlib
import json
import random
import warnings

import optuna

from dta_bench.errors import UserError
from dta_bench.spec.run_spec import Value
from dta_bench.spec.search_space import SearchSpace

Point = dict[str, Value]
KINDS = ("grid", "random", "tpe")


def walk(space: SearchSpace, first: Point, count: int, seed: int = 0) -> list[Point]:
    """``count`` distinct points in the order of a seeded BruteForceSampler, beginning with ``first``."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=sampler(seed))
    study.enqueue_trial(first)
    points: list[Point] = []
    while len(points) < count:
        trial = study.ask()
        point = space.suggest(trial)
        if point not in points:
            points.append(point)
        if len(points) < count:  # told of the last one, the sampler would stop a study that is not running
            study.tell(trial, 0.0)
    return points


def sampler(seed: int = 0) -> optuna.samplers.BaseSampler:
    """The sampler that never repeats a point of a finite conditional space."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.BruteForceSampler(seed=seed)


class Proposals:
    """Points of a finite space one after another, none twice, the first row first.

    ``grid`` is a seeded BruteForceSampler's order, ``random`` a RandomSampler's, ``tpe`` learns from what it is told.
    """

    def __init__(self, space: SearchSpace, first: Point, kind: str = "grid", seed: int = 0) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._random = space, random.Random(seed)
        self._study = optuna.create_study(direction="maximize", sampler=_sampler_of(kind, seed))
        self._first = first
        self._left = {_key(point): point for point in space.points()}
        self._open: dict[str, optuna.Trial] = {}

    def ask(self) -> Point | None:
        """The next point; None when all have been proposed.

        A sampler that comes back to a point (TPE does) is given the nearest one that is left, by how many parameters
        differ.
        """
        if not self._left:
            return None
        if not self._open and _key(self._first) in self._left:
            self._study.enqueue_trial(self._first)
        trial = self._study.ask()
        point = self._space.suggest(trial)
        if self._left.pop(_key(point), None) is None:
            self._close(trial, None, optuna.trial.TrialState.FAIL)  # proposed before: nothing to learn from it
            self._study.enqueue_trial(self._nearest(point))
            return self.ask()
        self._open[_key(point)] = trial
        return point

    def _nearest(self, point: Point) -> Point:
        def differing(other: Point) -> int:
            return sum(point.get(name) != other.get(name) for name in self._space.sets)

        left = list(self._left.values())
        fewest = min(map(differing, left))
        return self._random.choice([other for other in left if differing(other) == fewest])

    def propose(self, point: Point) -> None:
        """Take a point that is known already for proposed, before the first is asked for."""
        self._study.enqueue_trial(point)
        trial = self._study.ask()
        self._space.suggest(trial)
        del self._left[_key(point)]
        self._open[_key(point)] = trial

    def tell(self, point: Point, score: float) -> None:
        """The final score of a proposed point."""
        self._close(self._open.pop(_key(point)), score)

    def tell_stopped(self, point: Point, epoch: int, score: float) -> None:
        """A point that was given up after ``epoch``: Optuna ranks it below all that finished, by how far it came."""
        trial = self._open.pop(_key(point))
        trial.report(score, epoch)
        self._close(trial, None, optuna.trial.TrialState.PRUNED)

    def tell_failed(self, point: Point) -> None:
        """A point without any score."""
        self._close(self._open.pop(_key(point)), None, optuna.trial.TrialState.FAIL)

    def _close(self, trial: optuna.Trial, score: float | None, state: optuna.trial.TrialState | None = None) -> None:
        with contextlib.suppress(RuntimeError):  # a BruteForceSampler that has nothing left stops a study's own loop
            self._study.tell(trial, score, state=state)


def check_kind(kind: str) -> None:
    """Refuse what is no search.

    Raises:
        UserError: an unknown name.
    """
    if kind not in KINDS:
        raise UserError(f"--search {kind} is not known; it takes {', '.join(KINDS)}")


def _sampler_of(kind: str, seed: int) -> optuna.samplers.BaseSampler:
    check_kind(kind)
    if kind == "grid":
        return sampler(seed)
    if kind == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def _key(point: Point) -> str:
    return json.dumps(point, sort_keys=True)
