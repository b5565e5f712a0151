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
from conftest import spec_of
from torch import distributed, nn
from torch.multiprocessing.spawn import spawn

from dta_bench import execution, replicas, training, validation
from dta_bench.domains import Benchmark, Splits
from dta_bench.experiment import LabelSubset, RunSpec, Training
from dta_bench.place import Place, Stop, Stopped

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


def means() -> list[torch.Tensor]:
    here = float(replicas.rank() + 1)
    tensors = [torch.full((2, 3), here), torch.tensor(10 * here)]
    replicas.average(tensors)
    return tensors


def test_tensors_are_replaced_by_their_mean(tmp_path: Path) -> None:
    for pair, number in in_replicas(3, tmp_path, means):
        torch.testing.assert_close(pair, torch.full((2, 3), 2.0))
        assert number == 20


def gradients() -> list[torch.Tensor | None]:
    weights = [nn.Parameter(torch.zeros(2)) for _ in range(3)]
    weights[0].grad = torch.full((2,), 4.0)
    if replicas.rank() == 1:
        weights[1].grad = torch.full((2,), 6.0)
    replicas.average_gradients(weights)
    return [weight.grad for weight in weights]


def test_a_gradient_that_only_one_replica_has_counts_as_zero_elsewhere_and_none_stays_none(tmp_path: Path) -> None:
    for both, one, none in in_replicas(2, tmp_path, gradients):
        assert both.tolist() == [4, 4]
        assert one.tolist() == [3, 3]
        assert none is None


def parts(size: int) -> torch.Tensor:
    own = np.array([[10 * i, 10 * i + 1] for i in replicas.part(size)])
    return torch.from_numpy(replicas.joined(own, size, CPU))


@pytest.mark.parametrize("size", [2, 6, 7])
def test_parts_of_any_size_come_together_in_order(size: int, tmp_path: Path) -> None:
    for found in in_replicas(3, tmp_path, partial(parts, size)):
        assert found.tolist() == [[10 * i, 10 * i + 1] for i in range(size)]


def test_alone_there_is_nothing_to_exchange() -> None:
    tensor = torch.ones(2)
    replicas.average([tensor])
    assert tensor.tolist() == [1, 1]
    assert (replicas.count(), replicas.rank(), list(replicas.part(3))) == (1, 0, [0, 1, 2])


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    """Real digits of all classes, few of them."""
    whole = execution.domains("fonts_digits", str(tmp_path_factory.mktemp("data")))
    sizes = {"source_train": 192, "source_validation": 63, "target_train": 192, "target_test": 95}
    draw = np.random.default_rng(0).permutation
    few = {name: getattr(whole, name).select(draw(len(getattr(whole, name)))[:n]) for name, n in sizes.items()}
    return validation.split(dataclasses.replace(whole, **few), LabelSubset(size=41))


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
    place = Place(CPU, checkpoint=kept, stop=stop)
    run = training.Run(spec, benchmark, splits, place, training.first_stage(spec, benchmark, splits, place))
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


@pytest.mark.parametrize("method", ["source_only", "mcd", "dann", "sdat"])
def test_two_devices_learn_what_one_learns_from_two_pieces(
    method: str, digits_benchmark: Benchmark, splits: Splits, tmp_path: Path
) -> None:
    alone = trained(of(method, accumulate=2), digits_benchmark, splits, dropout=False)
    work = partial(trained, of(method, devices=2), digits_benchmark, splits, dropout=False)
    first, second = in_replicas(2, tmp_path, work)
    for name, wanted in losses(alone).items():
        assert losses(first)[name] == pytest.approx(wanted, rel=2e-3, abs=1e-4), name
    for a, b in zip(first["weights"], second["weights"], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert losses(first) == losses(second)


def test_each_replica_draws_its_own_masks_and_all_measure_alike(
    digits_benchmark: Benchmark, splits: Splits, tmp_path: Path
) -> None:
    first, second = in_replicas(2, tmp_path, partial(trained, of("dta", devices=2), digits_benchmark, splits))
    assert first["told"] == second["told"]
    for name, logits in first["logits"].items():
        torch.testing.assert_close(logits, second["logits"][name], rtol=0, atol=0)
    a, b = in_replicas(2, tmp_path, partial(drawn, of("dta", devices=2), digits_benchmark, splits))
    assert a["weights"].equal(b["weights"])
    assert not a["next"].equal(b["next"])


def drawn(spec: RunSpec, benchmark: Benchmark, splits: Splits) -> dict[str, torch.Tensor]:
    """A run's weights before its first step, and what its generator gives next."""
    run = training.Run(spec, benchmark, splits, Place(CPU))
    return {"weights": nn.utils.parameters_to_vector(run.network.parameters()).detach(), "next": torch.rand(4)}


@pytest.mark.parametrize("stop_after", [2, 6])
def test_a_run_that_one_replica_stops_and_all_resume_ends_with_the_same_numbers(
    stop_after: int, digits_benchmark: Benchmark, splits: Splits, tmp_path: Path
) -> None:
    work = partial(trained, of("dta", devices=2), digits_benchmark, splits)
    whole, _ = in_replicas(2, tmp_path, work)
    kept = tmp_path / "run.pt"
    stopped = in_replicas(2, tmp_path, partial(work, kept=kept, stop_after=stop_after))
    assert {each["stopped"].split()[0] for each in stopped} == {"stopped"}
    resumed, _ = in_replicas(2, tmp_path, partial(work, kept=kept))
    assert resumed["told"] == whole["told"][-len(resumed["told"]) :]
    for a, b in zip(resumed["weights"], whole["weights"], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_first_stage_is_trained_by_all_under_one_lock(
    digits_benchmark: Benchmark, splits: Splits, tmp_path: Path
) -> None:
    spec = of("shot", devices=2, epochs=1)
    work = partial(trained, spec, digits_benchmark, splits, kept=tmp_path / "run.pt")
    first, second = in_replicas(2, tmp_path, work)
    assert first["told"] == second["told"]
    assert len(list((tmp_path / "first").glob("*.pt"))) == 1
