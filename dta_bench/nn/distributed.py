"""One run on several devices: replicas that each take a part of every batch and step by their mean gradient.

They are the ranks of torch's process group; a process without one is a run's only replica, and has nothing to average.
What ``DistributedDataParallel`` does while it goes backward is done here after it, so that methods of any shape
(several passes, phases and optimisers, gradients with respect to a mask) need no wrapper. The price: communication
hides behind no computation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn


def replica_count() -> int:
    """How many replicas the run of this process has."""
    return distributed.get_world_size() if _has_replicas() else 1


def rank() -> int:
    """Which of them this process is, from 0; the first writes checkpoints and metrics."""
    return distributed.get_rank() if _has_replicas() else 0


def average(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor (floating point, one device) by its mean over the replicas, in one exchange."""
    if not (tensors and _has_replicas()):
        return
    flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])
    distributed.all_reduce(flat)
    flat /= replica_count()
    with torch.no_grad():
        for tensor, mean in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view(tensor.shape))


def average_gradients(weights: Sequence[nn.Parameter]) -> None:
    """Leave the mean gradient at each weight; one that got none anywhere keeps none, elsewhere none counts as zero."""
    if not (weights and _has_replicas()):
        return
    found = torch.tensor([weight.grad is not None for weight in weights], dtype=torch.uint8, device=weights[0].device)
    distributed.all_reduce(found, distributed.ReduceOp.MAX)
    with_any = [weight for weight, any_has in zip(weights, found.tolist(), strict=True) if any_has]
    for weight in with_any:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
    average([weight.grad for weight in with_any if weight.grad is not None])


def broadcast_from_first(tensors: Iterable[Tensor]) -> None:
    """Replace each tensor by the first replica's."""
    if not _has_replicas():
        return
    with torch.no_grad():
        for tensor in tensors:
            whole = tensor.detach().contiguous()
            distributed.broadcast(whole, src=0)
            tensor.copy_(whole)


def any_replica(flag: bool, device: torch.device) -> bool:
    """Whether ``flag`` is set in any replica; all of them must ask."""
    if not _has_replicas():
        return flag
    found = torch.tensor(int(flag), device=device)
    distributed.all_reduce(found, distributed.ReduceOp.MAX)
    return bool(found)


def gather(tensor: Tensor, device: torch.device) -> list[Tensor]:
    """The tensor (of one shape everywhere) of each replica, in their order."""
    if not _has_replicas():
        return [tensor]
    own = tensor.to(device)
    found = [torch.empty_like(own) for _ in range(replica_count())]
    distributed.all_gather(found, own)
    return [each.to(tensor.device) for each in found]


def own_share(size: int) -> range:
    """This replica's share of ``size`` things in order; everything, where there are fewer things than replicas."""
    return _shares(size)[rank()] if size >= replica_count() else range(size)


def join_shares(rows: NDArray[Any], size: int, device: torch.device) -> NDArray[Any]:
    """What the replicas made of their :func:`own_share` of ``size`` things, a row a thing, put together in order."""
    if not _has_replicas() or size < replica_count():
        return rows
    sizes = [len(each) for each in _shares(size)]
    padded = np.concatenate([rows, np.zeros((max(sizes) - len(rows), *rows.shape[1:]), rows.dtype)])
    found = gather(torch.from_numpy(padded), device)
    return np.concatenate([each[:here].numpy() for each, here in zip(found, sizes, strict=True)])


def _shares(size: int) -> list[range]:
    return [range(size * r // replica_count(), size * (r + 1) // replica_count()) for r in range(replica_count())]


def _has_replicas() -> bool:
    return distributed.is_available() and distributed.is_initialized()
