"""A run on kept features is the run that computes its frozen part in every step."""

import dataclasses
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import pytest
import torch
from small_runs import figures, spec_of, train_until_stopped

from dta_bench.data.batches import evaluation_batches
from dta_bench.domains.images import Splits
from dta_bench.errors import UserError
from dta_bench.run import network_file, on_features
from dta_bench.run import train as training
from dta_bench.run.finish import FinishedRun
from dta_bench.run.network_card import card_of
from dta_bench.run.placement import Placement, Stopped, StopRequest
from dta_bench.run.resolve import resolve_on
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import RunSpec, Training

CPU = torch.device("cpu")
PLAIN = {"views": "fresh", "augmentation": []}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DTA_BENCH_CACHE", str(tmp_path / "cache"))
    # frozen parts of earlier tests live until Python collects them, with stores in those tests' folders
    monkeypatch.setattr(on_features, "_parts", WeakValueDictionary())
    monkeypatch.setattr(on_features, "_restated", {})


def on(method: str = "dta", **fields: object) -> RunSpec:
    spec = spec_of(method, **({"lambda_3": 0.0} if method == "dta" else {}))
    return dataclasses.replace(spec, training=Training(**spec.training.model_dump() | {"tune": "head"} | fields))


def logits(finished: FinishedRun) -> list[np.ndarray]:
    return [finished.arrays[f"{name}_logits"] for name in ("target_test", "target_train", "source_validation")]


@pytest.mark.parametrize("method", ["dta", "adabn", "mcd"])
def test_features_in_full_precision_give_the_run_without_kept_features(
    method: str, digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    plain = training.train(resolve_on(on(method, **PLAIN), digits_benchmark, small_splits), Placement(CPU))
    kept = training.train(resolve_on(on(method, kept="float32"), digits_benchmark, small_splits), Placement(CPU))
    for one, other in zip(logits(kept), logits(plain), strict=True):
        np.testing.assert_allclose(one, other, rtol=5e-3, atol=5e-3)


def test_a_wide_neck_gives_the_run_without_kept_features_too(digits_benchmark: Benchmark, small_splits: Splits) -> None:
    specs = [on("source_only", neck_width=24, optimizer="sgd", **how) for how in (PLAIN, {"kept": "float32"})]
    plain, kept = (training.train(resolve_on(one, digits_benchmark, small_splits), Placement(CPU)) for one in specs)
    for one, other in zip(logits(kept), logits(plain), strict=True):
        np.testing.assert_allclose(one, other, rtol=5e-3, atol=5e-3)


def test_a_stopped_run_ends_with_the_same_numbers(
    digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path
) -> None:
    spec, stop = on(views=2), StopRequest()
    whole = training.train(resolve_on(spec, digits_benchmark, small_splits), Placement(CPU))
    placement = Placement(CPU, tmp_path / "run.pt", stop=stop)
    run = training.Run(resolve_on(spec, digits_benchmark, small_splits), placement)
    take = run._take_step

    def take_and_stop(*batch: object) -> None:
        take(*batch)  # type: ignore[arg-type]
        stop.requested = run.step == 2

    run._take_step = take_and_stop  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        train_until_stopped(run)
    assert (tmp_path / "run.pt").stat().st_size < 2 * sum(p.nbytes for p in run.network.parameters()) * 3
    stop.requested = False
    torch.manual_seed(12345)
    resumed = training.train(resolve_on(spec, digits_benchmark, small_splits), placement)
    assert figures(resumed) == figures(whole)


def test_a_second_run_computes_no_features(
    digits_benchmark: Benchmark, small_splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.Run(resolve_on(on(), digits_benchmark, small_splits), Placement(CPU))
    monkeypatch.setattr(on_features.Keeper, "_rows", _without_body(on_features.Keeper._rows))
    training.Run(resolve_on(on("source_only"), digits_benchmark, small_splits), Placement(CPU))


def _without_body(rows):  # type: ignore[no-untyped-def]
    def fail() -> None:
        raise AssertionError("features are computed again")

    return lambda self, store, _, *rest: rows(self, store, fail, *rest)


def test_runs_of_one_frozen_part_estimate_its_target_statistics_once(
    digits_benchmark: Benchmark, small_splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimated: list[torch.nn.Module] = []
    estimate = on_features.restated_copy
    monkeypatch.setattr(
        on_features, "restated_copy", lambda *given: (estimated.append(made := estimate(*given)), made)[1]
    )
    for rate in (1e-3, 1e-2):
        training.train(resolve_on(on("adabn", learning_rate=rate), digits_benchmark, small_splits), Placement(CPU))
    assert len(estimated) == 1


@pytest.mark.parametrize("method", ["se", "fixmatch"])
def test_a_second_view_needs_views_and_takes_them(
    method: str, digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    with pytest.raises(UserError, match="takes a second view of each target image, and views is 0"):
        training.Run(resolve_on(on(method), digits_benchmark, small_splits), Placement(CPU))
    run = training.Run(resolve_on(on(method, views=2), digits_benchmark, small_splits), Placement(CPU))
    assert run.train_epoch()["loss/total"] > 0


def test_the_network_that_is_kept_takes_images(digits_benchmark: Benchmark, small_splits: Splits) -> None:
    run = training.Run(resolve_on(on(), digits_benchmark, small_splits), Placement(CPU)).train_to_the_end()
    finished = training.finish(run)
    backbone, classes = run.resolved.backbone, len(digits_benchmark.classes)
    built = network_file.built_by(run.learner, backbone, classes)
    assert built == "backbone"
    card = card_of(run.spec, 1, run.learner.normalisation, 100, built)
    with network_file.temporary_file(network_file.what_predicts(run.learner, card), card) as path:
        loaded = network_file.load(path)
    images = evaluation_batches(small_splits.target_test.images, run.benchmark, 1, 64)
    with torch.no_grad():
        found = torch.cat([loaded.predicts(one) for one in images]).numpy()
    np.testing.assert_allclose(found, finished.arrays["target_test_logits"], rtol=1e-2, atol=1e-2)
