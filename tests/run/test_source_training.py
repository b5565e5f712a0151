"""A source is trained on once for all its targets, and each run is to the digit what it is when trained alone."""

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_suites import write_domains, write_suite
from other_processes import exit_code_of
from small_runs import spec_of

from dta_bench.data.suite_plugin import shared_training
from dta_bench.run import checkpoint, source_training, train
from dta_bench.run.finish import FinishedRun, finish
from dta_bench.run.placement import Placement, Stopped, StopRequest
from dta_bench.run.resolve import Resolved, resolve
from dta_bench.spec.run_spec import LabelSubset

EPOCHS = 3
Epochs = list[tuple[int, dict[str, float]]]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    write_suite(tmp_path, image_size=28)
    write_domains(tmp_path / "data/zoo", {"photo": ["cat", "dog"], "ink": ["cat", "dog"]})
    write_domains(tmp_path / "data/zoo", {"clay": ["cat", "dog"]}, count=25)
    return str(tmp_path / "data")


def resolved(target: str, root: str, method: str = "source_only", source: str = "photo", **training: Any) -> Resolved:
    spec = spec_of(method, epochs=EPOCHS)
    spec = dataclasses.replace(
        spec, benchmark=f"zoo.{source}-to-{target}", label_subset=LabelSubset(size=3),
        training=spec.training.model_copy(update={"batch_size": 4, **training}),
    )  # fmt: skip
    return resolve(spec, root)


def placed(run: Resolved, out: Path, stop: StopRequest | None = None) -> Placement:
    return Placement(checkpoint=out / f"{run.spec.id}.pt", stop=stop or StopRequest())


def shared(run: Resolved, root: str, out: Path, stop: StopRequest | None = None) -> tuple[FinishedRun, Epochs]:
    """A run beside those that share its training: what is stored of it, and its epochs."""
    epochs: Epochs = []
    trained = source_training.train_to_the_end(run, root, placed(run, out, stop), lambda _, *one: epochs.append(one))
    return finish(trained), epochs


def alone(run: Resolved) -> tuple[FinishedRun, Epochs]:
    epochs: Epochs = []
    return train.train(run, Placement(), lambda *one: epochs.append(one)), epochs


