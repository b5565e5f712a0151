"""Zero-shot: the nearest prompt for a class name, by a network that was trained on images and texts.

Nothing is trained, neither on the source nor on the target. An image is compared with a vector for each class: the mean
of its prompts' vectors, each of length 1, as in CLIP (Radford et al., ICML 2021, section 3.1). The logits are the
cosines times the network's own factor. It needs a backbone with a text tower, such as ``open_clip/ViT-B-32.openai``,
whose image tower gives the same features to all other methods.

Floor: nothing, since no step is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from dta_bench.errors import UserError
from dta_bench.nn.learner import Learner, Players, Setting
from dta_bench.nn.network import Network
from dta_bench.spec.prompts import prompts_of, split_templates

tasks = ("classification",)
by_prompts = True


@dataclass(frozen=True)
class Params:
    """Templates of CLIP: the one for names in general, and the one for digits; ``|`` stands between several."""

    templates: str = "a photo of a {}."
    number_templates: str = 'a photo of the number: "{}".'

    def __post_init__(self) -> None:
        for name in ("templates", "number_templates"):
            split_templates(name, getattr(self, name))


def floor(params: Params) -> float:  # noqa: ARG001 - one signature for all
    """The least work of a step: there is none."""
    return 0.0


class Method(Learner):
    """A vector for each class, in place of a classifier."""

    directions: Tensor
    scale: Tensor

    def __init__(self, net: Network, params: Any, setting: Setting) -> None:
        super().__init__(net, params, setting)
        if net.read_prompts is None:
            raise UserError(
                "zero_shot reads prompts by a text tower, and this backbone has none that can be used here; take "
                "--backbone open_clip/<model>.<tag>, whose tokenizer is not on the hub alone, such as "
                "open_clip/ViT-B-32.openai"
            )
        names = setting.class_names or tuple(map(str, range(setting.classes)))
        every = prompts_of(names, params.templates, params.number_templates)
        vectors, scale = net.read_prompts([prompt for prompts in every for prompt in prompts])
        ends = torch.tensor([len(prompts) for prompts in every]).cumsum(0).tolist()
        means = [part.mean(0) for part in vectors.tensor_split(ends[:-1])]
        self.register_buffer("directions", normalize(torch.stack(means), dim=1))
        self.register_buffer("scale", torch.tensor(scale))

    def players(self) -> Players:
        """None: nothing trains."""
        return {}

    def forward(self, images: Tensor) -> Tensor:
        """The cosines with each class's vector, times the network's factor."""
        features = self.net.features(images)
        ends_the_tower = self.setting.training.neck_width is not None  # what is above it then is new, and untrained
        vectors = features.activation if ends_the_tower else self.net.hidden(features)
        return self.scale * normalize(vectors.float(), dim=1) @ self.directions.t()
