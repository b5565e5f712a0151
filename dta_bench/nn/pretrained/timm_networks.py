"""Classification networks of timm, whole or split at the two dropout sites."""

from __future__ import annotations

import copy
import difflib
import warnings
from typing import Any

import timm
import torch
from torch import Tensor, nn

from dta_bench.errors import UserError
from dta_bench.nn.network import IMAGENET, Network, Normalisation
from dta_bench.nn.pretrained import weights as files
from dta_bench.nn.pretrained.forward_trace import ForwardTrace, ModuleCall, copy_without, current_version

Size = tuple[int, int]


def check_name(name: str) -> None:
    """Make sure that timm has a model of this name.

    Raises:
        UserError: it has none; names the closest ones.
    """
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        similar = difflib.get_close_matches(architecture, timm.list_models(), n=3)
        guess = f"did you mean {' or '.join(similar)}?" if similar else "timm.list_models() names them all"
        raise UserError(f"timm has no model named {name!r}; {guess}")
    tags = [full.partition(".")[2] for full in timm.list_pretrained(architecture)]
    if tag and tag not in tags:
        raise UserError(f"timm's {architecture} has no weights tagged {tag!r}; it has {', '.join(tags) or 'none'}")


def timm_model(name: str, weights: str, num_classes: int = 0, image_size: Size | None = None) -> Any:
    """A whole model of timm.

    Args:
        name: its name in timm, with or without a tag of pretrained weights.
        weights: ``none`` for random weights, ``hub``, or the path of a file.
        num_classes: how many classes its classifier has; 0: no classifier.
        image_size: (height, width); a model of a fixed input size is built for it, its position embedding resampled.

    Raises:
        UserError: no such model or file, weights of another architecture, or a size that the model cannot take.
    """
    check_name(name)
    model = _create_model(name, num_classes, image_size)
    path = files.timm_weights_file(weights, name, model.pretrained_cfg_obj)
    if path is not None:
        files.load_into(model, files.read_state_dict(path), classifier_names(model), name, path)
    return model


