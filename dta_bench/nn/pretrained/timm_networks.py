"""Networks of timm, whole or cut at the two dropout sites."""

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
from dta_bench.nn.pretrained.cut import Call, Trace, same_version, without

Size = tuple[int, int]


def check_name(name: str) -> None:
    """Make sure that timm has a model of this name.

    Raises:
        UserError: it has not; says which are near.
    """
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=3)
        guess = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() names them all"
        raise UserError(f"timm has no model named {name!r}; {guess}")
    tags = [full.partition(".")[2] for full in timm.list_pretrained(architecture)]
    if tag and tag not in tags:
        raise UserError(f"timm's {architecture} has no weights tagged {tag!r}; it has {', '.join(tags) or 'none'}")


def timm_model(name: str, weights: str, num_classes: int = 0, image_size: Size | None = None) -> Any:
    """timm's ``name`` with a classifier for ``num_classes`` (0: without one); ``weights`` is none, hub or a file.

    A model of fixed input size is built for ``image_size`` (height, width), its position embedding resampled.

    Raises:
        UserError: no such model or file, weights of another architecture, or a size that the model cannot take.
    """
    check_name(name)
    model = _created(name, num_classes, image_size)
    path = files.located(weights, name, model.pretrained_cfg_obj)
    if path is not None:
        files.fill(model, files.read(path), classifier_names(model), name, path)
    return model


