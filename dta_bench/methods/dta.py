"""Drop to Adapt (Lee et al., ICCV 2019): the four terms of Eq. 6.

An ablation is a choice of parameters: ``delta_c`` 0 turns fDTA off, ``delta_e`` 0 cDTA, ``lambda_3`` 0 VAT.

Floor: one forward and backward pass of the source and one of the target; with VAT also a forward pass with the gradient
for the images, and a forward and backward pass. On top of it, for each mask: a forward pass of the part of the network
above the mask with the gradient for the mask, and a forward and backward pass of that part. How much that is depends on
the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from dta_bench.errors import UserError
from dta_bench.nn.adversarial_dropout import Start, TargetPass
from dta_bench.nn.losses import Reduction, class_balance, conditional_entropy, kl_divergence, virtual_adversarial_loss
from dta_bench.nn.network import Features, Labelled, Network, Unlabelled, frozen_statistics

above_floor = "the passes above the masks"


@dataclass(frozen=True)
class Params:
    """Defaults: the first row of Table A-1 (SVHN to MNIST)."""

    lambda_1: float = 2.0
    lambda_2: float = 0.01
    lambda_3: float = 0.1
    delta_e: float = 0.1
    delta_c: float = 0.05
    ramp_up_epochs: int = 80
    epsilon: float = 3.5
    kl: Reduction = "classes"  # as in the released code, with which the lambdas of Table A-1 were tuned
    start: Start = "ones"  # as in the released code; better than "stochastic" on both shipped pairs, see Decisions
    class_balance: float = 0.0  # not in the paper; 0.01 in the released code
    source_consistency: float = 0.0  # not in the paper; 2 in the released code
    lambda_1_ramp_epochs: int = 0  # not in the paper: epochs over which lambda_1 rises from 0; 0: it is whole at once

    def __post_init__(self) -> None:
        for name, allowed in (("kl", get_args(Reduction)), ("start", get_args(Start))):
            if getattr(self, name) not in allowed:
                raise UserError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(allowed)}")
        for name, value in vars(self).items():
            if isinstance(value, float | int) and not 0 <= value < float("inf"):
                raise UserError(f"{name} is {value}; it must be finite and not negative")
        if self.ramp_up_epochs < 1:
            raise UserError(f"ramp_up_epochs is {self.ramp_up_epochs}; it must be 1 or more")


def needs_pixels(params: Params) -> str:
    """VAT does."""
    return "VAT perturbs the pixels" if params.lambda_3 and params.epsilon else ""


def floor(params: Params) -> float:
    """The least work of a step, in source-only steps (a forward pass is a third of one), without the masked passes."""
    return 2 + 5 / 3 if params.lambda_3 else 2.0


def loss(net: Network, source: Labelled, target: Unlabelled, epoch: int, params: Params) -> dict[str, Tensor]:
    """The objective of Eq. 6 on one batch of each domain.

    Args:
        net: h(x; m_f, m_c).
        source: images (B, C, H, W), labels (B,) or (B, H, W); pixels labelled 255 do not count.
        target: images (B, C, H, W).
        epoch: t, counted from 1.
        params: the weights and perturbations.

    Returns:
        ``total`` and its terms before weighting, scalars in nats; a term that is off is 0.
    """
    ramp = _rise(epoch, params.ramp_up_epochs)  # Eq. a-17
    delta_c, delta_e = (params.delta_c, params.delta_e) if params.lambda_1 else (0.0, 0.0)

    source_features = net.features(source.images)
    p_s = net.head(net.hidden(source_features))  # h(x_s)
    clean = TargetPass(net, target.images, params.start, mask_features=delta_c > 0, mask_hidden=delta_e > 0)
    p = clean.logits  # h(x_t; m_f^s, m_c^s)
    # h(x_t; m_f^adv) of Eq. 5 and h(x_t; m_c^adv) of Eq. 3, at the delta(t) of Eq. a-18
    p_f, p_c = clean.adversarial_logits(ramp * delta_c, ramp * delta_e)

    task = cross_entropy(p_s, source.labels, ignore_index=255)  # Eq. 7
    f_dta = _divergence(p, p_f, params)  # Eq. 9
    c_dta = _divergence(p, p_c, params)  # Eq. 10
    entropy = conditional_entropy(p)  # Eq. 11
    vat = _vat(clean, target.images, params)  # Eq. 12
    lambda_1 = params.lambda_1 * _rise(epoch, params.lambda_1_ramp_epochs)
    total = task + lambda_1 * (f_dta + c_dta) + params.lambda_2 * entropy + params.lambda_3 * vat  # Eqs. 6, 8

    balance = _balance(p, p_f, params)
    consistency = _consistency(net, source_features, p_s, params)
    return {
        "total": total + params.class_balance * balance + params.source_consistency * consistency,
        "task": task, "f_dta": f_dta, "c_dta": c_dta, "entropy": entropy, "vat": vat,
        "class_balance": balance, "source_consistency": consistency,
    }  # fmt: skip


def _rise(epoch: int, epochs: int) -> float:
    """What a value is multiplied by that rises over so many epochs to its whole; 1 where it does not rise."""
    return min(1.0, epoch / epochs) if epochs else 1.0


def _divergence(p: Tensor, p_adv: Tensor | None, params: Params) -> Tensor:
    """KL(p || p_adv) of Eqs. 9 and 10; 0 where no unit may be flipped."""
    if p_adv is None:
        return p.new_zeros(())
    return kl_divergence(p, p_adv, params.kl)


def _vat(clean: TargetPass, images: Tensor, params: Params) -> Tensor:
    """Eq. 12 under the masks and the dropout of the clean pass, which is not run again."""
    if not params.lambda_3:
        return images.new_zeros(())
    clean_pass = (clean.logits, clean.draws)
    return virtual_adversarial_loss(
        clean.net, images, params.epsilon, reduction=params.kl, forward=clean.forward, clean=clean_pass
    )


def _balance(p: Tensor, p_f: Tensor | None, params: Params) -> Tensor:
    """The class balance of the clean prediction plus that of CAdD's, as in the released code."""
    if not params.class_balance:
        return p.new_zeros(())
    return class_balance(p) + (0 if p_f is None else class_balance(p_f))


def _consistency(net: Network, features: Features, logits: Tensor, params: Params) -> Tensor:
    """Mean squared difference of two predictions of the source, between which only the dropout above the body differs.

    As in the released code, where it is called a Pi-model loss.
    """
    if not params.source_consistency:
        return logits.new_zeros(())
    with frozen_statistics(net):
        again = net.head(net.hidden(features))
    return mse_loss(logits.softmax(1), again.softmax(1))
