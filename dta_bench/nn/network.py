"""The network as the paper writes it: h(x; m_f, m_c) = head(m_c * neck(m_f * body(x))).

``body`` ends where channel-wise adversarial dropout (CAdD) masks a feature map, ``neck`` leads from there to
the vector that element-wise adversarial dropout (EAdD) masks, ``head`` gives the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@dataclass(frozen=True)
class Labelled:
    """A batch with labels: images (B, C, H, W) float, labels (B,) or (B, H, W) long."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Unlabelled:
    """A batch without labels: images (B, C, H, W) float.

    ``again`` is a second view of the same images, for methods that ask for one; ``index`` (B,) says which images of
    target train they are.
    """

    images: Tensor
    again: Tensor | None = None
    index: Tensor | None = None


@dataclass(frozen=True)
class Features:
    """What ``body`` hands on: the activation that CAdD masks, and earlier maps that a decoder needs (never masked)."""

    activation: Tensor
    skips: tuple[Tensor, ...] = ()

    def masked(self, mask: Tensor) -> Features:
        """The activation times a mask; the skips as they are."""
        return Features(mask * self.activation, self.skips)

    def detach(self) -> Features:
        """The same values, cut from the graph."""
        return Features(self.activation.detach(), tuple(skip.detach() for skip in self.skips))


@dataclass(frozen=True)
class Normalisation:
    """The channel means and deviations, for values 0..1, that a backbone's weights were trained with."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class DropoutSite:
    """One place where a mask multiplies an activation: h(x; m) = upper(m * activation) (Eq. 1).

    ``channel_axis`` is the axis of the activation that holds the units a mask bit stands for; a mask has size 1
    on every other axis but the batch. ``keep_rate`` is the Bernoulli rate of the stochastic mask m^s.
    """

    upper: Callable[[Tensor], Tensor]
    keep_rate: float
    channel_axis: int = 1


class Network(nn.Module):
    """A backbone split at its two dropout sites.

    Args:
        body: images to the activation that CAdD masks, or to a tuple (activation, *skips).
        neck: that activation (and the skips, if any, as further arguments) to the hidden vector or map that
            EAdD masks.
        head: hidden to logits, class dimension 1.
        feature_keep_rate, hidden_keep_rate: Bernoulli keep rates of m^s at the two sites; the defaults are the
            values of the dropouts in the released code (Dropout2d .1, Dropout .5).
        feature_axis, hidden_axis: the unit axis of each activation.
        normalisation: what images are standardised with where the benchmark does not do it by sample.
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
    ) -> None:
        super().__init__()
        self.body, self.neck, self.head = body, neck, head
        self.feature_keep_rate, self.hidden_keep_rate = feature_keep_rate, hidden_keep_rate
        self.feature_axis, self.hidden_axis = feature_axis, hidden_axis
        self.normalisation = normalisation

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K) or (B, K, H, W), with both masks at ones."""
        return self.head(self.hidden(self.features(images)))  # type: ignore[no-any-return]

    def features(self, images: Tensor) -> Features:
        """The activation at CAdD's site, with the skips that lead around it."""
        out = self.body(images)
        return Features(out[0], tuple(out[1:])) if isinstance(out, tuple) else Features(out)

    def hidden(self, features: Features) -> Tensor:
        """The activation at EAdD's site."""
        return self.neck(features.activation, *features.skips)  # type: ignore[no-any-return]

    def activations(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The activation at EAdD's site, which alignment methods compare, and the logits, from one pass."""
        hidden = self.hidden(self.features(images))
        return hidden, self.head(hidden)

    def feature_dropout(self, features: Features) -> DropoutSite:
        """CAdD's site; its upper part h_u is the neck and the head, fed the unmasked skips.

        h_u leaves BatchNorm's running statistics alone, as every masked pass does.
        """

        def upper(activation: Tensor) -> Tensor:
            with frozen_statistics(self):
                return self.head(self.neck(activation, *features.skips))  # type: ignore[no-any-return]

        return DropoutSite(upper, self.feature_keep_rate, self.feature_axis)

    def classifier_dropout(self) -> DropoutSite:
        """EAdD's site; its upper part h_u is the head, which leaves BatchNorm's running statistics alone."""

        def upper(hidden: Tensor) -> Tensor:
            with frozen_statistics(self.head):
                return self.head(hidden)  # type: ignore[no-any-return]

        return DropoutSite(upper, self.hidden_keep_rate, self.hidden_axis)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Within the block the network is in evaluation mode; afterwards it is as it was."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Within the block BatchNorm normalises by the batch, as in training, but leaves its running statistics alone."""
    layers = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


@contextmanager
def replaying_draws(state: RandomState) -> Iterator[None]:
    """Within the block the random draws (dropout masks) are those that followed ``state``; then all is as before."""
    now = current_random_state(state.device)
    _set_random_state(state)
    try:
        yield
    finally:
        _set_random_state(now)


def precision(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[Any]:
    """Within the block matrix products are computed in ``dtype``; None: in that of their operands, also where a block
    around it asks for another."""
    if device.type == "meta":
        return nullcontext()
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


@dataclass(frozen=True)
class RandomState:
    """Torch's generators for one device."""

    cpu: Tensor
    device: torch.device
    cuda: Tensor | None = None


def current_random_state(device: torch.device) -> RandomState:
    """The state of the generators that a forward pass on ``device`` draws from."""
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return RandomState(torch.get_rng_state(), device, cuda)


def _set_random_state(state: RandomState) -> None:
    torch.set_rng_state(state.cpu)
    if state.cuda is not None:
        torch.cuda.set_rng_state(state.cuda, state.device)
