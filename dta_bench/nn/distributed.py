"""One run on several devices: replicas that each take a share of every batch and step along their mean gradient.

The replicas are the ranks of torch's process group; in a process without one, the run has one replica and there is
nothing to exchange. ``DistributedDataParallel`` averages gradients during the backward pass; here they are averaged
after it, so that methods of any form (several passes, phases and optimisers, gradients with respect to a mask) need no
wrapper. The price is that communication does not overlap with computation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

from dta_bench.errors import UserError

_alone = False


@contextmanager
def alone() -> Iterator[None]:
    """Within the block this process exchanges nothing: a step that one replica takes to be measured, not to train."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def replica_count() -> int:
    """How many replicas this run has."""
    return distributed.get_world_size() if _has_replicas() else 1


def refuse_replicas(devices: int, method: str) -> None:
    """Refuse a run on several devices for a method each of whose replicas would keep its own part of a bank of images.

    Args:
        devices: of the training.
        method: its name.

    Raises:
        UserError: there is more than one device.
    """
    if devices > 1:
        raise UserError(
            f"{method} keeps a bank of images, which several devices would not share; training has devices {devices},"
            " allowed: 1"
        )


def rank() -> int:
    """The number of this replica, from 0; replica 0 writes checkpoints and metrics."""
    return distributed.get_rank() if _has_replicas() else 0


def average(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its mean over the replicas, all in one exchange.

    Args:
        tensors: floating point, all on one device, of the same shapes and order in every replica.
    """
    if not (tensors and _has_replicas()):
        return
    flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])
    distributed.all_reduce(flat)
    flat /= replica_count()
    with torch.no_grad():
        for tensor, mean in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view(tensor.shape))


def average_gradients(weights: Sequence[nn.Parameter]) -> None:
    """Replace the gradient of each weight by its mean over the replicas.

    A replica without a gradient counts as zero; a weight that has a gradient in no replica keeps none.
    """
    if not (weights and _has_replicas()):
        return
    has_grad = torch.tensor(
        [weight.grad is not None for weight in weights], dtype=torch.uint8, device=weights[0].device
    )
    distributed.all_reduce(has_grad, distributed.ReduceOp.MAX)
    with_grad = [weight for weight, any_has in zip(weights, has_grad.tolist(), strict=True) if any_has]
    for weight in with_grad:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
    average([weight.grad for weight in with_grad if weight.grad is not None])


def broadcast_from_first(tensors: Iterable[Tensor]) -> None:
    """Replace each tensor by that of replica 0."""
    if not _has_replicas():
        return
    with torch.no_grad():
        for tensor in tensors:
            contiguous = tensor.detach().contiguous()
            distributed.broadcast(contiguous, src=0)
            tensor.copy_(contiguous)


def any_replica(flag: bool, device: torch.device) -> bool:
    """Whether ``flag`` is True in any replica. Every replica must call this, and waits for the others."""
    if not _has_replicas():
        return flag
    highest = torch.tensor(int(flag), device=device)
    distributed.all_reduce(highest, distributed.ReduceOp.MAX)
    return bool(highest)


def gather(tensor: Tensor, device: torch.device) -> list[Tensor]:
    """The tensors of all replicas, by rank.

    Args:
        tensor: of the same shape in every replica.
        device: where the exchange is made; the results are on the device of ``tensor``.
    """
    if not _has_replicas():
        return [tensor]
    own = tensor.to(device)
    gathered = [torch.empty_like(own) for _ in range(replica_count())]
    distributed.all_gather(gathered, own)
    return [each.to(tensor.device) for each in gathered]


def own_share(size: int) -> range:
    """The positions of this replica's share of ``size`` items; all of them where there are more replicas than items."""
    return _shares(size)[rank()] if size >= replica_count() else range(size)


def join_shares(rows: NDArray[Any], size: int, device: torch.device) -> NDArray[Any]:
    """Put the results of all replicas together, in the order of the items.

    Args:
        rows: this replica's results, one row for each item of :func:`own_share`.
        size: how many items there are.
        device: where the exchange is made.

    Returns:
        ``size`` rows, the same in every replica.
    """
    if not _has_replicas() or size < replica_count():
        return rows
    sizes = [len(each) for each in _shares(size)]
    padded = np.concatenate([rows, np.zeros((max(sizes) - len(rows), *rows.shape[1:]), rows.dtype)])
    gathered = gather(torch.from_numpy(padded), device)
    return np.concatenate([share[:length].numpy() for share, length in zip(gathered, sizes, strict=True)])


def _shares(size: int) -> list[range]:
    return [range(size * r // replica_count(), size * (r + 1) // replica_count()) for r in range(replica_count())]


def _has_replicas() -> bool:
    return not _alone and distributed.is_available() and distributed.is_initialized()
