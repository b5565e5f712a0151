"""What a step holds in memory at its peak, found on the meta device: shapes are followed, nothing is computed."""

from __future__ import annotations

import copy
import dataclasses
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dta_bench.cost.step import META, Batch, Case, step
from dta_bench.nn.activation_checkpointing import recompute_activations
from dta_bench.nn.network import Network

CARDS = (8, 12, 16, 24, 40, 80)
"""Sizes of graphics cards in GiB."""
SLACK = 1.15
"""What torch's allocator and cuDNN's workspaces need beside the tensors themselves, roughly."""


@dataclass(frozen=True)
class Need:
    """The peak of one way to take a step in float32, in bytes: weights, gradients, momentum, activations, temporaries.

    ``images`` is the size of a piece of each domain: batch_size / (accumulate x devices).
    """

    method: str
    images: int
    checkpointing: bool
    bytes: int

    @property
    def fits(self) -> int | None:
        """The smallest card, in GiB, that it fits with some slack; None: none of ``CARDS``."""
        return next((card for card in CARDS if self.bytes * SLACK <= card * 2**30), None)


def needs(network: Network, cases: Sequence[Case], batch: Batch, pieces: Sequence[int]) -> list[Need]:
    """The peak for every method and images in a piece, with activations kept or computed again.

    Args:
        network: on any device; it is left as it is.
        batch: its ``size`` is not looked at; ``pieces`` are the sizes to try.
    """
    found, shapes = [], copy.deepcopy(network).to(META).train()
    for case in cases:
        for size in pieces:
            for again in (False, True):
                twin = copy.deepcopy(shapes)
                if again:
                    recompute_activations(twin)
                peak = peak_bytes(twin, case, dataclasses.replace(batch, size=size))
                found.append(Need(case.name, size, again, peak))
    return found


def peak_bytes(twin: Network, case: Case, batch: Batch) -> int:
    """Peak of all that lives during one step, the weights included; ``twin`` lies on the meta device."""
    live = _Live()
    with live:
        step(twin, case, batch)()
    return _weights(twin) + live.peak


def _weights(network: Network) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the storages that operators make until the last of their tensors is gone."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata not in given:
                self._hold(tensor.untyped_storage())
        return out

    def _hold(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self._now += size
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._now -= size
