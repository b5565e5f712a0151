"""Checks, before any run, that a network takes the batches it will be given.

The meta device computes nothing. Only where it refuses, two images are computed on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from dta_bench.errors import UserError
from dta_bench.nn.meta_device import try_meta_then_cpu
from dta_bench.nn.network import Network
from dta_bench.nn.pretrained import BackbonePlugin
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import Training

Size = tuple[int, int]
Result = TypeVar("Result")


def check(backbone: BackbonePlugin, benchmark: Benchmark, training: Training) -> None:
    """Try the network on a training batch, and on what it is evaluated on.

    Args:
        benchmark: at the image size and crop of ``training``.

    Raises:
        UserError: a crop or window larger than the image, or of a task that has none; a batch too small for
            BatchNorm; a size that the network cannot take, or from which its logits come out at another size.
    """
    if benchmark.task != "segmentation":
        _check_images(backbone, benchmark, training)
        return
    for name, size in (("crop", benchmark.crop), ("window", training.window)):
        if size and (size[0] > benchmark.image_size[0] or size[1] > benchmark.image_size[1]):
            raise UserError(
                f"{name} is {_spell_size(size)}, larger than {benchmark.name}'s images of "
                f"{_spell_size(benchmark.image_size)}; allowed: up to that, or a larger image_size"
            )
    trial = _Trial(backbone, len(benchmark.classes))
    _try_batch(trial, training.piece, benchmark.train_size, training=True)
    _try_batch(trial, 1, training.window or benchmark.image_size, training=False)


def _check_images(backbone: BackbonePlugin, benchmark: Benchmark, training: Training) -> None:
    not_allowed = [name for name in ("crop", "window") if getattr(training, name)]
    if not_allowed:
        raise UserError(f"{' and '.join(not_allowed)} are for segmentation, but {benchmark.name} is {benchmark.task}")
    if training.piece < 2:
        pieces = training.accumulate * training.devices
        raise UserError(
            f"batch_size {training.batch_size} in {pieces} pieces leaves pieces of one image, which "
            "BatchNorm cannot train on; allowed: pieces of two or more"
        )
    size = benchmark.train_size
    try:
        _Trial(backbone, len(benchmark.classes)).logits_shape(training.piece, size, training=True)
    except (RuntimeError, ValueError, AssertionError, TypeError, IndexError) as error:
        reason = _first_line(error).rstrip(".")
        raise UserError(
            f"{backbone.name} takes no {_spell_size(size)} images, the size of {benchmark.name}: {reason}; name another"
        ) from error


class _Trial:
    """A backbone's network on trial: on the meta device, and on the CPU where that is not enough."""

    def __init__(self, backbone: BackbonePlugin, classes: int) -> None:
        self.backbone, self.classes = backbone, classes
        self._built: dict[str, Network] = {}

    def run(self, use: Callable[[Network, Tensor], Result], count: int, size: Size) -> Result:
        """Return what ``use`` makes of the network and ``count`` images; of two at most if on the CPU."""

        def on(device: str, images: int) -> Result:
            network = self._network(device)
            with torch.no_grad(), torch.device(device):
                return use(network, torch.zeros(images, self.backbone.channels, *size))

        return try_meta_then_cpu(lambda: on("meta", count), lambda: on("cpu", min(count, 2)))

    def logits_shape(self, count: int, size: Size, training: bool) -> tuple[int, ...]:
        """The shape of the logits; the first number is that of the images that were tried."""
        return self.run(lambda network, images: tuple(network.train(training)(images).shape), count, size)

    def _network(self, device: str) -> Network:
        if device not in self._built:
            build = self.backbone.build_on_meta if device == "meta" else self.backbone.build
            self._built[device] = build(self.classes)
        return self._built[device]


def _try_batch(trial: _Trial, count: int, size: Size, training: bool) -> None:
    failure = f"{trial.backbone.name} cannot {'train' if training else 'predict'} on {count} x {_spell_size(size)}"
    try:
        shape = trial.logits_shape(count, size, training)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise UserError(f"{failure} ({_first_line(error)}); give another batch_size, crop or image_size") from error
        raise UserError(
            f"{failure}: a BatchNorm of it would see one value a channel; give a larger batch_size, a smaller "
            "accumulate or fewer devices"
        ) from error
    except (RuntimeError, AssertionError, TypeError, IndexError) as error:
        raise UserError(f"{failure} ({_first_line(error)}); multiples of 32 suit all encoders") from error
    if shape[1:] != (trial.classes, *size):
        raise UserError(
            f"{failure}: its logits come out at {_spell_size(shape[2:])}; multiples of 32 suit all encoders"
        )


def _spell_size(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def dropout_units(benchmark: Benchmark, backbone: str) -> dict[str, int]:
    """Count the units that adversarial dropout chooses among in this network.

    Returns:
        ``delta_c``: channels of the feature maps (CAdD); ``delta_e``: hidden units (EAdD).
    """
    from dta_bench.nn import pretrained

    plugin = pretrained.backbone(backbone, benchmark.train_size)

    def count(network: Network, images: Tensor) -> dict[str, int]:
        features = network.eval().features(images)
        hidden = network.hidden(features)
        return {
            "delta_c": features.activation.shape[network.feature_axis],
            "delta_e": hidden.shape[network.hidden_axis],
        }

    return _Trial(plugin, len(benchmark.classes)).run(count, 1, benchmark.train_size)
