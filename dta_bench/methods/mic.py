"""MIC: masked image consistency on top of another method, the host (Hoyer et al., CVPR 2023).

Square blocks of a target image are set to 0, each with the probability ``ratio``; before that its colours are changed.
The network should predict for what is left what a teacher, a moving average of its weights, predicts for the whole
image:

    total = host + weight * q CE(masked target, teacher's labels)

q is the teacher's highest probability for an image of one class, and for label maps the share of pixels where that
is above the host's threshold. A host with a teacher of its own (``dacs``, ``daformer``) shares it. SDAT minimises the
sharpness of the masked loss too, with equal masks in both passes.

Without a ``host`` it is the paper's: ``sdat`` with MCC for images of one class, ``daformer`` for label maps.

Floor: the host's; a forward and backward pass (masked) for each of the host's gradients; a forward pass of the teacher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

from dta_bench.errors import UserError, one_of, within
from dta_bench.methods import cdan, dacs, daformer, dann, mcc, minent, sdat, source_only
from dta_bench.nn import learner
from dta_bench.nn.class_mix import jitter_and_blur, weighted_cross_entropy
from dta_bench.nn.learner import Learner, Loss, Parts, Players, Setting
from dta_bench.nn.network import Labelled, Network, Unlabelled, evaluating, without_dropout
from dta_bench.nn.teachers import frozen_copy, update_moving_average, warmed_up_decay
from dta_bench.spec import method_plugin
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.run_spec import Task
from dta_bench.spec.training import Training

above_floor = "on maps the host is another one; a mask is drawn again for each gradient"

HOSTS: dict[str, ModuleType] = {
    "source_only": source_only, "dann": dann, "cdan": cdan, "mcc": mcc, "sdat": sdat, "minent": minent, "dacs": dacs,
    "daformer": daformer,
}  # fmt: skip
"""Methods that it may stand on: those of one loss, which predict by the network."""
PAPERS: dict[Task, str] = {"classification": "sdat", "segmentation": "daformer"}
"""The host without a name, by task."""
CHANGED: dict[str, dict[str, float]] = {"sdat": {"confusion": 1.0}}
"""Parameters of a host that are not its defaults."""
BLOCKS: dict[Task, float] = {"classification": 64 / 224, "segmentation": 64 / 512}
"""The side of a block as a share of the image's, in the paper."""


@dataclass(frozen=True)
class Params:
    """Defaults: the authors' for VisDA with a ViT; on label maps the teacher is the host's."""

    host: str = ""
    weight: float = 1.0
    ratio: float = 0.7  # of the blocks that are masked
    block: float = 0.0  # its side, as a share of the image's; 0: 64 pixels of the paper's images
    keep: float = 0.9  # decay of the teacher's moving average, where the host has none
    jitter: float = 0.2

    def __post_init__(self) -> None:
        one_of(self, host=("", *HOSTS))
        within(self, weight=(0, inf), ratio=(0, 1), block=(0, 1), keep=(0, 1), jitter=(0, 0.5))


def host_of(name: str, task: Task) -> tuple[MethodPlugin, Any]:
    """The host and its parameters.

    Raises:
        UserError: it does not do the task.
    """
    name = name or PAPERS[task]
    plugin = method_plugin.read(name, HOSTS[name])
    if task not in plugin.tasks:
        raise UserError(f"the host {name} does {' and '.join(plugin.tasks)}, but these data are for {task}")
    return plugin, plugin.params(CHANGED.get(name, {}))


def needs_pixels(params: Params) -> str:  # noqa: ARG001
    """What it changes is the image."""
    return "it masks blocks of target images"


def floor(params: Params) -> float:
    """The least work of a step on images of one class, in source-only steps (a forward pass is a third of one)."""
    name = params.host or PAPERS["classification"]
    plugin = method_plugin.read(name, HOSTS[name])
    assert plugin.floor is not None
    gradients = 2 if name == "sdat" else 1
    return plugin.floor(plugin.params(CHANGED.get(name, {}))) + gradients * (1 + 1 / 3)


