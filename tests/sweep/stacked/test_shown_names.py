"""Progress calls the runs of several stacked sweeps by their sweep's name too, as it does for runs on Ray."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dta_bench.spec.plan import Options
from dta_bench.sweep.apply_stop_rules import EarlyStopping
from dta_bench.sweep.choose_runs import for_benchmark, make_plan
from dta_bench.sweep.on_ray.launch import Share
from dta_bench.sweep.stacked import process, train
from dta_bench.sweep.work import Work


def share_of(pair: str) -> Share:
    name, file = for_benchmark("frozen_pair", pair)
    plan = make_plan(name, file, Options(backbones=("conv3_tiny",), points=2, seeds=2))
    return Share(plan, Work(plan.runs, EarlyStopping([], 1)), "parent")


def shown(pairs: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the epochs that are shown, where each run of a stack tells one."""

    def tell_an_epoch_of_each(task: process.Task, _: object, tell: Any) -> None:
        for run in (run for stack in task.stacks for run in stack):
            tell(("epoch", run.id, 1))

    names: list[str] = []
    monkeypatch.setattr(process, "train", tell_an_epoch_of_each)
    view = SimpleNamespace(epoch_done=lambda name, _: names.append(name), runs_begin=lambda *_: None)
    train.train_stacks([share_of(pair) for pair in pairs], None, view, processes=1)  # type: ignore[arg-type]
    return names


def test_the_runs_of_several_sweeps_have_their_sweeps_name(monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps = {name.partition(": ")[0] for name in shown(["digits", "fonts_digits"], monkeypatch)}
    assert sweeps == {"frozen_pair_digits", "frozen_pair_fonts_digits"}


def test_the_runs_of_one_sweep_are_called_by_their_method(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {name.partition(" ")[0] for name in shown(["digits"], monkeypatch)} == {"dta", "source_only"}
