"""Files written by EfficientNet-PyTorch and its Lite twin, in timm's names."""

from __future__ import annotations

from typing import Any

from torch import Tensor

OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
WITH_EXPANSION = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3", "_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand",
}  # fmt: skip
WITHOUT = WITH_EXPANSION | {"_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def are_in(state: dict[str, Tensor]) -> bool:
    """Whether a file has such names."""
    return "_conv_stem.weight" in state


def renamed(state: dict[str, Tensor], model: Any) -> dict[str, Tensor]:
    """The same tensors under timm's names; ``_blocks.N`` count through timm's stages in order.

    A file of more blocks than the model has keeps their names, and so will not fit.
    """
    places = [f"blocks.{s}.{b}" for s, stage in enumerate(getattr(model, "blocks", [])) for b in range(len(stage))]
    expanded = {key.split(".")[1] for key in state if "._expand_conv." in key}

    def name(key: str) -> str:
        parts = key.split(".")
        if parts[0] != "_blocks":
            return ".".join([OUTER.get(parts[0], parts[0]), *parts[1:]])
        if int(parts[1]) >= len(places):
            return key
        inner = WITH_EXPANSION if parts[1] in expanded else WITHOUT
        return ".".join([places[int(parts[1])], inner.get(parts[2], parts[2]), *parts[3:]])

    return {name(key): value for key, value in state.items()}
