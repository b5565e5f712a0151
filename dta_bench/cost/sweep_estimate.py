"""Estimate what a sweep would cost: images, GPU hours and money, from the FLOPs of each method's step."""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from dta_bench import plugins
from dta_bench.cost.amount import Amount, amount_of
from dta_bench.cost.assumed_rate import ASSUMED_FLOPS_PER_SECOND, describe_assumption
from dta_bench.cost.flop_counts import flops_per_image, flops_ratio
from dta_bench.cost.kept_counts import kept
from dta_bench.cost.stages import first_stages, methods_of_first_stages, stages_of
from dta_bench.data.benchmark_plugin import BenchmarkPlugin, benchmark_plugin
from dta_bench.data.suite_plugin import Suite, SuitePair, shared_training, suite_of_benchmark
from dta_bench.domains.images import Domains
from dta_bench.errors import UserError
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.declared_method import declared_method
from dta_bench.spec.plan import Plan
from dta_bench.spec.run_spec import RunSpec
from dta_bench.spec.spelling import count_of
from dta_bench.spec.training import Training

SHORTEST_STEP = 2e-3
"""Seconds. A step whose FLOPs take less at that rate mostly waits for its launches: FLOPs do not say how long it is."""
FEW_STEPS = 10
"""Epochs with fewer steps are told."""
FORWARD_SHARE = 1 / 3
"""The part of a source-only step that a forward pass is."""


class Estimate(Amount):
    """What the runs of a sweep would cost.

    Attributes:
        steps: source-only steps; a method's step counts as many as its ratio of FLOPs.
        images: ``steps`` times the batch size.
        images_per_second: source images a second of a source-only step on the GPU.
        measured: whether the rate was given, not assumed.
        basis: where the rate comes from, in words.
        by_method: GPU hours of each method; those of a method's first stage count for the method that trains it.
        first_stages: of ``by_method``, the methods that only others start from → those others.
        run_hours: identity of a run → its GPU hours; a first stage counts for the first run that starts from it.
        not_counted: settings of the sweep that change what it costs, and not the estimate.
        too_small: why no assumed rate says how long these steps take, and how to measure one; else empty. The numbers
            are then those of the assumed rate, and a plan does not print them.
        measure: the command that measures the rate; empty where none does.
        why: why there is no estimate; empty if there is one.
    """

    runs: int
    steps: float
    images: float
    images_per_second: float
    measured: bool
    basis: str
    by_method: dict[str, float]
    first_stages: dict[str, list[str]]
    run_hours: dict[str, float]
    not_counted: list[str]
    too_small: str
    measure: str
    why: str


def estimate(
    plan: Plan, runs: Iterable[RunSpec], root: str, rate: float | None, price: float | None,
    trained: set[str] | None = None,
) -> Estimate:  # fmt: skip
    """Estimate the cost of ``runs``, with their first stages, each once, and the evaluation after every epoch.

    Args:
        trained: for the pairs of a suite, one call after the other: trainings on a source alone that are counted
            already, to which this call adds its own.
        root: where data lie; read only where the benchmark states no sizes.
        rate: source images a second of a source-only step on the GPU, as ``dta-bench profile`` prints them; None
            assumes :data:`ASSUMED_FLOPS_PER_SECOND`.
        price: of one GPU for an hour.
    """
    wanted = list(runs)
    try:
        lengths = epoch_lengths(plan, root)
        of_image = flops_per_image(_trained_on(plan), plan.backbones[0], plan.training)
        per_second = rate or ASSUMED_FLOPS_PER_SECOND / of_image
        every, known = [*wanted, *first_stages(wanted)], set[str]() if trained is None else trained
        costs = [(run, *_cost(plan, run, lengths, rate, _is_new(run, known))) for run in every]
    except UserError as error:
        return Estimate(
            runs=len(wanted), steps=0, images=0, images_per_second=0, measured=False, basis="", by_method={},
            first_stages={}, run_hours={}, not_counted=[], too_small="", measure="", why=str(error),
            **amount_of(0.0, None, is_assumed=False) | {"price": price},
        )  # fmt: skip
    by_method = dict[str, float]()
    for run, _, hours in costs:
        by_method[run.method] = by_method.get(run.method, 0.0) + hours
    is_small = plan.training.batch_size * of_image / ASSUMED_FLOPS_PER_SECOND < SHORTEST_STEP
    steps, gpu_hours = sum(own for _, own, _ in costs), sum(by_method.values())
    return Estimate(
        runs=len(wanted), steps=steps, images=steps * plan.training.batch_size, images_per_second=per_second,
        measured=rate is not None, basis=describe_assumption() if rate is None else "the rate that was given",
        by_method=by_method, first_stages=methods_of_first_stages(wanted),
        run_hours=_hours_of_runs(wanted, {run.id: hours for run, _, hours in costs}),
        not_counted=_settings_not_counted(plan, rate),
        too_small=_why_too_small(plan) if is_small and rate is None else "", measure=measuring_command(plan), why="",
        **amount_of(gpu_hours, price, is_assumed=rate is None, device="device" if is_small else "GPU"),
    )  # fmt: skip


