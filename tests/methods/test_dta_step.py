"""A step of Drop to Adapt: the passes that it runs, which terms are zero, and what it leaves unchanged."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import torch
from dta_networks import K, batches, classifier, segmenter, with_dropout_and_batchnorm
from torch import nn

from dta_bench.errors import UserError
from dta_bench.methods import dta, dta_released, source_only, target_only
from dta_bench.nn.network import Labelled, Network, Unlabelled

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
