"""What is to be known of a plan before it runs, in sentences."""

from __future__ import annotations

from dta_bench.spec.method_sets import left_out
from dta_bench.spec.plan import Plan
from dta_bench.spec.prompts import SLOT, describe_prompts, has_text_tower
from dta_bench.spec.spelling import count_of, join_words

FEATURE_VAT = "dta_feature_vat"
"""The method whose VAT perturbs features."""
VANISHED = 1e-3
"""Share of the first learning rate at which a run hardly learns any more; shipped search spaces end at 0.01 or more."""


def notes(plan: Plan) -> list[str]:
    """Return what is to be known of the plan before it runs, a sentence each."""
    without = {m: why for m, why in plan.left_out.items() if not plan.method_plugins[m].by_prompts}
    named = "; ".join(f"{method} ({why})" for method, why in without.items())
    told = [f"left out, since they cannot train on kept features: {named}"] if named else []
    told += [f"{method} is left out: {why}" for method, why in plan.left_out.items() if method not in without]
    return [
        *told,
        *_prompts(plan),
        *_values_that_need_images(plan),
        *_methods_with_fewer_points(plan),
        *_unequal_searches(plan),
        *_ramps_that_do_not_end(plan),
        *_points_with_vat(plan),
        *_rate_that_vanishes(plan),
    ]


def _prompts(plan: Plan) -> list[str]:
    """What the prompts of a method that trains nothing are, and on which backbones it is not run."""
    by_prompts = [method for method in plan.methods if plan.method_plugins[method].by_prompts]
    without = [backbone for backbone in plan.backbones if not has_text_tower(backbone)]
    skipped = f"; it is not run on {join_words(without)}, without a text tower" if without else ""
    return [
        f"{method} trains nothing, so that one run without a step stands for all seeds; "
        f"{describe_prompts(plan.benchmark.classes, **_templates(plan, method))}{skipped}"
        for method in by_prompts
    ]


def _templates(plan: Plan, method: str) -> dict[str, str]:
    """The templates of a method's prompts, where it has the parameters of ``zero_shot``."""
    values = plan.params(plan.backbones[0], method, {})
    return {name: str(values.get(name, SLOT)) for name in ("templates", "number_templates")}


def _points_with_vat(plan: Plan) -> list[str]:
    """How many points perturb features in VAT's place, where some do: a method with a name of its own."""
    runs = [run for run in plan.runs if run.method == FEATURE_VAT]
    points = {repr(sorted(run.params.items())): bool(run.params.get("lambda_3")) for run in runs}
    count = sum(points.values())
    return [
        f"{FEATURE_VAT}: {count} of {len(points)} points have VAT, which perturbs features and not pixels; "
        f"{len(points) - count} have lambda_3=0, and are those of dta"
    ] if points else []  # fmt: skip


def _rate_that_vanishes(plan: Plan) -> list[str]:
    """That the rate falls by epochs and so far, that the last epochs add hardly anything."""
    training = plan.training
    if training.decay_every is None:
        return []
    left = training.decay_factor ** ((training.epochs - 1) // training.decay_every)
    if left > VANISHED * 1.001:  # 0.1 cubed is a little more than 0.001
        return []
    return [
        f"the learning rate is multiplied by {training.decay_factor:g} every {training.decay_every} epochs, so that of "
        f"it {left:.0e} is left in epoch {training.epochs}; --training decay_every=N keeps it up for longer"
    ]


def _values_that_need_images(plan: Plan) -> list[str]:
    """A sentence for each method some of whose values cannot be tried on features."""
    if plan.training.tune != "head":
        return []
    spaces = {m: plan.own_space(own, m) for m in plan.methods if (own := plan.own_sets(m)) is not None}
    return [
        f"{method} is not tried with {join_words(values)}: that needs images, and only features train"
        for method, space in spaces.items()
        if (values := left_out(space, method))
    ]


def _methods_with_fewer_points(plan: Plan) -> list[str]:
    """A sentence for each number of points that is all some methods have, though more are wanted."""
    fewer = dict[int, list[str]]()
    for method in plan.methods:
        space = plan.space(method)
        if plan.wanted is not None and space.sets and (total := len(space.points())) < plan.wanted:
            fewer.setdefault(total, []).append(method)
    return [
        f"{count_of(total, 'point')} instead of {plan.wanted} of {', '.join(methods)}: there are no more"
        for total, methods in fewer.items()
    ]


def _unequal_searches(plan: Plan) -> list[str]:
    """That methods search different numbers of points, where nobody asked for a number."""
    if (equal := plan.equal_points()) is None:
        return []
    return [f"methods with more points have more chances to be chosen; --points {equal} makes them equal"]


def _ramps_that_do_not_end(plan: Plan) -> list[str]:
    """A sentence for each ramp of a run that does not end within its training."""
    ramps = dict.fromkeys(
        (run.backbone, float(run.params.get("ramp_up_epochs", 0) or 0), run.training.epochs) for run in plan.runs
    )
    return [
        f"{backbone}: the ramp of {ramp:g} epochs ends at {epochs / ramp:.2f} of delta after {epochs}"
        for backbone, ramp, epochs in ramps
        if ramp > epochs
    ]
