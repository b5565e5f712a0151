"""Image towers of open_clip as backbones, and their text towers, which turn prompts into classifiers."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dta_bench.errors import UserError
from dta_bench.nn.network import Network, Normalisation
from dta_bench.nn.pretrained import weights as files
from dta_bench.nn.pretrained.forward_trace import copy_without

Size = tuple[int, int]
SAFE_FILE = "open_clip_model.safetensors"
"""The file of a repository of the hub where open_clip names none."""


def open_clip_network(
    model: str | Mapping[str, Any], num_classes: int, weights: str = "none", image_size: Size | None = None
) -> Network:
    """An image tower of open_clip as a network, and its text tower as what gives a classifier for prompts.

    EAdD masks the vector that is compared with prompts. CAdD masks the tokens that enter the last block of a
    transformer; in other towers that vector too. The classifier above it is new.

    Args:
        model: its name in open_clip, with or without a tag of weights (``ViT-B-32.openai``), or its configuration.
        num_classes: K, at least 1.
        weights: ``none`` for random weights, ``hub`` (needs a tag), or the path of a file.
        image_size: (height, width) that the tower is built for, its position embedding resampled; by default its own.

    Raises:
        UserError: open_clip is not installed or has no such model or tag, or the weights are not there or do not fit.
    """
    described = _describe(model)
    tower = _build(described, image_size, weights)
    body, neck, axis = _split(tower.visual)
    head = nn.Linear(int(described.config["embed_dim"]), num_classes)
    network = Network(body, neck, head, feature_axis=axis, normalisation=described.normalisation)
    if not described.foreign_text:
        network.read_prompts = _PromptReader(described, weights)
    return network


@dataclass(frozen=True)
class _Described:
    """A model of open_clip: its name for messages, its configuration, and the record of its tag of weights."""

    name: str
    config: Mapping[str, Any]
    tag: Mapping[str, Any]
    normalisation: Normalisation

    @property
    def foreign_text(self) -> bool:
        """Whether its text tower or its tokenizer is not in open_clip itself, but on the hub."""
        return any(key in self.config["text_cfg"] for key in ("hf_model_name", "hf_tokenizer_name"))


def _open_clip() -> Any:
    try:
        import open_clip
    except ImportError as error:
        raise UserError(
            f"towers of open_clip need {error.name}, which is not installed; pip install 'dta-bench[clip]'"
        ) from error
    return open_clip


def check_name(model: str) -> None:
    """Make sure that open_clip has a model of this name, and its tag.

    Raises:
        UserError: it has not, or is not installed; names the closest ones.
    """
    open_clip = _open_clip()
    name, _, tag = model.partition(".")
    if name not in (known := open_clip.list_models()):
        similar = difflib.get_close_matches(name, known, n=3)
        guess = f"did you mean {' or '.join(similar)}?" if similar else "open_clip.list_models() names them all"
        raise UserError(f"open_clip has no model named {name!r}; {guess}")
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag and tag not in tags:
        raise UserError(f"open_clip's {name} has no weights tagged {tag!r}; it has {', '.join(tags) or 'none'}")


def _describe(model: str | Mapping[str, Any]) -> _Described:
    open_clip = _open_clip()
    standard = Normalisation(open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    if not isinstance(model, str):
        return _Described("this tower of open_clip", copy.deepcopy(dict(model)), {}, standard)
    check_name(model)
    name, _, tag = model.partition(".")
    tags = open_clip.list_pretrained_tags_by_model(name)
    config = open_clip.get_model_config(name)
    if "multimodal_cfg" in config:
        raise UserError(f"open_clip's {name} writes captions, and is no pair of towers; take one such as ViT-B-32")
    records = {each: open_clip.get_pretrained_cfg(name, each) for each in tags}
    record = records.get(tag, {})
    seen = {(tuple(one["mean"]), tuple(one["std"])) for one in ([record] if record else records.values())}
    if record:  # each set of weights was trained with one of two activations
        config["quick_gelu"] = bool(record.get("quick_gelu", False))
    return _Described(f"open_clip/{model}", config, record, Normalisation(*seen.pop()) if len(seen) == 1 else standard)


def _build(described: _Described, image_size: Size | None, weights: str) -> Any:
    """Both towers, with their weights."""
    open_clip, config = _open_clip(), copy.deepcopy(dict(described.config))
    vision = config["vision_cfg"]
    if image_size is not None:
        vision["image_size"] = image_size[0] if image_size[0] == image_size[1] else tuple(image_size)
        _check_patches(described, image_size)
    custom = config.pop("custom_text", False) or "hf_model_name" in config["text_cfg"]
    config["text_cfg"]["hf_model_pretrained"] = False
    try:
        tower = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**config)
    except (AssertionError, RuntimeError, ValueError, TypeError, ImportError) as error:
        raise UserError(f"{described.name} cannot be built: {str(error) or type(error).__name__}") from error
    path = _weights_file(described, weights)
    if path is not None:
        _fill(tower, described.name, path)
    return tower.eval()


def _check_patches(described: _Described, image_size: Size) -> None:
    patch = described.config["vision_cfg"].get("patch_size")
    if isinstance(patch, int) and any(side < patch or side % patch for side in image_size):
        raise UserError(
            f"{described.name} takes images in patches of {patch} x {patch} pixels, and these are "
            f"{image_size[0]} x {image_size[1]}; use --training image_size=... with multiples of {patch}"
        )


def _weights_file(described: _Described, weights: str) -> Any:
    if weights == "none":
        return None
    if weights != "hub":
        return files.existing_file(weights)
    if not (place := str(described.tag.get("hf_hub") or "")):
        raise UserError(
            f"weights hub needs a tag that is on the hub: open_clip/<model>.<tag>, such as open_clip/ViT-B-32.openai; "
            f"{described.name} names none"
        )
    repository, _, filename = place.rpartition("/")
    return files.hub_file(described.name, repository, filename or SAFE_FILE)


def _fill(tower: Any, name: str, path: Any) -> None:
    """Load a file of both towers, completely or not at all; position embeddings are resampled."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict, resize_pos_embed

    state = dict(convert_state_dict(tower, files.read_state_dict(path)))
    if "positional_embedding" in state and not hasattr(tower, "positional_embedding"):
        state = dict(convert_to_custom_text_state_dict(state))
    for scalar in ("logit_scale", "logit_bias"):
        if scalar in state and getattr(tower, scalar, None) is not None:
            state[scalar] = state[scalar].reshape(getattr(tower, scalar).shape)
    if "visual.positional_embedding" in state:
        resize_pos_embed(state, tower)
    files.check_same_keys(state, tower.state_dict(), name, path)
    tower.load_state_dict({key: value.float() for key, value in state.items()}, strict=False)


