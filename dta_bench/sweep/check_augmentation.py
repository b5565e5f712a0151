"""Check what a plan says of the augmentation before any run."""

from __future__ import annotations

import re

from dta_bench.errors import UserError
from dta_bench.spec.plan import Plan


def check_augmentation(plan: Plan) -> None:
    """The augmentation, the strong view and the noise that a training states can be had, and some run has them.

    Raises:
        UserError: it is not so.
    """
    training, benchmark = plan.training, plan.benchmark.for_training(plan.training)
    if training.augmentation is not None or training.strong_view is not None:
        from dta_bench.data import augment  # imports albumentations

        for names in (benchmark.augmentation, benchmark.strong_view if training.strong_view else ()):
            augment.check(names, benchmark.image_size, benchmark.task, benchmark.standardisation)
    has_strong_view = any(plan.method_plugins[name].second_view == "strong" for name in plan.methods)
    if training.strong_view and not has_strong_view:
        raise UserError(
            f"strong_view is for methods with a strong view of the target, which {' and '.join(plan.methods)} do not"
            ' have; allowed: fixmatch, and plug-ins with second_view = "strong"'
        )
    names = benchmark.augmentation + (benchmark.strong_view if has_strong_view else ())
    if training.noise == "counted" and not _has_noise(names):
        raise UserError(
            "noise counted says how the noise of an augmentation is made, and that of"
            f" {benchmark.name} ({', '.join(names) or 'none'}) has none; leave it out, or add noise0.1 to augmentation"
        )


def _has_noise(names: tuple[str, ...]) -> bool:
    from dta_bench.data import augment  # imports albumentations

    own = [name for domain in ("source", "target") for name in augment.names_for(names, domain)]
    return any(re.fullmatch(augment.NOISE, name) for name in own)
