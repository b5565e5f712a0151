"""A pair of towers of open_clip's own code with few, random weights, and the backbone's file that names it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

CONFIG: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
BACKBONE = f'''"""Towers of a few weights, for tests."""

from dta_bench.api import Network, pretrained

task = "classification"
channels = 3
text_tower = True
CONFIG = {CONFIG!r}


def build(num_classes: int, weights: str = "none", image_size: tuple[int, int] | None = None) -> Network:
    return pretrained.open_clip_network(CONFIG, num_classes, weights, image_size)
'''


def drawn_towers(seed: int = 0) -> Any:
    """Both towers as open_clip builds them, in evaluation mode, their weights drawn wider than at first."""
    torch.manual_seed(seed)
    towers = open_clip.CLIP(**copy.deepcopy(CONFIG)).eval()
    with torch.no_grad():
        for weight in towers.parameters():
            if weight.ndim > 1:
                weight.mul_(3)
    return towers


def write_tiny_clip(folder: Path, seed: int = 0) -> tuple[str, Path]:
    """Write ``backbones/tiny_clip.py`` and a file of weights into a folder.

    Returns:
        The backbone's name, and the file of weights.
    """
    file = folder / "backbones" / "tiny_clip.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(BACKBONE)
    weights = folder / "tiny_clip.safetensors"
    save_file({name: value.clone() for name, value in drawn_towers(seed).state_dict().items()}, weights)
    return "tiny_clip", weights
