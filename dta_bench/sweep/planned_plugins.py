"""What a plan has to know of its plug-ins that takes torch to find out; what was found out before is kept on disk."""

from __future__ import annotations

from dta_bench import plugins
from dta_bench.cost.flop_counts import backbone_files
from dta_bench.cost.kept_counts import kept
from dta_bench.errors import UserError
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.training import Training

DECIDES_NOTHING = {
    "epochs", "optimizer", "learning_rate", "momentum", "weight_decay", "decay_every", "decay_factor", "schedule",
    "schedule_options", "learning_rate_warm_up", "iterations_per_epoch", "nesterov", "betas", "clip_norm",
    "decay_norms_and_biases", "rates", "measure_every", "survey", "augmentation", "strong_view", "players",
    "data_on_device", "gpu_layout", "noise",
}  # fmt: skip
"""Fields of a training that have no part in whether a network takes its batches."""


def check_backbone(name: str, benchmark: Benchmark, weights: str, training: Training) -> None:
    """A backbone exists, does the benchmark's task on its sizes, and its weights can be had: told before any run.

    That a network with random weights can be used is kept on disk, so that it is tried once.

    Args:
        name: of the backbone.
        benchmark: at the image size and crop of ``training``.

    Raises:
        UserError: it is not so.
    """

    def check() -> float:
        _check_backbone_now(name, benchmark, weights, training)
        return 1.0

    if weights != "none":
        check()
        return
    deciding = {key: value for key, value in training.model_dump().items() if key not in DECIDES_NOTHING}
    sizes = benchmark.name, benchmark.task, len(benchmark.classes), benchmark.image_size, benchmark.crop
    kept(("takes batches", name, *sizes, deciding), backbone_files(name), check)


def _check_backbone_now(name: str, benchmark: Benchmark, weights: str, training: Training) -> None:
    from dta_bench.nn import pretrained
    from dta_bench.nn.tuning import tuned
    from dta_bench.run import preflight  # import torch

    backbone = tuned(pretrained.backbone(name, benchmark.train_size), training)
    if backbone.task != benchmark.task:
        raise UserError(f"{benchmark.name} is {benchmark.task}, but the backbone {name} does {backbone.task}")
    preflight.check(backbone, benchmark, training)
    if weights != "none":
        backbone.build(len(benchmark.classes), weights)


def check_method(name: str) -> None:
    """The whole file of a method runs, of which a plan reads only what it declares; tests hold the shipped ones to it.

    Raises:
        UserError: it does not; says where and why.
    """
    file = plugins.path("method", name)
    if not file.is_relative_to(plugins.PACKAGE):
        kept(("runs", name), [file], lambda: 1.0 if method_plugin(name) else 0.0)


def size_in_bytes(name: str, size: tuple[int, int], classes: int) -> int:
    """The bytes of a network's weights and buffers; it is built without values, once."""

    def count() -> float:
        from dta_bench.nn import pretrained
        from dta_bench.run import network_file  # import torch

        return network_file.size_in_bytes(pretrained.backbone(name, size).build_on_meta(classes))

    return int(kept(("bytes", name, size, classes), backbone_files(name), count))
