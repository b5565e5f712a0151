"""Optuna's samplers on a finite conditional space: proposals one after another."""

from __future__ import annotations

import contextlib
import json
import random
import warnings

import optuna

from dta_bench.spec.search_space import Point, SearchSpace
from dta_bench.sweep.point_order import check_search


def brute_force_sampler(seed: int = 0) -> optuna.samplers.BaseSampler:
    """The sampler that never repeats a point of a finite conditional space."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # Ray's search makes a study of it, and would tell so
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.BruteForceSampler(seed=seed)


class Proposals:
    """Proposes the points of a finite space one after another, none twice, beginning with ``first``.

    Args:
        first: the published row.
        kind: ``grid`` is a seeded BruteForceSampler's order, ``random`` a RandomSampler's, and ``tpe`` learns from
            the scores that it is told.
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

        TPE may come back to a point. It is then given the point that is left and differs in the fewest parameters.
        """
        if not self._left:
            return None
        if not self._open and _key(self._first) in self._left:
            self._study.enqueue_trial(self._first)
        trial = self._study.ask()
        point = self._space.suggest(trial)
        if self._left.pop(_key(point), None) is None:
            self._close(trial, None, optuna.trial.TrialState.FAIL)  # proposed before: there is nothing to learn
            self._study.enqueue_trial(self._nearest(point))
            return self.ask()
        self._open[_key(point)] = trial
        return point

    def _nearest(self, point: Point) -> Point:
        def differences(other: Point) -> int:
            return sum(point.get(name) != other.get(name) for name in self._space.sets)

        left = list(self._left.values())
        fewest = min(map(differences, left))
        return self._random.choice([other for other in left if differences(other) == fewest])

    def mark_proposed(self, point: Point) -> None:
        """Count a point of an earlier start as proposed; to be called before the first :meth:`ask`."""
        self._study.enqueue_trial(point)
        trial = self._study.ask()
        self._space.suggest(trial)
        del self._left[_key(point)]
        self._open[_key(point)] = trial

    def tell(self, point: Point, score: float) -> None:
        """Tell the final score of a proposed point; higher is better."""
        self._close(self._open.pop(_key(point)), score)

    def tell_stopped(self, point: Point, epoch: int, score: float) -> None:
        """Tell that a point was stopped after ``epoch``.

        Optuna ranks it below all points that have a final score, by how far it came.
        """
        trial = self._open.pop(_key(point))
        trial.report(score, epoch)
        self._close(trial, None, optuna.trial.TrialState.PRUNED)

    def tell_failed(self, point: Point) -> None:
        """Tell that a point has no score."""
        self._close(self._open.pop(_key(point)), None, optuna.trial.TrialState.FAIL)

    def _close(self, trial: optuna.Trial, score: float | None, state: optuna.trial.TrialState | None = None) -> None:
        with contextlib.suppress(RuntimeError):  # a BruteForceSampler with nothing left stops a loop that is not there
            self._study.tell(trial, score, state=state)


def _sampler_of(kind: str, seed: int) -> optuna.samplers.BaseSampler:
    check_search(kind)
    if kind == "grid":
        return brute_force_sampler(seed)
    if kind == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def _key(point: Point) -> str:
    return json.dumps(point, sort_keys=True)
