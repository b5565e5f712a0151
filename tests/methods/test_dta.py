"""Drop to Adapt against an independent float64 statement of Eqs. 6 to 12, and its defaults."""

from __future__ import annotations

import itertools

import pytest
import torch
from dta_networks import B, C, K, L, batches, classifier, segmenter
from torch import Tensor

from dta_bench.check.method import random_batch, small_network
from dta_bench.errors import UserError
from dta_bench.methods import dta, dta_released
from dta_bench.nn.losses import XI
from dta_bench.nn.network import Labelled, Network, Unlabelled


def kl(p: Tensor, q: Tensor) -> Tensor:
    """Sum over samples, classes and pixels of p log(p / q), from logits."""
    p, q = p.softmax(1), q.softmax(1)
    return (p * torch.log(p / q)).sum()


def exhaustive_mask(m_s: Tensor, impact: Tensor, flips: int) -> Tensor:
    """Per sample the mask at most ``flips`` bits from ``m_s`` of largest impact . mask, tried one after the other."""
    best = []
    for start, j in zip(m_s.flatten(1), impact.flatten(1), strict=True):
        masks = [torch.tensor(m, dtype=m_s.dtype) for m in itertools.product([0.0, 1.0], repeat=len(start))]
        best.append(max((m for m in masks if (m - start).abs().sum() <= flips), key=lambda m: float(m @ j)))
    return torch.stack(best).view_as(m_s)


def naive_terms(
    net: Network, source: Labelled, target: Unlabelled, flips_f: int, flips_c: int, epsilon: float
) -> dict[str, Tensor]:
    """Eqs. 7 and 9 to 12, every pass on its own, all divergences averaged over classes too."""

    def h(x: Tensor, m_f: Tensor, m_c: Tensor) -> Tensor:
        return net.head(m_c * net.neck(m_f * net.body(x)))

    x = target.images
    m_f = torch.empty(B, C, 1, 1, dtype=x.dtype).bernoulli_(0.9)
    m_c = torch.empty(B, L, *[1] * (net.neck(net.body(x)).ndim - 2), dtype=x.dtype).bernoulli_(0.5)
    s_f, s_c = m_f / 0.9, m_c / 0.5
    clean = h(x, s_f, s_c)
    terms = clean.numel()

    one_f, one_c = torch.ones_like(m_f).requires_grad_(), torch.ones_like(m_c).requires_grad_()
    (j_f,) = torch.autograd.grad(kl(clean.detach(), h(x, one_f, s_c)), one_f)
    (j_c,) = torch.autograd.grad(kl(clean.detach(), h(x, s_f, one_c)), one_c)
    adv_f, adv_c = exhaustive_mask(m_f, j_f, flips_f) / 0.9, exhaustive_mask(m_c, j_c, flips_c) / 0.5

    d = torch.randn_like(x)
    d = d / d.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()
    r = (XI * d).requires_grad_()
    (g,) = torch.autograd.grad(kl(clean.detach(), h(x + r, s_f, s_c)), r)
    r_adv = epsilon * g / g.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()

    log_p = clean.log_softmax(1)
    picked = net(source.images).log_softmax(1).gather(1, source.labels.unsqueeze(1))
    return {
        "task": -picked.mean(),
        "f_dta": kl(clean, h(x, adv_f, s_c)) / terms,
        "c_dta": kl(clean, h(x, s_f, adv_c)) / terms,
        "entropy": -(log_p.exp() * log_p).sum() / (terms / K),
        "vat": kl(clean.detach(), h(x + r_adv, s_f, s_c)) / terms,
    }


@pytest.mark.parametrize("task", ["classification", "segmentation"])
@pytest.mark.parametrize("epoch", [1, 2, 5])
def test_every_term_and_every_gradient_are_those_of_the_equations(task: str, epoch: int) -> None:
    torch.manual_seed(0)
    net = classifier() if task == "classification" else segmenter()
    source, target = batches(task)
    params = dta.Params(
        lambda_1=2,
        lambda_2=0.3,
        lambda_3=0.7,
        delta_c=0.5,
        delta_e=0.5,
        ramp_up_epochs=3,
        epsilon=0.8,
        start="stochastic",
    )
    torch.manual_seed(7)
    ours = dta.loss(net, source, target, epoch, params)
    our_gradients = torch.autograd.grad(ours["total"], list(net.parameters()))

    flips = {1: (1, 1), 2: (2, 2), 5: (3, 4)}[epoch]  # floors of 1/3, 2/3 and all of half of 6 and 8
    torch.manual_seed(7)
    naive = naive_terms(net, source, target, *flips, epsilon=0.8)
    total = naive["task"] + 2 * (naive["f_dta"] + naive["c_dta"]) + 0.3 * naive["entropy"] + 0.7 * naive["vat"]

    for name, value in naive.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-8, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}")
    torch.testing.assert_close(ours["total"], total)
    for ours_, naives in zip(our_gradients, torch.autograd.grad(total, list(net.parameters())), strict=True):
        torch.testing.assert_close(ours_, naives, rtol=1e-6, atol=1e-10)


def test_the_defaults_are_the_first_row_of_table_a_1() -> None:
    found = dta.Params()
    row = (found.lambda_1, found.lambda_2, found.lambda_3, found.delta_e, found.delta_c, found.ramp_up_epochs)
    assert (*row, found.epsilon) == (2, 0.01, 0.1, 0.1, 0.05, 80, 3.5)
    assert (found.class_balance, found.source_consistency) == (0, 0)


def test_the_released_method_differs_by_its_defaults_alone() -> None:
    assert dta_released.loss is dta.loss
    found = dta_released.Params()
    assert (found.start, found.class_balance, found.source_consistency) == ("ones", 0.01, 2)


@pytest.mark.parametrize(("epoch", "share"), [(1, 0.25), (3, 0.75), (4, 1.0), (9, 1.0)])
def test_lambda_1_rises_linearly_over_its_epochs(epoch: int, share: float) -> None:
    def parts(**params: float) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        net = small_network("classification")
        source, target = random_batch("classification")
        torch.manual_seed(1)
        return dta.loss(net, source, target, epoch, dta.Params(ramp_up_epochs=1, lambda_3=0, epsilon=0, **params))

    rising, whole = parts(lambda_1_ramp_epochs=4), parts(lambda_1=2.0 * share)
    torch.testing.assert_close(rising["total"], whole["total"])
    torch.testing.assert_close(rising["f_dta"], whole["f_dta"])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"kl": "mean"}, "classes, per_sample"),
        ({"start": "zeros"}, "stochastic, ones"),
        ({"ramp_up_epochs": 0}, "1 or more"),
    ],
)
def test_an_error_about_a_parameter_says_what_is_allowed(setting: dict[str, str | int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        dta.Params(**setting)  # type: ignore[arg-type]
