"""The network as the paper writes it, h(x; m_f, m_c) = head(m_c * neck(m_f * body(x))), its batches and its modes.

``body`` ends where channel-wise adversarial dropout (CAdD) masks a feature map, ``neck`` leads from there to
the vector that element-wise adversarial dropout (EAdD) masks, ``head`` gives the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dta_bench.nn.batch_marks import Mark, mark_of, refuse_repeating_a_joint_pass
from dta_bench.spec.training import Part


@dataclass(frozen=True)
class Labelled:
    """A batch with labels: images (B, C, H, W) float, labels (B,) or (B, H, W) long."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Unlabelled:
    """A batch without labels: images (B, C, H, W) float.

    ``again`` is a second view of the same images, for methods with a ``second_view``; ``index`` (B,) long holds the
    images' positions in target train.
    """

    images: Tensor
    again: Tensor | None = None
    index: Tensor | None = None


@dataclass(frozen=True)
class Features:
    """The output of ``body``: the activation that CAdD masks, and earlier maps for a decoder, never masked.

    ``mark`` is what the next part of the network has to know of the batch; what is made of features has none.
    """

    activation: Tensor
    skips: tuple[Tensor, ...] = ()
    mark: Mark | None = None

    def masked(self, mask: Tensor) -> Features:
        """The activation times a mask that broadcasts over it, such as (B, C, 1, 1); the skips unchanged."""
        return Features(mask * self.activation, self.skips)

    def detach(self) -> Features:
        """The same values without a gradient."""
        return Features(self.activation.detach(), tuple(skip.detach() for skip in self.skips))


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of each channel, for pixel values from 0 to 1, as in a backbone's training."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


PromptReader = Callable[[Sequence[str]], tuple[Tensor, float]]
"""Prompts → their vectors (N, D), each of length 1, and the factor by which cosines with them become logits."""

IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class DropoutSite:
    """A place where a mask multiplies an activation: h(x; m) = upper(m * activation) (Eq. 1).

    ``upper`` is the paper's h_u, from the masked activation to the logits. ``keep_rate`` is the Bernoulli rate of the
    stochastic mask m^s. ``channel_axis`` is the axis of the activation that holds its units: a mask has one bit per
    unit and sample, so its size is 1 on all other axes but the batch's.
    """

    upper: Callable[[Tensor], Tensor]
    keep_rate: float
    channel_axis: int = 1


