"""Find a backbone by its name: of a file, ``timm/<model>``, ``open_clip/<model>`` or ``smp/<decoder>/<encoder>``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.nn.network import Network
from dta_bench.nn.pretrained import weights as files
from dta_bench.spec.run_spec import Task

Size = tuple[int, int]


@dataclass(frozen=True)
class BackbonePlugin:
    """A backbone by name, for images of one size.

    Attributes:
        channels: how many colour channels it takes: 1 or 3.
        make: number of classes and weights → the network.
        file: where it is defined; None for a backbone that is built from its name alone.
    """

    name: str
    task: Task
    channels: int
    make: Callable[[int, str], Network]
    file: Path | None = None

    def build(self, num_classes: int, weights: str = "none") -> Network:
        """Build the network.

        Args:
            num_classes: K.
            weights: ``none`` for random weights, ``hub`` for those of the hub, or the path of a file.

        Raises:
            UserError: weights that are not there or do not fit, or an image size that the network cannot take.
        """
        return self.make(num_classes, weights)

    def build_on_meta(self, num_classes: int) -> Network:
        """Build the network with random weights on the meta device, where tensors have a shape and no values.

        Some constructors read values (that of SegFormer's encoder does); these networks are built on the CPU and moved.
        """
        try:
            with torch.device("meta"):
                return self.build(num_classes)
        except Exception:  # what is really wrong with the network, the second attempt raises again
            with torch.device("cpu"):
                return self.build(num_classes).to("meta")


def backbone(name: str, image_size: Size | None = None) -> BackbonePlugin:
    """The backbone of this name.

    Args:
        name: of a file, ``timm/<model>``, ``open_clip/<model>`` or ``smp/<decoder>/<encoder>``.
        image_size: (height, width) that models of a fixed input size are built for.

    Raises:
        UserError: there is none of this name.
    """
    parts = name.split("/")
    if parts[0] == "timm" and len(parts) == 2:
        return _timm(name, parts[1], image_size)
    if parts[0] == "open_clip" and len(parts) == 2:
        return _open_clip(name, parts[1], image_size)
    if parts[0] == "smp" and len(parts) == 3:
        return _smp(name, parts[1], parts[2], image_size)
    if len(parts) > 1:
        raise UserError(
            f"there is no backbone named {name!r}; with a slash it is timm/<model>, open_clip/<model> or "
            "smp/<decoder>/<encoder>"
        )
    return _plugin(name, image_size)


def _timm(name: str, model: str, image_size: Size | None) -> BackbonePlugin:
    from dta_bench.nn.pretrained.timm_networks import check_name, timm_network

    check_name(model)
    return BackbonePlugin(
        name, "classification", 3, lambda classes, weights: timm_network(model, classes, weights, image_size)
    )


def _open_clip(name: str, model: str, image_size: Size | None) -> BackbonePlugin:
    from dta_bench.nn.pretrained.clip_networks import check_name, open_clip_network

    check_name(model)
    return BackbonePlugin(
        name, "classification", 3, lambda classes, weights: open_clip_network(model, classes, weights, image_size)
    )


def _smp(name: str, decoder: str, encoder: str, image_size: Size | None) -> BackbonePlugin:
    from dta_bench.nn.pretrained.smp_networks import check_pair, smp_network

    check_pair(decoder, encoder)
    return BackbonePlugin(
        name, "segmentation", 3, lambda classes, weights: smp_network(decoder, encoder, classes, weights, image_size)
    )


def _plugin(name: str, image_size: Size | None) -> BackbonePlugin:
    module = plugins.load("backbone", name)
    takes_size = image_size is not None and "image_size" in inspect.signature(module.build).parameters
    extras: dict[str, Any] = {"image_size": image_size} if takes_size else {}

    def make(classes: int, weights: str) -> Network:
        network: Network = module.build(classes, weights, **extras)
        return network

    channels, file = getattr(module, "channels", 3), Path(str(module.__file__))
    if module.task not in get_args(Task):
        raise UserError(f"{file}: task is {module.task!r}; allowed: {' or '.join(map(repr, get_args(Task)))}")
    if channels not in (1, 3):
        raise UserError(f"{file}: channels is {channels!r}; allowed: 1 or 3")
    return BackbonePlugin(name, module.task, channels, make, file)


def weights_fingerprint(found: BackbonePlugin, num_classes: int, weights: str) -> str:
    """The first 12 hex digits of the SHA-256 of the file that ``weights`` means for a backbone; ``none`` for ``none``.

    To find the file of ``hub``, the network is built once in this process.

    Raises:
        UserError: there is no such file, or it does not fit.
    """
    if weights == "none":
        return "none"
    if weights != "hub":
        return files.file_fingerprint(files.existing_file(weights))
    return _hub_fingerprint(found.name, num_classes)


@functools.cache
def _hub_fingerprint(name: str, num_classes: int) -> str:
    with files.recording_reads() as used:
        backbone(name).build(num_classes, "hub")
    return "+".join(files.file_fingerprint(path) for path in used) or "none"
