"""Segmentation networks of segmentation-models-pytorch (SMP), split at the two dropout sites."""

from __future__ import annotations

import contextlib
import copy
import difflib
import functools
import json
import warnings
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from torch import Tensor, nn

from dta_bench.errors import UserError
from dta_bench.nn.network import IMAGENET, Network, Normalisation
from dta_bench.nn.pretrained import weights as files
from dta_bench.nn.pretrained.timm_networks import Size, check_name, normalisation, timm_model

DECODERS: dict[str, Any] = smp.MODEL_ARCHITECTURES_MAPPING
ENCODERS: dict[str, Any] = smp.encoders.encoders
HEADS = ("fc", "_fc", "head", "classifier", "last_linear")
"""What encoders' files call their classifier, which a segmentation network does not have."""


class Encoder(nn.Module):
    """Images (B, 3, H, W) to the deepest map, the earlier maps and, for DPT, the prefix tokens, in this order."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        out = self.encoder(images)
        if not isinstance(out, tuple):
            return (out[-1], *out[:-1])
        maps, prefixes = out
        return (maps[-1], *maps[:-1], *(prefix for prefix in prefixes if prefix is not None))


class Decoder(nn.Module):
    """The maps (and prefix tokens) of :class:`Encoder` to the last map before the segmentation head.

    Args:
        decoder: SMP's decoder.
        maps: how many maps DPT takes; 0 for any other decoder.
    """

    def __init__(self, decoder: nn.Module, maps: int) -> None:
        super().__init__()
        self.decoder, self.maps = decoder, maps

    def forward(self, deepest: Tensor, *skips: Tensor) -> Tensor:
        if not self.maps:
            return self.decoder([*skips, deepest])  # type: ignore[no-any-return]
        prefixes: list[Tensor | None] = [*skips[self.maps - 1 :]] or [None] * self.maps
        return self.decoder([*skips[: self.maps - 1], deepest], prefixes)  # type: ignore[no-any-return]


def smp_network(
    decoder: str, encoder: str, num_classes: int, weights: str = "none", image_size: Size | None = None
) -> Network:
    """An SMP decoder on an encoder, split at two dropout sites; in evaluation its logits are SMP's, bit for bit.

    CAdD masks the deepest map of the encoder (earlier maps reach the decoder unmasked), EAdD the decoder's last map.
    Most decoders have no dropout above the deepest map, so that ``start: ones`` does not work with them.

    Args:
        decoder: its name in SMP.
        encoder: its name in SMP, or ``tu-`` and the name of a timm model.
        num_classes: K.
        weights: ``none``, ``hub``, or the path of a file: of the encoder, or of the whole model as SMP saves it.
        image_size: (height, width) that encoders of a fixed size are built for, and that the network is checked with;
            by default it is checked with 224 x 224.

    Raises:
        UserError: an unknown name, a pair that does not work together (names one that does), a size that the network
            cannot take, or weights that do not fit.
    """
    check_pair(decoder, encoder)
    model = _create_model(decoder, encoder, num_classes, image_size)
    normalised_by = _load_weights(model, encoder, weights, image_size)
    maps = len(model.encoder.out_channels) if decoder == "dpt" else 0
    body, neck, head = Encoder(model.encoder), Decoder(model.decoder, maps), model.segmentation_head
    network = Network(body, neck, head, normalisation=normalised_by, new=[neck])
    _check_sites(network, f"smp/{decoder}/{encoder}", model, num_classes, image_size)
    return network


def check_pair(decoder: str, encoder: str) -> None:
    """Make sure that SMP has this decoder and this encoder and that they work together.

    Raises:
        UserError: they do not; says why, and names a pair that does.
    """
    if decoder not in DECODERS:
        similar = difflib.get_close_matches(decoder, DECODERS, n=2)
        guess = f"did you mean {' or '.join(similar)}? " if similar else ""
        raise UserError(f"SMP has no decoder named {decoder!r}; {guess}it has {', '.join(DECODERS)}")
    if decoder == "pspnet":
        raise UserError(
            "smp/pspnet never runs its encoder's last stages (layer4 of a ResNet), where CAdD masks; "
            f"smp/deeplabv3plus/{encoder} or smp/upernet/{encoder} does"
        )
    if encoder.startswith("tu-"):
        check_name(encoder.removeprefix("tu-"))
        _check_timm_encoder(decoder, encoder)
    elif decoder == "dpt":
        raise UserError(
            f"smp/dpt takes a timm transformer, but the encoder is {encoder!r}; tu-vit_small_patch16_224 does"
        )
    elif encoder not in ENCODERS:
        similar = difflib.get_close_matches(encoder, ENCODERS, n=3)
        similar += [f"tu-{encoder}"] if timm.is_model(encoder.partition(".")[0]) else []
        guess = (
            f"did you mean {' or '.join(similar)}?" if similar else f"it has {', '.join(ENCODERS)}, and tu-<timm model>"
        )
        raise UserError(f"SMP has no encoder named {encoder!r}; {guess}")


def _check_timm_encoder(decoder: str, encoder: str) -> None:
    """Make sure that a timm model has maps of several scales, or, for DPT, of one scale, as a plain ViT has."""
    scales = _scale_count(encoder.removeprefix("tu-"))
    if decoder == "dpt" and scales > 1:
        raise UserError(
            f"smp/dpt takes a plain vision transformer, but {encoder} gives maps of {scales} scales; "
            f"smp/fpn/{encoder} or smp/upernet/{encoder} does"
        )
    if decoder != "dpt" and scales < 2:
        raise UserError(
            f"smp/{decoder} needs maps of several scales, but {encoder} has one (a plain vision transformer) or none; "
            f"smp/dpt/{encoder} takes a transformer of one scale, smp/{decoder} takes tu-convnext_tiny"
        )


@functools.cache
def _scale_count(name: str) -> int:
    """How many scales the maps of a timm model have; 0 where timm gives no maps."""
    for device in ("meta", "cpu"):  # some models cannot be built on the meta device
        with warnings.catch_warnings(), torch.device(device), torch.random.fork_rng():
            warnings.simplefilter("ignore")
            with contextlib.suppress(RuntimeError, AttributeError, AssertionError, TypeError, ValueError):
                return len(set(timm.create_model(name, features_only=True).feature_info.reduction()))
    return 0


def _create_model(decoder: str, encoder: str, num_classes: int, image_size: Size | None) -> Any:
    name = f"smp/{decoder}/{encoder}"
    extras: dict[str, Any] = {"num_classes": 0} if decoder == "dpt" else {}
    sized = extras | {"img_size": image_size}
    attempts = [sized, extras] if encoder.startswith("tu-") and image_size is not None else [extras]
    if not encoder.startswith("tu-"):
        attempts = [{}]
    for attempt in attempts:
        try:
            return _call_smp(decoder, encoder, num_classes, attempt)
        except TypeError as error:
            if "img_size" in str(error) and attempt is not attempts[-1]:
                continue
            raise _refusal(name, encoder, error) from error
        except (AssertionError, RuntimeError, ValueError, KeyError, AttributeError) as error:
            raise _refusal(name, encoder, error) from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def _call_smp(decoder: str, encoder: str, num_classes: int, extras: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return smp.create_model(decoder, encoder_name=encoder, encoder_weights=None, classes=num_classes, **extras)


def _refusal(name: str, encoder: str, error: Exception) -> UserError:
    if "output_stride" in str(error) or "ilat" in str(error):
        return UserError(
            f"{name} needs an encoder that can be dilated, which {encoder} cannot; "
            f"smp/fpn/{encoder} or smp/upernet/{encoder} does without"
        )
    said = str(error).partition("\n")[0]
    return UserError(f"{name} cannot be built ({said or type(error).__name__}); take another encoder or decoder")


def _load_weights(model: Any, encoder: str, weights: str, image_size: Size | None) -> Normalisation:
    """Load the weights into the model; returns how their training images were standardised."""
    if weights == "none":
        return IMAGENET
    if weights != "hub":
        path = files.existing_file(weights)
        state = files.read_state_dict(path)
        if any(key.startswith("decoder.") for key in state):
            files.load_into(model, state, (_classifier_name(model.segmentation_head),), f"smp/{model.name}", path)
            return IMAGENET
    if encoder.startswith("tu-"):
        return _load_timm_encoder(model.encoder, encoder.removeprefix("tu-"), weights, image_size)
    return _load_smp_encoder(model.encoder, encoder, weights)


def _classifier_name(head: nn.Module) -> str:
    """The name of the convolution that gives the logits."""
    convolutions = [name for name, module in head.named_modules() if isinstance(module, nn.Conv2d)]
    return f"segmentation_head.{convolutions[-1]}"


def _load_timm_encoder(encoder: Any, name: str, weights: str, image_size: Size | None) -> Normalisation:
    """Load the whole timm model and copy from it the weights that SMP's encoder has; all of these must be there.

    SMP's encoder calls stages_0 what the whole model calls stages.0, so names are compared without dots.
    """
    whole = timm_model(name, weights, 0, image_size)
    given = {_without_dots(key): value for key, value in whole.state_dict().items()}
    wanted = encoder.model.state_dict()
    found = {key: given.get(_without_dots(key), given.get(_without_dots(key.removeprefix("model.")))) for key in wanted}
    state = {key: value for key, value in found.items() if value is not None}
    files.check_same_keys(state, wanted, f"tu-{name} as SMP's encoder", Path(weights))
    encoder.model.load_state_dict(state)
    return normalisation(whole, weights)


def _without_dots(key: str) -> str:
    return key.replace(".", "_")


def _load_smp_encoder(encoder: nn.Module, name: str, weights: str) -> Normalisation:
    normalised_by = IMAGENET
    if weights == "hub":
        settings = ENCODERS[name]["pretrained_settings"]
        if "imagenet" not in settings:
            raise UserError(f"SMP has no ImageNet weights of {name} on its hub; it has {', '.join(settings) or 'none'}")
        repository, revision = settings["imagenet"]["repo_id"], settings["imagenet"]["revision"]
        path = files.hub_file(name, repository, "model.safetensors", revision)
        cfg = json.loads(files.hub_file(name, repository, "config.json", revision).read_text(encoding="utf-8"))
        normalised_by = Normalisation(tuple(cfg["mean"]), tuple(cfg["std"]))
    else:
        path = files.existing_file(weights)
    state = {key: value for key, value in files.read_state_dict(path).items() if key.partition(".")[0] not in HEADS}
    files.load_into(encoder, state, (), f"SMP's encoder {name}", path)
    return normalised_by


def _check_sites(network: Network, name: str, model: Any, num_classes: int, image_size: Size | None) -> None:
    """Run once on the meta device, to check the size of the logits and the channels that SMP declares."""
    height, width = image_size or (224, 224)
    meta_network = copy.deepcopy(network).to("meta").eval()
    try:
        with torch.no_grad():
            features = meta_network.features(torch.empty(2, 3, height, width, device="meta"))
            hidden = meta_network.hidden(features)
            logits = meta_network.head(hidden)
    except Exception as error:  # any pair may fail in its own way
        said = str(error).partition("\n")[0]
        raise UserError(
            f"{name} does not run on images of {height}x{width} ({said or type(error).__name__}); {_remedy(model)}"
        ) from error
    deepest = tuple(features.activation.shape)
    if logits.shape != (2, num_classes, height, width):
        raise UserError(
            f"{name} gives logits {tuple(logits.shape[2:])} for images of {height}x{width}; {_remedy(model)}"
        )
    if features.activation.ndim != 4 or deepest[1] != model.encoder.out_channels[-1] or hidden.ndim != 4:
        raise UserError(
            f"{name} gives {deepest}, which is no map of {model.encoder.out_channels[-1]} channels on axis 1"
        )


def _remedy(model: Any) -> str:
    stride = int(getattr(model.encoder, "output_stride", 32))
    if stride & (stride - 1):
        return f"SMP's DPT cannot enlarge patches of {stride} to the image: take tu-vit_small_patch16_224"
    return f"their sides have to be multiples of {stride}"
