"""Train on a source alone once for all its targets in a suite: the network after each epoch is kept, and measured anew.

A run whose method has no loss on the target (:func:`dta_bench.data.suite_plugin.shared_training`) goes through its
epochs one by one. If another run has trained an epoch already, its network is loaded and measured on this run's target;
else the epoch is trained here and kept. So any run may be the first, and any may go on where another was killed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from dta_bench.data.suite_plugin import shared_training
from dta_bench.errors import UserError
from dta_bench.nn.learner import Progress
from dta_bench.run import checkpoint, fingerprint, position, train
from dta_bench.run.placement import Placement, Stopped
from dta_bench.run.resolve import Resolved

TAG = "shared_training"
"""The tag of a run with which training it shares; runs with the same one measured the same networks."""
KEY = re.compile("[0-9a-f]{16}")
"""What the tag holds, which is also the name of a folder."""
FOLDER = "source"
"""The folder of kept networks, beside the checkpoints."""

OnEpoch = Callable[[train.Run, int, train.EpochMetrics], None]


@dataclass(frozen=True)
class SharedTraining:
    """The kept networks of one training on a source.

    Attributes:
        key: a hash of all that the networks depend on.
        folder: holds ``epoch-0001.pt``, ... and, until the last epoch is there, ``position.pt`` to go on from.
        epochs: how many there are in all.
        start: what the run started from, which is the same for all; only what has changed since is kept.
    """

    key: str
    folder: Path
    epochs: int
    start: dict[str, Tensor] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """How many epochs are trained and kept."""
        return next(n for n in range(self.epochs + 1) if n == self.epochs or not self._file(n + 1).exists())

    def keep(self, run: train.Run, metrics: dict[str, float], seconds: float) -> None:
        """Keep the network after the epoch that ``run`` has just trained, unless an epoch before it is missing."""
        if self.done != run.epoch - 1:
            return
        learner = run.learner
        if run.epoch < self.epochs:
            on_cuda = run.placement.device.type == "cuda"
            position = {
                "epoch": run.epoch, "learner": learner.position(), "random": torch.get_rng_state(),
                "random_cuda": torch.cuda.get_rng_state(run.placement.device) if on_cuda else None,
            }  # fmt: skip
            checkpoint.save(self._position, position)
        of_training = {name: value for name, value in metrics.items() if name.startswith(("loss/", "learning_rate"))}
        at = dataclasses.astuple(learner.at)
        network = {"modules": self._changed(learner.state_dict()), "metrics": of_training, "seconds": seconds, "at": at}
        checkpoint.save(self._file(run.epoch), network | {"epoch": run.epoch})
        if run.epoch == self.epochs:
            checkpoint.discard(self._position)

    def load(self, run: train.Run, epoch: int) -> dict[str, Any]:
        """Give a run the network after an epoch.

        Raises:
            UserError: the file cannot be read.
        """
        kept = self._read(self._file(epoch), epoch)
        run.learner.load_state_dict(self.start | kept["modules"])
        run.learner.at = Progress(*kept["at"])
        return kept

    def go_on(self, run: train.Run) -> None:
        """Give a run all that the next epoch depends on.

        Raises:
            UserError: the file cannot be read.
        """
        state = self._read(self._position, run.epoch - 1)
        run.learner.restore(state["learner"])
        torch.set_rng_state(state["random"])
        if state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"], run.placement.device)

    @contextmanager
    def lock(self, placement: Placement) -> Iterator[None]:
        """Wait until no other run trains these networks.

        Raises:
            Stopped: a stop was requested in the meantime.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "lock")
        while not lock.is_locked:
            try:
                lock.acquire(timeout=1)
            except Timeout:
                if placement.stop.requested:
                    raise Stopped("stopped while another run trained on the same source") from None
        try:
            yield
        finally:
            lock.release()

    def _changed(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weights and statistics that training has moved: a frozen network is not kept once an epoch."""
        return {name: value for name, value in state.items() if not torch.equal(value, self.start[name])}

    @property
    def _position(self) -> Path:
        return self.folder / "position.pt"

    def _file(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:04}.pt"

    def _read(self, path: Path, epoch: int) -> dict[str, Any]:
        state = checkpoint.load(path, {"epoch": epoch})  # type: ignore[dict-item]  # compared, whatever it is
        if state is None:
            raise UserError(f"{path} cannot be read; remove the folder {self.folder}, and its source is trained again")
        return state


def find(resolved: Resolved, root: str, placement: Placement) -> SharedTraining | None:
    """The training that a run shares with those on other targets; None where it is trained for itself."""
    shared = shared_training(resolved.spec)
    if shared is None or placement.checkpoint is None:
        return None
    marks = {name: mark for name, mark in resolved.fingerprints.items() if name != "data_fingerprint"}
    facts = [
        shared.fields, shared.data_fingerprint(root), _digest(resolved.splits.source_train.ids), marks,
        fingerprint.versions(), placement.device.type,
    ]  # fmt: skip
    key = _digest([json.dumps(facts, sort_keys=True)])[:16]
    return SharedTraining(key, placement.checkpoint.parent / FOLDER / key, resolved.spec.training.epochs)


def tags(resolved: Resolved, root: str, placement: Placement) -> dict[str, str]:
    """The tag of a run whose training, or whose first stage, is shared; none for others."""
    stages = (resolved, resolved.first_stage)
    keys = [shared.key for one in stages if one and (shared := find(one, root, placement))]
    return {TAG: keys[0]} if keys else {}


def train_first_stage(resolved: Resolved, root: str, placement: Placement) -> train.Run | None:
    """As :func:`dta_bench.run.train.train_first_stage`; a first stage on the source alone is one for all targets."""
    first = resolved.first_stage
    shared = find(first, root, placement) if first else None
    if first is None or shared is None or placement.checkpoint is None:
        return train.train_first_stage(resolved, placement)
    own = placement.checkpoint.parent / "first" / f"{first.spec.id}.pt"
    own.parent.mkdir(parents=True, exist_ok=True)
    run = train.Run(first, dataclasses.replace(placement, checkpoint=own, own_disk=None))
    shared = _starting_from(run, shared)
    if shared.done < shared.epochs:
        with FileLock(own.with_suffix(".lock")):  # runs with another second stage have the same checkpoint
            _train(run, shared)
        if shared.done < shared.epochs:  # an earlier version has kept this first stage
            return run
        checkpoint.discard(own)
    run.seconds = run.measuring_seconds = 0.0
    for epoch in range(1, shared.epochs + 1):
        run.seconds += shared.load(run, epoch)["seconds"]
    return run


def train_to_the_end(
    resolved: Resolved, root: str, placement: Placement, on_epoch: OnEpoch = lambda *_: None
) -> train.Run:
    """Train a run with its first stage to the end of its last epoch, and share what does not depend on the target.

    Args:
        root: where data lie.
        on_epoch: called after each epoch with the run, the epoch's number, from 1, and its metrics by name.
    """
    run = train.Run(resolved, placement, train_first_stage(resolved, root, placement))
    shared = find(resolved, root, placement)
    if shared is None:
        return run.train_to_the_end(lambda epoch, metrics: on_epoch(run, epoch, metrics))
    return _train(run, _starting_from(run, shared), on_epoch)


def _starting_from(run: train.Run, shared: SharedTraining) -> SharedTraining:
    """The same with what a run that has just been built starts from."""
    return dataclasses.replace(shared, start={name: value.clone() for name, value in run.learner.state_dict().items()})


def _train(run: train.Run, shared: SharedTraining, on_epoch: OnEpoch = lambda *_: None) -> train.Run:
    position.resume_run(run)
    if shared.done == shared.epochs:
        return _take_epochs(run, shared, on_epoch)
    with shared.lock(run.placement):
        return _take_epochs(run, shared, on_epoch)


def _take_epochs(run: train.Run, shared: SharedTraining, on_epoch: OnEpoch) -> train.Run:
    has_trained = False
    while run.epoch <= shared.epochs:
        if run.epoch <= shared.done:
            metrics = _measure_kept(run, shared)
        else:
            if run.step == 0 and shared.done == run.epoch - 1 > 0 and not has_trained:
                shared.go_on(run)
            before = run.seconds
            metrics = run.train_epoch()
            shared.keep(run, metrics, run.seconds - before)
            has_trained = True
        on_epoch(run, run.epoch, metrics)
        run.start_next_epoch()
    return run


def _measure_kept(run: train.Run, shared: SharedTraining) -> dict[str, float]:
    """What :meth:`dta_bench.run.train.Run.train_epoch` gives, of an epoch that is trained already."""
    kept = shared.load(run, run.epoch)
    run.seconds += kept["seconds"]
    metrics: dict[str, float] = kept["metrics"]
    if not run.spec.training.is_measured(run.epoch):
        return metrics
    started = time.monotonic()
    scores = run.validate()
    run.measuring_seconds += time.monotonic() - started
    return metrics | scores


def _digest(lines: Any) -> str:
    return hashlib.sha256("\n".join(map(str, lines)).encode("utf-8", "surrogateescape")).hexdigest()
