"""DeepLab-v2: the weights and the map sizes of the network that the papers name."""

import torch
from torch.nn.functional import interpolate

from dta_bench.nn import pretrained
from dta_bench.nn.network import part_of

RESNET_101 = 44_549_160 - 2048 * 1000 - 1000
"""Weights of torchvision's resnet101 without its classifier."""


def test_it_has_the_weights_of_a_resnet_101_and_four_3x3_convolutions() -> None:
    net = pretrained.backbone("deeplabv2_resnet101").build_on_meta(19)
    classifier = 4 * (2048 * 19 * 9 + 19)
    assert sum(weight.numel() for weight in net.parameters()) == RESNET_101 + classifier
    images = torch.empty(2, 3, 512, 1024, device="meta")
    hidden, logits = net.activations(images)
    assert hidden.shape == (2, 2048, 64, 128)
    assert logits.shape == (2, 19, 512, 1024)
    assert {part_of(layer) for layer in net.head.modules()} == {"head"}
    assert {part_of(layer) for part in (net.body, net.neck) for layer in part.modules()} == {"backbone"}


def test_its_logits_are_the_sum_of_all_branches_enlarged() -> None:
    net = pretrained.deeplabv2_resnet("resnet50", 3, "none").eval()
    images = torch.randn(1, 3, 40, 48)
    with torch.no_grad():
        hidden, logits = net.activations(images)
        small = torch.stack([branch(hidden) for branch in net.head.branches]).sum(0)
    assert hidden.shape[2:] == (5, 6)
    torch.testing.assert_close(logits, interpolate(small, (40, 48), mode="bilinear", align_corners=True))
    assert [branch.dilation[0] for branch in net.head.branches] == [6, 12, 18, 24]