def _is_new(run: RunSpec, known: set[str]) -> bool:
    """Whether a run has to be trained: a training on a source alone, which all its targets share, is new once."""
    if (shared := shared_training(run)) is None:
        return True
    before = len(known)
    known.add(json.dumps(shared.fields, sort_keys=True))
    return len(known) > before


def _cost(
    plan: Plan, run: RunSpec, lengths: tuple[int, int], rate: float | None, is_trained: bool
) -> tuple[float, float]:
    """A run's source-only steps, evaluation included, and its GPU hours."""
    steps_an_epoch, targets = lengths
    evaluation, of_survey = (
        FORWARD_SHARE * images / run.training.batch_size * _evaluated_area(plan)
        for images in (targets, min(run.training.survey or targets, targets))
    )
    epochs, budget = run.training.epochs, run.budget
    batches = epochs * steps_an_epoch if budget is None else budget.batches(epochs, steps_an_epoch)
    measured = sum(run.training.is_measured(epoch) for epoch in range(1, epochs + 1))
    if plan.method_plugins.get(run.method, declared_method(run.method)).by_prompts:
        batches, measured = 0, 1
    measuring = measured * evaluation if run.training.survey is None else evaluation + (measured - 1) * of_survey
    steps = batches * _ratio(plan, run) * is_trained + measuring
    per_second = rate or ASSUMED_FLOPS_PER_SECOND / flops_per_image(_trained_on(plan), run.backbone, run.training)
    return steps, steps * run.training.batch_size / per_second / 3600


def _trained_on(plan: Plan) -> Benchmark:
    """The benchmark at the image size and crop of the sweep's training."""
    return plan.benchmark.for_training(plan.training)


def _evaluated_area(plan: Plan) -> float:
    """Pixels of an image that is evaluated, in those that a training step sees of it: more than 1 with crops."""
    benchmark = _trained_on(plan)
    (height, width), (crop_height, crop_width) = benchmark.image_size, benchmark.train_size
    return height * width / (crop_height * crop_width)


def _hours_of_runs(wanted: Iterable[RunSpec], hours: dict[str, float]) -> dict[str, float]:
    """Identity of a run → its GPU hours; those of a first stage belong to the first run that starts from it."""
    found = {run.id: hours[run.id] for run in wanted}
    left = {run: spent for run, spent in hours.items() if run not in found}
    for run in wanted:
        found[run.id] += sum(left.pop(stage.spec.id, 0.0) for stage in stages_of(run)[:-1])
    return found


def _why_too_small(plan: Plan) -> str:
    """Why these steps have no estimate, and the command that measures their rate."""
    what = f"a step of {plan.backbones[0]} is so small that no assumed rate says how long it takes"
    if not (command := measuring_command(plan)):
        return f"{what}; try a few runs first: the same command with --points 1 --seeds 1 --confirm 0"
    return (
        f"{what}; measure it where it will train, on a GPU or a CPU: {command}  and give the images/s of"
        " source_only as --images-per-second"
    )


def measuring_command(plan: Plan) -> str:
    """The command that measures the rate of a plan's steps, by source_only, whose rate an estimate takes.

    Returns:
        The command; empty for kept features, of which none does.
    """
    if plan.training.keeps_features:
        return ""
    size = plan.training.image_size
    words = ["dta-bench", "profile", plan.benchmark.name, "--backbone", plan.backbones[0]]
    words += ["--batch", str(plan.training.batch_size), *(["--image-size", str(size[0])] if size else [])]
    return shlex.join([*words, "--method", "source_only"])