def assert_same(one: tuple[FinishedRun, Epochs], other: tuple[FinishedRun, Epochs]) -> None:
    assert one[1] == other[1]
    assert one[0].arrays.keys() == other[0].arrays.keys()
    assert all(np.array_equal(one[0].arrays[name], other[0].arrays[name]) for name in one[0].arrays)
    clock = {"seconds": 0.0, "measuring_seconds": 0.0}
    assert dataclasses.replace(one[0].result, **clock) == dataclasses.replace(other[0].result, **clock)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The benchmark of each training step that is taken."""
    taken: list[str] = []
    take_step = train.Run._take_step

    def counted(run: train.Run, *batch: Any) -> None:
        taken.append(run.spec.benchmark)
        take_step(run, *batch)

    monkeypatch.setattr(train.Run, "_take_step", counted)
    return taken


@pytest.mark.parametrize("method", ["source_only", "adabn", "shot"])
def test_each_target_has_the_numbers_of_a_run_of_its_own_and_the_source_is_trained_on_once(
    root: str, tmp_path: Path, steps: list[str], method: str
) -> None:
    pairs = [resolved(target, root, method) for target in ("ink", "clay")]
    expected = [alone(run) for run in pairs]
    of_one = steps.count("zoo.photo-to-ink")
    steps.clear()
    for run, numbers in zip(pairs, expected, strict=True):
        assert_same(shared(run, root, tmp_path / "runs"), numbers)
    of_second_stage = of_one // 2 if method == "shot" else 0  # its first stage is the other half
    assert steps.count("zoo.photo-to-ink") == of_one
    assert steps.count("zoo.photo-to-clay") == of_second_stage


def test_an_epoch_that_is_not_measured_is_not_measured_for_another_target_either(root: str, tmp_path: Path) -> None:
    for target in ("ink", "clay"):
        run = resolved(target, root, measure_every=EPOCHS)
        assert_same(shared(run, root, tmp_path / "runs"), alone(run))


def test_with_a_frozen_body_the_numbers_are_those_of_runs_of_their_own_and_the_body_is_not_kept_each_epoch(
    root: str, tmp_path: Path
) -> None:
    pairs = [resolved(target, root, tune="head") for target in ("ink", "clay")]
    for run in pairs:
        assert_same(shared(run, root, tmp_path / "runs"), alone(run))
    (folder,) = (tmp_path / "runs/source").iterdir()
    kept = torch.load(folder / "epoch-0002.pt", weights_only=True)["modules"]
    assert kept
    assert all(name.startswith(("net.neck", "net.head")) for name in kept)


@pytest.mark.parametrize("goes_on", ["ink", "clay"])
def test_a_training_that_was_stopped_goes_on_from_any_target_and_repeats_nothing(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[str], goes_on: str
) -> None:
    expected = alone(resolved(goes_on, root))
    of_one, stop = len(steps), StopRequest()
    steps.clear()
    keep = source_training.SharedTraining.keep

    def keep_and_stop(self: Any, run: train.Run, *others: Any) -> None:
        keep(self, run, *others)
        stop.requested = run.epoch == 2

    first = resolved("ink", root)
    with monkeypatch.context() as patch:
        patch.setattr(source_training.SharedTraining, "keep", keep_and_stop)
        with pytest.raises(Stopped):
            shared(first, root, tmp_path / "runs", stop)
    finished, epochs = shared(resolved(goes_on, root), root, tmp_path / "runs")
    assert_same((finished, epochs), (expected[0], expected[1][-len(epochs) :]))
    assert len(steps) == of_one + (goes_on == "clay")  # the stop came after a step of the last epoch, which is ink's


def test_a_source_that_is_trained_on_leaves_no_position_and_a_network_an_epoch(root: str, tmp_path: Path) -> None:
    shared(resolved("ink", root), root, tmp_path / "runs")
    (folder,) = (tmp_path / "runs/source").iterdir()
    assert sorted(one.name for one in folder.glob("*.pt")) == [f"epoch-{n:04}.pt" for n in range(1, EPOCHS + 1)]


def key(run: Resolved, root: str, out: Path) -> str | None:
    found = source_training.find(run, root, placed(run, out))
    return found and found.key


def test_only_what_the_training_depends_on_tells_trainings_apart(root: str, tmp_path: Path) -> None:
    one = key(resolved("ink", root), root, tmp_path)
    assert one == key(resolved("clay", root), root, tmp_path)
    others = [
        resolved("ink", root, source="clay"), resolved("ink", root, "adabn"), resolved("ink", root, learning_rate=0.1)
    ]  # fmt: skip
    assert len({one, *(key(run, root, tmp_path) for run in others)}) == 4


def test_other_images_of_the_source_are_another_training_and_other_images_of_the_target_are_not(
    root: str, tmp_path: Path
) -> None:
    from dta_bench.data import load, suite_plugin

    before = key(resolved("ink", root), root, tmp_path)

    def key_after(**added: Any) -> str | None:
        write_domains(Path(root) / "zoo", added, count=12)
        load.domains.cache_clear()
        suite_plugin._fingerprint_of_domain.cache_clear()
        return key(resolved("ink", root), root, tmp_path)

    assert key_after(ink=["cat", "dog"]) == before
    assert key_after(photo=["cat", "dog"]) != before


@pytest.mark.parametrize(
    ("run", "changes"),
    [
        ({"method": "dann"}, {}),
        ({"source": "others"}, {}),
        ({"devices": 2}, {}),
        ({}, {"epoch_length": "larger"}),
    ],
)  # fmt: skip
def test_a_training_in_which_the_target_has_a_part_is_not_shared(
    root: str, tmp_path: Path, run: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert shared_training(resolved("ink", root).spec) is not None
    write_suite(tmp_path, image_size=28, **changes)
    assert shared_training(resolved("ink", root, **run).spec) is None


def train_until_killed(where: str, root: str, folder: Path) -> None:
    """Train, and die as soon as a file of that name is written."""
    save = checkpoint.save

    def save_and_die(path: Path, state: dict[str, Any]) -> None:
        save(path, state)
        if path.name == where:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoint.save = save_and_die
    os.chdir(folder)
    shared(resolved("ink", root), root, folder / "runs")


@pytest.mark.parametrize("written_last", ["position.pt", "epoch-0002.pt"])
def test_after_a_kill_at_any_write_another_target_goes_on_with_the_same_numbers(
    root: str, tmp_path: Path, steps: list[str], written_last: str
) -> None:
    expected = alone(resolved("clay", root))
    of_an_epoch = len(steps) // EPOCHS
    steps.clear()
    assert exit_code_of(train_until_killed, written_last, root, tmp_path) == -signal.SIGKILL
    assert_same(shared(resolved("clay", root), root, tmp_path / "runs"), expected)
    kept = {"position.pt": 0, "epoch-0002.pt": 2}[written_last]  # position.pt is written before epoch-0001.pt
    assert len(steps) == (EPOCHS - kept) * of_an_epoch
