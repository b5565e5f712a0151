"""A sweep's runs as Ray Tune and Optuna see them: each with its identity, and with its point to be shown in tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dta_bench.spec.identity import LATER_PARAMETERS
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.search_space import SearchSpace

RUN = "run"
"""The key of Tune's config under which a worker finds the identity of its run."""


def config_of(plan: Plan, run: RunSpec) -> dict[str, Any]:
    """What Tune hands to the worker that trains ``run``: its identity, then its point for whoever reads the tables."""
    return {RUN: run.id} | point_of(plan, run)


def point_of(plan: Plan, run: RunSpec) -> dict[str, Any]:
    """A run as a point of the sweep's space, with the names that :class:`SweepSpace` asks for."""
    space = plan.space(run.method)
    # A parameter without effect is zero in a run, and its set may not have a zero.
    params = {**LATER_PARAMETERS, **run.params}
    effective = space.sets.keys() - space.inert(params)
    point = space.canonical({name: params[name] for name in space.sets if name in effective})
    return {"backbone": run.backbone, "method": run.method, "seed": run.seed} | {
        _name_of(run.method, name): value for name, value in point.items()
    }


@dataclass(frozen=True)
class SweepSpace:
    """The define-by-run space of a whole sweep: backbone, method, seed, then the parameters of that method.

    ``runs`` are the identities of the points that the study has in its queue, in that order: Optuna counts its trials
    from 0, so a trial's number is the place of its run. This is a class and not a closure, because Ray's OptunaSearch
    pickles it with every snapshot.
    """

    backbones: tuple[str, ...]
    spaces: Mapping[str, SearchSpace]
    seeds: tuple[int, ...]
    runs: tuple[str, ...]

    @classmethod
    def of(cls, plan: Plan, runs: tuple[RunSpec, ...]) -> SweepSpace:
        """The space of a plan, for a study whose queue holds ``runs``."""
        spaces = {method: plan.space(method) for method in plan.methods}
        return cls(plan.backbones, spaces, plan.seeds, tuple(run.id for run in runs))

    def __call__(self, trial: Any) -> dict[str, str]:
        """Ask an Optuna ``trial`` for one point.

        Returns: the constant that OptunaSearch puts beside the point, which is the identity of its run.
        """
        trial.suggest_categorical("backbone", list(self.backbones))
        method = trial.suggest_categorical("method", list(self.spaces))
        trial.suggest_categorical("seed", list(self.seeds))
        self.spaces[method].suggest(_OfMethod(trial, method))
        return {RUN: self.runs[trial.number]}


@dataclass(frozen=True)
class _OfMethod:
    """A trial that is asked for the parameters of one method."""

    trial: Any
    method: str

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self.trial.suggest_categorical(_name_of(self.method, name), choices)


def _name_of(method: str, name: str) -> str:
    """A parameter's name in the whole sweep: two methods may have different sets of one name, an Optuna study not."""
    return f"{method}.{name}"
