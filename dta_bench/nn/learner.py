"""How a method trains: one loss and one step, or players of its own, phases, teachers, a stage before it.

A method's file that keeps state defines ``Method(Learner)``; every module and buffer that it holds is in the run's
checkpoint. A file with a plain ``loss`` is made a learner by :func:`make`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from dta_bench.errors import UserError
from dta_bench.nn import distributed
from dta_bench.nn.network import Labelled, Network, Normalisation, Unlabelled, evaluating, precision
from dta_bench.spec.run_spec import Training

Parts = dict[str, Tensor]
Loss = Callable[[Labelled, Unlabelled], Parts]
Players = Mapping[str, Sequence[nn.Module]]


@dataclass(frozen=True)
class Progress:
    """Where a run stands: ``epoch`` counts from 1, ``iteration`` from 0 over the whole run of ``total`` steps."""

    epoch: int
    iteration: int
    total: int

    @property
    def done(self) -> float:
        """q: the share of the run that lies behind, from 0 to just below 1."""
        return self.iteration / self.total


@dataclass(frozen=True)
class Setting:
    """What a method may know when it builds its modules. ``image_shape`` is (C, H, W).

    ``first`` is the learner that the stage before left, for a method with ``first_stage``.
    """

    training: Training
    classes: int
    image_shape: tuple[int, int, int]
    target_size: int
    first: Learner | None = None
    class_names: tuple[str, ...] = ()


class Learner(nn.Module):
    """A network with whatever a method trains beside it, and the method's step.

    The least a method writes is ``loss``; ``__init__`` builds modules after ``super().__init__``. ``self.net`` is the
    network, ``self.params`` its parameters, ``self.at`` the run's progress, set before each step and epoch.
    Weights with ``requires_grad`` False (a teacher's) are in no optimiser.
    """

    def __init__(self, net: Network, params: Any, setting: Setting) -> None:
        super().__init__()
        self.net, self.params, self.setting = net, params, setting
        self.at = Progress(1, 0, 1)
        self.optimizers: dict[str, torch.optim.Optimizer] = {}

    # What a method may define.

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """``total`` and its parts by name, each a scalar."""
        raise NotImplementedError(f"{type(self).__module__} defines neither loss nor phases")

    def players(self) -> Players:
        """Modules that share an optimiser, by the player's name; by default one player has all there is."""
        return {"all": [self]}

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """The phases of a step in order: who moves, and what it minimises. By default all minimise ``loss``."""
        yield tuple(self.players()), self.loss

    def training_of(self, player: str) -> Training:  # noqa: ARG002 - a method may tell players apart
        """Optimiser, rates and decay of a player; by default the run's own for all."""
        return self.setting.training

    def adam(self, rate: float) -> Training:
        """The run's training, but by Adam at ``rate``: for what is trained beside the network."""
        return self.setting.training.model_copy(update={"optimizer": "adam", "learning_rate": rate})

    def after_step(self) -> None:
        """After the last phase of a step (a teacher follows)."""

    def before_epoch(self, target: Callable[[], Iterable[Tensor]]) -> None:
        """Before an epoch's first step (pseudo-labels into a buffer); ``target()`` is target train, in order, plain."""

    @property
    def predictor(self) -> Network:
        """The network that predicts, and whose features are looked at; by default the one that is trained."""
        return self.net

    @property
    def normalisation(self) -> Normalisation:
        """What its images are standardised with."""
        return self.net.normalisation

    def forward(self, images: Tensor) -> Tensor:
        """The logits that the method is judged by; by default the predictor's."""
        return self.predictor(images)  # type: ignore[no-any-return]

    # How it runs.

    def step(self, source: Labelled, target: Unlabelled) -> Parts:
        """One batch through all phases; each part by name (a later phase's last), ``total`` summed over the phases."""
        self.take(source, target)
        found: Parts = {}
        for players, loss in self.phases():
            parts = self.gradients(players, loss)
            found |= parts | {"total": found.get("total", 0) + parts["total"]}
            self.update(players)
        self.after_step()
        return found

    def take(self, source: Labelled, target: Unlabelled) -> None:
        """Move a batch, or this replica's part of it, to the device, in ``accumulate`` pieces."""
        self._pieces = list(pieces(source, target, self.setting.training, self.device))

    def gradients(self, players: Sequence[str], loss: Loss) -> Parts:
        """Leave the gradient of ``loss``, averaged over the pieces, at the weights of ``players`` and at no others.

        Pieces of other replicas count like own ones, for the gradient as for the parts.
        """
        training, found = self.setting.training, Parts()
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        with self._only(players):
            for source, target in self._pieces:
                with precision(self.device, torch.bfloat16 if training.precision == "bfloat16" else None):
                    parts = loss(source, target)
                if "total" not in parts:
                    raise UserError(f"the loss gives {', '.join(parts) or 'nothing'} and no total")
                torch.autograd.backward(parts["total"] / training.accumulate)
                for name, value in parts.items():
                    found[name] = found.get(name, 0) + value.detach() / training.accumulate
        distributed.average_gradients([weight for player in players for weight in self._weights(player)])
        distributed.average([found[name] for name in sorted(found)])
        return found

    def update(self, players: Sequence[str]) -> None:
        """One step of the players' optimisers."""
        for player in players:
            self.optimizers[player].step()

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.net.parameters()).device

    def start(self) -> None:
        """Go to the network's device and build the players' optimisers."""
        self.to(self.device)
        self.optimizers = {name: optimizer(modules, self.training_of(name)) for name, modules in self.players().items()}

    def set_learning_rates(self, epoch: int) -> None:
        """Each player's rate in an epoch."""
        for player, own in self.optimizers.items():
            for group in own.param_groups:
                group["lr"] = learning_rate(self.training_of(player), epoch)

    def position(self) -> dict[str, Any]:
        """All that its next step depends on, but for the generators of random numbers."""
        return {"modules": self.state_dict(), "optimizers": {k: o.state_dict() for k, o in self.optimizers.items()}}

    def restore(self, position: dict[str, Any]) -> None:
        """The inverse of :meth:`position`."""
        self.load_state_dict(position["modules"])
        for name, own in self.optimizers.items():
            own.load_state_dict(position["optimizers"][name])

    def _weights(self, player: str) -> list[nn.Parameter]:
        return [weight for group in self.optimizers[player].param_groups for weight in group["params"]]

    @contextmanager
    def _only(self, players: Sequence[str]) -> Iterator[None]:
        """Within the block only the weights of ``players`` ask for gradients, so that no other's is computed."""
        still = [weight for name in self.optimizers if name not in players for weight in self._weights(name)]
        for weight in still:
            weight.requires_grad_(False)
        try:
            yield
        finally:
            for weight in still:
                weight.requires_grad_(True)


