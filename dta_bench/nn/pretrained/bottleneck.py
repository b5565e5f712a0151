"""A bottleneck before the classifier, as in SHOT, CDAN and the Transfer Learning Library."""

from __future__ import annotations

from torch import nn

from dta_bench.errors import UserError
from dta_bench.nn.network import Network
from dta_bench.nn.pretrained.timm_networks import Neck


def with_bottleneck(network: Network, width: int = 256) -> Network:
    """The network with a linear layer of ``width``, BatchNorm and ReLU before a new linear classifier.

    EAdD masks the output of the bottleneck. The dropout that :func:`timm_network` puts before the classifier is left
    out. With the pretrained weights of the trunk, bottleneck and classifier are the head.

    Args:
        network: for images of one class each; its head is one linear layer.

    Raises:
        UserError: its head is something else.
    """
    if not isinstance(network.head, nn.Linear):
        raise UserError(f"a bottleneck goes before one linear layer, but the head is {type(network.head).__name__}")
    if isinstance(network.neck, Neck):
        network.neck.dropout = nn.Identity()  # type: ignore[assignment]
    units, classes = network.head.in_features, network.head.out_features
    bottleneck = nn.Sequential(nn.Linear(units, width), nn.BatchNorm1d(width), nn.ReLU())
    return Network(
        network.body, nn.Sequential(network.neck, bottleneck), nn.Linear(width, classes),
        feature_axis=network.feature_axis, normalisation=network.normalisation, new=[bottleneck],
    )  # fmt: skip