class Network(nn.Module):
    """A backbone split at its two dropout sites.

    Args:
        body: images (B, C, H, W) to the activation that CAdD masks, or to a tuple (activation, *skips).
        neck: that activation (and the skips, if any, as further arguments) to the hidden vector or map that
            EAdD masks.
        head: the hidden vector or map to logits (B, K) or (B, K, H, W).
        feature_keep_rate: Bernoulli keep rate of m_f^s, the stochastic mask at CAdD's site; the default is that of the
            released code's Dropout2d(.1).
        hidden_keep_rate: the same of m_c^s at EAdD's site; the default is that of the released code's Dropout(.5).
        feature_axis: the axis of the activation at CAdD's site that holds its channels.
        hidden_axis: the axis of the activation at EAdD's site that holds its units.
        normalisation: what images are standardised with, unless the benchmark standardises each image by itself.
        new: modules of the body or the neck that pretrained weights do not fill. A learning rate of its own for the
            backbone is not theirs, but that of the head is.

    Attributes:
        input_is_fixed: whether no gradient reaches the input, since the body is frozen.
        read_prompts: the text tower that the image tower was trained with; None for most networks.
    """

    def __init__(
        self,
        body: nn.Module,
        neck: nn.Module,
        head: nn.Module,
        *,
        feature_keep_rate: float = 0.9,
        hidden_keep_rate: float = 0.5,
        feature_axis: int = 1,
        hidden_axis: int = 1,
        normalisation: Normalisation = IMAGENET,
        new: Iterable[nn.Module] = (),
    ) -> None:
        super().__init__()
        _mark_part((*new, head), "head")
        _mark_part((body, neck), "backbone")
        self.body, self.neck, self.head = body, neck, head
        self.feature_keep_rate, self.hidden_keep_rate = feature_keep_rate, hidden_keep_rate
        self.feature_axis, self.hidden_axis = feature_axis, hidden_axis
        self.normalisation = normalisation
        self.input_is_fixed = False
        self.read_prompts: PromptReader | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K) or (B, K, H, W), with both masks at ones."""
        return self.head(self.hidden(self.features(images)))  # type: ignore[no-any-return]

    def features(self, images: Tensor) -> Features:
        """The activation at CAdD's site, and the skips that lead around it, of images (B, C, H, W)."""
        mark = mark_of(images)
        if mark is not None and mark.joint is not None:
            joint = mark.joint.through(self.body, mark.domain)
            activation, *skips = joint.part(mark.domain)
            return Features(activation, tuple(skips), replace(mark, joint=joint))
        with _statistics_of(self.body, mark):
            out = self.body(images)
        return Features(out[0], tuple(out[1:]), mark) if isinstance(out, tuple) else Features(out, mark=mark)

    def hidden(self, features: Features) -> Tensor:
        """The activation at EAdD's site: a vector (B, L), or a map for segmentation."""
        mark = features.mark
        if mark is not None and mark.joint is not None:
            return mark.joint.through(self.neck, mark.domain).part(mark.domain)[0]
        with _statistics_of(self.neck, mark):
            return self.neck(features.activation, *features.skips)  # type: ignore[no-any-return]

    def activations(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The activation at EAdD's site, which alignment methods compare, and the logits, from one pass.

        Its shape is as for :meth:`hidden`, that of the logits as for :meth:`forward`.
        """
        hidden = self.hidden(self.features(images))
        return hidden, self.head(hidden)

    def feature_dropout(self, features: Features) -> DropoutSite:
        """CAdD's site; its upper part h_u is the neck, with the unmasked skips, and the head.

        h_u does not update BatchNorm's running statistics; no masked pass does.
        """

        def upper(activation: Tensor) -> Tensor:
            with frozen_statistics(self):
                return self.head(self.neck(activation, *features.skips))  # type: ignore[no-any-return]

        return DropoutSite(upper, self.feature_keep_rate, self.feature_axis)

    def classifier_dropout(self) -> DropoutSite:
        """EAdD's site; its upper part h_u is the head, and does not update BatchNorm's running statistics."""

        def upper(hidden: Tensor) -> Tensor:
            with frozen_statistics(self.head):
                return self.head(hidden)  # type: ignore[no-any-return]

        return DropoutSite(upper, self.hidden_keep_rate, self.hidden_axis)


PART = "part_of_the_network"
"""Name of a layer's attribute: the part of a network that it belongs to. A copy of the layer has it too."""


def _mark_part(modules: Iterable[nn.Module], part: Part) -> None:
    """Mark layers as belonging to a part of a network, except those that are marked already."""
    for module in modules:
        for layer in module.modules():
            vars(layer).setdefault(PART, part)


def part_of(layer: nn.Module) -> Part | None:
    """``backbone`` or ``head``; None for a layer beside the network, such as a discriminator's."""
    part: Part | None = vars(layer).get(PART)
    return part


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Within the block the network is in evaluation mode; afterwards it is in the mode it was in before."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Within the block BatchNorm in training mode normalises by the batch without updating its running statistics."""
    layers = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


def _statistics_of(module: nn.Module, mark: Mark | None) -> AbstractContextManager[None]:
    return nullcontext() if mark is None or mark.moves_statistics else frozen_statistics(module)


@contextmanager
def without_dropout(module: nn.Module) -> Iterator[None]:
    """Within the block nothing is dropped, but BatchNorm still normalises by the batch, with no update of statistics.

    All other layers are in evaluation mode; afterwards every layer is in the mode it was in before.
    """
    before = [(layer, layer.training) for layer in module.modules()]
    module.eval()
    for layer, _ in before:
        if isinstance(layer, _BatchNorm):
            layer.train()
    try:
        with frozen_statistics(module):
            yield
    finally:
        for layer, training in before:
            layer.training = training


@contextmanager
def replaying_draws(state: RandomState) -> Iterator[None]:
    """Within the block random draws (dropout masks) are those that followed ``state``.

    Afterwards the generators are in the state they were in before the block.
    """
    before = current_random_state(state.device)
    _set_random_state(state)
    try:
        yield
    finally:
        _set_random_state(before)


def precision(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[Any]:
    """Within the block matrix products are computed in ``dtype`` (torch's autocast).

    Args:
        dtype: such as torch.bfloat16; None turns autocast off, also inside a block that turned it on.
    """
    if device.type == "meta":
        return nullcontext()
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


@dataclass(frozen=True)
class RandomState:
    """The state of torch's random number generators: the CPU's, and the device's own if it is a GPU."""

    cpu: Tensor
    device: torch.device
    cuda: Tensor | None = None


def current_random_state(device: torch.device) -> RandomState:
    """The present state of the generators that a forward pass on ``device`` draws from.

    Raises:
        UserError: a loss with joint batches asks for it, see :mod:`dta_bench.nn.batch_marks`.
    """
    refuse_repeating_a_joint_pass()
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return RandomState(torch.get_rng_state(), device, cuda)


def _set_random_state(state: RandomState) -> None:
    torch.set_rng_state(state.cpu)
    if state.cuda is not None:
        torch.cuda.set_rng_state(state.cuda, state.device)
