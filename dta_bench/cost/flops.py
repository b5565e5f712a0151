"""FLOPs of a run's step, counted on the meta device, where nothing is computed; where that fails, on the CPU."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from dta_bench import plugins
from dta_bench.cost import measure
from dta_bench.cost.kept_counts import kept
from dta_bench.cost.step import SOURCE_ONLY, BatchShape, ConfiguredMethod
from dta_bench.errors import UserError
from dta_bench.nn import pretrained
from dta_bench.nn.network import Network, evaluating
from dta_bench.nn.tuning import take_body_out, tuned
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.run_spec import RunSpec, Training

_FLOPS: dict[tuple[Any, ...], float] = {}
_NETWORKS: dict[tuple[Any, ...], tuple[Network, BatchShape]] = {}


def flops_ratio(spec: RunSpec, method: MethodPlugin, benchmark: Benchmark) -> float:
    """Count the FLOPs of a run's step after every ramp.

    They depend on which terms are on, on words and on whole numbers (repeats, widths), not on the terms' weights: runs
    that differ only in weights are counted once, and the count is kept on disk.

    Args:
        method: of the run.
        benchmark: of the run, as its file states it.

    Returns:
        FLOPs in source-only steps on the same backbone, of which the same part trains.

    Raises:
        UserError: the method takes other parameters today, or fails on a batch of random images.
    """
    try:
        params = method.params(spec.params)
    except ValidationError as error:
        raise UserError(f"{spec.method} does not take this run's parameters: {error.errors()[0]['msg']}") from error
    switches = ((name, bool(value) if isinstance(value, float) else value) for name, value in vars(params).items())
    key = (spec.method, spec.benchmark, benchmark.train_size, spec.backbone, *_about(spec.training), *sorted(switches))
    if key not in _FLOPS:
        files = [plugins.path("method", spec.method), *_backbone_files(spec.backbone)]
        about = (*key, len(benchmark.classes), benchmark.task)
        _FLOPS[key] = kept(about, files, lambda: _count(spec, ConfiguredMethod(method, params), benchmark))
    return _FLOPS[key]


def flops_per_image(benchmark: Benchmark, backbone: str, training: Training | None = None) -> float:
    """Return the FLOPs of a source-only step, divided by its source images.

    Args:
        training: says which part of the network trains; None: all of it.
    """
    key = (benchmark.name, benchmark.train_size, backbone, *_about(training))
    if key not in _FLOPS:
        about = ("an image", *key, len(benchmark.classes), benchmark.task)
        count = functools.partial(_count_step, benchmark, backbone, SOURCE_ONLY, training)
        _FLOPS[key] = kept(about, _backbone_files(backbone), count)
    return _FLOPS[key]


def _about(training: Training | None) -> tuple[Any, ...]:
    """What of a training decides the FLOPs of a step on an image."""
    if training is None or training.tune == "all":
        return ()
    return training.tune, training.neck_width, training.keeps_features


def _backbone_files(name: str) -> list[Path]:
    """The plug-in's file; a network of a library has none."""
    return [] if "/" in name else [plugins.path("backbone", name)]


def _count(spec: RunSpec, configured: ConfiguredMethod, benchmark: Benchmark) -> float:
    try:
        per_image = _count_step(benchmark, spec.backbone, configured, spec.training)
    except UserError:
        raise
    except Exception as error:  # a user's method may do anything
        raise UserError(f"a step of {spec.method} fails: {type(error).__name__}: {error}") from error
    return per_image / flops_per_image(benchmark, spec.backbone, spec.training)


def _count_step(benchmark: Benchmark, backbone: str, configured: ConfiguredMethod, training: Training | None) -> float:
    """The FLOPs of a step for each image of a domain."""
    meta_net, shape = meta_network(benchmark, backbone, training)
    build = functools.partial(built_network, benchmark, backbone, training)
    return measure.on_meta_or_cpu(measure.flops, meta_net, build, configured, shape) / shape.size


def built_network(benchmark: Benchmark, backbone: str, training: Training | None) -> Network:
    """The network of a run on the CPU, with random weights; without its frozen part where features are kept."""
    plugin = _plugin(benchmark, backbone, training)
    network = plugin.build(len(benchmark.classes))
    if training is not None and training.keeps_features:
        take_body_out(network)
    return network


def _plugin(benchmark: Benchmark, backbone: str, training: Training | None) -> pretrained.BackbonePlugin:
    plugin = pretrained.backbone(backbone, benchmark.train_size)
    return plugin if training is None else tuned(plugin, training)


def meta_network(benchmark: Benchmark, backbone: str, training: Training | None = None) -> tuple[Network, BatchShape]:
    """Return the network on the meta device and the smallest batch for it, two images of each domain.

    Both are made once a process. Where features are kept, the network takes these.
    """
    key = (benchmark.name, benchmark.train_size, backbone, *_about(training))
    if key not in _NETWORKS:
        plugin = _plugin(benchmark, backbone, training)
        net = plugin.build_on_meta(len(benchmark.classes))
        channels, *size = plugin.channels, *benchmark.train_size
        if training is not None and training.keeps_features:
            channels, *size = _shape_of_features(net, (channels, *size))
            take_body_out(net)
        shape = BatchShape(benchmark.task, len(benchmark.classes), 2, channels, tuple(size))
        _NETWORKS[key] = net, shape
    return _NETWORKS[key]


def _shape_of_features(net: Network, image: tuple[int, ...]) -> torch.Size:
    with torch.no_grad(), evaluating(net):
        return net.features(torch.empty(1, *image, device="meta")).activation.shape[1:]
