"""A run is its spec: same numbers again, same numbers after a stop, and no label where none may be read."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import figures, spec_of, train_until_stopped

from dta_bench.data import splits
from dta_bench.domains.images import Domains, LabelledImages, Splits
from dta_bench.errors import Diverged, UserError
from dta_bench.nn.batch_pieces import split_batch
from dta_bench.nn.optimisation import Progress, build_optimizer, learning_rate
from dta_bench.run import train as training
from dta_bench.run.placement import Placement, Stopped, StopRequest
from dta_bench.run.resolve import resolve_on
from dta_bench.run.train import FinishedRun
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def once(digits_benchmark: Benchmark, small_digits: Domains) -> Callable[[RunSpec], list[float]]:
    """The figures of a run on the small digits that nothing interrupts; each is trained once for all tests."""
    known = dict[str, list[float]]()

    def figures_of(spec: RunSpec) -> list[float]:
        if spec.id not in known:
            parts = splits.split(small_digits, LabelSubset(size=40))
            known[spec.id] = figures(training.train(resolve_on(spec, digits_benchmark, parts), Placement(CPU)))
        return known[spec.id]

    return figures_of


Once = Callable[[RunSpec], list[float]]


@pytest.mark.parametrize("method", ["dta", "dta_released", "source_only"])
def test_the_same_spec_gives_the_same_numbers(
    method: str, once: Once, digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    again = training.train(resolve_on(spec_of(method), digits_benchmark, small_splits), Placement(CPU))
    assert figures(again) == once(spec_of(method))


def test_another_seed_gives_other_numbers(once: Once) -> None:
    assert once(spec_of(seed=0)) != once(spec_of(seed=1))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("stop_after", [1, 2, 3, 4, 6])
def test_a_run_stopped_anywhere_and_resumed_ends_with_the_same_numbers(
    optimizer: str, stop_after: int, once: Once, digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path
) -> None:
    spec = spec_of("dta", lambda_3=0.1, epsilon=3.5)
    spec = dataclasses.replace(spec, training=spec.training.model_copy(update={"optimizer": optimizer}))
    stop = StopRequest()
    placement = Placement(CPU, tmp_path / "run.pt", stop=stop)
    interrupted = training.Run(resolve_on(spec, digits_benchmark, small_splits), placement)
    take, steps = interrupted._take_step, 0

    def take_and_count(*batch: object) -> None:
        nonlocal steps
        take(*batch)  # type: ignore[arg-type]
        steps += 1
        stop.requested = steps == stop_after

    interrupted._take_step = take_and_count  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        train_until_stopped(interrupted)
    stop.requested = False
    torch.manual_seed(12345)  # what another process would have drawn
    resumed = training.train(resolve_on(spec, digits_benchmark, small_splits), placement)
    assert figures(resumed) == once(spec)


def test_a_run_that_is_asked_to_stop_while_it_is_measured_stops_with_the_epoch_saved(
    once: Once, digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path
) -> None:
    stop, told = StopRequest(), list[int]()
    placement = Placement(CPU, tmp_path / "run.pt", stop=stop)

    def on_epoch(epoch: int, _: object) -> None:
        told.append(epoch)
        stop.requested = epoch == 1

    run = resolve_on(spec_of("mcd"), digits_benchmark, small_splits)
    with pytest.raises(Stopped, match="stopped after epoch 1"):
        training.train(run, placement, on_epoch)
    stop.requested = False
    resumed = training.train(run, placement, on_epoch)
    assert told == [1, 2]
    assert figures(resumed) == once(spec_of("mcd"))


def test_target_labels_outside_the_subset_do_not_reach_training_or_validation(
    once: Once, digits_benchmark: Benchmark, small_digits: Domains
) -> None:
    subset = LabelSubset(size=40)
    honest = splits.split(small_digits, subset)
    chosen = set(honest.target_validation.ids)
    train = small_digits.target_train
    outside = np.array([i for i, name in enumerate(train.ids) if name not in chosen])
    labels = np.asarray(train.labels).copy()
    labels[outside] = np.random.default_rng(0).permutation(labels[outside])
    assert not np.array_equal(labels, train.labels)
    shuffled = dataclasses.replace(small_digits, target_train=LabelledImages(train.images, labels, train.ids))
    other = training.train(resolve_on(spec_of(), digits_benchmark, splits.split(shuffled, subset)), Placement(CPU))
    assert figures(other) == once(spec_of())


def test_test_labels_are_read_only_by_the_last_measurement(digits_benchmark: Benchmark, small_splits: Splits) -> None:
    test = small_splits.target_test
    wrong = dataclasses.replace(
        small_splits, target_test=LabelledImages(test.images, (np.asarray(test.labels) + 1) % 10, test.ids)
    )
    seen: list[dict[str, float]] = []
    seen_wrong: list[dict[str, float]] = []
    a = training.train(
        resolve_on(spec_of(), digits_benchmark, small_splits), Placement(CPU), lambda _, m: seen.append(m)
    )
    b = training.train(
        resolve_on(spec_of(), digits_benchmark, wrong), Placement(CPU), lambda _, m: seen_wrong.append(m)
    )
    assert seen == seen_wrong
    assert np.array_equal(a.arrays["target_test_logits"], b.arrays["target_test_logits"])
    assert a.result.test != b.result.test


def test_a_loss_that_is_not_finite_ends_the_run_with_its_reason(
    digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    spec = spec_of("source_only")
    spec = dataclasses.replace(
        spec, training=spec.training.model_copy(update={"learning_rate": 1e30, "optimizer": "sgd"})
    )
    with pytest.raises(Diverged, match="loss/"):
        training.train(resolve_on(spec, digits_benchmark, small_splits), Placement(CPU))


def test_accumulated_pieces_give_the_gradient_of_the_whole_batch() -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
    images, labels = torch.randn(8, 1, 2, 2), torch.randint(0, 3, (8,))
    source, target = training.Labelled(images, labels), training.Unlabelled(images)
    config = Training(epochs=1, optimizer="adam", learning_rate=1, batch_size=8, accumulate=4)
    torch.nn.functional.cross_entropy(net(images), labels).backward()
    whole = net[1].weight.grad.clone()
    net.zero_grad()
    parts = list(split_batch(source, target, config, CPU))
    for piece, _ in parts:
        (torch.nn.functional.cross_entropy(net(piece.images), piece.labels) / 4).backward()
    assert len(parts) == 4
    torch.testing.assert_close(net[1].weight.grad, whole)


@pytest.mark.parametrize(("epoch", "expected"), [(1, 1e-3), (10, 1e-3), (11, 1e-4), (20, 1e-4)])
def test_visda_learning_rate_decays_after_the_tenth_epoch(epoch: int, expected: float) -> None:
    visda = Training(
        epochs=20, optimizer="sgd", learning_rate=1e-3, decay_every=10, decay_factor=0.1, batch_size=128
    )  # fmt: skip
    assert learning_rate(visda, Progress(epoch, 0, 1)) == pytest.approx(expected)


def test_norms_and_biases_are_not_decayed() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    config = Training(epochs=1, optimizer="sgd", learning_rate=1, batch_size=8, weight_decay=0.1)
    decayed, others = build_optimizer([net], config).param_groups
    assert [p.shape for p in decayed["params"]] == [net[0].weight.shape]
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.1, 0.0)


@pytest.mark.parametrize("option", [{"precision": "bfloat16"}, {"channels_last": True}, {"accumulate": 2}])
def test_a_cheaper_step_is_another_run_and_trains(
    option: dict[str, object], digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    plain = spec_of("dta_released", epochs=1, lambda_3=0.1, epsilon=3.5)
    cheaper = dataclasses.replace(plain, training=plain.training.model_copy(update=option))
    assert cheaper.id != plain.id
    seen: list[dict[str, float]] = []
    training.train(resolve_on(cheaper, digits_benchmark, small_splits), Placement(CPU), lambda _, m: seen.append(m))
    assert 0 < seen[-1]["loss/total"] < 10
    assert seen[-1]["loss/vat"] > 0


SCHEDULED = {
    "schedule": "poly", "learning_rate_warm_up": 3, "iterations_per_epoch": 5, "optimizer": "sgd", "nesterov": True,
    "clip_norm": 1.0, "rates": {"backbone": 0.5}, "learning_rate": 0.05,
}  # fmt: skip


def scheduled(method: str = "source_only", **fields: object) -> RunSpec:
    spec = spec_of(method)
    return dataclasses.replace(spec, training=Training(**spec.training.model_dump() | SCHEDULED | fields))


@pytest.mark.parametrize("stop_after", [2, 5, 7])
def test_a_resumed_run_keeps_its_place_in_the_schedule(
    stop_after: int, once: Once, digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    expected = once(scheduled())
    stop, steps = StopRequest(), list[float]()

    def rate_of_a_step(training: Training, at: Progress) -> float:
        steps.append(learning_rate(training, at))
        stop.requested = len(steps) == stop_after
        return steps[-1]

    monkeypatch.setattr("dta_bench.nn.learner.learning_rate", rate_of_a_step)
    placement = Placement(CPU, tmp_path / "run.pt", stop=stop)
    resolved = resolve_on(scheduled(), digits_benchmark, small_splits)
    with pytest.raises(Stopped):
        training.train(resolved, placement)
    stop.requested = False
    resumed = training.train(resolved, placement)
    assert steps == [learning_rate(scheduled().training, Progress(1 + i // 5, i, 10)) for i in range(10)]
    assert figures(resumed) == expected


def test_the_rate_that_is_logged_is_that_of_the_epochs_last_step(
    digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    seen: list[float] = []
    training.train(
        resolve_on(scheduled(), digits_benchmark, small_splits), Placement(CPU),
        lambda _, metrics: seen.append(metrics["learning_rate"]),
    )  # fmt: skip
    assert seen == [learning_rate(scheduled().training, Progress(1 + i // 5, i, 10)) for i in (4, 9)]


def test_a_warm_up_as_long_as_the_run_is_refused(digits_benchmark: Benchmark, small_splits: Splits) -> None:
    spec = scheduled(learning_rate_warm_up=10)
    with pytest.raises(UserError, match="learning_rate_warm_up 10 leaves nothing of the 10 steps of this run"):
        training.train(resolve_on(spec, digits_benchmark, small_splits), Placement(CPU))


def test_a_player_that_the_method_does_not_have_is_refused(digits_benchmark: Benchmark, small_splits: Splits) -> None:
    spec = scheduled("mcd", players={"judge": {"learning_rate": 1e-4}})
    with pytest.raises(UserError, match="names judge, but the players of this method are features, heads"):
        training.train(resolve_on(spec, digits_benchmark, small_splits), Placement(CPU))


def adapted(method: str, **fields: object) -> RunSpec:
    spec = spec_of(method)
    return dataclasses.replace(spec, training=Training(**spec.training.model_dump() | fields))


def test_statistics_of_the_target_change_what_is_measured_and_not_what_is_trained(
    digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    def trained(method: str, **fields: object) -> FinishedRun:
        return training.train(resolve_on(adapted(method, **fields), digits_benchmark, small_splits), Placement(CPU))

    plain, restated, adabn = trained("source_only"), trained("source_only", restate="target"), trained("adabn")
    weights = [dict(run.network.named_parameters()) for run in (plain, restated, adabn)]
    for name, weight in weights[0].items():
        assert torch.equal(weight, weights[1][name])
        assert torch.equal(weight, weights[2][name])
    assert figures(restated) == figures(adabn)
    assert figures(restated) != figures(plain)
    statistics = {name: value for name, value in adabn.network.named_buffers() if "running_mean" in name}
    assert any(not torch.equal(value, dict(plain.network.named_buffers())[name]) for name, value in statistics.items())


def test_a_run_measured_less_often_trains_the_same_and_is_measured_at_its_end(
    digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    measured: dict[int, list[int]] = {1: [], 2: [], 3: []}

    def trained(measure_every: int) -> FinishedRun:
        spec = adapted("dta", epochs=3, measure_every=measure_every)

        def note(epoch: int, metrics: dict[str, float]) -> None:
            if "target_train/entropy" in metrics:
                measured[measure_every].append(epoch)

        return training.train(resolve_on(spec, digits_benchmark, small_splits), Placement(CPU), note)

    every = trained(1)
    assert figures(trained(2)) == figures(trained(3)) == figures(every)
    assert measured == {1: [1, 2, 3], 2: [2, 3], 3: [3]}


def test_a_survey_measures_a_sample_until_the_last_epoch_and_changes_nothing_else(
    digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    def trained(survey: int | None) -> tuple[FinishedRun, list[float]]:
        entropies = list[float]()

        def note(_: int, metrics: dict[str, float]) -> None:
            entropies.append(metrics["target_train/entropy"])

        spec = adapted("dta", epochs=2, survey=survey)
        return training.train(resolve_on(spec, digits_benchmark, small_splits), Placement(CPU), note), entropies

    images = len(small_splits.target_train)
    (whole, of_all), (sampled, of_some), (_, of_enough) = trained(None), trained(40), trained(images)
    assert figures(sampled) == figures(whole)
    assert of_some[0] != of_all[0]
    assert of_some[1] == of_all[1]
    assert of_enough == of_all