def _create_model(name: str, num_classes: int, image_size: Size | None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if image_size is not None:
                return _create_for_size(name, num_classes, image_size)
            return _with_pretrained_cfg(timm.create_model(name, num_classes=num_classes), name)
        except (AssertionError, RuntimeError, ValueError, ZeroDivisionError, TypeError) as error:
            where = "" if image_size is None else f" for images of {image_size[0]}x{image_size[1]}"
            raise UserError(f"timm's {name} cannot be built{where}: {error or type(error).__name__}") from error


def _create_for_size(name: str, num_classes: int, image_size: Size) -> Any:
    """The model built for ``image_size`` if its architecture has a fixed size; convolutional networks take any."""
    try:
        model = timm.create_model(name, num_classes=num_classes, img_size=image_size)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        return _with_pretrained_cfg(timm.create_model(name, num_classes=num_classes), name)
    return _with_pretrained_cfg(_padding_variant(model, name, num_classes, image_size), name)


def _padding_variant(model: Any, name: str, num_classes: int, image_size: Size) -> Any:
    """The model itself, or, where its patches do not tile the image, a variant that pads the image.

    Some architectures have no such variant; then the rim of the image that no patch covers is not looked at.
    """
    patch = getattr(getattr(model, "patch_embed", None), "patch_size", None)
    if not isinstance(patch, tuple) or not any(s % p for s, p in zip(image_size, patch, strict=True)):
        return model
    tiled = tuple(-(-side // p) * p for side, p in zip(image_size, patch, strict=True))
    padding = {"img_size": tiled, "dynamic_img_size": True, "dynamic_img_pad": True}
    try:
        return timm.create_model(name, num_classes=num_classes, **padding)
    except TypeError:
        return model


def _with_pretrained_cfg(model: Any, name: str) -> Any:
    model.pretrained_cfg_obj = timm.get_pretrained_cfg(name) or timm.models.PretrainedCfg()
    return model


def classifier_names(model: Any) -> tuple[str, ...]:
    """The names of the layers of a timm model that give its logits, by timm's own record."""
    names = model.pretrained_cfg.get("classifier") or ()
    return (names,) if isinstance(names, str) else tuple(names)


def normalisation(model: Any, weights: str) -> Normalisation:
    """How the weights' training images were standardised, by timm's own record; ImageNet's for random weights."""
    cfg = model.pretrained_cfg
    return IMAGENET if weights == "none" else Normalisation(tuple(cfg["mean"]), tuple(cfg["std"]))


class Trunk(nn.Module):
    """A timm model up to the activation that CAdD masks."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model.forward_features(images)  # type: ignore[no-any-return]


class Neck(nn.Module):
    """A timm model from that activation to the input of its classifier.

    It holds the last block, what follows it, and the model's own pooling. A Dropout(.5) comes last, as in the paper's
    head: timm's models have no dropout by default, and ``start: ones`` needs some above the mask.
    """

    def __init__(self, last: nn.Module, model: Any) -> None:
        super().__init__()
        self.last, self.model, self.dropout = last, model, nn.Dropout(0.5)

    def forward(self, activation: Tensor) -> Tensor:
        return self.dropout(self.model.forward_head(self.last(activation)))  # type: ignore[no-any-return]


def timm_network(name: str, num_classes: int, weights: str = "none", image_size: Size | None = None) -> Network:
    """Any timm classification model, split at two dropout sites; in evaluation its logits are timm's, bit for bit.

    CAdD masks the input of the last block (in a network without blocks, of the last convolution), as in the paper's
    ResNets; where no chain of modules leads there, the final feature map. EAdD masks the input of the classifier.

    Args:
        name: as for :func:`timm_model`.
        num_classes: K, at least 1.
        weights: as for :func:`timm_model`.
        image_size: (height, width) that models of a fixed input size are built for; by default timm's own size.

    Raises:
        UserError: as :func:`timm_model`, and for a model whose logits do not come from one classifier.
    """
    model = timm_model(name, weights, num_classes, image_size)
    meta_model = _meta_copy(model)
    size = image_size or tuple(model.pretrained_cfg["input_size"][-2:])
    images = torch.empty(2, 3, *size, device="meta")
    features = _trace(meta_model, lambda: meta_model.forward_features(images), name, size)
    if not isinstance(features.result, Tensor) or features.result.ndim not in (3, 4):
        raise UserError(f"timm/{name} gives no feature map, but {_shape(features.result)}; take one that does")
    logits = _trace(meta_model, lambda: meta_model.forward_head(features.result), name, size)
    classifier = logits.classifier()
    if not classifier or classifier[0].input is None:
        raise UserError(
            f"the logits of timm/{name} do not come from one last layer, so EAdD has no vector to mask; "
            f"take a model with a single classifier, such as timm/resnet50"
        )
    block = features.last_block(current_version(features.result))
    activation = block[0].input[0] if block and block[0].input else features.result
    network = _split(model, block, classifier, logits)
    network.feature_axis = find_channel_axis(
        activation, _expected_channels(features, logits, block, activation, model), model, name
    )
    network.normalisation = normalisation(model, weights)
    _check_sites(network, name, images, activation, classifier[0], num_classes)
    return network


def _meta_copy(model: Any) -> Any:
    return copy.deepcopy(model).to("meta").eval()


def _trace(meta_model: Any, run: Any, name: str, size: tuple[int, ...]) -> ForwardTrace:
    try:
        return ForwardTrace(meta_model, run)
    except Exception as error:  # any architecture may fail in its own way
        said = str(error).partition("\n")[0]
        raise UserError(
            f"timm/{name} does not run on images of {size[0]}x{size[1]} ({said or type(error).__name__}); "
            "take a benchmark of larger images or another model, such as timm/resnet18"
        ) from error


def _split(model: Any, block: list[ModuleCall], classifier: list[ModuleCall], logits: ForwardTrace) -> Network:
    """The model as body, neck and head, which share its weights.

    Args:
        block: the last block and what follows it in ``forward_features``; may be empty.
        classifier: the modules that give the logits.
        logits: the trace of ``forward_head``.
    """
    last = nn.Sequential(*(model.get_submodule(call.name) for call in block))
    for module in last.modules():
        if hasattr(module, "inplace"):
            vars(module)["inplace"] = False  # later passes need the masked activation unchanged
    head = nn.Sequential(*(model.get_submodule(call.name) for call in classifier))
    used = {name.partition(".")[0] for name in logits.names()}
    upper = copy_without(model, [call.name for call in classifier], keep=used)
    body = copy_without(model, [call.name for call in block] + sorted(used - _modules_shared_with_body(block, used)))
    return Network(Trunk(body), Neck(last, upper), head[0] if len(head) == 1 else head)


def _modules_shared_with_body(block: list[ModuleCall], used: set[str]) -> set[str]:
    """Children of the model that hold both modules of the head and the last block; no known model has any."""
    return {call.name.partition(".")[0] for call in block} & used


def _expected_channels(
    features: ForwardTrace, logits: ForwardTrace, block: list[ModuleCall], activation: Tensor, model: Any
) -> set[int]:
    """How many channels the activation may have: what the first layer that takes it needs, else the block's layers."""
    calls = [*features.calls, *logits.calls]
    takers = [call for call in calls if call.input is not None and call.input[0] is activation]
    first = next((count for call in takers if (count := _input_channels(call.module))), 0)
    inside = [call for call in calls if block and call.name.startswith(f"{block[0].name}.")]
    return {first} if first else {_input_channels(call.module) for call in inside} or {int(model.num_features)}


def _input_channels(module: nn.Module) -> int:
    """How many channels a layer's input has; 0 where that is not known."""
    if isinstance(module, nn.Conv2d):
        return module.in_channels
    if isinstance(module, nn.Linear):
        return module.in_features
    if isinstance(module, nn.LayerNorm):
        return module.normalized_shape[-1]
    return module.num_features if isinstance(module, nn.BatchNorm2d) else 0


def find_channel_axis(activation: Tensor, channels: set[int], model: Any, name: str) -> int:
    """Find the axis of an activation that holds its channels: 2 of tokens (B, N, C), 1 or 3 of a map.

    Args:
        channels: the sizes that this axis may have.
        name: the model's name in timm, for the error.

    Raises:
        UserError: no axis has such a size.
    """
    maps = [3, 1] if getattr(model, "output_fmt", "NCHW") == "NHWC" else [1, 3]
    for axis in [2] if activation.ndim == 3 else maps:
        if activation.shape[axis] in channels:
            return axis
    raise UserError(
        f"timm/{name} gives {_shape(activation)}, of which no axis has the {max(channels)} channels that its next "
        "layer takes, so a mask would fall on the wrong one; write a backbone file that says which axis it is"
    )


def _check_sites(
    network: Network, name: str, images: Tensor, activation: Tensor, classifier: ModuleCall, num_classes: int
) -> None:
    """Make sure that the parts give the shapes that the trace saw; a defect of the split shows before any training."""
    meta_network = _meta_copy(network)
    with torch.no_grad():
        found = meta_network.features(images).activation
        version = found._version
        hidden = meta_network.neck(found)
        logits = meta_network.head(hidden)
    seen = classifier.input[0] if classifier.input else hidden
    good = found.shape == activation.shape and hidden.shape == seen.shape and found._version == version
    if not good or logits.shape != (len(images), num_classes) or hidden.shape[1] != _input_size(classifier.module):
        raise UserError(
            f"timm/{name} cannot be split: it gives {_shape(found)}, {_shape(hidden)} and {_shape(logits)} where "
            f"{_shape(activation)}, {_shape(seen)} and {num_classes} logits were seen; write a backbone file for it"
        )


def _input_size(module: Any) -> int:
    return int(getattr(module, "in_features", None) or module.in_channels)


def _shape(found: Any) -> str:
    return str(tuple(found.shape)) if isinstance(found, Tensor) else type(found).__name__
