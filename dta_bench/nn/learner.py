"""How a method trains: with one loss and one step, or with its own optimisers, phases, teachers and first stage.

A method's file that keeps state defines ``Method(Learner)``; every module and buffer that it holds is in the run's
checkpoint. A file with a plain ``loss`` is made a learner by :func:`build`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dta_bench.errors import UserError
from dta_bench.nn import distributed
from dta_bench.nn.batch_marks import loss_of_joint_batches, mark_batch
from dta_bench.nn.batch_pieces import split_batch
from dta_bench.nn.network import Labelled, Network, Normalisation, Unlabelled, evaluating, precision
from dta_bench.nn.optimisation import Progress, build_optimizer, learning_rate, set_learning_rate
from dta_bench.spec.method_plugin import SOURCE_ONLY_EPOCHS, MethodPlugin
from dta_bench.spec.training import BETAS, Training

__all__ = ["Learner", "Loss", "Parts", "Players", "Progress", "Setting", "activation_shapes", "build"]

Parts = dict[str, Tensor]
"""A loss and its terms: ``total``, which is minimised, and further scalars by name, which are logged."""
Loss = Callable[[Labelled, Unlabelled], Parts]
Players = Mapping[str, Sequence[nn.Module]]
"""By the name of a player, the modules that its optimiser trains."""


@dataclass(frozen=True)
class Setting:
    """What a method may know of a run when it builds its modules.

    ``image_shape`` is (C, H, W), or the shape of an image's features where these are kept. ``classes`` is K,
    ``target_size`` the number of images in target train. ``first`` is the trained learner of the first stage, for a
    method with ``first_stage``. ``class_names`` may be empty.
    ``has_weights`` says whether the network starts from pretrained weights.
    """

    training: Training
    classes: int
    image_shape: tuple[int, ...]
    target_size: int
    first: Learner | None = None
    class_names: tuple[str, ...] = ()
    has_weights: bool = False


class Learner(nn.Module):
    """A network, the modules that a method trains beside it, and the method's step.

    A method must define at least ``loss``. Its ``__init__`` builds further modules after ``super().__init__``.
    ``self.net`` is the network, ``self.params`` the method's parameters, ``self.at`` the progress of the run, which is
    set before each step and each epoch. Weights with ``requires_grad`` False (such as a teacher's) are in no optimiser.
    """

    def __init__(self, net: Network, params: Any, setting: Setting) -> None:
        super().__init__()
        self.net, self.params, self.setting = net, params, setting
        self.at = Progress(1, 0, 1)
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.trainings: dict[str, Training] = {}

    # What a method may define.

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """The loss of one batch: ``total`` and its terms by name, each a scalar."""
        raise NotImplementedError(f"{type(self).__module__} defines neither loss nor phases")

    def players(self) -> Players:
        """The players (an optimiser each) and their modules; by default one player, ``all``, has all modules."""
        return {"all": [self]}

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """The phases of a step in order: the players that are updated, and the loss that they minimise.

        By default there is one phase, in which all players minimise ``loss``.
        """
        yield tuple(self.players()), self.loss

    def training_of(self, player: str) -> Training:  # noqa: ARG002 - a method may tell players apart
        """The optimiser, learning rate and decay of a player; by default those of the run for all players."""
        return self.setting.training

    def adam(self, rate: float) -> Training:
        """The run's training but with Adam at the learning rate ``rate``, for modules beside the network."""
        own = {"optimizer": "adam", "learning_rate": rate, "nesterov": False, "betas": BETAS}
        return self.setting.training.model_copy(update=own)

    def after_step(self) -> None:
        """Called after the last phase of each step, such as to update a teacher."""

    def before_epoch(self, target: Callable[[], Iterable[Tensor]]) -> None:
        """Called before the first step of each epoch, such as to compute pseudo-labels into a buffer.

        Args:
            target: gives batches of the images of target train (B, C, H, W), in order and without augmentation.
        """

    def source_only_loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - one signature for all
        """The loss of the epochs of ``source_only_epochs``: by default the cross-entropy of the network's logits."""
        task = cross_entropy(self.net(source.images), source.labels, ignore_index=255)
        return {"total": task, "task": task}

    @property
    def restates_statistics(self) -> bool:
        """Whether BatchNorm's statistics are estimated on target train before the method is measured."""
        return self.setting.training.restate == "target"

    @property
    def predictor(self) -> Network:
        """The network that predicts and whose features are measured; by default the one that is trained."""
        return self.net

    @property
    def normalisation(self) -> Normalisation:
        """What the network's images are standardised with."""
        return self.net.normalisation

    def forward(self, images: Tensor) -> Tensor:
        """The logits that the method is evaluated by, for images (B, C, H, W); by default the predictor's."""
        return self.predictor(images)  # type: ignore[no-any-return]

    # How it runs.

    def step_of_epoch(self, source: Labelled, target: Unlabelled) -> Parts:
        """Train on one batch, on the source alone in the first ``source_only_epochs``; see :meth:`step`."""
        if self.at.epoch > getattr(self.params, SOURCE_ONLY_EPOCHS, 0):
            return self.step(source, target)
        self.take(source, target)
        players = tuple(self.players())
        parts = self.gradients(players, self.source_only_loss)
        self.update(players)
        self.after_step()
        return parts

    def step(self, source: Labelled, target: Unlabelled) -> Parts:
        """Train on one batch, through all phases.

        Returns:
            The terms of all phases by name, and as ``total`` the sum of the phases' totals. If two phases have a term
            of the same name, it is the later one's.
        """
        self.take(source, target)
        terms: Parts = {}
        for players, loss in self.phases():
            parts = self.gradients(players, loss)
            terms |= parts | {"total": terms.get("total", 0) + parts["total"]}
            self.update(players)
        self.after_step()
        return terms

    def take(self, source: Labelled, target: Unlabelled) -> None:
        """Move a batch (with several replicas, this replica's share of it) to the device, in ``accumulate`` pieces."""
        self._pieces = list(split_batch(source, target, self.setting.training, self.device))

    def gradients(self, players: Sequence[str], loss: Loss) -> Parts:
        """Compute the gradient of ``loss`` for the weights of ``players``, and for no others.

        Gradients and terms are means over the pieces of the batch and over the replicas.

        Returns:
            The terms of the loss, without gradients.

        Raises:
            UserError: the loss gives no ``total``.
        """
        training, means = self.setting.training, Parts()
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        with self._only(players):
            for source, target in self._pieces:
                mark_batch(source.images, target.images, training.batchnorm)
                low = torch.bfloat16 if training.precision == "bfloat16" else None
                with precision(self.device, low), loss_of_joint_batches(training.batchnorm):
                    parts = loss(source, target)
                if "total" not in parts:
                    raise UserError(f"the loss gives {', '.join(parts) or 'nothing'} and no total")
                torch.autograd.backward(parts["total"] / training.accumulate)
                for name, value in parts.items():
                    means[name] = means.get(name, 0) + value.detach() / training.accumulate
        distributed.average_gradients([weight for player in players for weight in self._weights(player)])
        distributed.average([means[name] for name in sorted(means)])
        return means

    def update(self, players: Sequence[str]) -> None:
        """Let the players' optimisers take a step, each at its learning rate."""
        for player in players:
            training = self.trainings[player]
            if training.clip_norm is not None:
                nn.utils.clip_grad_norm_(self._weights(player), training.clip_norm)
            set_learning_rate(self.optimizers[player], learning_rate(training, self.at))
            self.optimizers[player].step()

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return next(self.net.parameters()).device

    def start(self) -> None:
        """Move all modules to the network's device and build the players' optimisers."""
        self.to(self.device)
        self.trainings = {player: self._training_for(player) for player in self.players()}
        self._check_players()
        self.optimizers = {
            name: build_optimizer(modules, self.trainings[name]) for name, modules in self.players().items()
        }
        self._check_trains()

    def _training_for(self, player: str) -> Training:
        """The player's training by its method, with what the run's training says of this player over it."""
        changes = self.setting.training.players.get(player)
        if not changes:
            return self.training_of(player)
        try:
            return self.training_of(player).of_player(changes)
        except ValidationError as refused:
            reasons = "; ".join(str(e["msg"]).removeprefix("Value error, ") for e in refused.errors())
            raise UserError(f"training.players.{player} cannot be used: {reasons}") from refused

    def _check_players(self) -> None:
        unknown = [name for name in self.setting.training.players if name not in self.trainings]
        if unknown:
            raise UserError(
                f"training.players names {', '.join(unknown)}, but the players of this method are "
                f"{', '.join(self.trainings)}"
            )

    def _check_trains(self) -> None:
        """Every player has something to train."""
        tune = self.setting.training.tune
        idle = [name for name in self.optimizers if not self._weights(name)]
        if idle and tune != "all":
            advice = "; neck_width gives it a bottleneck" if tune == "head" else ""
            raise UserError(f"tune {tune} leaves the player {', '.join(idle)} nothing to train{advice}")

    def position(self) -> dict[str, Any]:
        """All that the next step depends on, except the random number generators' state; it goes into a checkpoint."""
        return {"modules": self.state_dict(), "optimizers": {k: o.state_dict() for k, o in self.optimizers.items()}}

    def restore(self, position: dict[str, Any]) -> None:
        """Take over what :meth:`position` gave."""
        self.load_state_dict(position["modules"])
        for name, player_optimizer in self.optimizers.items():
            player_optimizer.load_state_dict(position["optimizers"][name])

    def _weights(self, player: str) -> list[nn.Parameter]:
        return [weight for group in self.optimizers[player].param_groups for weight in group["params"]]

    @contextmanager
    def _only(self, players: Sequence[str]) -> Iterator[None]:
        """Within the block only the weights of ``players`` need gradients, so that no others are computed."""
        others = [weight for name in self.optimizers if name not in players for weight in self._weights(name)]
        for weight in others:
            weight.requires_grad_(False)
        try:
            yield
        finally:
            for weight in others:
                weight.requires_grad_(True)


class _LossLearner(Learner):
    """The learner of a method's file that defines only ``loss(net, source, target, epoch, params)``."""

    def __init__(self, net: Network, params: Any, setting: Setting, file_loss: Callable[..., Parts]) -> None:
        super().__init__(net, params, setting)
        self._file_loss = file_loss

    def loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """The file's loss in this epoch."""
        return self._file_loss(self.net, source, target, self.at.epoch, self.params)


def build(method: MethodPlugin, net: Network, params: Any, setting: Setting) -> Learner:
    """Build the learner of a method, on the network's device and in training mode, ready for its first step.

    Args:
        method: its file defines ``Method`` or ``loss``.
        net: the network to train.
        params: the method's ``Params``.
        setting: what the method may know of the run.
    """
    own_class = getattr(method.module, "Method", None)
    learner: Learner = (
        own_class(net, params, setting) if own_class else _LossLearner(net, params, setting, method.module.loss)
    )
    learner.start()
    return learner.train()


def activation_shapes(net: Network, image_shape: tuple[int, ...]) -> tuple[torch.Size, torch.Size]:
    """The shapes of the activations at CAdD's and at EAdD's site, for one image of ``image_shape`` (C, H, W).

    No random number is drawn, and no BatchNorm statistics change.
    """
    weight = next(net.parameters())
    with torch.no_grad(), evaluating(net):
        features = net.features(torch.zeros(1, *image_shape, device=weight.device, dtype=weight.dtype))
        return features.activation.shape, net.hidden(features).shape
