"""Which seeds belong to a search and which to confirmation: the role of a run follows from its seed alone."""

from __future__ import annotations

FIRST_CONFIRMATION_SEED = 1000
"""Seeds below it belong to searches; runs with seeds from it on confirm what was chosen, and choose nothing."""


def is_confirmation(seed: int) -> bool:
    """Whether runs with this seed confirm a choice; no rule reads them."""
    return seed >= FIRST_CONFIRMATION_SEED


def confirmation_seeds(count: int, first: int = 0) -> tuple[int, ...]:
    """Return ``count`` confirmation seeds.

    Args:
        first: the first seed of the search, which is as far from 0 as the first of these is from 1000.
    """
    return tuple(range(FIRST_CONFIRMATION_SEED + first, FIRST_CONFIRMATION_SEED + first + count))
