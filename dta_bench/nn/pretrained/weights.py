"""Weights from a file or from the hub, put into a network as a whole or not at all."""

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
SECONDS = 3.0
"""How long the hub may take to say that it is there."""


def located(weights: str, model: str, cfg: Any) -> Path | None:
    """The file that ``weights`` (``none``, ``hub`` or a path) means for a model; from the hub it is downloaded once.

    Args:
        cfg: timm's ``PretrainedCfg`` of the model.

    Raises:
        UserError: no such file, the model has no weights on the hub, or the hub cannot be reached.
    """
    if weights == "none":
        return None
    if weights != "hub":
        return existing(weights)
    if not cfg.hf_hub_id:
        raise UserError(f"timm has no weights of {model} on the hub; weights must be none or a file of that model's")
    return from_hub(model, cfg.hf_hub_id, cfg.hf_hub_filename or "model.safetensors")


def existing(weights: str) -> Path:
    """The path of a file of weights.

    Raises:
        UserError: it is not there.
    """
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(f"weights are {weights!r}, which is no file; they must be none, hub or a file of weights")
    return path


def from_hub(model: str, repository: str, filename: str, revision: str | None = None) -> Path:
    """A file of the hub, from its cache if it lies there.

    Raises:
        UserError: it is not in the cache and the hub does not answer within seconds.
    """
    import huggingface_hub

    kept = huggingface_hub.try_to_load_from_cache(repository, filename, revision=revision)
    if isinstance(kept, str):
        return Path(kept)
    reason = _out_of_reach()
    if not reason:
        try:
            return Path(huggingface_hub.hf_hub_download(repository, filename, revision=revision))
        except Exception as error:  # the hub's client raises a dozen kinds
            reason = str(error).partition("\n")[0] or type(error).__name__
    raise UserError(
        f"the weights of {model} are not to be had from the hub ({reason}); fetch {filename} of "
        f"{HUB}/{repository} where there is a network and give its path as --weights, or take --weights none"
    )


def _out_of_reach() -> str:
    """Why the hub cannot be reached; empty if it can."""
    import huggingface_hub.constants

    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        with urllib.request.build_opener().open(urllib.request.Request(HUB, method="HEAD"), timeout=SECONDS):
            return ""
    except urllib.error.HTTPError:
        return ""  # it answers
    except (OSError, ValueError) as error:
        return f"no answer from {HUB}: {getattr(error, 'reason', error)}"


@functools.lru_cache(maxsize=8)
def _sha256(path: Path, _: float) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def fingerprint(path: Path) -> str:
    """The first 12 hex digits of a file's SHA-256."""
    return _sha256(path, path.stat().st_mtime)


_noted: ContextVar[list[Path] | None] = ContextVar("noted", default=None)


@contextlib.contextmanager
def noted() -> Iterator[list[Path]]:
    """Within the block every file of weights that is read is put on the list."""
    found: list[Path] = []
    token = _noted.set(found)
    try:
        yield found
    finally:
        _noted.reset(token)


def read(path: Path) -> State:
    """The tensors of a file: .safetensors, or what torch.save wrote; no code in it is run.

    Raises:
        UserError: the file cannot be read, or holds no state dict.
    """
    if (list_ := _noted.get()) is not None:
        list_.append(path)
    try:
        if path.suffix == ".safetensors":
            import safetensors.torch

            return safetensors.torch.load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise a dozen kinds
        said = str(error).partition("\n")[0]
        raise UserError(
            f"{path} cannot be read as weights ({type(error).__name__}: {said}); "
            "it has to be a .safetensors file or a state dict saved by torch"
        ) from error
    return _state_dict(path, found)


def _state_dict(path: Path, found: Any) -> State:
    """The state dict itself, taken out of what trainers wrap it in."""
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found or not all(isinstance(v, Tensor) for v in found.values()):
        raise UserError(f"{path} holds no state dict, as torch.save(model.state_dict(), path) writes it")
    return {str(key).removeprefix("module."): value for key, value in found.items()}


def fill(model: nn.Module, state: State, classifiers: tuple[str, ...], name: str, path: Path) -> None:
    """Load ``state`` into ``model`` strictly; a classifier of another number of classes (or none) is left as it is.

    Args:
        classifiers: names of the model's last layers.

    Raises:
        UserError: keys are missing, unexpected or of another shape; says how many and which.
    """
    wanted = model.state_dict()
    given = _adapted(state, model, wanted)
    last = {f"{layer}.{part}" for layer in classifiers for part in ("weight", "bias")}
    if any(key not in given or key not in wanted or given[key].shape != wanted[key].shape for key in last & {*given}):
        given = {key: value for key, value in given.items() if key not in last}
    free = last - {*given}
    refuse_differences(given, {k: v for k, v in wanted.items() if k not in free}, name, path)
    nn.Module.load_state_dict(model, given, strict=False)  # SMP's own differ from class to class


def refuse_differences(given: State, wanted: State, name: str, path: Path) -> None:
    """Make sure that two state dicts have the same keys and shapes; counters of BatchNorm may be absent.

    Raises:
        UserError: they have not.
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
            _told(missing, "missing"), _told(unexpected, "unexpected"), _told(shapes, "of another shape"),
        ]  # fmt: skip
        raise UserError(f"{path} is no file of {name}: {'; '.join(part for part in parts if part)}")


def _told(keys: list[str], what: str) -> str:
    return f"{len(keys)} keys {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})" if keys else ""


def _adapted(state: State, model: nn.Module, wanted: State) -> State:
    """The file's names and shapes as this model has them: timm's own filter, and EfficientNet-PyTorch's names."""
    if efficientnet_names.are_in(state) and not efficientnet_names.are_in(wanted):
        return efficientnet_names.renamed(state, model)
    if {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in wanted.items()}:
        return state
    for name in ("checkpoint_filter_fn", "_filter_fn"):
        convert = getattr(sys.modules[type(model).__module__], name, None)
        if convert is not None:
            with contextlib.suppress(KeyError, IndexError, AttributeError, ValueError, RuntimeError, AssertionError):
                return dict(convert(dict(state), model))
    return state
