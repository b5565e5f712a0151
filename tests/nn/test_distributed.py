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
from small_runs import spec_of
from torch import distributed, nn
from torch.multiprocessing.spawn import spawn

from dta_bench.data import load
from dta_bench.data import splits as validation
from dta_bench.domains.images import Splits
from dta_bench.nn import distributed as replicas
from dta_bench.run import train
from dta_bench.run.placement import Placement, Stop, Stopped
from dta_bench.run.resolve import resolve_on
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training

CPU = torch.device("cpu")


def in_replicas(count: int, folder: Path, work: Callable[[], Any]) -> list[Any]:
    """What ``work`` gives in each of ``count`` processes that are the replicas of one run."""
    spawn(_replica, (count, str(folder), work), nprocs=count)
    return [torch.load(folder / f"{rank}.said", weights_only=True) for rank in range(count)]


def _replica(rank: int, count: int, folder: str, work: Callable[[], Any]) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group(
        "gloo", init_method=meeting, rank=rank, world_size=count, timeout=timedelta(seconds=240)
    )
    torch.save(work(), f"{folder}/{rank}.said")
    distributed.barrier()
    if rank == 0:
        Path(folder, "meeting").unlink(missing_ok=True)
    os._exit(0)  # gloo's threads may abort an orderly end


METHODS = ("source_only", "mcd", "dann", "sdat")
SIZES = (1, 2, 7)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    """Real digits of all classes, few of them."""
    whole = load.domains("fonts_digits", str(tmp_path_factory.mktemp("data")))
    sizes = {"source_train": 192, "source_validation": 63, "target_train": 192, "target_test": 95}
    draw = np.random.default_rng(0).permutation
    few = {name: getattr(whole, name).select(draw(len(getattr(whole, name)))[:n]) for name, n in sizes.items()}
    return validation.split(dataclasses.replace(whole, **few), LabelSubset(size=41))


