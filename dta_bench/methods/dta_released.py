"""Drop to Adapt as the authors released it: Eq. 6, class balance, source consistency, all-ones start masks.

The ``loss`` is that of ``dta``; only the defaults differ.

Floor: as ``dta``. On top of it also a second forward and backward pass of the source through the part above CAdD's
mask, for the source consistency.
"""

from __future__ import annotations

from dataclasses import dataclass

from dta_bench.methods import dta
from dta_bench.methods.dta import floor, loss, needs_pixels
from dta_bench.nn.adversarial_dropout import Start

__all__ = ["Params", "above_floor", "floor", "loss", "needs_pixels"]

form_of = "dta"
above_floor = "the passes above the masks; those of the source consistency"


@dataclass(frozen=True)
class Params(dta.Params):
    """Defaults: ``dta``'s, with what the released code adds to the paper."""

    start: Start = "ones"
    class_balance: float = 0.01
    source_consistency: float = 2.0