def _settings_not_counted(plan: Plan, rate: float | None) -> list[str]:
    """Settings that may make a sweep cheaper, which an estimate does not know."""
    rules = [rule for rule in plan.stop if rule != "none"]
    precision = plan.training.precision
    by_rate = rate is None and precision != Training.model_fields["precision"].default
    return [f"--stop {' '.join(rules)} ends runs early"] * bool(rules) + [f"precision {precision} is faster"] * by_rate


def epoch_lengths(plan: Plan, root: str) -> tuple[int, int]:
    """Steps of an epoch, and target images evaluated after it.

    From the published sizes, or from the data; where these are not there, from what the owners of a suite count.
    """
    benchmark = plan.benchmark
    sizes = dict(benchmark.published_sizes)
    if not {"source", "target_train"} <= sizes.keys():
        sizes = _sizes(benchmark.name, root)
    images = {"source": sizes["source"], "target": sizes["target_train"]}
    images["larger"] = max(images.values())
    natural = max(1, images[benchmark.epoch_length] // plan.training.batch_size)
    return plan.training.iterations_per_epoch or natural, sizes["target_train"]


def note_on_few_steps(plan: Plan, root: str) -> str:
    """What to say of runs whose epochs have hardly a step; empty for others, and where no sizes are known."""
    try:
        steps, _ = epoch_lengths(plan, root)
    except UserError:
        return ""
    size = plan.training.batch_size
    if steps >= FEW_STEPS or plan.training.iterations_per_epoch:
        return ""
    return (
        f"an epoch of {plan.benchmark.name} has {count_of(steps, 'step')} of {size} source and {size} target "
        "images: few for a network to learn in; --epochs makes a run longer, --training batch_size=N an epoch"
    )


def _sizes(benchmark: str, root: str) -> dict[str, int]:
    """The images of both domains in the data; where these are not there, as the owners of a suite count them."""
    suite = suite_of_benchmark(benchmark)
    is_missing = suite is not None and suite.missing(suite.pair_of(benchmark), Path(root))
    counted = _counted_sizes(suite, suite.pair_of(benchmark)) if suite is not None and is_missing else None
    return counted or _sizes_of_data(benchmark, root)


def _counted_sizes(suite: Suite, pair: SuitePair) -> dict[str, int] | None:
    """The images of a suite's pair that are trained on, as its owners count them; None where they do not."""
    file = suite.file
    sources, target = [file.count_of(name) for name in file.sources_of(pair)], file.count_of(pair.target)
    if None in sources or target is None:
        return None
    in_training = 1 - file.test_share if file.protocol == "drawn" else 1.0
    source = sum(count or 0 for count in sources)
    return {
        "source": int(source * in_training * (1 - file.validation_share)), "target_train": int(target * in_training),
    }  # fmt: skip


@functools.lru_cache(maxsize=64)
def _sizes_of_data(benchmark: str, root: str) -> dict[str, int]:
    """The images of both domains; read without what augments them, which imports torch."""
    plugin = benchmark_plugin(benchmark)

    @functools.cache
    def loaded() -> Domains:
        return plugin.load(Path(root))

    counts: dict[str, Callable[[], int]] = {
        "source": lambda: len(loaded().source_train), "target_train": lambda: len(loaded().target_train),
    }  # fmt: skip
    if not _is_in_libraries(plugin, root):
        return {name: count() for name, count in counts.items()}
    return {name: int(kept(("images", benchmark, name), [plugin.file], count)) for name, count in counts.items()}


def _is_in_libraries(plugin: BenchmarkPlugin, root: str) -> bool:
    """Whether a shipped benchmark needs no data of the user: installed libraries have all of it, or it is drawn.

    How many images those are is kept on disk, as reading them takes seconds.
    """
    return (
        plugin.file.parent == plugins.PACKAGE / "benchmarks"
        and plugin.archives is list
        and not (plugin.by_hand or plugin.folders(Path(root)))
    )


def _ratio(plan: Plan, run: RunSpec) -> float:
    """A step's cost in source-only steps: the floor that a method states, which tests hold to its FLOPs, if it needs
    nothing above it; else its FLOPs."""
    method = plan.method_plugins.get(run.method) or declared_method(run.method)  # a first stage is none of the plan's
    if method.floor is not None and not method.above_floor:
        return float(method.floor(method.params_type(**run.params)))
    return flops_ratio(run, method, _trained_on(plan))
