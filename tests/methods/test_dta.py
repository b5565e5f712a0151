"""Drop to Adapt against an independent float64 statement of Eqs. 6 to 12, and what a step runs and leaves alone."""

from __future__ import annotations

import copy
import itertools
from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from dta_bench.errors import UserError
from dta_bench.methods import dta, dta_released, source_only, target_only
from dta_bench.nn.losses import XI
from dta_bench.nn.network import Labelled, Network, Unlabelled

B, C, L, K = 3, 6, 8, 4


def classifier() -> Network:
    """Vector logits (B, K); no dropout but m^s, so that every random draw of a step is known."""
    body = nn.Sequential(nn.Conv2d(2, C, 3), nn.Tanh())
    neck = nn.Sequential(nn.Conv2d(C, 5, 2), nn.Tanh(), nn.Flatten(), nn.Linear(5 * 9, L), nn.Tanh())
    return Network(body, neck, nn.Linear(L, K)).double()


def segmenter() -> Network:
    """Map logits (B, K, H, W)."""
    body = nn.Sequential(nn.Conv2d(2, C, 3, padding=1), nn.Tanh())
    neck = nn.Sequential(nn.Conv2d(C, L, 3, padding=1), nn.Tanh())
    return Network(body, neck, nn.Conv2d(L, K, 1)).double()


def batches(task: str) -> tuple[Labelled, Unlabelled]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, B, 2, 6, 6, dtype=torch.float64, generator=generator)
    labels = torch.randint(K, (B,) if task == "classification" else (B, 6, 6), generator=generator)
    return Labelled(images[0], labels), Unlabelled(images[1])


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


def with_dropout_and_batchnorm() -> Network:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(2, 20, 3), nn.BatchNorm2d(20), nn.ReLU(), nn.Dropout2d(0.1))
    neck = nn.Sequential(
        nn.Conv2d(20, 10, 2), nn.BatchNorm2d(10), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5),
        nn.Linear(90, 20), nn.BatchNorm1d(20), nn.ReLU(),
    )  # fmt: skip
    return Network(body, neck, nn.Linear(20, K)).double()


EVERYTHING = {"delta_c": 0.2, "delta_e": 0.2, "lambda_2": 0.1, "lambda_3": 0.1, "ramp_up_epochs": 1}
METHODS = [dta, dta_released]


@pytest.mark.parametrize("method", METHODS)
def test_only_the_source_pass_and_the_clean_target_pass_update_batchnorm(method) -> None:
    net = with_dropout_and_batchnorm()
    source, target = batches("classification")
    reference = copy.deepcopy(net)
    method.loss(net, source, target, 1, method.Params(**EVERYTHING))["total"].backward()
    reference.features(source.images)
    reference.features(target.images)
    for ours, expected in zip(net.body.buffers(), reference.body.buffers(), strict=True):
        torch.testing.assert_close(ours, expected)
    counts = {int(m.num_batches_tracked) for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)}
    assert counts == {2}


def runs(net: Network) -> Counter[str]:
    """How often each part of ``net`` is run from now."""
    found: Counter[str] = Counter()
    for name in ("body", "neck", "head"):
        getattr(net, name).register_forward_pre_hook(lambda *_, part=name: found.update([part]))
    return found


@pytest.mark.parametrize(
    ("off", "body", "neck"),
    [
        ({}, 4, 6),  # source, clean; VAT's probe and perturbed pass; impact and masked pass above CAdD's site
        ({"lambda_3": 0.0}, 2, 4),
        ({"epsilon": 0.0}, 2, 4),
        ({"delta_c": 0.0}, 4, 4),
        ({"delta_c": 0.0, "lambda_3": 0.0}, 2, 2),
        ({"delta_c": 0.0, "delta_e": 0.0, "lambda_3": 0.0}, 2, 2),
        ({"lambda_1": 0.0, "lambda_3": 0.0}, 2, 2),
    ],
)
def test_a_step_runs_only_the_passes_that_its_terms_need(off: dict[str, float], body: int, neck: int) -> None:
    net = with_dropout_and_batchnorm()
    found = runs(net)
    dta.loss(net, *batches("classification"), 1, dta.Params(**EVERYTHING | off, start="stochastic"))  # type: ignore[arg-type]
    assert (found["body"], found["neck"]) == (body, neck)


@pytest.mark.parametrize(
    ("off", "zeros"),
    [
        ({"delta_c": 0.0}, {"f_dta"}),
        ({"delta_e": 0.0}, {"c_dta"}),
        ({"lambda_3": 0.0}, {"vat"}),
        ({"epsilon": 0.0}, {"vat"}),
        ({"lambda_1": 0.0}, {"f_dta", "c_dta"}),
        ({"delta_c": 0.04}, {"f_dta"}),  # floor(0.04 * 20) is 0
        ({"delta_c": 0.0, "delta_e": 0.0, "lambda_3": 0.0}, {"f_dta", "c_dta", "vat"}),
    ],
)
@pytest.mark.parametrize("start", ["stochastic", "ones"])
def test_a_term_is_zero_exactly_where_it_is_off(off: dict[str, float], zeros: set[str], start: str) -> None:
    torch.manual_seed(0)
    params = dta.Params(**EVERYTHING | off, start=start)  # type: ignore[arg-type]
    terms = dta.loss(with_dropout_and_batchnorm(), *batches("classification"), 1, params)
    assert {name for name in ("task", "f_dta", "c_dta", "entropy", "vat") if terms[name] == 0} == zeros


