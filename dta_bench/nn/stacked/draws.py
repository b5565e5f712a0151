"""Random draws of heads in a stack: each member's own generator decides them, and equal generators draw once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Wanted:
    """What a member draws in a step, in this order.

    Attributes:
        dropouts: factors of dropout.
        start: whether a start of VAT's direction is drawn after them.
    """

    dropouts: int
    start: bool = False


@dataclass(frozen=True)
class Drawn:
    """The draws of one step for some members.

    Attributes:
        dropouts: 0 or 1 / keep rate, (most draws, members, batch, width); ones where a member draws fewer.
        start: standard normal numbers, (members, batch, units); zeros for members without; None if all are.
    """

    dropouts: Tensor
    start: Tensor | None


class StepDraws:
    """Draws for members in each step; those of one state that want the same are one group.

    Args:
        states: of each member's generator (torch's, of the CPU).
        wanted: of each member.
        dropout: the rate at which a unit is dropped.
        shape: of a batch of hidden units, and of a batch of features: (batch, width), (batch, units).
    """

    def __init__(
        self, states: Sequence[Tensor], wanted: Sequence[Wanted], dropout: float,
        shape: tuple[tuple[int, int], tuple[int, int]], dtype: torch.dtype,
    ) -> None:  # fmt: skip
        self._dropout, self._dtype, (self._hidden, self._features) = dropout, dtype, shape
        keys = [(state.numpy().tobytes(), want) for state, want in zip(states, wanted, strict=True)]
        groups = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        self._group = torch.tensor([groups[key] for key in keys])
        self._wanted = [want for _, want in groups]
        self._states = [states[keys.index(key)] for key in groups]

    def draw(self) -> Drawn:
        """Draw what all groups want in one step; the result has a row for each group."""
        ones = torch.ones(self._hidden, dtype=self._dtype)
        count = max(want.dropouts for want in self._wanted)
        dropouts = torch.ones(count, len(self._wanted), *self._hidden, dtype=self._dtype)
        start = None
        if any(want.start for want in self._wanted):
            start = torch.zeros(len(self._wanted), *self._features, dtype=self._dtype)
        before = torch.get_rng_state()
        for group, want in enumerate(self._wanted):
            torch.set_rng_state(self._states[group])
            for number in range(want.dropouts):
                dropouts[number, group] = F.dropout(ones, self._dropout)
            if start is not None and want.start:
                start[group] = torch.randn(self._features, dtype=self._dtype)
            self._states[group] = torch.get_rng_state()
        torch.set_rng_state(before)
        return Drawn(dropouts, start)

    def of(self, drawn: Drawn, members: Sequence[int]) -> Drawn:
        """The draws of some members."""
        groups = self._group[list(members)]
        return Drawn(drawn.dropouts[:, groups], None if drawn.start is None else drawn.start[groups])

    def states(self) -> list[Tensor]:
        """The state of each member's generator after the steps so far."""
        return [self._states[int(group)].clone() for group in self._group]
