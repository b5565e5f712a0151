"""MNIST to USPS: handwritten digits to digits from envelopes, 28 px grey (Table 1)."""

from pathlib import Path

from dta_bench.benchmarks import _torchvision
from dta_bench.domains.download import Archive
from dta_bench.domains.images import Domains
from dta_bench.spec.benchmark import Benchmark

BENCHMARK = Benchmark(
    name="mnist_usps",
    task="classification",
    classes=_torchvision.TEN_DIGITS,
    source="MNIST",
    target="USPS",
    image_size=(28, 28),
    headline="accuracy",
    label_budget=365,
    label_budget_source="ours: 365 images, 5 % of target train, of which Shu et al.'s 1,000 would be 14 %",
    augmentation=("translate2", "noise0.1"),
    splits_stated=_torchvision.SPLITS_STATED,
    published_sizes={"source": 60_000, "target_train": 7_291, "target_test": 2_007},
)


def load(root: Path) -> Domains:
    """Read ``root/mnist`` and ``root/usps``."""
    return _torchvision.domains(_torchvision.mnist(root), _torchvision.usps(root))


def archives() -> list[Archive]:
    """The files that ``prepare`` downloads."""
    return _torchvision.archives("mnist", "usps")


def files(root: Path) -> list[Path]:
    """The files that ``load`` reads."""
    return _torchvision.files(root, "mnist", "usps")
