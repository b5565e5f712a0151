"""Weights from a file or from the Hugging Face hub, loaded into a network completely or not at all."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dta_bench.errors import UserError
from dta_bench.nn.pretrained import efficientnet_names

State = dict[str, Tensor]
HUB = "https://huggingface.co"
HUB_TIMEOUT = 3.0
"""Seconds to wait for the hub's answer before it counts as out of reach."""


def timm_weights_file(weights: str, model: str, cfg: Any) -> Path | None:
    """The file of weights that ``weights`` means for a timm model.

    Args:
        weights: ``none``, ``hub``, or the path of a file.
        model: the model's name, for errors.
        cfg: timm's ``PretrainedCfg`` of the model.

    Returns:
        The path of the file (for ``hub`` in the hub's cache, downloaded once); None for ``none``.

    Raises:
        UserError: no such file, the model has no weights on the hub, or the hub cannot be reached.
    """
    if weights == "none":
        return None
    if weights != "hub":
        return existing_file(weights)
    if not cfg.hf_hub_id:
        raise UserError(f"timm has no weights of {model} on the hub; weights must be none or a file of that model's")
    return hub_file(model, cfg.hf_hub_id, cfg.hf_hub_filename or "model.safetensors")


def existing_file(weights: str) -> Path:
    """The path of a file of weights that must exist.

    Raises:
        UserError: there is no such file.
    """
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(f"weights are {weights!r}, which is no file; they must be none, hub or a file of weights")
    return path


def hub_file(model: str, repository: str, filename: str, revision: str | None = None) -> Path:
    """The path of a file of the hub in the hub's cache; it is downloaded if it is not there yet.

    Args:
        model: the model's name, for the error.
        repository: the hub's name of the repository, such as timm/resnet50.a1_in1k.
        filename: the name of the file in the repository.
        revision: a commit of the repository; by default its newest.

    Raises:
        UserError: it is not in the cache, and the hub does not answer within :data:`HUB_TIMEOUT` or does not give it.
    """
    import huggingface_hub

    cached = huggingface_hub.try_to_load_from_cache(repository, filename, revision=revision)
    if isinstance(cached, str):
        return Path(cached)
    reason = _out_of_reach()
    if not reason:
        try:
            return Path(huggingface_hub.hf_hub_download(repository, filename, revision=revision))
        except Exception as error:  # the hub's client raises many kinds of errors
            reason = str(error).partition("\n")[0] or type(error).__name__
    raise UserError(
        f"the weights of {model} are not to be had from the hub ({reason}); fetch {filename} of "
        f"{HUB}/{repository} where there is a network and give its path as --weights, or take --weights none"
    )


def _out_of_reach() -> str:
    """Why the hub cannot be reached; an empty string if it can."""
    import huggingface_hub.constants

    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        with urllib.request.build_opener().open(urllib.request.Request(HUB, method="HEAD"), timeout=HUB_TIMEOUT):
            return ""
    except urllib.error.HTTPError:
        return ""  # an HTTP error is an answer
    except (OSError, ValueError) as error:
        return f"no answer from {HUB}: {getattr(error, 'reason', error)}"


@functools.lru_cache(maxsize=8)
def _sha256(path: Path, _: float) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def file_fingerprint(path: Path) -> str:
    """The first 12 hex digits of a file's SHA-256."""
    return _sha256(path, path.stat().st_mtime)


_files_read: ContextVar[list[Path] | None] = ContextVar("files_read", default=None)


@contextlib.contextmanager
def recording_reads() -> Iterator[list[Path]]:
    """Within the block the path of every file of weights that is read is added to the list."""
    paths: list[Path] = []
    token = _files_read.set(paths)
    try:
        yield paths
    finally:
        _files_read.reset(token)


def read_state_dict(path: Path) -> State:
    """Read the state dict in a file: .safetensors, or one that torch.save wrote; no code in the file is run.

    Raises:
        UserError: the file cannot be read, or holds no state dict.
    """
    if (recorded := _files_read.get()) is not None:
        recorded.append(path)
    try:
        if path.suffix == ".safetensors":
            import safetensors.torch

            return safetensors.torch.load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise many kinds of errors
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{path} cannot be read as weights ({type(error).__name__}: {reason}); "
            "it has to be a .safetensors file or a state dict saved by torch"
        ) from error
    return _unwrap_state_dict(path, content)


def _unwrap_state_dict(path: Path, content: Any) -> State:
    """The state dict in what a trainer saved, such as {"state_dict": ..., "epoch": 3}, names without ``module.``."""
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise UserError(f"{path} holds no state dict, as torch.save(model.state_dict(), path) writes it")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def load_into(model: nn.Module, state: State, classifiers: tuple[str, ...], name: str, path: Path) -> None:
    """Load a state dict into a model; every key has to be there and to have the model's shape.

    Only the classifier may differ: if the state has none, or one for other classes, the model keeps its own.

    Args:
        model: is changed in place.
        state: as a file has it; names that other libraries use are converted.
        classifiers: the names of the model's layers that give the logits.
        name: the model's name, for the error.
        path: the file's path, for the error.

    Raises:
        UserError: keys are missing, unexpected or of another shape; says how many and names the first.
    """
    wanted = model.state_dict()
    given = _with_model_names(state, model, wanted)
    last = {f"{layer}.{part}" for layer in classifiers for part in ("weight", "bias")}
    if any(key not in given or key not in wanted or given[key].shape != wanted[key].shape for key in last & {*given}):
        given = {key: value for key, value in given.items() if key not in last}
    left_out = last - {*given}
    check_same_keys(given, {k: v for k, v in wanted.items() if k not in left_out}, name, path)
    nn.Module.load_state_dict(model, given, strict=False)  # some classes of SMP override load_state_dict


def check_same_keys(given: State, wanted: State, name: str, path: Path) -> None:
    """Make sure that a file's state dict has the model's keys and shapes; only BatchNorm's counters may be absent.

    Args:
        given: the file's state dict.
        wanted: the model's.
        name: the model's name, for the error.
        path: the file's path, for the error.

    Raises:
        UserError: they differ; says how many keys, and names the first.
    """
    missing = [key for key in wanted if key not in given and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in given if key not in wanted]
    shapes = [
        f"{key} {tuple(given[key].shape)} for {tuple(wanted[key].shape)}"
        for key in given
        if key in wanted and given[key].shape != wanted[key].shape
    ]
    if missing or unexpected or shapes:
        parts = [
            _count_and_examples(missing, "missing"),
            _count_and_examples(unexpected, "unexpected"),
            _count_and_examples(shapes, "of another shape"),
        ]
        raise UserError(f"{path} is no file of {name}: {'; '.join(part for part in parts if part)}")


def _count_and_examples(keys: list[str], what: str) -> str:
    return f"{len(keys)} keys {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})" if keys else ""


def _with_model_names(state: State, model: nn.Module, wanted: State) -> State:
    """The file's tensors under this model's names, by timm's own converter or from EfficientNet-PyTorch's names."""
    if efficientnet_names.are_in(state) and not efficientnet_names.are_in(wanted):
        return efficientnet_names.to_timm_names(state, model)
    if {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in wanted.items()}:
        return state
    for name in ("checkpoint_filter_fn", "_filter_fn"):
        convert = getattr(sys.modules[type(model).__module__], name, None)
        if convert is not None:
            with contextlib.suppress(KeyError, IndexError, AttributeError, ValueError, RuntimeError, AssertionError):
                return dict(convert(dict(state), model))
    return state