def _created(name: str, num_classes: int, image_size: Size | None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if image_size is not None:
                return _sized(name, num_classes, image_size)
            return _with_cfg(timm.create_model(name, num_classes=num_classes), name)
        except (AssertionError, RuntimeError, ValueError, ZeroDivisionError, TypeError) as error:
            where = "" if image_size is None else f" for images of {image_size[0]}x{image_size[1]}"
            raise UserError(f"timm's {name} cannot be built{where}: {error or type(error).__name__}") from error


def _sized(name: str, num_classes: int, image_size: Size) -> Any:
    """Built for ``image_size`` if the architecture asks for one; a convolutional one takes any."""
    try:
        model = timm.create_model(name, num_classes=num_classes, img_size=image_size)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        return _with_cfg(timm.create_model(name, num_classes=num_classes), name)
    return _with_cfg(_padded(model, name, num_classes, image_size), name)


def _padded(model: Any, name: str, num_classes: int, image_size: Size) -> Any:
    """The same, but where patches do not tile the image a model that pads it, if there is one; else its rim is lost."""
    patch = getattr(getattr(model, "patch_embed", None), "patch_size", None)
    if not isinstance(patch, tuple) or not any(s % p for s, p in zip(image_size, patch, strict=True)):
        return model
    tiled = tuple(-(-side // p) * p for side, p in zip(image_size, patch, strict=True))
    padding = {"img_size": tiled, "dynamic_img_size": True, "dynamic_img_pad": True}
    try:
        return timm.create_model(name, num_classes=num_classes, **padding)
    except TypeError:
        return model


def _with_cfg(model: Any, name: str) -> Any:
    model.pretrained_cfg_obj = timm.get_pretrained_cfg(name) or timm.models.PretrainedCfg()
    return model


def classifier_names(model: Any) -> tuple[str, ...]:
    """The names of a timm model's last layers."""
    found = model.pretrained_cfg.get("classifier") or ()
    return (found,) if isinstance(found, str) else tuple(found)


def normalisation(model: Any, weights: str) -> Normalisation:
    """What the weights were trained with, by timm's own record; ImageNet's where there are none."""
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
    """From there to the input of the classifier: the last block, what follows it, and the model's own pooling.

    In training a Dropout(.5) comes last, as in the paper's head; timm's models have none by default, and all-ones
    masks ask for one above them.
    """

    def __init__(self, last: nn.Module, model: Any) -> None:
        super().__init__()
        self.last, self.model, self.dropout = last, model, nn.Dropout(0.5)

    def forward(self, activation: Tensor) -> Tensor:
        return self.dropout(self.model.forward_head(self.last(activation)))  # type: ignore[no-any-return]


def timm_network(name: str, num_classes: int, weights: str = "none", image_size: Size | None = None) -> Network:
    """Any timm classification model; in eval its logits are the plain model's, bit for bit.

    CAdD masks what enters the last block (in a network without blocks: the last convolution), as in the paper's
    ResNets; where no chain of modules leads there, the final feature map. EAdD masks the input of the classifier.

    Args:
        image_size: (height, width) that models of a fixed size are built for; default: timm's own.

    Raises:
        UserError: as :func:`timm_model`, and for a model whose logits do not come from one classifier.
    """
    model = timm_model(name, weights, num_classes, image_size)
    twin = _twin(model)
    size = image_size or tuple(model.pretrained_cfg["input_size"][-2:])
    images = torch.empty(2, 3, *size, device="meta")
    features = _traced(twin, lambda: twin.forward_features(images), name, size)
    if not isinstance(features.result, Tensor) or features.result.ndim not in (3, 4):
        raise UserError(f"timm/{name} gives no feature map, but {_shape(features.result)}; take one that does")
    logits = _traced(twin, lambda: twin.forward_head(features.result), name, size)
    classifier = logits.classifier()
    if not classifier or classifier[0].given is None:
        raise UserError(
            f"the logits of timm/{name} do not come from one last layer, so EAdD has no vector to mask; "
            f"take a model with a single classifier, such as timm/resnet50"
        )
    block = features.last_block(same_version(features.result))
    activation = block[0].given[0] if block and block[0].given else features.result
    network = _cut(model, block, classifier, logits)
    network.feature_axis = channel_axis(activation, _expected(features, logits, block, activation, model), model, name)
    network.normalisation = normalisation(model, weights)
    _assert_sites(network, name, images, activation, classifier[0], num_classes)
    return network


def _twin(model: Any) -> Any:
    return copy.deepcopy(model).to("meta").eval()


def _traced(twin: Any, run: Any, name: str, size: tuple[int, ...]) -> Trace:
    try:
        return Trace(twin, run)
    except Exception as error:  # any architecture may fail in its own way
        said = str(error).partition("\n")[0]
        raise UserError(
            f"timm/{name} does not run on images of {size[0]}x{size[1]} ({said or type(error).__name__}); "
            "take a benchmark of larger images or another model, such as timm/resnet18"
        ) from error


def _cut(model: Any, block: list[Call], classifier: list[Call], logits: Trace) -> Network:
    last = nn.Sequential(*(model.get_submodule(call.name) for call in block))
    for module in last.modules():
        if hasattr(module, "inplace"):
            vars(module)["inplace"] = False  # the activation that is masked must outlive a pass
    head = nn.Sequential(*(model.get_submodule(call.name) for call in classifier))
    used = {name.partition(".")[0] for name in logits.names()}
    upper = without(model, [call.name for call in classifier], keep=used)
    body = without(model, [call.name for call in block] + sorted(used - _before(block, used)))
    return Network(Trunk(body), Neck(last, upper), head[0] if len(head) == 1 else head)


def _before(block: list[Call], used: set[str]) -> set[str]:
    """Modules of the head that hold a part of the body; none, in any model seen."""
    return {call.name.partition(".")[0] for call in block} & used


def _expected(features: Trace, logits: Trace, block: list[Call], activation: Tensor, model: Any) -> set[int]:
    """How many channels the activation may have: what the first layer that takes it wants, else the block's layers."""
    calls = [*features.calls, *logits.calls]
    takers = [call for call in calls if call.given is not None and call.given[0] is activation]
    first = next((count for call in takers if (count := _channels(call.module))), 0)
    inside = [call for call in calls if block and call.name.startswith(f"{block[0].name}.")]
    return {first} if first else {_channels(call.module) for call in inside} or {int(model.num_features)}


def _channels(module: nn.Module) -> int:
    """Channels that a layer takes; 0 where that is not known."""
    if isinstance(module, nn.Conv2d):
        return module.in_channels
    if isinstance(module, nn.Linear):
        return module.in_features
    if isinstance(module, nn.LayerNorm):
        return module.normalized_shape[-1]
    return module.num_features if isinstance(module, nn.BatchNorm2d) else 0


def channel_axis(activation: Tensor, channels: set[int], model: Any, name: str) -> int:
    """The axis of an activation that holds its channels: 2 of (B, N, C); of a map the one that has ``channels``.

    Raises:
        UserError: no axis has as many.
    """
    maps = [3, 1] if getattr(model, "output_fmt", "NCHW") == "NHWC" else [1, 3]
    for axis in [2] if activation.ndim == 3 else maps:
        if activation.shape[axis] in channels:
            return axis
    raise UserError(
        f"timm/{name} hands on {_shape(activation)}, of which no axis has the {max(channels)} channels that its next "
        "layer takes, so a mask would fall on the wrong one; write a backbone file that says which axis it is"
    )


def _assert_sites(
    network: Network, name: str, images: Tensor, activation: Tensor, classifier: Call, num_classes: int
) -> None:
    """What was cut hands on what was seen; anything else is a defect here, told before any training."""
    twin = _twin(network)
    with torch.no_grad():
        found = twin.features(images).activation
        version = found._version
        hidden = twin.neck(found)
        logits = twin.head(hidden)
    seen = classifier.given[0] if classifier.given else hidden
    good = found.shape == activation.shape and hidden.shape == seen.shape and found._version == version
    if not good or logits.shape != (len(images), num_classes) or hidden.shape[1] != _inputs(classifier.module):
        raise UserError(
            f"timm/{name} cannot be cut: it hands on {_shape(found)}, {_shape(hidden)} and {_shape(logits)} where "
            f"{_shape(activation)}, {_shape(seen)} and {num_classes} logits were seen; write a backbone file for it"
        )


def _inputs(module: Any) -> int:
    return int(getattr(module, "in_features", None) or module.in_channels)


def _shape(found: Any) -> str:
    return str(tuple(found.shape)) if isinstance(found, Tensor) else type(found).__name__


def resnet(name: str, num_classes: int, weights: str) -> Network:
    """The paper's VisDA network on a bottleneck ResNet (Section 5, "modified ResNet-based models"; released code).

    CAdD masks the 2048-channel map that enters the last bottleneck of layer4, EAdD the vector after the second of three
    fully connected layers. The head holds no BatchNorm.
    """
    trunk = timm_model(name, weights)
    stem = (trunk.conv1, trunk.bn1, trunk.act1, trunk.maxpool)
    first, second, last = trunk.layer4
    body = nn.Sequential(*stem, trunk.layer1, trunk.layer2, trunk.layer3, first, nn.Dropout2d(0.1), second)
    neck = nn.Sequential(
        last, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(2048, 1000), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.Linear(1000, 1000), nn.ReLU(inplace=True),
    )  # fmt: skip
    return Network(body, neck, nn.Linear(1000, num_classes), normalisation=normalisation(trunk, weights))
