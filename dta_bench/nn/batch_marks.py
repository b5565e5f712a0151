"""What a pass of the network knows of the batch that it is given: its domain, and the batch of the other domain.

BatchNorm can then see both domains in one batch, or leave the source out of its running statistics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from dta_bench.errors import UserError

Domain = Literal["source", "target"]
_MARK = "mark_of_the_batch"
_in_joint_loss = False


@dataclass(frozen=True)
class Mark:
    """What is known of one domain's images or features.

    Attributes:
        joint: the whole batch that it is a part of, if both domains go through the network together.
        moves_statistics: whether its passes move BatchNorm's running statistics.
    """

    domain: Domain
    joint: Joint | None = None
    moves_statistics: bool = True


class Joint:
    """A batch of both domains, the source first, whose passes are computed once for both.

    Each domain's first pass through a module gives its part of one pass of the whole batch, its second pass the part of
    a second one, and so on.

    Args:
        inputs: tensors of the whole batch.
        sources: how many of its images are the source's.
    """

    def __init__(self, inputs: tuple[Tensor, ...], sources: int) -> None:
        self._inputs, self._sources = inputs, sources
        self._waiting: dict[tuple[int, bool, bool, Domain], list[Joint]] = {}

    def through(self, module: nn.Module, domain: Domain) -> Joint:
        """The whole batch after the next pass of a domain through a module."""
        key = (id(module), torch.is_grad_enabled(), module.training)
        if waiting := self._waiting.get((*key, domain)):
            return waiting.pop(0)
        out = module(*self._inputs)
        joint = Joint(out if isinstance(out, tuple) else (out,), self._sources)
        other: Domain = "target" if domain == "source" else "source"
        self._waiting.setdefault((*key, other), []).append(joint)
        return joint

    def part(self, domain: Domain) -> tuple[Tensor, ...]:
        """A domain's part of each tensor."""
        here = slice(None, self._sources) if domain == "source" else slice(self._sources, None)
        return tuple(tensor[here] for tensor in self._inputs)


def mark_batch(source: Tensor, target: Tensor, batchnorm: Mapping[str, str]) -> None:
    """Mark the images of both domains with what the run's ``batchnorm`` says of their passes."""
    if not batchnorm:
        return
    joint = Joint((torch.cat([source, target]),), len(source)) if batchnorm.get("batches") == "joint" else None
    target_alone = batchnorm.get("statistics") == "target"
    vars(source)[_MARK] = Mark("source", joint, moves_statistics=not target_alone)
    vars(target)[_MARK] = Mark("target", joint)


def mark_of(images: Tensor) -> Mark | None:
    """The mark of a batch's images; None for all other tensors, also those computed from these images."""
    mark: Mark | None = getattr(images, _MARK, None)
    return mark


def mark_as(images: Tensor, like: Tensor) -> Tensor:
    """Return ``images``, which are made from a domain's ``like``, as images of that domain.

    With joint batches they would take the place of images that are in the whole batch already.

    Raises:
        UserError: the batches are joint.
    """
    if (mark := mark_of(like)) is not None:
        if mark.joint is not None:
            raise UserError("batchnorm.batches joint is not for methods that change the images of a batch")
        vars(images)[_MARK] = mark
    return images


@contextmanager
def loss_of_joint_batches(batchnorm: Mapping[str, str]) -> Iterator[None]:
    """Within the block a loss is computed; with joint batches it may not repeat a pass's dropout."""
    global _in_joint_loss
    before, _in_joint_loss = _in_joint_loss, batchnorm.get("batches") == "joint"
    try:
        yield
    finally:
        _in_joint_loss = before


def refuse_repeating_a_joint_pass() -> None:
    """A pass of one domain cannot repeat the dropout of a pass of both.

    Raises:
        UserError: a loss with joint batches is being computed.
    """
    if _in_joint_loss:
        raise UserError(
            "batchnorm.batches joint is not for methods that repeat a pass with the same dropout (VAT, adversarial "
            "dropout, DAFormer's anchor); allowed: separate"
        )
