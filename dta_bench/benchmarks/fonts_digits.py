"""Digits drawn from fonts to real handwriting (UCI optical digits): synthetic to real, VisDA in miniature."""

from pathlib import Path

from dta_bench.benchmarks import _digits
from dta_bench.domains.images import Domains
from dta_bench.spec.benchmark import Benchmark

BENCHMARK = Benchmark(
    name="fonts_digits",
    task="classification",
    classes=_digits.CLASSES,
    source="fonts (synthetic, 21 of matplotlib's)",
    target="UCI optical digits",
    image_size=(28, 28),
    headline="accuracy",
    label_budget=_digits.LABEL_BUDGET,
    label_budget_source=_digits.LABEL_BUDGET_SOURCE,
    augmentation=("translate2", "noise0.1"),
    splits_stated="3,000 images drawn by seed 0, 50 a class of them source validation (the same fonts); "
    + _digits.TARGET_SPLIT,
    epoch_length="target",
)


def load(root: Path) -> Domains:  # noqa: ARG001 - installed packages ship all of it
    """Draw the source, read the target; needs nothing under ``root``."""
    return _digits.pair(_digits.fonts())
