"""Inside an epoch nothing reads a value from the device: it would wait for all that the device still computes."""

import dataclasses
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import spec_of
from torch.utils._python_dispatch import TorchDispatchMode

from dta_bench.data.counted_noise import stream_of
from dta_bench.data.device_path import counted_there
from dta_bench.data.device_path.receive import Receiver
from dta_bench.domains.images import Splits
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve_on
from dta_bench.run.train import Run
from dta_bench.spec.benchmark import Benchmark

CPU = torch.device("cpu")
READS = ("item", "__float__", "__int__", "__bool__", "__index__", "tolist", "numpy", "cpu")
"""Methods of a tensor that give its values to Python."""
METHODS = (
    "dta",
    "dta_released",
    "source_only",
    "mcd",
    "dann",
    "cdan",
    "mcc",
    "dan",
    "afn",
    "vada",
    "se",
    "sdat",
    "mdd",
)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the reads that are made by a line of this package."""
    counted = Counter[str]()

    def count(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def counting(tensor: torch.Tensor, *arguments: Any) -> Any:
            caller = sys._getframe(1)
            if str(caller.f_globals.get("__name__", "")).startswith("dta_bench."):
                counted[f"{name} in {caller.f_globals['__name__']}, line {caller.f_lineno}"] += 1
            return original(tensor, *arguments)

        return counting

    for name in READS:
        monkeypatch.setattr(torch.Tensor, name, count(name, getattr(torch.Tensor, name)))
    return counted


class SizesReadFromTheDevice(TorchDispatchMode):
    """Counts operators whose output's size depends on values: a GPU is waited for until the size is known."""

    def __init__(self) -> None:
        super().__init__()
        self.found = Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        by_mask = name == "index" and any(at is not None and at.dtype == torch.bool for at in args[1])
        if by_mask or name in ("nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive"):
            self.found[name] += 1
        return func(*args, **kwargs or {})


def run_of(method: str, benchmark: Benchmark, splits: Splits) -> Run:
    run = Run(resolve_on(spec_of(method), benchmark, splits), Placement(CPU))
    run.begin_epoch()
    return run


def test_a_read_would_be_counted(reads: Counter[str], digits_benchmark: Benchmark, small_splits: Splits) -> None:
    run = run_of("source_only", digits_benchmark, small_splits)
    source, target = next(iter(run.batches.epoch(1)))
    reads.clear()
    run._take_step(source, target)
    run._read_sums()
    assert sum(reads.values()) == 1


@pytest.mark.parametrize("method", METHODS)
def test_a_step_reads_no_value(
    method: str, reads: Counter[str], digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    run = run_of(method, digits_benchmark, small_splits)
    batches = list(run.batches.epoch(1))[:2]
    reads.clear()
    for source, target in batches:
        run._take_step(source, target)
    assert not reads


@pytest.mark.parametrize("method", METHODS)
def test_no_size_in_a_step_depends_on_values(method: str, digits_benchmark: Benchmark, small_splits: Splits) -> None:
    run = run_of(method, digits_benchmark, small_splits)
    with SizesReadFromTheDevice() as sizes:
        run._take_step(*next(iter(run.batches.epoch(1))))
    assert not sizes.found


def test_a_size_that_depends_on_values_would_be_counted() -> None:
    with SizesReadFromTheDevice() as sizes:
        values = torch.arange(3)
        values[values > 1], values[torch.tensor([0])], values.unique()
    assert sizes.found == {"nonzero": 1, "_unique2": 1} or sizes.found == {"index": 1, "_unique2": 1}


@pytest.mark.parametrize("noise", ["drawn", "counted"])
def test_batches_are_made_on_the_device_without_waiting_for_it(
    noise: str, reads: Counter[str], digits_benchmark: Benchmark, small_splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of("source_only")
    there = {"data_on_device": True, "noise": noise}
    spec = dataclasses.replace(spec, training=spec.training.model_copy(update=there))
    run = Run(resolve_on(spec, digits_benchmark, small_splits), Placement(CPU))
    written, receive = list[Any](), Receiver.receive
    monkeypatch.setattr(Receiver, "receive", lambda _, batches: written.extend(batches))
    run.batches.epoch(1)
    assert run.batches._receiver is not None  # type: ignore[union-attr]
    reads.clear()
    with SizesReadFromTheDevice() as sizes:
        made = list(receive(run.batches._receiver, written))  # type: ignore[union-attr]
    assert len(made) == run.batches.steps
    assert not reads
    assert not sizes.found


class Operators(TorchDispatchMode):
    """Counts what tensors are asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.found = Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.found[func.overloadpacket.__name__] += 1
        return func(*args, **kwargs or {})


def test_counted_noise_is_made_without_a_value_that_comes_from_the_host_or_goes_there() -> None:
    streams = torch.from_numpy(np.stack([stream_of((0, 1, 0, 0, index)) for index in range(3)]))
    with Operators() as control:
        torch.tensor([1, 2])[0].item()
    with Operators() as operators:
        counted_there.normals(streams, (5, 3, 1))
    waiting = {"lift_fresh", "_local_scalar_dense"}
    assert control.found.keys() >= waiting
    assert not operators.found.keys() & waiting


def test_the_means_of_an_epoch_are_those_of_the_values_of_its_steps(
    digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    """To the last digit: each value is added to a float, step by step, as earlier versions did."""
    run = Run(resolve_on(spec_of("dta"), digits_benchmark, small_splits), Placement(CPU))
    step, sums, steps = run.learner.step_of_epoch, dict[str, float](), 0

    def step_and_add(*batch: Any) -> dict[str, torch.Tensor]:
        nonlocal steps
        parts = step(*batch)
        steps += 1
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + float(value)
        return parts

    run.learner.step_of_epoch = step_and_add  # type: ignore[method-assign]
    found = run.train_epoch()
    assert {name: found[f"loss/{name}"] for name in sums} == {name: total / steps for name, total in sums.items()}
