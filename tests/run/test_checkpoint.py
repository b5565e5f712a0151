"""A checkpoint is whole or it is the one before; it is never code."""

import os
import pickle
import resource
import signal
from pathlib import Path

import pytest
import torch

from dta_bench.errors import UserError
from dta_bench.run import checkpoint


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    state = {"run_id": "a", "epoch": 3, "network": {"w": torch.arange(4.0)}}
    checkpoint.save(tmp_path / "a.pt", state)
    loaded = checkpoint.load(tmp_path / "a.pt", {"run_id": "a"})
    assert loaded is not None
    assert loaded["epoch"] == 3
    assert torch.equal(loaded["network"]["w"], torch.arange(4.0))


def test_a_torn_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    checkpoint.save(path, {"run_id": "a", "epoch": 1})
    checkpoint.save(path, {"run_id": "a", "epoch": 2})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    loaded = checkpoint.load(path, {"run_id": "a"})
    assert loaded is not None
    assert loaded["epoch"] == 1


def test_a_checkpoint_of_another_run_is_not_taken(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "a.pt", {"run_id": "a", "epoch": 1})
    assert checkpoint.load(tmp_path / "a.pt", {"run_id": "b"}) is None


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch hostile-was-here",)


def test_a_pickle_from_outside_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pt").write_bytes(pickle.dumps(Hostile()))
    assert checkpoint.load(tmp_path / "a.pt", {}) is None
    torch.save({"format": checkpoint.FORMAT, "x": Hostile()}, tmp_path / "b.pt")
    assert checkpoint.load(tmp_path / "b.pt", {}) is None
    assert not (tmp_path / "hostile-was-here").exists()


def test_a_full_disk_is_one_sentence_and_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    checkpoint.save(path, {"run_id": "a", "epoch": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        with pytest.raises(UserError, match="cannot write the checkpoint"):
            checkpoint.save(path, {"run_id": "a", "epoch": 2, "w": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    loaded = checkpoint.load(path, {"run_id": "a"})
    assert loaded is not None
    assert loaded["epoch"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]
