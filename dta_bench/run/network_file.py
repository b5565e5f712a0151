"""A run's final network as a file: its weights as safetensors, with a card; files of earlier versions are read too."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.nn import learner, pretrained
from dta_bench.nn.learner import Learner, Setting
from dta_bench.nn.lora import merge_adapters
from dta_bench.nn.meta_device import try_meta_then_cpu
from dta_bench.nn.network import Network, Normalisation
from dta_bench.nn.tuning import tuned
from dta_bench.run.network_card import BuiltBy, NetworkCard, card_of
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.run_spec import RunSpec

NAME, NAME_BEFORE = "network.safetensors", "network.pt"
"""The file's name among a run's artifacts, and that of earlier versions."""
CARD = "card"  # the key of the card in the file's metadata


@dataclass(frozen=True)
class LoadedNetwork:
    """A network from a file, in evaluation mode on the CPU.

    Attributes:
        predicts: gives the logits that its run was measured by: the network, or the method's learner.
        network: the network whose features are looked at.
    """

    card: NetworkCard
    predicts: Network | Learner
    network: Network


def size_in_bytes(network: nn.Module) -> int:
    """Count the bytes of all weights and buffers."""
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())


def built_by(trained: Learner, backbone: pretrained.BackbonePlugin, classes: int) -> BuiltBy:
    """Whether a backbone of this name alone predicts as the learner does, or the method's own modules are needed."""
    if type(trained).forward is not Learner.forward:
        return "method"
    fresh = try_meta_then_cpu(lambda: backbone.build_on_meta(classes), lambda: backbone.build(classes))
    return "backbone" if _structure(trained.predictor) == _structure(fresh) else "method"


def what_predicts(trained: Learner, card: NetworkCard) -> nn.Module:
    """The module whose weights a file of this card holds."""
    return trained.predictor if card.built_by == "backbone" else trained


@contextmanager
def temporary_file(module: nn.Module, card: NetworkCard) -> Iterator[Path]:
    """Write weights and card to a file that is removed at the end of the block."""
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, NAME)
        save_file(weights, path, metadata={"format": "pt", CARD: card.to_json()})
        yield path


def load(path: Path, spec: RunSpec | None = None) -> LoadedNetwork:
    """Load a network's file; nothing in it is unpickled or run.

    Args:
        spec: of the run; only a file of an earlier version (``network.pt``), which has no card, needs it.

    Raises:
        UserError: the file is torn, holds another network, or lacks a part of what predicts.
    """
    return _load_before(path, spec) if path.suffix == ".pt" and spec is not None else _load(path)


def read_card(path: Path) -> NetworkCard:
    """The card of a file.

    Raises:
        UserError: the file is torn, or has no card.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read as a network ({_first_line(error)}); train the run again") from error
    if CARD not in metadata:
        raise UserError(f"{path} is no network of dta-bench: it has no card")
    try:
        return NetworkCard.from_json(metadata[CARD])
    except UserError as error:
        raise UserError(f"{path} cannot be used: {error}") from error


def _load(path: Path) -> LoadedNetwork:
    card = read_card(path)
    with torch.random.fork_rng(devices=[]):  # building draws random weights; a caller's own draws stay as they are
        predicts = _build_network(card) if card.built_by == "backbone" else _build_learner(card)
    with _explained(path):
        weights = load_file(path)
    if not predicts.state_dict().keys() <= weights.keys():  # what was exported has its adapters merged already
        merge_adapters(predicts)
    _fill(predicts, path, lambda: weights)
    merge_adapters(predicts)  # what predicts, or is exported, is a network without adapters
    return LoadedNetwork(card, predicts.eval(), predicts if isinstance(predicts, Network) else predicts.predictor)


def _load_before(path: Path, spec: RunSpec) -> LoadedNetwork:
    """A file of an earlier version: the weights of the learner's predictor, and the normalisation."""
    with _explained(path):
        saved = torch.load(path, map_location="cpu", weights_only=True)
        normalisation = Normalisation(*(tuple(saved["normalisation"][key]) for key in ("mean", "std")))
        weights = saved["weights"]
    size = benchmark_of(spec.benchmark).for_training(spec.training).train_size
    card = card_of(spec, pretrained.backbone(spec.backbone, size).channels, normalisation, target_size=1)
    with torch.random.fork_rng(devices=[]):
        trained = _build_learner(card)
    _fill(trained.predictor, path, lambda: weights)
    predictor = trained.predictor.eval()
    return LoadedNetwork(card, predictor, predictor)


def is_whole(loaded: LoadedNetwork) -> bool:
    """Whether the file held all that predicts; one of an earlier version may lack a method's second classifier."""
    return isinstance(loaded.predicts, Learner) or predictor_is_enough(loaded.card.run_spec)


def predictor_is_enough(spec: RunSpec) -> bool:
    """Whether the method predicts by its predictor alone, which is all that earlier versions kept."""
    module = getattr(method_plugin(spec.method).module, "Method", Learner)
    return bool(module.forward is Learner.forward)


def _build_network(card: NetworkCard) -> Network:
    spec = card.run_spec
    backbone = tuned(pretrained.backbone(spec.backbone, card.benchmark.train_size), spec.training)
    network = backbone.build(len(card.benchmark.classes), "none")
    network.normalisation = card.normalisation
    return network.to(memory_format=torch.channels_last) if spec.training.channels_last else network


def _build_learner(card: NetworkCard) -> Learner:
    """The learner as it is built before training, on that of its first stage if it has one."""
    spec, classes = card.run_spec, card.benchmark.classes
    method = method_plugin(spec.method)
    before = method.before(spec.params)
    first = None
    if before is not None:
        first_spec = RunSpec.from_dict(spec.to_dict() | {"method": before[0].name, "params": before[1]})
        first = _build_learner(card.of_stage(first_spec))
    shape = (card.channels, *card.benchmark.train_size)
    setting = Setting(spec.training, len(classes), shape, card.target_size, first, classes)
    return learner.build(method, _build_network(card), method.params(spec.params), setting)


def _structure(network: nn.Module) -> tuple[dict[str, str], dict[str, Any]]:
    """Kinds of modules and shapes of weights, by name; how a module is trained does not count."""
    kinds = {
        name: type(module).__name__.removeprefix("Recomputed").removeprefix("Frozen")
        for name, module in network.named_modules()
    }
    return kinds, {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Within the block a fault of the file becomes a sentence."""
    faults = (OSError, RuntimeError, KeyError, TypeError, EOFError, SafetensorError, pickle.UnpicklingError)
    try:
        yield
    except faults as error:
        raise UserError(f"{path.name} does not hold this network: {_first_line(error)}; train the run again") from error


def _fill(module: nn.Module, path: Path, weights: Any) -> None:
    with _explained(path):
        module.load_state_dict(weights())
