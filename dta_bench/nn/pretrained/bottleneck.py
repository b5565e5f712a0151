"""A bottleneck before the classifier, as in SHOT, CDAN and the Transfer Learning Library."""

from __future__ import annotations

from torch import nn
from torch.nn.utils import parametrizations

from dta_bench.errors import UserError
from dta_bench.nn.network import Network
from dta_bench.nn.pretrained.timm_networks import Neck


def with_bottleneck(
    network: Network, width: int = 256, *, norm: bool = True, relu: bool = True, dropout: float = 0.0, hidden: int = 0,
    weight_norm: bool = False,
) -> Network:  # fmt: skip
    """The network with a linear layer of ``width``, BatchNorm and ReLU before a new linear classifier.

    EAdD masks the output of the bottleneck. The dropout that :func:`timm_network` puts before the classifier is left
    out. With the pretrained weights of the trunk, bottleneck and classifier are the head.

    Args:
        network: for images of one class each; its head is one linear layer.
        norm: whether the bottleneck has BatchNorm.
        relu: whether it has ReLU.
        dropout: probability of dropout at its end, and before the last layer of a classifier of two.
        hidden: units of a hidden layer of the classifier; 0: it is one linear layer.
        weight_norm: whether the classifier's last layer learns the length and the direction of its weights apart.

    Raises:
        UserError: its head is something else.
    """
    if not isinstance(network.head, nn.Linear):
        raise UserError(f"a bottleneck goes before one linear layer, but the head is {type(network.head).__name__}")
    if isinstance(network.neck, Neck):
        network.neck.dropout = nn.Identity()  # type: ignore[assignment]
    units, classes = network.head.in_features, network.head.out_features
    parts = [(nn.BatchNorm1d(width), norm), (nn.ReLU(), relu), (nn.Dropout(dropout), dropout > 0)]
    bottleneck = nn.Sequential(nn.Linear(units, width), *(module for module, is_there in parts if is_there))
    last: nn.Module = nn.Linear(hidden or width, classes)
    last = parametrizations.weight_norm(last) if weight_norm else last
    head = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), last) if hidden else last
    return Network(
        network.body, nn.Sequential(network.neck, bottleneck), head,
        feature_axis=network.feature_axis, normalisation=network.normalisation, new=[bottleneck],
    )  # fmt: skip
