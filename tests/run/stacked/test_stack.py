"""Runs in a stack: each has its own metrics, results and checkpoint, and goes on in any other stack or alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import spec_of

from dta_bench.domains.images import Splits
from dta_bench.methods import dta
from dta_bench.run import position
from dta_bench.run import train as training
from dta_bench.run.finish import finish
from dta_bench.run.placement import Placement, Stopped, StopRequest
from dta_bench.run.resolve import resolve_on
from dta_bench.run.stacked.stack import Stack
from dta_bench.run.stacked.stackable import KNOWN, can_stack, stack_key
from dta_bench.run.train import Run
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import RunSpec, Training

CPU = torch.device("cpu")
NECK = {"tune": "head", "neck_width": 48, "kept": "float32", "optimizer": "sgd", "learning_rate": 0.05}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DTA_BENCH_CACHE", str(tmp_path / "cache"))


def spec(seed: int = 0, method: str = "dta", **params: float) -> RunSpec:
    made = spec_of(method, seed, **({"lambda_3": 0.0} | params if method == "dta" else {}))
    return dataclasses.replace(made, training=Training(**made.training.model_dump() | NECK))


SPECS = (spec(0), spec(1, lambda_2=0.1, delta_e=0.0), spec(0, delta_c=0.0, delta_e=0.0))


def build(specs: tuple[RunSpec, ...], benchmark: Benchmark, splits: Splits, folder: Path, stop: StopRequest) -> Stack:
    runs, states = [], []
    for one in specs:
        run = Run(resolve_on(one, benchmark, splits), Placement(CPU, folder / f"{one.id}.pt", stop=stop))
        position.resume_run(run)
        runs.append(run)
        states.append(torch.get_rng_state())
    return Stack(runs, states)


def train(stack: Stack, epochs: int = 99) -> None:
    for _ in range(epochs):
        runs = stack.next_runs()
        if not runs:
            return
        stack.train_epoch(runs)
        for run in runs:
            stack.end_epoch(run)


def test_stacked_and_resumed_elsewhere_runs_end_as_they_would_alone(
    digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path
) -> None:
    stop = StopRequest()
    train(build(SPECS, digits_benchmark, small_splits, tmp_path, stop), epochs=1)
    stack = build(SPECS[1:], digits_benchmark, small_splits, tmp_path, stop)  # without the first
    stop.requested = True
    with pytest.raises(Stopped):
        train(stack)
    stop.requested = False
    stack = build(SPECS, digits_benchmark, small_splits, tmp_path, stop)  # one is at another step than the others
    assert len(stack.next_runs()) == 1
    train(stack)
    for run in stack.runs:
        alone = training.train(resolve_on(run.spec, digits_benchmark, small_splits), Placement(CPU))
        stacked = finish(run)
        assert stacked.result.test.accuracy == pytest.approx(alone.result.test.accuracy, abs=2)
        for part in ("target_test", "target_validation", "target_train", "source_validation"):
            found, expected = (one.arrays[f"{part}_logits"] for one in (stacked, alone))
            np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-2, err_msg=f"{part} of seed {run.spec.seed}")


def test_a_stack_is_of_plain_heads_of_one_training() -> None:
    assert all(map(can_stack, SPECS))
    assert can_stack(spec(method="source_only"))
    assert len({stack_key(one) for one in SPECS}) == 1
    other = dataclasses.replace(SPECS[0], training=SPECS[0].training.model_copy(update={"learning_rate": 1.0}))
    assert stack_key(other) != stack_key(SPECS[0])
    for changed in (
        {"neck_width": None},
        {"neck_width": 0},
        {"views": "fresh"},
        {"clip_norm": 1.0},
        {"batchnorm": {"batches": "joint"}},
    ):
        assert not can_stack(dataclasses.replace(SPECS[0], training=SPECS[0].training.model_copy(update=changed))), (
            changed
        )
    assert not can_stack(dataclasses.replace(SPECS[0], method="mcc"))
    assert not can_stack(dataclasses.replace(SPECS[0], params=SPECS[0].params | {"start": "stochastic"}))


@pytest.mark.parametrize("name", sorted({*dta.Params.__dataclass_fields__, "source_only_epochs"} - KNOWN["dta"]))
def test_a_run_with_a_parameter_that_the_stacks_loss_does_not_know_trains_alone(name: str) -> None:
    changed = {"start": "stochastic"}.get(name, 1)
    assert not can_stack(dataclasses.replace(SPECS[0], params=SPECS[0].params | {name: changed}))
