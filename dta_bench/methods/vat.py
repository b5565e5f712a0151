"""VAT and entropy: virtual adversarial training (Miyato et al., TPAMI 2018) with entropy minimisation on the target.

Eq. 6 of Drop to Adapt without adversarial dropout: total = CE(source) + lambda_2 H(target) + lambda_3 VAT(target).
The ``loss`` is that of ``dta``; only the defaults differ. It is the row "VAT" of that paper's Table 5.

Floor: one forward and backward pass of the source and one of the target; for VAT a forward pass with the gradient for
the images, and a forward and backward pass.
"""

from __future__ import annotations

from dataclasses import dataclass

from dta_bench.methods import dta
from dta_bench.methods.dta import loss

__all__ = ["Params", "floor", "loss", "needs_pixels"]


@dataclass(frozen=True)
class Params(dta.Params):
    """Defaults: those of Table A-1 for small data sets, without adversarial dropout."""

    lambda_1: float = 0.0
    lambda_2: float = 0.01
    lambda_3: float = 0.1
    delta_e: float = 0.0
    delta_c: float = 0.0
    epsilon: float = 3.5


def needs_pixels(params: Params) -> str:  # noqa: ARG001 - one signature for all
    """What needs images: the method itself, also at the points of its sets that lack VAT."""
    return "VAT perturbs the pixels"


def floor(params: Params) -> float:
    """The least work of a step, in source-only steps (a forward pass is a third of one)."""
    return 2 + 5 / 3 if params.lambda_3 and params.epsilon else 2.0