class _Plain(Learner):
    """A file's stateless ``loss(net, source, target, epoch, params)`` as a learner."""

    def __init__(self, net: Network, params: Any, setting: Setting, of: Callable[..., Parts]) -> None:
        super().__init__(net, params, setting)
        self._of = of

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """The file's loss in this epoch."""
        return self._of(self.net, source, target, self.at.epoch, self.params)


def make(method: ModuleType, net: Network, params: Any, setting: Setting) -> Learner:
    """The learner of a method's file, on the network's device, ready to step."""
    stateful = getattr(method, "Method", None)
    learner: Learner = (
        stateful(net, params, setting) if stateful else _Plain(net, params, setting, method.loss)
    )  # fmt: skip
    learner.start()
    return learner.train()


def shapes(net: Network, image_shape: tuple[int, int, int]) -> tuple[torch.Size, torch.Size]:
    """Shapes of the activations at CAdD's and at EAdD's site for one image; draws nothing, changes no statistics."""
    weight = next(net.parameters())
    with torch.no_grad(), evaluating(net):
        features = net.features(torch.zeros(1, *image_shape, device=weight.device, dtype=weight.dtype))
        return features.activation.shape, net.hidden(features).shape


def learning_rate(training: Training, epoch: int) -> float:
    """The step decay of Appendix B: times ``decay_factor`` after every ``decay_every`` epochs; epochs count from 1."""
    decays = (epoch - 1) // training.decay_every if training.decay_every else 0
    return training.learning_rate * training.decay_factor**decays


def optimizer(modules: Sequence[nn.Module], training: Training) -> torch.optim.Optimizer:
    """Adam, AdamW or SGD over all weights; norms and biases are not decayed."""
    weights = {id(p): p for module in modules for p in module.parameters() if p.requires_grad}.values()
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = all(p.device.type != "meta" for p in weights)  # on the meta device there is nothing to fuse
    if training.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=training.learning_rate, momentum=training.momentum, fused=fused)
    kind = torch.optim.Adam if training.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=training.learning_rate, fused=fused)


def pieces(
    source: Labelled, target: Unlabelled, training: Training, device: torch.device
) -> Iterator[tuple[Labelled, Unlabelled]]:
    """A batch in ``accumulate`` equal pieces on the device, in the memory format that the run asks for."""
    layout = torch.channels_last if training.channels_last else torch.contiguous_format

    def moved(images: Tensor | None, like: torch.memory_format = layout) -> Sequence[Any]:
        if images is None:
            return [None] * training.accumulate
        return images.to(device, non_blocking=True, memory_format=like).chunk(training.accumulate)

    plain = torch.preserve_format
    sources = zip(moved(source.images), moved(source.labels, plain), strict=True)
    targets = zip(moved(target.images), moved(target.again), moved(target.index, plain), strict=True)
    for of_source, of_target in zip(sources, targets, strict=True):
        yield Labelled(*of_source), Unlabelled(*of_target)
