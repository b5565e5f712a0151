"""Optuna's walk over a finite conditional space; the only module that knows Optuna."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from dta_bench.experiment import Value
from dta_bench.search_space import SearchSpace

Point = dict[str, Value]


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


@dataclass(frozen=True)
class JointSpace:
    """The define-by-run space of a whole sweep: backbone, method, seed, then the method's own sets.

    A class and not a closure, because Ray's OptunaSearch pickles it with every snapshot.
    """

    backbones: tuple[str, ...]
    spaces: Mapping[str, SearchSpace]
    seeds: tuple[int, ...]

    def __call__(self, trial: Any) -> None:
        """Ask ``trial`` for one run."""
        trial.suggest_categorical("backbone", list(self.backbones))
        method = trial.suggest_categorical("method", list(self.spaces))
        trial.suggest_categorical("seed", list(self.seeds))
        self.spaces[method].suggest(trial)


def sampler(seed: int = 0) -> optuna.samplers.BaseSampler:
    """The sampler that never repeats a point of a finite conditional space."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.BruteForceSampler(seed=seed)
