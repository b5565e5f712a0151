"""Drop to Adapt as the authors released it: Eq. 6, class balance, source consistency, all-ones start masks.

Same ``loss`` as ``dta``; only the defaults differ.
"""

from __future__ import annotations

from dataclasses import dataclass

from dta_bench.adversarial_dropout import Start
from dta_bench.methods import dta
from dta_bench.methods.dta import loss

__all__ = ["Params", "loss"]


@dataclass(frozen=True)
class Params(dta.Params):
    """Defaults: ``dta``'s, with what the released code adds to the paper."""

    start: Start = "ones"
    class_balance: float = 0.01
    source_consistency: float = 2.0
