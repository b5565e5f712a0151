"""What a budget gives each stage of each method, held to steps that a test counts while runs train."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
import torch
from small_runs import spec_of

from dta_bench.cost.stages import lengths, measure_stages, run_flops_ratio, stages_of
from dta_bench.domains.images import Splits
from dta_bench.errors import UserError
from dta_bench.nn.learner import Learner
from dta_bench.run import train as training
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve_on
from dta_bench.spec import method_plugin as plugin
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.budget import Budget
from dta_bench.spec.run_spec import RunSpec

CPU = torch.device("cpu")


def under(budget: str, method: str, epochs: int = 2, **params: float) -> RunSpec:
    spec = spec_of(method, epochs=epochs, **params)
    return dataclasses.replace(spec, budget=Budget(of=budget, lengths=lengths(budget, spec)))


def updates_while_training(
    spec: RunSpec, benchmark: Benchmark, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> dict[str, int]:
    """Updates of the player that was updated most often, by the stage's class, over the whole run."""
    counts: dict[str, Counter[str]] = {}
    update = Learner.update

    def count(self: Learner, players: tuple[str, ...]) -> None:
        counts.setdefault(type(self).__module__, Counter()).update(players)
        update(self, players)

    monkeypatch.setattr(Learner, "update", count)
    training.train(resolve_on(spec, benchmark, splits), Placement(CPU))
    return {stage: max(of.values()) for stage, of in counts.items()}


@pytest.mark.parametrize("method", ["source_only", "dann", "mcd", "shot", "dirt_t"])
def test_every_optimiser_step_of_every_stage_counts(
    method: str, digits_benchmark: Benchmark, small_splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = updates_while_training(under("steps=20", method), digits_benchmark, small_splits, monkeypatch)
    assert sum(taken.values()) == 20
    assert len(taken) == (2 if method in ("shot", "dirt_t") else 1)


def test_epochs_on_the_source_alone_lie_inside_the_budget(
    digits_benchmark: Benchmark, small_splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = under("steps=18", "mcd", source_only_epochs=1)
    taken = updates_while_training(spec, digits_benchmark, small_splits, monkeypatch)
    assert sum(taken.values()) == 18  # 3 batches with a step each, then 3 with five


@pytest.mark.parametrize("method", ["dann", "shot"])
def test_steps_alone_are_those_of_source_only_at_the_files_epochs(
    method: str, digits_benchmark: Benchmark, small_splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = updates_while_training(spec_of("source_only"), digits_benchmark, small_splits, monkeypatch)
    taken = updates_while_training(under("steps", method), digits_benchmark, small_splits, monkeypatch)
    assert sum(taken.values()) == pytest.approx(sum(plain.values()), abs=1)


def test_an_epoch_has_a_step_more_where_the_steps_do_not_divide(
    digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    spec = under("steps=7", "source_only", epochs=3)
    run = training.Run(resolve_on(spec, digits_benchmark, small_splits), Placement(CPU))
    at = []
    for _ in range(3):
        run.train_epoch()
        at.append((run.learner.at.epoch, run.learner.at.iteration, run.learner.at.total))
        run.start_next_epoch()
    assert at == [(1, 1, 7), (2, 3, 7), (3, 6, 7)]


def test_the_first_stage_has_the_share_that_its_method_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin.method_plugin("shot").module, "first_stage_share", 0.25, raising=False)
    assert lengths("steps=40", spec_of("shot")) == (10, 30)
    assert lengths("epochs=20", spec_of("shot")) == (5, 15)


def test_a_first_stage_in_a_budget_is_another_run_than_source_only() -> None:
    first, second = stages_of(under("steps=20", "shot"))
    assert first.spec.budget == Budget(of="steps=20", lengths=(10,))
    alone = under("steps=20", "source_smoothed", label_smoothing=0.1)
    assert len({first.spec.id, second.spec.id, alone.id}) == 3


def test_flops_of_all_stages_add_up_to_the_budget() -> None:
    for method in ("source_only", "mcd", "shot", "dirt_t"):
        spec = under("flops=1e12", method)
        assert sum(stage["flops"] for stage in measure_stages(spec, natural=1)) == pytest.approx(1e12, rel=0.01)


def test_the_cost_of_a_run_counts_its_first_stage() -> None:
    assert run_flops_ratio(spec_of("shot")) == pytest.approx(2.0, rel=0.01)
    assert run_flops_ratio(under("steps=20", "shot")) == pytest.approx(1.0, rel=0.01)
    assert run_flops_ratio(under("steps=20", "mcd")) == pytest.approx(run_flops_ratio(spec_of("mcd")) / 5, rel=0.01)


def test_a_budget_that_leaves_an_epoch_without_a_batch_is_refused_with_the_least_that_is_not() -> None:
    with pytest.raises(UserError, match=r"less than one batch in each of 2 epochs .*allowed: steps from 10"):
        lengths("steps=9", spec_of("mcd"))
    assert lengths("steps=10", spec_of("mcd")) == (2,)
