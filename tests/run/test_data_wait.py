"""A run on a GPU says when it waits for data, and has the readers that its node can give."""

from collections.abc import Iterator

import joblib
import pytest
import torch

from dta_bench.run import data_wait
from dta_bench.run.data_wait import DataWait
from dta_bench.run.placement import readers
from dta_bench.sweep.on_ray.node_readers import readers_for

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class Clock:
    """Stands in for the module ``time``; it goes on when it is told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(data_wait, "time", made)
    return made


def trained(clock: Clock, waiting: float, step: float = 1.0, count: int = 4) -> DataWait:
    """Train steps of ``step`` seconds on a source of batches that takes ``waiting`` for each."""

    def slow() -> Iterator[int]:
        for number in range(count):
            clock.now += waiting
            yield number

    wait = DataWait()
    for epoch in range(2):
        assert epoch in (0, 1)
        for _ in wait.watch(slow()):
            clock.now += step
    return wait


def test_waiting_is_what_the_source_of_batches_takes(clock: Clock) -> None:
    wait = trained(clock, waiting=0.5)
    assert (wait.waited, wait.seconds) == (4.0, 12.0)


def test_the_batches_are_those_of_the_source_and_an_end_inside_counts(clock: Clock) -> None:
    wait = DataWait()
    for number in wait.watch(range(5)):
        clock.now += 1
        if number == 2:
            break
    assert wait.seconds == 3.0
    assert list(wait.watch("abc")) == ["a", "b", "c"]


def test_a_gpu_that_waits_for_more_than_a_twentieth_is_told_of(clock: Clock) -> None:
    assert trained(clock, waiting=0.05).note(CUDA, 3) == ""
    assert trained(clock, waiting=0.25).note(CUDA, 3) == (
        "20% of training time the GPU waited for images, with 3 processes that read ahead; more CPU cores for each GPU "
        "would help"
    )


def test_on_a_cpu_and_without_steps_nothing_is_told(clock: Clock) -> None:
    assert trained(clock, waiting=9).note(CPU, 0) == ""
    assert DataWait().note(CUDA, 0) == ""


@pytest.mark.parametrize(("gpus", "cores", "found"), [(1, 16, 16), (4, 30, 7), (8, 4, 1)])
def test_a_run_on_a_gpu_has_the_cpus_for_each_gpu_as_readers(
    gpus: int, cores: int, found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)
    assert readers() == found
    assert readers(5) == 5


@pytest.mark.parametrize(("threads", "found"), [(1, 0), (2, 1), (8, 1)])
def test_on_a_cpu_one_process_reads_where_there_is_a_core_for_it(
    threads: int, found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert readers() == readers(5) == found


@pytest.mark.parametrize(
    ("share", "resources", "found"),
    [(1, {"CPU": 32.0, "GPU": 4.0}, 8), (0.3333, {"CPU": 12.0, "GPU": 1.0}, 4), (0.125, {"CPU": 4.0, "GPU": 1.0}, 1),
     (1, {"GPU": 1.0}, 1), (1, {"CPU": 4.0}, None)],
)  # fmt: skip
def test_runs_that_share_a_gpu_share_its_cpus(share: float, resources: dict[str, float], found: int | None) -> None:
    assert readers_for(share, resources) == found
