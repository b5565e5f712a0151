"""Several runs trained in one process: their heads take each step together, and everything else is each run's own."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from dta_bench.data.kept_features.batches import EpochDraws, FeatureBatches
from dta_bench.errors import Diverged
from dta_bench.nn.optimisation import learning_rate
from dta_bench.nn.stacked.draws import Drawn, StepDraws
from dta_bench.nn.stacked.heads import StackedHeads, dropout_of, is_stackable
from dta_bench.nn.stacked.losses import SOURCE_ONLY, DtaLosses, Parts, Point, point, source_only_losses
from dta_bench.run.placement import Stopped
from dta_bench.run.stacked.measuring import measure_together
from dta_bench.run.train import EpochMetrics, Run

MOST_IN_BLOCK = 12
"""Heads whose products are one call: so many lie in a core's caches, and more gain nothing."""
SAVE_SECONDS = 60.0
"""How old the runs' checkpoints may become; a stack that is killed loses at most that much."""


class Stack:
    """Runs that take each step together.

    Args:
        runs: with one :func:`~dta_bench.run.stacked.stackable.stack_key`, at their first step or resumed.
        states: the state of torch's generator of each, after it was built or resumed.
    """

    def __init__(self, runs: Sequence[Run], states: Sequence[Tensor]) -> None:
        assert all(is_stackable(run.learner) for run in runs)
        self.runs, self._states = list(runs), {id(run): state for run, state in zip(runs, states, strict=True)}
        self._blocks: list[_Block] = []
        self._saved_at = time.monotonic()

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
        started, first = time.monotonic(), runs[0]
        for run in runs:
            run.begin_epoch()
        self._arrange(runs)
        training, stop = first.spec.training, first.placement.stop
        feed, draws = _Feed(runs), self._draws(runs)
        for step in range(first.step, first.batches.steps):
            rate, drawn, fed = learning_rate(training, first.progress(step)), draws.draw(), feed.of_step(step)
            for block in self._blocks:
                block.step(draws.of(drawn, block.numbers), feed.of(fed, block.numbers), rate)
            if stop.requested:
                self._take_over(runs, draws, step + 1, started)
                self._give_back()
                self._save()
                raise Stopped(f"stopped in epoch {first.epoch} after step {step + 1}")
        self._take_over(runs, draws, first.batches.steps, started)
        if first.spec.training.is_measured(first.epoch):
            members = {id(run): (block.heads, n) for block in self._blocks for n, run in enumerate(block.runs)}
            measure_together(members, runs)
        if first.epoch == training.epochs:
            self._give_back()

    def end_epoch(self, run: Run) -> EpochMetrics:
        """Evaluate one run after its epoch, and go to the start of the next.

        Raises:
            Diverged: its loss stopped being finite; it is no longer in the stack.
        """
        try:
            metrics = run.end_epoch()
        except Diverged:
            self._give_back()
            self._blocks = []
            self.runs.remove(run)
            raise
        run.epoch, run.step, run.sums = run.epoch + 1, 0, {}
        return metrics

    def save_if_due(self) -> bool:
        """Save all runs, which are at the start of an epoch, if their checkpoints are too old; whether it was due."""
        if time.monotonic() - self._saved_at < SAVE_SECONDS:
            return False
        self._give_back()
        self._save()
        return True

    def _save(self) -> None:
        for run in self.runs:
            if run.epoch <= run.spec.training.epochs:
                torch.set_rng_state(self._states[id(run)])
                run.save()
        self._saved_at = time.monotonic()

    def _give_back(self) -> None:
        for block in self._blocks:
            block.heads.give_back()

    def _arrange(self, runs: Sequence[Run]) -> None:
        """Put the runs into blocks, those next to each other that flip as many units."""
        if {id(run) for block in self._blocks for run in block.runs} != {id(run) for run in runs}:
            self._give_back()
            order = sorted(runs, key=_kind)
            count = -(-len(order) // MOST_IN_BLOCK)
            cuts = [number * len(order) // count for number in range(count + 1)]
            self._blocks = [_Block(order[first:last]) for first, last in itertools.pairwise(cuts)]
        numbers = {id(run): number for number, run in enumerate(runs)}
        for block in self._blocks:
            block.begin_epoch([numbers[id(run)] for run in block.runs])

    def _draws(self, runs: Sequence[Run]) -> StepDraws:
        wanted = {
            number: want for block in self._blocks for number, want in zip(block.numbers, block.wanted, strict=True)
        }
        first, heads = runs[0], self._blocks[0].heads
        size = _feature_batches(first).batch_size
        shape = (size, heads.width), (size, heads.weights[0].shape[2])
        states = [self._states[id(run)] for run in runs]
        return StepDraws(
            states, [wanted[number] for number in range(len(runs))], dropout_of(first.learner), shape,
            heads.weights[0].dtype,
        )  # fmt: skip

    def _take_over(self, runs: Sequence[Run], draws: StepDraws, step: int, started: float) -> None:
        for run, state in zip(runs, draws.states(), strict=True):
            self._states[id(run)] = state
            run.step = step
            run.seconds += (time.monotonic() - started) / len(runs)
        for block in self._blocks:
            block.add_sums()


class _Block:
    """Heads that are computed in one call."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs, self.heads = runs, StackedHeads([run.learner for run in runs])
        self.numbers: list[int] = []
        self.wanted = [SOURCE_ONLY] * len(runs)
        self._names: tuple[str, ...] = ()
        self._sums: Tensor | None = None
        self._losses: DtaLosses | None = None

    def begin_epoch(self, numbers: list[int]) -> None:
        """Make ready for an epoch, in which the runs have these numbers."""
        self.numbers, self._sums = numbers, None
        if self.runs[0].spec.method != "source_only":
            points, params = [_point(run) for run in self.runs], cast(Any, self.runs[0].resolved.params)
            self.wanted = [one.wanted for one in points]
            self._losses = DtaLosses(points, params.kl == "per_sample", self.heads.weights[0].dtype)

    def step(self, drawn: Drawn, fed: tuple[Tensor, Tensor], rate: float) -> None:
        """One step of all runs on their own loss."""
        both, labels = fed
        if self._losses is None:
            parts: Parts = source_only_losses(self.heads, drawn, both[:, : labels.shape[1]], labels)
        else:
            parts = self._losses(self.heads, drawn, both, labels)
        self.heads.step(parts["total"], rate)
        self._names = tuple(parts)
        values = torch.stack([value.detach() for value in parts.values()]).double()
        self._sums = values if self._sums is None else self._sums + values

    def add_sums(self) -> None:
        """Add the terms of the steps so far to those of the runs."""
        if self._sums is None:
            return
        for name, row in zip(self._names, self._sums.tolist(), strict=True):
            for run, value in zip(self.runs, row, strict=True):
                run.sums[name] = run.sums.get(name, 0.0) + value
        self._sums = None


def _kind(run: Run) -> tuple[Any, ...]:
    params = run.spec.params
    return tuple(float(params.get(name, 0)) for name in ("lambda_3", "epsilon", "delta_c", "delta_e", "lambda_1"))


def _point(run: Run) -> Point:
    features = _feature_batches(run).source.views[0].shape[0]
    return point(run.resolved.params, run.epoch, features, run.learner.net.head.in_features)  # type: ignore[arg-type]


class _Feed:
    """The batches of an epoch for each member; members of one seed have the same."""

    def __init__(self, runs: Sequence[Run]) -> None:
        seeds = list(dict.fromkeys(run.spec.seed for run in runs))
        self._group = [seeds.index(run.spec.seed) for run in runs]
        firsts = [next(run for run in runs if run.spec.seed == seed) for seed in seeds]
        self._batches = [_feature_batches(run) for run in firsts]
        self._draws = [EpochDraws(_feature_batches(run), run.epoch) for run in firsts]
        self._dtype = next(runs[0].learner.parameters()).dtype

    def of_step(self, step: int) -> list[tuple[Tensor, Tensor]]:
        """Of each seed the features (2 batch, L), those of the source first, and the labels (batch,)."""
        fed = []
        for batches, draws in zip(self._batches, self._draws, strict=True):
            own = draws.of_step(step)
            source = batches.source.input(draws.source[own], draws.source_views[own])
            target = batches.target.input(draws.target[own], draws.target_views[own])
            fed.append((torch.cat([source, target]).to(self._dtype), batches.labels[draws.source[own]]))
        return fed

    def of(self, fed: list[tuple[Tensor, Tensor]], members: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The features (members, 2 batch, L) and labels (members, batch) of some members."""
        own = [fed[self._group[number]] for number in members]
        return torch.stack([both for both, _ in own]), torch.stack([labels for _, labels in own])


def _feature_batches(run: Run) -> FeatureBatches:
    assert isinstance(run.batches, FeatureBatches)
    return run.batches
