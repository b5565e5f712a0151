"""Several runs trained in one process: their heads take each step together, and everything else is each run's own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dta_bench.data.kept_features.batches import EpochDraws, FeatureBatches
from dta_bench.errors import Diverged
from dta_bench.nn.optimisation import learning_rate
from dta_bench.nn.stacked_heads import DtaPoints, Parts, StackedHeads, dta_losses, is_stackable, source_only_losses
from dta_bench.run.placement import Stopped
from dta_bench.run.train import EpochMetrics, Run
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import RunSpec

KNOWN: dict[str, frozenset[str]] = {
    "dta": frozenset({
        "lambda_1", "lambda_2", "lambda_3", "delta_e", "delta_c", "ramp_up_epochs", "epsilon", "kl",
    }),
    "source_only": frozenset(),
}  # fmt: skip
"""Method whose loss :mod:`dta_bench.nn.stacked_heads` has for many heads → the parameters that it knows; all others
have to be at their default."""


def can_stack(spec: RunSpec) -> bool:
    """Whether a run can be one of a stack, as far as its spec says."""
    training, params = spec.training, spec.params
    plain = (
        training.keeps_features and bool(training.neck_width) and training.precision == "float32"
        and training.accumulate == training.devices == 1 and training.clip_norm is None and not training.batchnorm
        and not training.players and training.restate is None
    )  # fmt: skip
    if not plain or spec.method not in KNOWN:
        return False
    defaults = method_plugin(spec.method).defaults()
    return all(name in KNOWN[spec.method] or value == defaults.get(name) for name, value in params.items())


def stack_key(spec: RunSpec) -> tuple[Any, ...]:
    """What the runs of one stack have in common."""
    budget = spec.budget and spec.budget.model_dump_json()
    training = spec.training.model_dump_json()
    return spec.benchmark, spec.backbone, spec.weights, spec.method, spec.params.get("kl"), training, budget


class Stack:
    """Runs that take each step together.

    Args:
        runs: with one :func:`stack_key`, at their first step or resumed from their checkpoints.
        states: the state of torch's generator of each, after it was built or resumed.
    """

    def __init__(self, runs: Sequence[Run], states: Sequence[Tensor]) -> None:
        assert all(is_stackable(run.learner) for run in runs)
        self.runs, self._states = list(runs), {id(run): state for run, state in zip(runs, states, strict=True)}

    def next_runs(self) -> list[Run]:
        """The runs that are the furthest behind, at one step of one epoch; empty once all are trained."""
        waiting = [run for run in self.runs if run.epoch <= run.spec.training.epochs]
        at = min(((run.epoch, run.step) for run in waiting), default=None)
        return [run for run in waiting if (run.epoch, run.step) == at]

    def train_epoch(self, runs: Sequence[Run]) -> None:
        """Train the rest of an epoch of some runs; :meth:`end_epoch` is then called for each.

        Raises:
            Stopped: the runs were asked to stop; each has saved its position.
        """
        started = time.monotonic()
        for run in runs:
            run.begin_epoch()
        states = [self._states[id(run)] for run in runs]
        heads, sums = StackedHeads([run.learner for run in runs], states), dict[str, Tensor]()
        feed, first = _Feed(runs), runs[0]
        training, stop = first.spec.training, first.placement.stop
        for step in range(first.step, first.batches.steps):
            parts = self._losses(heads, runs, feed, step)
            heads.step(parts["total"], learning_rate(training, first.progress(step)))
            for name, value in parts.items():
                sums[name] = sums.get(name, 0) + value.detach().double()
            if stop.requested:
                self._take_over(runs, heads, sums, step + 1, started)
                for run in runs:
                    torch.set_rng_state(self._states[id(run)])
                    run.save()
                raise Stopped(f"stopped in epoch {first.epoch} after step {step + 1}")
        self._take_over(runs, heads, sums, first.batches.steps, started)

    def end_epoch(self, run: Run) -> EpochMetrics:
        """Evaluate one run after its epoch, and save it at the start of the next.

        Raises:
            Diverged: its loss stopped being finite; it is no longer in the stack.
        """
        torch.set_rng_state(self._states[id(run)])
        try:
            metrics = run.end_epoch()
        except Diverged:
            self.runs.remove(run)
            raise
        run.start_next_epoch()
        return metrics

    def _losses(self, heads: StackedHeads, runs: Sequence[Run], feed: _Feed, step: int) -> Parts:
        if runs[0].spec.method == "source_only":
            return source_only_losses(heads, *feed.source(step))
        return dta_losses(heads, *feed.source(step), feed.target(step), _points(runs))

    def _take_over(
        self, runs: Sequence[Run], heads: StackedHeads, sums: dict[str, Tensor], step: int, started: float
    ) -> None:
        heads.give_back()
        for number, run in enumerate(runs):
            self._states[id(run)] = heads.states[number]
            run.step = step
            for name, value in sums.items():
                run.sums[name] = run.sums.get(name, 0.0) + float(value[number])
            run.seconds += (time.monotonic() - started) / len(runs)


def _points(runs: Sequence[Run]) -> DtaPoints:
    """The parameters of each run's DTA in this epoch."""
    all_params: list[Any] = [run.resolved.params for run in runs]
    ramps = [min(1.0, run.epoch / params.ramp_up_epochs) for run, params in zip(runs, all_params, strict=True)]
    on = [bool(params.lambda_1) for params in all_params]
    dtype = next(runs[0].learner.parameters()).dtype
    return DtaPoints(
        torch.tensor([params.lambda_1 for params in all_params], dtype=dtype),
        torch.tensor([params.lambda_2 for params in all_params], dtype=dtype),
        tuple(ramp * params.delta_c * is_on for ramp, params, is_on in zip(ramps, all_params, on, strict=True)),
        tuple(ramp * params.delta_e * is_on for ramp, params, is_on in zip(ramps, all_params, on, strict=True)),
        per_sample=all_params[0].kl == "per_sample",
    )


class _Feed:
    """The batches of an epoch for each member; members of one seed have the same."""

    def __init__(self, runs: Sequence[Run]) -> None:
        seeds = list(dict.fromkeys(run.spec.seed for run in runs))
        self._of_member = torch.tensor([seeds.index(run.spec.seed) for run in runs])
        firsts = [next(run for run in runs if run.spec.seed == seed) for seed in seeds]
        self._batches = [_feature_batches(run) for run in firsts]
        self._draws = [EpochDraws(_feature_batches(run), run.epoch) for run in firsts]
        self._dtype = next(runs[0].learner.parameters()).dtype

    def source(self, step: int) -> tuple[Tensor, Tensor]:
        """Features (members, batch, L) and labels (members, batch)."""
        features, labels = [], []
        for batches, draws in zip(self._batches, self._draws, strict=True):
            own = draws.of_step(step)
            features.append(batches.source.input(draws.source[own], draws.source_views[own]))
            labels.append(batches.labels[draws.source[own]])
        return self._spread(features), torch.stack(labels)[self._of_member]

    def target(self, step: int) -> Tensor:
        """Features (members, batch, L)."""
        features = []
        for batches, draws in zip(self._batches, self._draws, strict=True):
            own = draws.of_step(step)
            features.append(batches.target.input(draws.target[own], draws.target_views[own]))
        return self._spread(features)

    def _spread(self, features: list[Tensor]) -> Tensor:
        return torch.stack(features).to(self._dtype)[self._of_member]


def _feature_batches(run: Run) -> FeatureBatches:
    assert isinstance(run.batches, FeatureBatches)
    return run.batches
