"""The bottleneck before the classifier."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dta_bench.check.method import small_network
from dta_bench.errors import UserError
from dta_bench.nn.network import part_of
from dta_bench.nn.pretrained import timm_network, with_bottleneck


def test_it_is_linear_batchnorm_relu_before_a_new_classifier_and_part_of_the_head() -> None:
    trunk = timm_network("resnet18", 7)
    net = with_bottleneck(trunk, 12)
    images = torch.randn(4, 3, 64, 64)
    hidden, logits = net.eval().activations(images)
    assert (hidden.shape, logits.shape) == ((4, 12), (4, 7))
    linear, norm, _ = net.neck[1]
    expected = norm(linear(trunk.eval().hidden(trunk.features(images)))).relu()
    torch.testing.assert_close(hidden, expected)
    assert {part_of(layer) for layer in [*net.neck[1].modules(), net.head]} == {"head"}
    assert {part_of(layer) for layer in [*net.body.modules(), *net.neck[0].modules()]} == {"backbone"}


def test_the_dropout_before_the_classifier_is_left_out() -> None:
    net = with_bottleneck(timm_network("resnet18", 7), 12)
    assert not [layer for layer in net.modules() if isinstance(layer, nn.Dropout) and layer.p]


def test_a_head_that_is_no_linear_layer_is_refused() -> None:
    with pytest.raises(UserError, match="a bottleneck goes before one linear layer, but the head is Sequential"):
        with_bottleneck(small_network("segmentation"))


def test_norm_relu_dropout_a_hidden_layer_and_weight_norm_can_be_chosen() -> None:
    net = with_bottleneck(
        timm_network("resnet18", 7), 12, norm=False, relu=False, dropout=0.5, hidden=9, weight_norm=True
    )
    assert [type(layer).__name__ for layer in net.neck[1]] == ["Linear", "Dropout"]
    first, *_, last = net.head
    assert (first.in_features, first.out_features, last.in_features, last.out_features) == (12, 9, 9, 7)
    lengths, directions = last.parametrizations.weight.original0, last.parametrizations.weight.original1
    expected = lengths * directions / directions.norm(dim=1, keepdim=True)
    torch.testing.assert_close(last.weight, expected)
    assert {part_of(layer) for layer in net.head.modules()} == {"head"}
