"""Optuna's walk over a finite conditional space; the only module that knows Optuna."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import optuna

from dta_bench.experiment import Value
from dta_bench.search_space import SearchSpace

Point = dict[str, Value]


def walk(space: SearchSpace, first: Point, count: int, seed: int = 0) -> list[Point]:
    """``count`` distinct points in the order of a seeded BruteForceSampler, beginning with ``first``."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.BruteForceSampler(seed=seed))
    study.enqueue_trial(first)
    points: list[Point] = []
    while len(points) < count:
        trial = study.ask()
        point = space.suggest(trial)
        study.tell(trial, 0.0)
        if point not in points:
            points.append(point)
    return points


def joint_space(
    backbones: Sequence[str], methods: Sequence[str], seeds: Sequence[int], space: Callable[[str], SearchSpace]
) -> Callable[[Any], None]:
    """The define-by-run space of a whole sweep: backbone, method, seed, then the method's own sets."""

    def suggest(trial: Any) -> None:
        trial.suggest_categorical("backbone", list(backbones))
        method = trial.suggest_categorical("method", list(methods))
        trial.suggest_categorical("seed", list(seeds))
        space(method).suggest(trial)

    return suggest


def sampler(seed: int = 0) -> optuna.samplers.BaseSampler:
    """The sampler that never repeats a point of a finite conditional space."""
    return optuna.samplers.BruteForceSampler(seed=seed)
