"""One run on several devices: real processes in a real process group, held against one process that does it all."""

import dataclasses
import os
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from other_processes import START_METHOD
from small_runs import spec_of
from torch import distributed, nn
from torch.multiprocessing.spawn import start_processes

from dta_bench.data import load
from dta_bench.data.splits import split
from dta_bench.domains.images import Splits
from dta_bench.nn import distributed as replicas
from dta_bench.run import train
from dta_bench.run.finish import finish
from dta_bench.run.placement import Placement, Stopped, StopRequest
from dta_bench.run.resolve import resolve_on
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training

CPU = torch.device("cpu")


def results_of_replicas(count: int, folder: Path, work: Callable[[], Any]) -> list[Any]:
    """The results of ``work`` in ``count`` processes that are the replicas of one run."""
    start_processes(_run_replica, (count, str(folder), work), nprocs=count, start_method=START_METHOD)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(count)]


def _run_replica(rank: int, count: int, folder: str, work: Callable[[], Any]) -> None:
    torch.set_num_threads(1)
    rendezvous = f"file://{folder}/rendezvous"
    distributed.init_process_group(
        "gloo", init_method=rendezvous, rank=rank, world_size=count, timeout=timedelta(seconds=240)
    )
    torch.save(work(), f"{folder}/{rank}.pt")
    distributed.barrier()
    if rank == 0:
        Path(folder, "rendezvous").unlink(missing_ok=True)
    os._exit(0)  # gloo's threads may abort an orderly end


METHODS = ("source_only", "mcd", "dann", "sdat")
SIZES = (1, 2, 7)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    """Real digits of all classes, few of them."""
    whole = load.domains("fonts_digits", str(tmp_path_factory.mktemp("data")))
    sizes = {"source_train": 96, "source_validation": 31, "target_train": 96, "target_test": 47}
    draw = np.random.default_rng(0).permutation
    few = {name: getattr(whole, name).select(draw(len(getattr(whole, name)))[:n]) for name, n in sizes.items()}
    return split(dataclasses.replace(whole, **few), LabelSubset(size=41))


@pytest.fixture(scope="module")
def two_replicas(
    digits_benchmark: Benchmark, splits: Splits, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Any]:
    """The results of two replicas, which are started once for all tests."""
    folder = tmp_path_factory.mktemp("two")
    first, second = results_of_replicas(2, folder, partial(all_results, digits_benchmark, splits, folder))
    return first, second


def all_results(benchmark: Benchmark, splits: Splits, folder: Path) -> dict[str, Any]:
    dta, checkpoint = digits_spec("dta", devices=2), folder / "run.pt"
    return {
        "means": averaged_tensors(), "gradients": averaged_gradients(),
        "parts": [joined_shares(size) for size in SIZES],
        "trained": {m: trained(digits_spec(m, devices=2), benchmark, splits, dropout=False) for m in METHODS},
        "start": start_of_run(dta, benchmark, splits),
        "uninterrupted": trained(dta, benchmark, splits),
        "stopped": trained(dta, benchmark, splits, checkpoint, stop_after=2),
        "resumed": trained(dta, benchmark, splits, checkpoint),
        "second stage": trained(digits_spec("shot", devices=2, epochs=1), benchmark, splits, folder / "shot.pt"),
    }  # fmt: skip


def averaged_tensors() -> list[torch.Tensor]:
    number = float(replicas.rank() + 1)
    tensors = [torch.full((2, 3), number), torch.tensor(10 * number)]
    replicas.average(tensors)
    return tensors


def test_tensors_are_replaced_by_their_mean(two_replicas: tuple[Any, Any]) -> None:
    for found in two_replicas:
        pair, number = found["means"]
        torch.testing.assert_close(pair, torch.full((2, 3), 1.5))
        assert number == 15


def averaged_gradients() -> list[torch.Tensor | None]:
    weights = [nn.Parameter(torch.zeros(2)) for _ in range(3)]
    weights[0].grad = torch.full((2,), 4.0)
    if replicas.rank() == 1:
        weights[1].grad = torch.full((2,), 6.0)
    replicas.average_gradients(weights)
    return [weight.grad for weight in weights]


def test_a_gradient_that_only_one_replica_has_counts_as_zero_elsewhere_and_none_stays_none(
    two_replicas: tuple[Any, Any],
) -> None:
    for found in two_replicas:
        both, one, none = found["gradients"]
        assert both.tolist() == [4, 4]
        assert one.tolist() == [3, 3]
        assert none is None


def joined_shares(size: int) -> torch.Tensor:
    own = np.array([[10 * i, 10 * i + 1] for i in replicas.own_share(size)])
    return torch.from_numpy(replicas.join_shares(own, size, CPU))


