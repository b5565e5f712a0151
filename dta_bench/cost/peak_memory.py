"""The peak memory of a step, found on the meta device: only shapes are computed."""

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

from dta_bench.cost.step import META, BatchShape, ConfiguredMethod, build_step
from dta_bench.nn.activation_checkpointing import recompute_activations
from dta_bench.nn.network import Network

CARDS = (8, 12, 16, 24, 40, 80)
"""Sizes of graphics cards in GiB."""
SLACK = 1.15
"""What torch's allocator and cuDNN's workspaces need beside the tensors themselves, roughly."""


@dataclass(frozen=True)
class MemoryNeed:
    """The peak memory of one way to take a step in float32.

    Attributes:
        images: images of each domain that are computed at once: batch_size / (accumulate x devices).
        checkpointing: whether activations are computed again in the backward pass instead of kept.
        bytes: weights, gradients, momentum, activations and temporaries.
    """

    method: str
    images: int
    checkpointing: bool
    bytes: int

    @property
    def smallest_card(self) -> int | None:
        """The smallest of ``CARDS``, in GiB, that has room for it and ``SLACK``; None if there is none."""
        return next((card for card in CARDS if self.bytes * SLACK <= card * 2**30), None)


def memory_needs(
    network: Network, methods: Sequence[ConfiguredMethod], shape: BatchShape, pieces: Sequence[int]
) -> list[MemoryNeed]:
    """Find the peak of every method for every size of a piece, with activations kept or computed again.

    Args:
        network: on any device; it is not changed.
        shape: its ``size`` is not used.
        pieces: images of each domain that are computed at once.
    """
    needs, meta_network = [], copy.deepcopy(network).to(META).train()
    for configured in methods:
        for size in pieces:
            for checkpointing in (False, True):
                measured = copy.deepcopy(meta_network)
                if checkpointing:
                    recompute_activations(measured)
                peak = peak_bytes(measured, configured, dataclasses.replace(shape, size=size))
                needs.append(MemoryNeed(configured.name, size, checkpointing, peak))
    return needs


def peak_bytes(meta_net: Network, configured: ConfiguredMethod, shape: BatchShape) -> int:
    """Return the peak of all that lives during one step, weights included; ``meta_net`` is on the meta device."""
    live = _LiveBytes()
    with live:
        build_step(meta_net, configured, shape)()
    return _weight_bytes(meta_net) + live.peak


def _weight_bytes(network: Network) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
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
