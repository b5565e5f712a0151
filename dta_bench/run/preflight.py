"""Checks, before any run, that a network takes the batches it will be given; nothing is computed."""

from __future__ import annotations

import torch

from dta_bench.errors import UserError
from dta_bench.nn.network import Network
from dta_bench.nn.pretrained import BackbonePlugin
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import Training

Size = tuple[int, int]


def check(backbone: BackbonePlugin, benchmark: Benchmark, training: Training) -> None:
    """Try the network on the meta device: on a training batch, and on what it is evaluated on.

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
    network = backbone.build_on_meta(len(benchmark.classes))
    _try_batch(network, backbone, training.piece, benchmark.train_size, len(benchmark.classes), training=True)
    _try_batch(network, backbone, 1, training.window or benchmark.image_size, len(benchmark.classes), training=False)


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
    size, classes = benchmark.train_size, len(benchmark.classes)
    images = torch.empty(training.piece, backbone.channels, *size, device="meta")
    try:
        network = backbone.build_on_meta(classes).train()
        with torch.no_grad(), torch.device("meta"):
            network(images)
    except (RuntimeError, ValueError, AssertionError, TypeError, IndexError) as error:
        reason = _first_line(error).rstrip(".")
        raise UserError(
            f"{backbone.name} takes no {_spell_size(size)} images, the size of {benchmark.name}: {reason}; name another"
        ) from error


def _try_batch(
    network: Network, backbone: BackbonePlugin, count: int, size: Size, classes: int, training: bool
) -> None:
    failure = f"{backbone.name} cannot {'train' if training else 'predict'} on {count} x {_spell_size(size)}"
    images = torch.empty(count, backbone.channels, *size, device="meta")
    try:
        with torch.no_grad():
            logits = network.train(training)(images)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise UserError(f"{failure} ({_first_line(error)}); give another batch_size, crop or image_size") from error
        raise UserError(
            f"{failure}: a BatchNorm of it would see one value a channel; give a larger batch_size, a smaller "
            "accumulate or fewer devices"
        ) from error
    except (RuntimeError, AssertionError, TypeError, IndexError) as error:
        raise UserError(f"{failure} ({_first_line(error)}); multiples of 32 suit all encoders") from error
    if logits.shape != (count, classes, *size):
        raise UserError(
            f"{failure}: its logits come out at {_spell_size(logits.shape[2:])}; multiples of 32 suit all encoders"
        )


def _spell_size(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def dropout_units(benchmark: Benchmark, backbone: str) -> dict[str, int]:
    """Count the units that adversarial dropout chooses among in this network; nothing is computed.

    Returns:
        ``delta_c``: channels of the feature maps (CAdD); ``delta_e``: hidden units (EAdD).
    """
    from dta_bench.nn import pretrained

    plugin = pretrained.backbone(backbone, benchmark.train_size)
    network = plugin.build(len(benchmark.classes)).to("meta").eval()
    with torch.no_grad():
        features = network.features(torch.empty(1, plugin.channels, *benchmark.train_size, device="meta"))
        hidden = network.hidden(features)
    return {
        "delta_c": features.activation.shape[network.feature_axis],
        "delta_e": hidden.shape[network.hidden_axis],
    }
