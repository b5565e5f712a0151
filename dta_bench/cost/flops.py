"""FLOPs of a run's step, counted on the meta device, where nothing is computed; where that fails, on the CPU."""

from __future__ import annotations

import functools
from typing import Any

import torch

from dta_bench.cost import measure
from dta_bench.cost.flop_counts import about, flops_per_image
from dta_bench.cost.step import SOURCE_ONLY, BatchShape, ConfiguredMethod
from dta_bench.errors import UserError
from dta_bench.nn import pretrained
from dta_bench.nn.network import Network, evaluating
from dta_bench.nn.tuning import take_body_out, tuned
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.run_spec import RunSpec, Training

_NETWORKS: dict[tuple[Any, ...], tuple[Network, BatchShape]] = {}


def count_ratio(spec: RunSpec, method: MethodPlugin, benchmark: Benchmark) -> float:
    """Count the FLOPs of a run's step in source-only steps.

    Raises:
        UserError: the method fails on a batch of random images.
    """
    try:
        configured = ConfiguredMethod(method, method.params(spec.params))
        per_image = _count_step(benchmark, spec.backbone, configured, spec.training)
    except UserError:
        raise
    except Exception as error:  # a user's method may do anything
        raise UserError(f"a step of {spec.method} fails: {type(error).__name__}: {error}") from error
    return per_image / flops_per_image(benchmark, spec.backbone, spec.training)


def count_source_only(benchmark: Benchmark, backbone: str, training: Training | None) -> float:
    """Count the FLOPs of a source-only step for each source image."""
    return _count_step(benchmark, backbone, SOURCE_ONLY, training)


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
    key = (benchmark.name, benchmark.train_size, backbone, *about(training))
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