def _split(visual: Any) -> tuple[nn.Module, nn.Module, int]:
    """A tower as body and neck, which share its weights, and the axis of the activation between them."""
    blocks = getattr(getattr(visual, "transformer", None), "resblocks", ())
    if len(blocks) < 2 or not hasattr(visual, "_embeds"):
        return Whole(visual), nn.Dropout(0.5), 1
    last = f"transformer.resblocks.{len(blocks) - 1}"
    above = [name for name in ("ln_post", "attn_pool", "attn_pool_contrastive") if getattr(visual, name, None)]
    lower = copy_without(visual, above)
    del lower._parameters["proj"]
    lower.transformer = copy_without(visual.transformer, [])
    lower.transformer.resblocks = nn.ModuleList(list(blocks)[:-1])
    upper = copy_without(visual, [], keep=set(above))
    upper._parameters = {"proj": visual.proj}
    return BelowLastBlock(lower), LastBlock(visual.get_submodule(last), upper), 2


class Whole(nn.Module):
    """An image tower: images to the vectors that are compared with prompts."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: Tensor) -> Tensor:
        return self.visual(images)  # type: ignore[no-any-return]


class BelowLastBlock(nn.Module):
    """A transformer of open_clip up to the tokens that enter its last block."""

    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: Tensor) -> Tensor:
        return self.visual.transformer(self.visual._embeds(images))  # type: ignore[no-any-return]


class LastBlock(nn.Module):
    """The last block of a transformer of open_clip, its pooling and its projection.

    A Dropout(.5) comes last, as in other backbones: ``start: ones`` needs some above the mask.
    """

    def __init__(self, last: nn.Module, visual: Any) -> None:
        super().__init__()
        self.last, self.visual, self.dropout = last, visual, nn.Dropout(0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        vectors = self.visual._pool(self.last(tokens))[0]
        projection = self.visual.proj
        return self.dropout(vectors if projection is None else vectors @ projection)  # type: ignore[no-any-return]


class _PromptReader:
    """Reads prompts by a text tower, which it builds when it is asked: most methods need none."""

    def __init__(self, described: _Described, weights: str) -> None:
        self._described, self._weights = described, weights

    def __deepcopy__(self, memo: Any) -> _PromptReader:
        return self

    def __call__(self, prompts: Sequence[str]) -> tuple[Tensor, float]:
        tower, text = _build(self._described, None, self._weights), self._described.config["text_cfg"]
        options = dict(text.get("tokenizer_kwargs") or {})
        tokens = _open_clip().SimpleTokenizer(context_length=int(text.get("context_length", 77)), **options)
        with torch.no_grad():
            vectors = tower.encode_text(tokens(list(prompts)).to(tower.logit_scale.device), normalize=True)
            return vectors, 1.0 if vectors.is_meta else tower.logit_scale.exp().item()
