"""MCC, BNM, AFN and MDD: values worked out by hand or in numpy, and what each law of theirs says."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dta_bench import plugins
from dta_bench.check.method import random_batch, small_learner
from dta_bench.errors import UserError
from dta_bench.methods import afn, bnm, mcc, mdd
from dta_bench.spec.method_plugin import method_plugin

P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9]], dtype=torch.float64)

logits_of = st.integers(0, 2**31).map(
    lambda seed: 3 * torch.randn(12, 5, generator=torch.Generator().manual_seed(seed))
)  # fmt: skip


def one_hot(classes: list[int], of: int) -> Tensor:
    """Logits whose softmax is one-hot to the last bit."""
    return 1000 * torch.nn.functional.one_hot(torch.tensor(classes), of).double()


# MCC


def test_the_class_confusion_of_four_predictions_by_hand() -> None:
    assert mcc.class_confusion(P.log(), 1.0).item() == pytest.approx(0.406860, abs=1e-6)


@given(logits_of)
@settings(max_examples=25)
def test_class_confusion_is_the_papers_normalised_matrix_of_all_classes(logits: Tensor) -> None:
    p = np.exp(logits.double().numpy() / 2.5)
    p /= p.sum(1, keepdims=True)
    weight = 1 + np.exp((p * np.log(p)).sum(1))
    matrix = p.T @ np.diag(len(p) * weight / weight.sum()) @ p
    matrix /= matrix.sum(1, keepdims=True)
    assert mcc.class_confusion(logits, 2.5).item() == pytest.approx((matrix.sum() - np.trace(matrix)) / 5, abs=1e-5)


def test_class_confusion_is_largest_for_uniform_predictions_and_0_for_confident_balanced_ones() -> None:
    assert mcc.class_confusion(torch.zeros(8, 4), 2.5).item() == pytest.approx(1 - 1 / 4)
    assert mcc.class_confusion(one_hot([0, 1, 2, 0, 1, 2], 3), 1.0).item() == pytest.approx(0, abs=1e-6)


def test_the_weights_of_class_confusion_are_constants_to_the_gradient() -> None:
    logits = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(mcc.class_confusion(logits, 2.0), logits)
    p = (logits / 2).softmax(1)
    weight = 1 + torch.exp((p * p.log()).sum(1)).detach()
    matrix = p.T @ (weight[:, None] * p) / weight.mean()
    (wanted,) = torch.autograd.grad(1 - (matrix.diagonal() / matrix.sum(1)).mean(), logits)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


# BNM


def test_the_nuclear_norm_of_four_predictions_by_hand() -> None:
    assert bnm.nuclear_norm(P).item() == pytest.approx(2.562114, abs=1e-6)
    assert torch.linalg.svdvals(P).tolist() == pytest.approx([1.165619, 0.801283, 0.595212], abs=1e-6)


def test_the_nuclear_norm_is_largest_for_confident_and_balanced_predictions() -> None:
    balanced = torch.eye(10).repeat(4, 1)
    collapsed = torch.eye(10)[:1].repeat(40, 1)
    even = torch.full((40, 10), 0.1)
    found = [bnm.nuclear_norm(p).item() for p in (balanced, collapsed, even)]
    assert found == pytest.approx([20, 40**0.5, 2], abs=1e-4)


def test_the_fast_norm_is_the_nuclear_norm_where_predictions_are_one_hot() -> None:
    p = torch.eye(6)[torch.tensor([0, 0, 0, 1, 2, 2, 4, 5, 5])]
    assert bnm.fast_nuclear_norm(p).item() == pytest.approx(bnm.nuclear_norm(p).item(), abs=1e-4)


@pytest.mark.parametrize(("divisor", "by"), [("batch", 4), ("rank", 4)])
def test_bnm_subtracts_the_norm_from_the_total(divisor: str, by: int) -> None:
    net = small_learner(method_plugin("bnm"), "classification").net
    source, target = random_batch("classification")
    net.eval()
    parts = bnm.loss(net, source, target, 1, bnm.Params(weight=0.5, divisor=divisor))  # type: ignore[arg-type]
    norm = torch.linalg.matrix_norm(net(target.images).softmax(1), "nuc") / by
    assert parts["total"].item() == pytest.approx((parts["task"] - 0.5 * norm).item(), abs=1e-5)


def test_equal_singular_values_give_a_finite_gradient() -> None:
    logits = torch.zeros(8, 4, requires_grad=True)
    bnm.nuclear_norm(logits.softmax(1)).backward()
    assert torch.isfinite(logits.grad).all()  # type: ignore[arg-type]


# AFN


def test_the_stepwise_norms_gradient_by_hand_and_its_constant_value() -> None:
    features = torch.tensor([[3.0, 0, 4], [0, 2, 0]], requires_grad=True)
    value = afn.norm_loss(features, afn.Params(step=0.3))
    value.backward()
    assert value.item() == pytest.approx(0.3**2)
    torch.testing.assert_close(features.grad, torch.tensor([[-0.18, 0, -0.24], [0, -0.3, 0]]))


def test_a_feature_that_is_zero_gets_no_gradient_and_no_nan() -> None:
    features = torch.tensor([[0.0, 0], [1, 0]], requires_grad=True)
    afn.norm_loss(features, afn.Params()).backward()
    assert features.grad is not None
    assert features.grad[0].tolist() == [0, 0]
    assert features.grad[1, 0] < 0


def test_the_hard_norm_is_least_where_the_mean_length_is_the_radius() -> None:
    features = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert afn.norm_loss(features, afn.Params(radius=3)).item() == pytest.approx(0, abs=1e-10)
    assert afn.norm_loss(features, afn.Params(radius=5)).item() == pytest.approx(4)


def test_a_step_along_the_norm_term_lengthens_every_feature() -> None:
    features = torch.randn(16, 8, requires_grad=True)
    afn.norm_loss(features, afn.Params()).backward()
    assert features.grad is not None
    assert ((features - features.grad).norm(dim=1) > features.norm(dim=1)).all()


# MDD


def test_the_margin_disparity_by_hand() -> None:
    main, other = torch.tensor([[2.0, 0, -1]]), torch.tensor([[1.0, 1, 0]])
    on_target = mdd.margin_disparity(main, other, main, other, 0.0)
    whole = mdd.margin_disparity(main, other, main, other, 4.0)
    assert on_target.item() == pytest.approx(0.548733, abs=1e-6)
    assert whole.item() == pytest.approx(3.996712, abs=1e-5)
    assert (whole - on_target).item() / 4 == pytest.approx(0.861995, abs=1e-6)


def test_confident_agreement_costs_nothing_on_the_source_and_much_on_the_target() -> None:
    sure = torch.tensor([[50.0, 0, 0]])
    value = mdd.margin_disparity(sure, sure, sure, sure, 1.0)
    assert value.item() == pytest.approx(50 - np.log(2), abs=1e-4)  # -log(1 - p) where 1 - p underflows


def test_mdds_classifier_gets_the_gradient_of_source_only_and_the_adversary_that_of_the_disparity() -> None:
    learner = small_learner(method_plugin("mdd"), "classification").eval()
    learner.at = type(learner.at)(1, 500, 1000)
    source, target = random_batch("classification")
    learner.loss(source, target)["total"].backward()
    alone = copy.deepcopy(learner.net)
    alone.zero_grad()
    plugins.load("method", "source_only").loss(alone, source, target, 1, None)["total"].backward()
    for found, wanted in zip(learner.net.head.parameters(), alone.head.parameters(), strict=True):
        torch.testing.assert_close(found.grad, wanted.grad)
    assert all(weight.grad is not None and weight.grad.any() for weight in learner.adversary.parameters())


def test_features_maximise_the_disparity_that_the_adversary_minimises() -> None:
    learner = small_learner(method_plugin("mdd"), "classification").eval()
    source, target = random_batch("classification")

    def slope(strength: float) -> Tensor:
        hidden = [learner.net.activations(each.images) for each in (source, target)]
        others = [learner.adversary(mdd.reverse_gradient(h, strength)) for h, _ in hidden]
        value = mdd.margin_disparity(hidden[0][1], others[0], hidden[1][1], others[1], 4.0)
        (found,) = torch.autograd.grad(value, learner.net.neck[0].weight)
        return found

    torch.testing.assert_close(slope(0.1), -0.1 * slope(-1.0))


# What they refuse


@pytest.mark.parametrize(
    ("module", "bad", "sentence"),
    [
        (mcc, {"temperature": 0.0}, "temperature is 0.0; it must be finite and 0.001 or more"),
        (mcc, {"weight": float("nan")}, "weight is nan; it must be finite and 0 or more"),
        (bnm, {"divisor": "sum"}, "divisor is 'sum'; it must be one of batch, rank"),
        (afn, {"step": -1.0}, "step is -1.0; it must be finite and 0 or more"),
        (mdd, {"gamma": float("inf")}, "gamma is inf; it must be finite and 0 or more"),
    ],
)
def test_a_parameter_out_of_range_is_refused_with_what_is_allowed(module: object, bad: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=f"^{sentence}$"):
        module.Params(**bad)  # type: ignore[attr-defined]
