"""Checkpoints go to the machine's own disk first; the copy on shared storage is older, whole, and enough to go on."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_runs import figures, spec_of, train_until_stopped

from dta_bench.domains.images import Splits
from dta_bench.errors import UserError
from dta_bench.run import checkpoint, local_checkpoint, position
from dta_bench.run.local_checkpoint import Copies, file_for, make_folder
from dta_bench.run.placement import Placement, Stopped, StopRequest
from dta_bench.run.resolve import Resolved, resolve_on
from dta_bench.run.train import Run, train
from dta_bench.spec.benchmark import Benchmark

CPU = torch.device("cpu")


def epoch_in(path: Path) -> int | None:
    found = checkpoint.load(path, {})
    return None if found is None else found["epoch"]


def end_of_copies() -> None:
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon and "_copy" in thread.name:
            thread.join()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "own" / "a.pt", tmp_path / "shared" / "a.pt"


def save(copies: Copies, files: tuple[Path, Path], epoch: int, is_stopping: bool = False) -> None:
    checkpoint.save(files[0], {"epoch": epoch})
    copies.saved(*files, is_stopping)
    end_of_copies()


def test_the_first_checkpoint_is_copied_and_later_ones_only_when_the_copy_is_old(files: tuple[Path, Path]) -> None:
    copies = Copies(seconds=1e9)
    save(copies, files, 1)
    save(copies, files, 2)
    assert (epoch_in(files[0]), epoch_in(files[1])) == (2, 1)
    always = Copies(seconds=0)
    save(always, files, 3)
    save(always, files, 4)
    assert epoch_in(files[1]) == 4


def test_a_stop_copies_before_it_returns(files: tuple[Path, Path]) -> None:
    copies = Copies(seconds=1e9)
    save(copies, files, 1)
    checkpoint.save(files[0], {"epoch": 2})
    copies.saved(*files, True)
    assert epoch_in(files[1]) == 2


def test_a_copy_that_waits_is_not_made_after_the_run_has_ended(files: tuple[Path, Path]) -> None:
    copies = Copies()
    checkpoint.save(files[0], {"epoch": 1})
    with copies._alone:  # another copy is being made
        copies.saved(*files, False)
        waiting = [one for one in threading.enumerate() if "_copy" in one.name]
        checkpoint.discard(files[0])
    for one in waiting:
        one.join()
    assert waiting
    assert not files[1].exists()


def test_a_copy_that_fails_on_its_thread_is_told_at_the_next_save(files: tuple[Path, Path]) -> None:
    files[1].parent.write_text("no folder")
    copies = Copies()
    save(copies, files, 1)
    with pytest.raises(UserError, match="cannot write the checkpoint"):
        save(copies, files, 2)


@pytest.mark.parametrize("lost", ["nothing", "the machine", "the copy"])
def test_a_run_goes_on_from_whichever_checkpoint_is_further(
    lost: str, digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(position, "COPIES", Copies(seconds=1e9))
    shared, own_disk = tmp_path / "run.pt", make_folder(tmp_path)
    local = file_for(shared, own_disk)

    def resolved() -> Resolved:
        return resolve_on(spec_of("source_only", epochs=3), digits_benchmark, small_splits)

    killed = Run(resolved(), Placement(CPU, shared, own_disk))
    for _ in range(2):
        killed.train_epoch()
        killed.start_next_epoch()
        end_of_copies()
    assert (epoch_in(local), epoch_in(shared)) == (3, 2)
    for path in {"nothing": [], "the machine": [local], "the copy": [shared]}[lost]:
        checkpoint.discard(path)
    resumed = Run(resolved(), Placement(CPU, shared, own_disk))
    position.resume_run(resumed)
    assert resumed.epoch == (2 if lost == "the machine" else 3)
    ended = train(resolved(), Placement(CPU, shared, own_disk))
    assert figures(ended) == figures(train(resolved(), Placement(CPU)))


def test_a_run_that_is_stopped_leaves_its_last_step_on_shared_storage(
    digits_benchmark: Benchmark, small_splits: Splits, tmp_path: Path, stop_after: Callable[[Run, int], None]
) -> None:
    placement = Placement(CPU, tmp_path / "run.pt", make_folder(tmp_path), stop=StopRequest())
    run = Run(resolve_on(spec_of("source_only"), digits_benchmark, small_splits), placement)
    stop_after(run, 3)
    with pytest.raises(Stopped):
        train_until_stopped(run)
    found = checkpoint.load(tmp_path / "run.pt", {})
    assert found is not None
    assert found["step"] == 3
    position.discard(placement)
    assert not list(tmp_path.rglob("*.pt"))


@pytest.fixture
def stop_after() -> Callable[[Run, int], None]:
    def stop(run: Run, steps: int) -> None:
        take = run._take_step

        def take_and_stop(*batch: object) -> None:
            take(*batch)  # type: ignore[arg-type]
            run.placement.stop.requested = run.step + 1 >= steps

        run._take_step = take_and_stop  # type: ignore[method-assign]

    return stop


def test_the_folder_is_its_users_alone_and_loses_only_our_stale_checkpoints(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    old = time.time() - local_checkpoint.STALE_SECONDS - 60
    for name in ("stale.pt", "stale.previous", "notes.txt", "fresh.pt"):
        (folder / name).write_text("")
        if not name.startswith("fresh"):
            os.utime(folder / name, (old, old))
    make_folder(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["fresh.pt", "notes.txt"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"--local-checkpoints .* cannot be written on this machine: "):
        make_folder(tmp_path / "file")
