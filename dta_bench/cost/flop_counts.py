"""How many FLOPs a step takes, and how often it updates the same weights: kept counts, or counted now with torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dta_bench import plugins
from dta_bench.cost.kept_counts import kept
from dta_bench.errors import UserError
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.declared_method import DeclaredMethod
from dta_bench.spec.method_plugin import MethodPlugin, method_plugin
from dta_bench.spec.run_spec import RunSpec, Training

_COUNTS: dict[tuple[Any, ...], float] = {}


def flops_ratio(spec: RunSpec, method: MethodPlugin, benchmark: Benchmark) -> float:
    """Count the FLOPs of a run's step after every ramp.

    They depend on which terms are on, on words and on whole numbers (repeats, widths), not on the terms' weights: runs
    that differ only in weights are counted once, and the count is kept on disk.

    Args:
        method: of the run.
        benchmark: of the run, as its file states it.

    Returns:
        FLOPs in source-only steps on the same backbone, of which the same part trains; 0 where nothing trains.

    Raises:
        UserError: the method takes other parameters today, or fails on a batch of random images.
    """
    if method.by_prompts:
        return 0.0
    try:
        params = method.params(spec.params)
    except ValidationError as error:
        raise UserError(f"{spec.method} does not take this run's parameters: {error.errors()[0]['msg']}") from error
    switches = ((name, bool(value) if isinstance(value, float) else value) for name, value in vars(params).items())
    sizes, trained = (_sized_as(spec.benchmark), benchmark.train_size), about(spec.training)
    key = (spec.method, *sizes, spec.backbone, *trained, *sorted(switches))

    def count() -> float:
        from dta_bench.cost import flops

        return flops.count_ratio(spec, whole(method), benchmark)

    return _kept(key, benchmark, [plugins.path("method", spec.method), *backbone_files(spec.backbone)], count)


def flops_per_image(benchmark: Benchmark, backbone: str, training: Training | None = None) -> float:
    """Return the FLOPs of a source-only step, divided by its source images.

    Args:
        training: says which part of the network trains; None: all of it.
    """

    def count() -> float:
        from dta_bench.cost import flops

        return flops.count_source_only(benchmark, backbone, training)

    key = ("an image", _sized_as(benchmark.name), benchmark.train_size, backbone, *about(training))
    return _kept(key, benchmark, backbone_files(backbone), count)


def updates_of_batch(spec: RunSpec, method: MethodPlugin, benchmark: Benchmark) -> int:
    """How often a method updates the same weights on one batch: 1 for most, 5 for MCD, 0 where nothing trains.

    Raises:
        UserError: its steps cannot be counted.
    """

    if method.by_prompts:
        return 0

    def count() -> float:
        from dta_bench.cost import updates

        return updates.count(spec, whole(method), benchmark)

    tuned = (spec.training.tune, spec.training.neck_width, spec.training.keeps_features)
    about = (method.name, benchmark.name, spec.backbone, benchmark.train_size, tuned, *sorted(spec.params.items()))
    files = [plugins.path("method", method.name), *backbone_files(spec.backbone)]
    return int(_kept(("updates", *about), benchmark, files, count))


def whole(method: MethodPlugin) -> MethodPlugin:
    """The method as its whole file defines it."""
    return method_plugin(method.name) if isinstance(method, DeclaredMethod) else method


def _sized_as(benchmark: str) -> str:
    """A name that benchmarks of the same classes and image size share: the pairs of a suite have its name."""
    return plugins.suite_of(benchmark) or benchmark


def _kept(key: tuple[Any, ...], benchmark: Benchmark, files: list[Path], count: Callable[[], float]) -> float:
    if key not in _COUNTS:
        _COUNTS[key] = kept((*key, len(benchmark.classes), benchmark.task), files, count)
    return _COUNTS[key]


def about(training: Training | None) -> tuple[Any, ...]:
    """What of a training decides the FLOPs of a step on an image."""
    if training is None or training.tune == "all":
        return ()
    return training.tune, training.neck_width, training.keeps_features


def backbone_files(name: str) -> list[Path]:
    """The plug-in's file; a network of a library has none."""
    return [] if "/" in name else [plugins.path("backbone", name)]
