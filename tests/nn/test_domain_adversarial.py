"""Gradient reversal, discriminators, domain loss, CDAN's maps and weights; golden values from numpy."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from dta_bench.nn.domain_adversarial import (
    MultilinearMap,
    as_rows,
    build_discriminator,
    dann_ramp,
    domain_logits,
    domain_loss,
    entropy_weights,
    reverse_gradient,
)
from dta_bench.spec.identity import without_later_defaults
from dta_bench.spec.method_plugin import method_plugin

P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.05, 0.05, 0.9]])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_reversal_negates_the_features_gradient_and_leaves_the_discriminators(strength: float) -> None:
    judge, features = build_discriminator(5, 7), normal(6, 5)

    def gradients(reverse: bool) -> list[Tensor]:
        leaf = features.clone().requires_grad_()
        seen = reverse_gradient(leaf, strength) if reverse else leaf
        loss = domain_loss(*domain_logits(judge, seen[:3], seen[3:]))
        return list(torch.autograd.grad(loss, [leaf, *judge.parameters()]))

    plain, turned = gradients(False), gradients(True)
    torch.testing.assert_close(turned[0], -strength * plain[0])
    assert all(torch.equal(a, b) for a, b in zip(plain[1:], turned[1:], strict=True))


@pytest.mark.parametrize(("done", "expected"), [(0, 0), (0.1, 0.462), (0.25, 0.848), (0.5, 0.987), (1, 1.0)])
def test_the_ramp_is_danns(done: float, expected: float) -> None:
    assert dann_ramp(done) == pytest.approx(expected, abs=5e-4)


def test_the_domain_loss_of_an_undecided_discriminator_is_ln_2() -> None:
    assert float(domain_loss(torch.zeros(3), torch.zeros(5))) == pytest.approx(math.log(2))


def test_source_is_domain_one() -> None:
    assert float(domain_loss(torch.full((3,), 20.0), torch.full((3,), -20.0))) < 1e-6


def test_a_map_gives_one_row_per_pixel_with_its_units() -> None:
    hidden = normal(2, 3, 4, 5)
    found = as_rows(hidden)
    expected = [hidden[b, :, i, j] for b, i, j in itertools.product(range(2), range(4), range(5))]
    assert torch.equal(found, torch.stack(expected))
    assert torch.equal(as_rows(hidden.permute(0, 2, 3, 1), 3), found)


def test_the_multilinear_map_has_all_products_class_by_class() -> None:
    found = MultilinearMap(2, 2, width=9)(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(found, torch.tensor([[0.25, 0.5, 0.75, 1.5]]))


def test_the_multilinear_maps_class_blocks_sum_to_the_features() -> None:
    features, p = normal(4, 6), normal(4, 3).softmax(1)
    mapped = MultilinearMap(6, 3, width=9)(features, p)
    torch.testing.assert_close(mapped.view(4, 3, 6).sum(1), features)


def test_the_randomised_map_keeps_inner_products_on_average_and_its_matrices() -> None:
    torch.manual_seed(0)
    features, p = normal(2, 8), normal(2, 4, seed=1).softmax(1)
    drawn = [MultilinearMap(8, 4, width=500, largest=8) for _ in range(200)]
    inner = torch.stack([(of(features, p)[0] * of(features, p)[1]).sum() for of in drawn])
    expected = (features[0] @ features[1]) * (p[0] @ p[1])
    assert abs(inner.mean() - expected) < 4 * inner.std() / math.sqrt(len(drawn))
    assert {"of_features", "of_classes"} <= drawn[0].state_dict().keys()


def test_cdans_weights_are_higher_for_confident_predictions_and_have_mean_one() -> None:
    golden = torch.tensor([0.967774, 1.020749, 0.892994, 1.118483])
    torch.testing.assert_close(entropy_weights(P), golden, atol=1e-6, rtol=0)
    torch.testing.assert_close(entropy_weights(torch.full((5, 4), 0.25)), torch.ones(5))


def test_a_discriminator_has_so_many_hidden_layers_with_batchnorm_if_asked() -> None:
    plain, deep = build_discriminator(7, 5), build_discriminator(7, 5, depth=2, norm=True)
    assert [type(layer).__name__ for layer in plain] == ["Linear", "ReLU", "Linear", "Flatten"]
    assert [type(layer).__name__ for layer in deep] == [*["Linear", "BatchNorm1d", "ReLU"] * 2, "Linear", "Flatten"]
    assert deep(normal(4, 7)).shape == (4,)


@pytest.mark.parametrize("method", ["dann", "cdan", "sdat", "bsp", "dan", "jan"])
def test_what_these_methods_got_later_is_in_no_identity_at_its_default(method: str) -> None:
    later = {"discriminator_depth", "discriminator_norm", "discrepancy_ramp"}
    known = method_plugin(method).defaults()
    assert later & known.keys()
    assert not later & without_later_defaults(known).keys()