def source_odds(params: Params, counts: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """As the host: how likely each source image is drawn, from pixels (images, classes); None if it says nothing."""
    task: Task = "segmentation" if counts.sum(1).max(initial=0) > 1 else "classification"
    plugin, of_host = host_of(params.host, task)
    return None if plugin.source_odds is None else plugin.source_odds(of_host, counts)


class Method(Learner):
    """The host, which trains the network, and a teacher if the host has none."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        self.task: Task = _task(net, setting)
        plugin, of_host = host_of(params.host, self.task)
        self.host = learner.build(plugin, net, of_host, setting)
        self.side = params.block or BLOCKS[self.task]
        self.shares_teacher = isinstance(self.host, dacs.Method)
        if not self.shares_teacher:
            self.teacher = frozen_copy(net)
        for name in ("loss", "task_loss"):  # the second is SDAT's
            if (loss := getattr(self.host, name, None)) is not None:
                setattr(self.host, name, self._with_masked(loss))

    def start(self) -> None:
        """Build the optimisers; the host takes its steps with them."""
        super().start()
        self.host.optimizers, self.host.trainings = self.optimizers, self.trainings

    def players(self) -> Players:
        """The host's."""
        return self.host.players()

    def training_of(self, player: str) -> Training:
        """As the host says."""
        return self.host.training_of(player)

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """The host's one phase, whose loss has the masked loss."""
        self.host.at = self.at
        return self.host.phases()

    def step(self, source: Labelled, target: Unlabelled) -> Parts:
        """The host's step."""
        self.host.at, self.host.update = self.at, lambda players: self.update(players)  # type: ignore[method-assign]
        self.host.after_step = self.after_step  # type: ignore[method-assign]
        return self.host.step(source, target)

    def source_only_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """The host's."""
        return self.host.source_only_loss(source, target)

    def before_epoch(self, target: Callable[[], Iterable[Tensor]]) -> None:
        """As the host."""
        self.host.at = self.at
        self.host.before_epoch(target)

    def after_step(self) -> None:
        """As the host; then the teacher becomes the mean of the weights so far, later their moving average."""
        self.host.at = self.at
        type(self.host).after_step(self.host)
        if not self.shares_teacher:
            update_moving_average(self.teacher, self.net, warmed_up_decay(self.params.keep, self.at.iteration + 1))

    def _with_masked(self, loss: Loss) -> Loss:
        def with_masked(source: Labelled, target: Unlabelled) -> Parts:
            parts = loss(source, target)
            masked = self.masked_loss(target.images)
            return parts | {"total": parts["total"] + self.params.weight * masked, "masked": masked}

        return with_masked

    def masked_loss(self, images: Tensor) -> Tensor:
        """q CE(masked target, teacher's labels), a scalar in nats, for target images (B, C, H, W)."""
        labels, quality = self.pseudo_labels(images)
        changed = jitter_and_blur(images, self.params.jitter, self.net.normalisation)
        logits = self.net(changed * block_mask(changed, self.side, self.params.ratio))
        if self.task == "segmentation":
            return weighted_cross_entropy(logits, labels, quality)
        return (quality * cross_entropy(logits, labels, reduction="none")).mean()

    @torch.no_grad()
    def pseudo_labels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The teacher's labels of whole images, and how much each counts: (B,) each, or (B, H, W) for label maps."""
        if isinstance(self.host, dacs.Method):
            return self.host.pseudo_labels(images)
        with without_dropout(self.teacher):
            confidence, labels = self.teacher(images).float().softmax(1).max(1)
        if self.task == "segmentation":
            share = (confidence > dacs.Params().threshold).float().mean((1, 2), keepdim=True)
            return labels, share.expand_as(confidence)
        return labels, confidence


def block_mask(images: Tensor, side: float, ratio: float) -> Tensor:
    """A mask (B, 1, H, W) of blocks, each 0 with probability ``ratio`` and else 1.

    Args:
        images: (B, C, H, W).
        side: of a block, as a share of the shorter side of the images; a block has at least a pixel.
        ratio: from 0 to 1.
    """
    height, width = images.shape[-2:]
    pixels = max(1.0, side * min(height, width))
    rows, columns = (max(1, round(length / pixels)) for length in (height, width))
    kept = torch.rand(len(images), 1, rows, columns, device=images.device) > ratio
    return interpolate(kept.to(images), size=(height, width), mode="nearest")


def _task(net: Network, setting: Setting) -> Task:
    """What the network does: it gives one vector of logits an image, or one a pixel."""
    weight = next(net.parameters())
    image = torch.zeros(1, *setting.image_shape, device=weight.device, dtype=weight.dtype)
    with torch.no_grad(), evaluating(net):
        return "segmentation" if net(image).ndim == 4 else "classification"