@pytest.fixture(scope="module")
def two(digits_benchmark: Benchmark, splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """What each of two replicas of a run finds; they are started once for all tests."""
    folder = tmp_path_factory.mktemp("two")
    first, second = in_replicas(2, folder, partial(everything, digits_benchmark, splits, folder))
    return first, second


def everything(benchmark: Benchmark, splits: Splits, folder: Path) -> dict[str, Any]:
    dta, kept = of("dta", devices=2), folder / "run.pt"
    return {
        "means": means(), "gradients": gradients(), "parts": [parts(size) for size in SIZES],
        "learnt": {m: trained(of(m, devices=2), benchmark, splits, dropout=False) for m in METHODS},
        "drawn": drawn(dta, benchmark, splits),
        "whole": trained(dta, benchmark, splits),
        "stopped": trained(dta, benchmark, splits, kept, stop_after=2),
        "resumed": trained(dta, benchmark, splits, kept),
        "second stage": trained(of("shot", devices=2, epochs=1), benchmark, splits, folder / "shot.pt"),
    }  # fmt: skip


def means() -> list[torch.Tensor]:
    here = float(replicas.rank() + 1)
    tensors = [torch.full((2, 3), here), torch.tensor(10 * here)]
    replicas.average(tensors)
    return tensors


def test_tensors_are_replaced_by_their_mean(two: tuple[Any, Any]) -> None:
    for found in two:
        pair, number = found["means"]
        torch.testing.assert_close(pair, torch.full((2, 3), 1.5))
        assert number == 15


def gradients() -> list[torch.Tensor | None]:
    weights = [nn.Parameter(torch.zeros(2)) for _ in range(3)]
    weights[0].grad = torch.full((2,), 4.0)
    if replicas.rank() == 1:
        weights[1].grad = torch.full((2,), 6.0)
    replicas.average_gradients(weights)
    return [weight.grad for weight in weights]


def test_a_gradient_that_only_one_replica_has_counts_as_zero_elsewhere_and_none_stays_none(
    two: tuple[Any, Any],
) -> None:
    for found in two:
        both, one, none = found["gradients"]
        assert both.tolist() == [4, 4]
        assert one.tolist() == [3, 3]
        assert none is None


def parts(size: int) -> torch.Tensor:
    own = np.array([[10 * i, 10 * i + 1] for i in replicas.own_share(size)])
    return torch.from_numpy(replicas.join_shares(own, size, CPU))


def test_shares_of_any_size_are_joined_in_order(two: tuple[Any, Any]) -> None:
    for found in two:
        for size, rows in zip(SIZES, found["parts"], strict=True):
            assert rows.tolist() == [[10 * i, 10 * i + 1] for i in range(size)]


def test_a_single_replica_exchanges_nothing() -> None:
    tensor = torch.ones(2)
    replicas.average([tensor])
    assert tensor.tolist() == [1, 1]
    assert (replicas.replica_count(), replicas.rank(), list(replicas.own_share(3))) == (1, 0, [0, 1, 2])


def of(method: str, **changes: object) -> RunSpec:
    spec = spec_of(method)
    return dataclasses.replace(spec, training=Training(**spec.training.model_dump() | {"batch_size": 32} | changes))


def trained(
    spec: RunSpec,
    benchmark: Benchmark,
    splits: Splits,
    kept: Path | None = None,
    stop_after: int = 0,
    dropout: bool = True,
) -> dict[str, Any]:
    """The losses and scores of each epoch, the weights and the logits in the end; or where it stopped."""
    told: list[dict[str, float]] = []
    stop = Stop()
    place = Placement(CPU, checkpoint=kept, stop=stop)
    run = train.Run(
        resolve_on(spec, benchmark, splits), place, train.first_stage(resolve_on(spec, benchmark, splits), place)
    )
    for module in run.learner.modules():
        if isinstance(module, nn.Dropout) and not dropout:
            module.p = 0.0
    take, steps = run._take_step, 0

    def counted(*batch: Any) -> None:
        nonlocal steps
        take(*batch)
        steps += 1
        stop.requested = steps == stop_after and replicas.rank() == 1  # one hears of it, all heed it

    run._take_step = counted  # type: ignore[method-assign]
    try:
        finished = run.to_the_end(lambda _, metrics: told.append(metrics)).finish()
    except Stopped as stopped:
        return {"stopped": str(stopped)}
    logits = {name: torch.from_numpy(array) for name, array in finished.arrays.items() if name.endswith("logits")}
    return {"told": told, "weights": [w.detach() for w in run.learner.parameters()], "logits": logits}


def losses(found: dict[str, Any]) -> dict[str, list[float]]:
    names = [name for name in found["told"][0] if name.startswith("loss/")]
    return {name: [epoch[name] for epoch in found["told"]] for name in names}


@pytest.mark.parametrize("method", METHODS)
def test_two_devices_learn_what_one_learns_from_two_pieces(
    method: str, two: tuple[Any, Any], digits_benchmark: Benchmark, splits: Splits
) -> None:
    first, second = (found["learnt"][method] for found in two)
    alone = trained(of(method, accumulate=2), digits_benchmark, splits, dropout=False)
    for name, wanted in losses(alone).items():
        assert losses(first)[name] == pytest.approx(wanted, rel=2e-3, abs=1e-4), name
    assert same(first, second)


def test_each_replica_draws_its_own_masks_and_all_measure_the_same(two: tuple[Any, Any]) -> None:
    first, second = two
    assert first["drawn"]["weights"].equal(second["drawn"]["weights"])
    assert not first["drawn"]["next"].equal(second["drawn"]["next"])
    assert same(first["whole"], second["whole"])


def drawn(spec: RunSpec, benchmark: Benchmark, splits: Splits) -> dict[str, torch.Tensor]:
    """A run's weights before its first step, and what its generator gives next."""
    run = train.Run(resolve_on(spec, benchmark, splits), Placement(CPU))
    return {"weights": nn.utils.parameters_to_vector(run.network.parameters()).detach(), "next": torch.rand(4)}


def test_a_run_that_one_replica_stops_and_all_resume_ends_with_the_same_numbers(two: tuple[Any, Any]) -> None:
    for found in two:
        assert found["stopped"] == {"stopped": "stopped in epoch 1 after step 2"}
        assert same(found["resumed"], found["whole"])


def test_a_first_stage_is_trained_by_all_replicas(two: tuple[Any, Any]) -> None:
    first, second = (found["second stage"] for found in two)
    assert same(first, second)


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether what was told, the weights and the logits are the same, to the last bit."""
    tensors = zip([*a["weights"], *a["logits"].values()], [*b["weights"], *b["logits"].values()], strict=True)
    return bool(a["told"] == b["told"]) and all(x.equal(y) for x, y in tensors)