def test_the_per_sample_divergence_is_k_times_the_other() -> None:
    found = {}
    for kl_ in ("classes", "per_sample"):
        torch.manual_seed(3)
        params = dta.Params(**EVERYTHING, kl=kl_)  # type: ignore[arg-type]
        found[kl_] = dta.loss(with_dropout_and_batchnorm(), *batches("classification"), 1, params)
    for name in ("f_dta", "c_dta", "vat"):
        torch.testing.assert_close(found["per_sample"][name], K * found["classes"][name])


def test_the_total_is_the_weighted_sum_of_its_parts() -> None:
    params = dta_released.Params(**EVERYTHING)
    t = dta_released.loss(with_dropout_and_batchnorm(), *batches("classification"), 1, params)
    released = 0.01 * t["class_balance"] + 2 * t["source_consistency"]
    expected = t["task"] + 2 * (t["f_dta"] + t["c_dta"]) + 0.1 * t["entropy"] + 0.1 * t["vat"] + released
    torch.testing.assert_close(t["total"], expected)
    assert all(value > 0 for value in t.values())


def test_the_source_consistency_vanishes_without_dropout() -> None:
    net = classifier()
    terms = dta_released.loss(net, *batches("classification"), 1, dta_released.Params(start="stochastic"))
    assert terms["source_consistency"] == 0


def test_released_class_balance_counts_the_clean_and_the_channel_masked_prediction() -> None:
    net = classifier()
    nn.init.zeros_(net.head.weight)
    nn.init.zeros_(net.head.bias)  # every prediction is uniform: each balance is log K
    net.neck.insert(0, nn.Dropout(0.5))
    terms = dta_released.loss(net, *batches("classification"), 1, dta_released.Params(**EVERYTHING))
    assert terms["class_balance"].item() == pytest.approx(2 * torch.tensor(K).log().item(), abs=1e-4)


@pytest.mark.parametrize("method", [dta, dta_released, source_only])
def test_pixels_labelled_255_do_not_count(method) -> None:
    net = segmenter()
    source, target = batches("segmentation")
    source.labels[:, :3] = 255
    off = {"delta_c": 0, "delta_e": 0} if hasattr(method.Params, "delta_c") else {}  # no dropout in this segmenter
    params = method.Params(**off)
    found = method.loss(net, source, target, 1, params)["task"]
    logits = net(source.images)[:, :, 3:]
    torch.testing.assert_close(found, nn.functional.cross_entropy(logits, source.labels[:, 3:]))


@pytest.mark.parametrize("method", METHODS)
def test_gradients_are_finite_at_logit_gaps_of_200(method) -> None:
    net = with_dropout_and_batchnorm()
    net.head.weight.data *= 200 / net(batches("classification")[0].images).abs().max()
    method.loss(net, *batches("classification"), 1, method.Params(**EVERYTHING))["total"].backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_the_target_batch_is_not_modified(method) -> None:
    source, target = batches("classification")
    before = target.images.clone()
    method.loss(with_dropout_and_batchnorm(), source, target, 1, method.Params(**EVERYTHING))["total"].backward()
    assert torch.equal(target.images, before)
    assert not target.images.requires_grad
    assert target.images.grad is None


def test_source_only_does_not_use_the_target() -> None:
    source, target = batches("classification")
    nothing = Unlabelled(torch.full_like(target.images, torch.nan))
    found = source_only.loss(classifier(), source, nothing, 1, source_only.Params())
    assert torch.isfinite(found["total"])


def test_target_only_is_source_only_on_labelled_target() -> None:
    assert target_only.uses_target_labels
    assert target_only.loss is source_only.loss


def test_bfloat16_autocast_gives_a_finite_step() -> None:
    net = with_dropout_and_batchnorm().float()
    source, target = batches("classification")
    with torch.autocast("cpu", torch.bfloat16):
        terms = dta.loss(
            net, Labelled(source.images.float(), source.labels), Unlabelled(target.images.float()), 1,
            dta.Params(**EVERYTHING),
        )  # fmt: skip
    terms["total"].backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_ones_as_start_is_refused_where_no_dropout_lies_above_the_mask() -> None:
    net = Network(nn.Flatten(), nn.Linear(12, 8), nn.Linear(8, 3))
    images = torch.randn(4, 3, 2, 2)
    source, target = Labelled(images, torch.zeros(4, dtype=torch.long)), Unlabelled(images)
    with pytest.raises(UserError, match="start: stochastic"):
        dta.loss(net, source, target, 1, dta.Params(start="ones"))
    assert dta.loss(net, source, target, 80, dta.Params(start="stochastic", delta_c=0.5))["f_dta"] > 0
