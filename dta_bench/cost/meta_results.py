"""Results of common operators on the meta device, without torch's own way to them, which takes milliseconds for each.

Torch finds what BatchNorm gives on the meta device by going through its decomposition into thirty operators. Only the
shapes are needed, and they are known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

aten: Any = torch.ops.aten


def quick_result(operator: Any, arguments: tuple[Any, ...]) -> Any:
    """What an operator gives for tensors on the meta device.

    Returns: the result, or None where the operator, or these arguments, are left to torch.
    """
    known = _KNOWN.get(operator)
    return None if known is None else known(*arguments)


def _is_plain(*tensors: Any) -> bool:
    """Whether they are float tensors on the meta device, alike in shape, type and order in memory."""
    first = tensors[0]
    return (
        all(
            isinstance(tensor, Tensor)
            and tensor.is_meta
            and tensor.dtype == first.dtype
            and tensor.shape == first.shape
            and tensor.is_contiguous()
            for tensor in tensors
        )
        and first.dtype.is_floating_point
    )


def _empty(like: Tensor) -> Tensor:
    return torch.empty(like.shape, dtype=like.dtype, device="meta")


def _same_shape(first: Any, second: Any, *further: Any) -> Any:
    return _empty(first) if not further and _is_plain(first, second) else None


def _threshold_backward(gradient: Any, values: Any, _: Any) -> Any:
    return _empty(gradient) if _is_plain(gradient, values) else None


def _batch_norm(
    images: Any, weight: Any, bias: Any, mean: Any, variance: Any, *_: Any
) -> tuple[Tensor, Tensor, Tensor] | None:
    of_channels = [tensor for tensor in (weight, bias, mean, variance) if tensor is not None]
    if not (_is_plain(images) and _fits(images, of_channels)):
        return None
    saved = [torch.empty((images.shape[1],), dtype=images.dtype, device="meta") for _ in range(2)]
    return _empty(images), saved[0], saved[1]


def _batch_norm_backward(
    gradient: Any, images: Any, weight: Any, mean: Any, variance: Any, _: Any, __: Any, ___: bool, ____: float,
    wanted: list[bool],
) -> tuple[Tensor | None, ...] | None:  # fmt: skip
    of_channels = [tensor for tensor in (weight, mean, variance) if tensor is not None]
    if not (_is_plain(gradient, images) and _fits(images, of_channels)):
        return None
    channels = torch.empty((images.shape[1],), dtype=images.dtype, device="meta")
    return (
        _empty(images) if wanted[0] else None,
        channels if wanted[1] else None,
        torch.empty_like(channels) if wanted[2] else None,
    )


def _fits(images: Tensor, of_channels: list[Tensor]) -> bool:
    """Whether what BatchNorm keeps has one number a channel, of the images' type."""
    return images.dim() > 1 and all(
        tensor.is_meta and tensor.shape == (images.shape[1],) and tensor.dtype == images.dtype for tensor in of_channels
    )


_KNOWN: dict[Any, Callable[..., Any]] = {
    aten.native_batch_norm.default: _batch_norm,
    aten.native_batch_norm_backward.default: _batch_norm_backward,
    aten.threshold_backward.default: _threshold_backward,
    aten.add.Tensor: _same_shape,
    aten.mul.Tensor: _same_shape,
}
