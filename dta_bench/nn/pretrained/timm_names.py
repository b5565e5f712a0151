"""The weights of a split timm model under timm's own names."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dta_bench.errors import UserError
from dta_bench.nn.network import Network
from dta_bench.nn.pretrained.timm_networks import Trunk, timm_model

PARTS = ("body.model.", "neck.model.")
"""Where parts of the model keep their names; the last block and the classifier have lost theirs, not their order."""


def timm_weights(network: Network, classes: int, image_size: tuple[int, int]) -> tuple[str, Any, dict[str, Tensor]]:
    """A network's weights for timm.

    Returns:
        timm's name of the architecture, the whole model built anew by timm, and its weights by timm's names.

    Raises:
        UserError: the network is no model of timm.
    """
    if not isinstance(network.body, Trunk):
        raise UserError("the network is no whole model of timm; a backbone timm/<model> is, or one built from it")
    name = str(network.body.model.pretrained_cfg["architecture"])
    model = timm_model(name, "none", classes, image_size)
    own, wanted = dict(network.state_dict()), dict(model.state_dict())
    weights = {key: own[part + key] for key in wanted for part in PARTS if part + key in own}
    unnamed = [key for key in own if not key.startswith(PARTS)]
    missing = [key for key in wanted if key not in weights]
    if len(unnamed) != len(missing) or any(
        own[a].shape != wanted[b].shape for a, b in zip(unnamed, missing, strict=True)
    ):
        raise UserError(f"the weights of timm/{name} cannot be put back under timm's names; export to safetensors")
    weights |= {key: own[origin] for key, origin in zip(missing, unnamed, strict=True)}
    model.load_state_dict({key: weights[key] for key in wanted})
    return name, model.eval(), {key: weights[key].contiguous().clone() for key in wanted}
