"""VADA: virtual adversarial domain adaptation (Shu et al., ICLR 2018), Eqs. 5-9.

total = CE(source) + lambda_d * (fool D) + lambda_s * VAT(source) + lambda_t * (H(target) + VAT(target))

The discriminator D tells the domains apart by the features that enter the classifier. It is trained in a phase of its
own, on the features that the network's phase has just computed (the paper draws a new batch). The method predicts with
a moving average of the weights.

Floor: one forward and backward pass of the source and one of the target; for each VAT a forward pass with the gradient
for the images, and a forward and backward pass. That is 16/3 = 5.33 source-only steps at the published weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.domain_adversarial import as_rows, build_discriminator, domain_logits, domain_loss
from dta_bench.nn.learner import Learner, Loss, Parts, Players, Setting, activation_shapes
from dta_bench.nn.losses import conditional_entropy, virtual_adversarial_loss
from dta_bench.nn.network import Labelled, Network, RandomState, Unlabelled, current_random_state
from dta_bench.nn.teachers import frozen_copy, update_moving_average, warmed_up_decay

Pass = tuple[RandomState, Tensor, Tensor]
"""A forward pass: the random state before it, the features, the logits."""


@dataclass(frozen=True)
class Params:
    """Defaults: the paper's, Appendix B."""

    lambda_d: float = 0.01
    lambda_s: float = 1.0
    lambda_t: float = 0.01
    epsilon: float = 3.5
    alpha: float = 0.998  # decay of the moving average
    width: int = 100  # of the discriminator

    def __post_init__(self) -> None:
        within(
            self,
            lambda_d=(0, inf),
            lambda_s=(0, inf),
            lambda_t=(0, inf),
            epsilon=(0, inf),
            alpha=(0, 1),
            width=(1, inf),
        )


def needs_pixels(params: Params) -> str:
    """VAT does."""
    return "VAT perturbs the pixels" if (params.lambda_s or params.lambda_t) and params.epsilon else ""


def floor(params: Params) -> float:
    """The least work of a step, in source-only steps (a forward pass is a third of one)."""
    return 2 + 5 / 3 * (bool(params.lambda_s) + bool(params.lambda_t))


class Method(Learner):
    """The network, its discriminator, and the moving average that predicts."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        units = activation_shapes(net, setting.image_shape)[1][net.hidden_axis]
        self.discriminator = build_discriminator(units, params.width)
        self.average = frozen_copy(net)
        # What the network's phase leaves for the discriminator's: the features of each piece of the batch.
        self._features: list[tuple[Tensor, Tensor]] = []

    @property
    def predictor(self) -> Network:
        """The moving average of the weights."""
        return self.average

    def players(self) -> Players:
        """The network and the discriminator have an optimiser each."""
        return {"net": [self.net], "discriminator": [self.discriminator]}

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """First the network, with D fixed, then D."""
        self.clear_features()
        yield ("net",), self.network_loss
        yield ("discriminator",), self.discriminator_loss

    def clear_features(self) -> None:
        """Drop the features of an earlier step that was interrupted between its phases."""
        self._features.clear()

    def network_loss(self, source: Labelled, target: Unlabelled) -> Parts:
        """The loss of the network's phase."""
        return self.loss_from_passes(source, target, *map(self.forward_pass, (source.images, target.images)))

    def loss_from_passes(self, source: Labelled, target: Unlabelled, pass_s: Pass, pass_t: Pass) -> Parts:
        """The loss of the network's phase, given a pass of each domain. To fool D, the domains are swapped."""
        params = self.params
        (draws_s, hidden_s, logits_s), (draws_t, hidden_t, logits_t) = pass_s, pass_t
        rows_s, rows_t = as_rows(hidden_s, self.net.hidden_axis), as_rows(hidden_t, self.net.hidden_axis)
        self._features.append((rows_s.detach(), rows_t.detach()))
        of_source, of_target = domain_logits(self.discriminator, rows_s, rows_t)
        task = cross_entropy(logits_s, source.labels, ignore_index=255)
        domain = domain_loss(of_target, of_source)
        vat_s = self._vat(source.images, logits_s, draws_s, params.lambda_s)
        vat_t = self._vat(target.images, logits_t, draws_t, params.lambda_t)
        entropy = conditional_entropy(logits_t)
        total = task + params.lambda_d * domain + params.lambda_s * vat_s + params.lambda_t * (entropy + vat_t)
        return {"total": total, "task": task, "fooled": domain, "vat_s": vat_s, "vat_t": vat_t, "entropy": entropy}

    def discriminator_loss(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - it has their features
        """The loss of the discriminator's phase."""
        domain = domain_loss(*domain_logits(self.discriminator, *self._features.pop(0)))
        return {"total": domain, "domain": domain}

    def after_step(self) -> None:
        """Update the average, its decay warmed up, with the network's BatchNorm statistics as in the released code."""
        update_moving_average(
            self.average, self.net, warmed_up_decay(self.params.alpha, self.at.iteration), buffers=True
        )

    def forward_pass(self, images: Tensor) -> Pass:
        """A forward pass of the network on images (B, C, H, W)."""
        draws = current_random_state(images.device)
        return draws, *self.net.activations(images)

    def _vat(self, images: Tensor, logits: Tensor, draws: RandomState, weight: float) -> Tensor:
        if not weight:
            return logits.new_zeros(())
        epsilon = self.params.epsilon
        return virtual_adversarial_loss(self.net, images, epsilon, reduction="per_sample", clean=(logits, draws))
