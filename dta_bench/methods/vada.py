"""VADA: virtual adversarial domain adaptation (Shu et al., ICLR 2018), Eqs. 5-9.

total = CE(source) + lambda_d * (fool D) + lambda_s * VAT(source) + lambda_t * (H(target) + VAT(target))

D tells the domains apart from the features that enter the classifier; it moves in a phase of its own, on the features
that the main phase has just seen (the paper draws a fresh batch). The average of past weights predicts.

Floor: source and target one forward and backward pass each; each VAT one forward pass and the gradient for the images,
then a forward and backward pass: 16/3 = 5.33 source-only steps at the published weights (2.67 steps over both
domains, where 3 to 4 are often estimated).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from torch import Tensor
from torch.nn.functional import cross_entropy

from dta_bench.errors import within
from dta_bench.nn.domain_adversarial import as_rows, build_discriminator, domain_logits, domain_loss
from dta_bench.nn.learner import Learner, Loss, Parts, Players, Setting, shapes
from dta_bench.nn.losses import conditional_entropy, virtual_adversarial_loss
from dta_bench.nn.network import Labelled, Network, RandomState, Unlabelled, current_random_state
from dta_bench.nn.teachers import frozen_copy, update_moving_average, warmed_up_decay

Pass = tuple[RandomState, Tensor, Tensor]


@dataclass(frozen=True)
class Params:
    """Defaults: the paper's, Appendix B."""

    lambda_d: float = 0.01
    lambda_s: float = 1.0
    lambda_t: float = 0.01
    epsilon: float = 3.5
    alpha: float = 0.998
    width: int = 100

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


def floor(params: Params) -> float:
    """The least work of a step, in source-only steps (a forward pass is a third of one)."""
    return 2 + 5 / 3 * (bool(params.lambda_s) + bool(params.lambda_t))


class Method(Learner):
    """The network, its discriminator, and the average that predicts."""

    def __init__(self, net: Network, params: Params, setting: Setting) -> None:
        super().__init__(net, params, setting)
        units = shapes(net, setting.image_shape)[1][net.hidden_axis]
        self.discriminator = build_discriminator(units, params.width)
        self.average = frozen_copy(net)
        self._seen: list[tuple[Tensor, Tensor]] = []

    @property
    def predictor(self) -> Network:
        """The average of past weights."""
        return self.average

    def players(self) -> Players:
        """Network and discriminator have an optimiser each."""
        return {"net": [self.net], "discriminator": [self.discriminator]}

    def phases(self) -> Iterator[tuple[Sequence[str], Loss]]:
        """The network against D as it stands, then D."""
        self.start_step()
        yield ("net",), self.adapt
        yield ("discriminator",), self.tell_apart

    def start_step(self) -> None:
        """Forget the features of a step that was broken off."""
        self._seen.clear()

    def adapt(self, source: Labelled, target: Unlabelled) -> Parts:
        """The main phase; domains are swapped to fool D."""
        return self.terms(source, target, *map(self.passed, (source.images, target.images)))

    def terms(self, source: Labelled, target: Unlabelled, of_source: Pass, of_target: Pass) -> Parts:
        """The main phase's loss, from each domain's pass."""
        a = self.params
        (draws_s, hidden_s, logits_s), (draws_t, hidden_t, logits_t) = of_source, of_target
        seen = as_rows(hidden_s, self.net.hidden_axis), as_rows(hidden_t, self.net.hidden_axis)
        self._seen.append((seen[0].detach(), seen[1].detach()))
        fooled, taken = domain_logits(self.discriminator, *seen)
        task = cross_entropy(logits_s, source.labels, ignore_index=255)
        domain = domain_loss(taken, fooled)
        vat_s = self._vat(source.images, logits_s, draws_s, a.lambda_s)
        vat_t = self._vat(target.images, logits_t, draws_t, a.lambda_t)
        entropy = conditional_entropy(logits_t)
        total = task + a.lambda_d * domain + a.lambda_s * vat_s + a.lambda_t * (entropy + vat_t)
        return {"total": total, "task": task, "fooled": domain, "vat_s": vat_s, "vat_t": vat_t, "entropy": entropy}

    def tell_apart(self, source: Labelled, target: Unlabelled) -> Parts:  # noqa: ARG002 - one signature for all phases
        """The discriminator's phase."""
        domain = domain_loss(*domain_logits(self.discriminator, *self._seen.pop(0)))
        return {"total": domain, "domain": domain}

    def after_step(self) -> None:
        """The average follows, warmed up; BatchNorm's statistics are the network's own, as released."""
        update_moving_average(
            self.average, self.net, warmed_up_decay(self.params.alpha, self.at.iteration), buffers=True
        )

    def passed(self, images: Tensor) -> Pass:
        """One pass of the network: the draws that it began with, features, logits."""
        draws = current_random_state(images.device)
        return draws, *self.net.activations(images)

    def _vat(self, images: Tensor, logits: Tensor, draws: RandomState, weight: float) -> Tensor:
        if not weight:
            return logits.new_zeros(())
        epsilon = self.params.epsilon
        return virtual_adversarial_loss(self.net, images, epsilon, reduction="per_sample", clean=(logits, draws))
