"""Convert the weights' names of EfficientNet-PyTorch (and of its EfficientNet-Lite variant) to timm's."""

from __future__ import annotations

from typing import Any

from torch import Tensor

OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
WITH_EXPANSION = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3", "_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand",
}  # fmt: skip
WITHOUT_EXPANSION = WITH_EXPANSION | {"_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def are_in(state: dict[str, Tensor]) -> bool:
    """Whether a state dict has EfficientNet-PyTorch's names."""
    return "_conv_stem.weight" in state


def to_timm_names(state: dict[str, Tensor], model: Any) -> dict[str, Tensor]:
    """The same tensors under timm's names.

    EfficientNet-PyTorch numbers all blocks (``_blocks.N``), timm those of each stage (``blocks.S.N``). Blocks that the
    model does not have keep their names, so that the file is refused later.

    Args:
        state: with EfficientNet-PyTorch's names.
        model: timm's model; its stages say how many blocks each has.
    """
    timm_blocks = [f"blocks.{s}.{b}" for s, stage in enumerate(getattr(model, "blocks", [])) for b in range(len(stage))]
    expanded = {key.split(".")[1] for key in state if "._expand_conv." in key}

    def timm_name(key: str) -> str:
        parts = key.split(".")
        if parts[0] != "_blocks":
            return ".".join([OUTER.get(parts[0], parts[0]), *parts[1:]])
        if int(parts[1]) >= len(timm_blocks):
            return key
        inner = WITH_EXPANSION if parts[1] in expanded else WITHOUT_EXPANSION
        return ".".join([timm_blocks[int(parts[1])], inner.get(parts[2], parts[2]), *parts[3:]])

    return {timm_name(key): value for key, value in state.items()}