def test_shares_of_any_size_are_joined_in_order(two_replicas: tuple[Any, Any]) -> None:
    for found in two_replicas:
        for size, rows in zip(SIZES, found["parts"], strict=True):
            assert rows.tolist() == [[10 * i, 10 * i + 1] for i in range(size)]


def test_a_single_replica_exchanges_nothing() -> None:
    tensor = torch.ones(2)
    replicas.average([tensor])
    assert tensor.tolist() == [1, 1]
    assert (replicas.replica_count(), replicas.rank(), list(replicas.own_share(3))) == (1, 0, [0, 1, 2])


def digits_spec(method: str, **changes: object) -> RunSpec:
    spec = spec_of(method)
    return dataclasses.replace(spec, training=Training(**spec.training.model_dump() | {"batch_size": 32} | changes))


def trained(
    spec: RunSpec,
    benchmark: Benchmark,
    splits: Splits,
    checkpoint: Path | None = None,
    stop_after: int = 0,
    dropout: bool = True,
) -> dict[str, Any]:
    """The losses and scores of each epoch, the weights and the logits in the end; or where it stopped."""
    metrics_of_epochs: list[dict[str, float]] = []
    stop = StopRequest()
    placement = Placement(CPU, checkpoint=checkpoint, stop=stop)
    run = train.Run(
        resolve_on(spec, benchmark, splits),
        placement,
        train.train_first_stage(resolve_on(spec, benchmark, splits), placement),
    )
    for module in run.learner.modules():
        if isinstance(module, nn.Dropout) and not dropout:
            module.p = 0.0
    take, steps = run._take_step, 0

    def count_and_take(*batch: Any) -> None:
        nonlocal steps
        take(*batch)
        steps += 1
        stop.requested = steps == stop_after and replicas.rank() == 1  # one replica is asked to stop, and all stop

    run._take_step = count_and_take  # type: ignore[method-assign]
    try:
        finished = finish(run.train_to_the_end(lambda _, metrics: metrics_of_epochs.append(metrics)))
    except Stopped as stopped:
        return {"stopped": str(stopped)}
    logits = {name: torch.from_numpy(array) for name, array in finished.arrays.items() if name.endswith("logits")}
    return {
        "metrics_of_epochs": metrics_of_epochs,
        "weights": [w.detach() for w in run.learner.parameters()],
        "logits": logits,
    }


def losses(found: dict[str, Any]) -> dict[str, list[float]]:
    names = [name for name in found["metrics_of_epochs"][0] if name.startswith("loss/")]
    return {name: [epoch[name] for epoch in found["metrics_of_epochs"]] for name in names}


@pytest.mark.parametrize("method", METHODS)
def test_two_devices_learn_what_one_learns_from_two_pieces(
    method: str, two_replicas: tuple[Any, Any], digits_benchmark: Benchmark, splits: Splits
) -> None:
    first, second = (found["trained"][method] for found in two_replicas)
    alone = trained(digits_spec(method, accumulate=2), digits_benchmark, splits, dropout=False)
    for name, wanted in losses(alone).items():
        assert losses(first)[name] == pytest.approx(wanted, rel=2e-3, abs=1e-4), name
    assert are_equal(first, second)


def test_each_replica_draws_its_own_masks_and_all_measure_the_same(two_replicas: tuple[Any, Any]) -> None:
    first, second = two_replicas
    assert first["start"]["weights"].equal(second["start"]["weights"])
    assert not first["start"]["next"].equal(second["start"]["next"])
    assert are_equal(first["uninterrupted"], second["uninterrupted"])


def start_of_run(spec: RunSpec, benchmark: Benchmark, splits: Splits) -> dict[str, torch.Tensor]:
    """A run's weights before its first step, and what its generator gives next."""
    run = train.Run(resolve_on(spec, benchmark, splits), Placement(CPU))
    return {"weights": nn.utils.parameters_to_vector(run.network.parameters()).detach(), "next": torch.rand(4)}


def test_a_run_that_one_replica_stops_and_all_resume_ends_with_the_same_numbers(two_replicas: tuple[Any, Any]) -> None:
    for found in two_replicas:
        assert found["stopped"] == {"stopped": "stopped in epoch 1 after step 2"}
        assert are_equal(found["resumed"], found["uninterrupted"])


def test_a_first_stage_is_trained_by_all_replicas(two_replicas: tuple[Any, Any]) -> None:
    first, second = (found["second stage"] for found in two_replicas)
    assert are_equal(first, second)


def are_equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether metrics, weights and logits are equal to the last bit."""
    tensors = zip([*a["weights"], *a["logits"].values()], [*b["weights"], *b["logits"].values()], strict=True)
    return bool(a["metrics_of_epochs"] == b["metrics_of_epochs"]) and all(x.equal(y) for x, y in tensors)
