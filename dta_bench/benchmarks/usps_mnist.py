"""USPS to MNIST: digits from envelopes to handwritten digits, 28 px grey (Table 1)."""

from pathlib import Path

from dta_bench.benchmarks import _torchvision
from dta_bench.domains.download import Archive
from dta_bench.domains.images import Domains
from dta_bench.spec.benchmark import Benchmark

BENCHMARK = Benchmark(
    name="usps_mnist",
    task="classification",
    classes=_torchvision.TEN_DIGITS,
    source="USPS",
    target="MNIST",
    image_size=(28, 28),
    headline="accuracy",
    label_budget=1000,
    label_budget_source="Shu et al. (2018), whom the paper follows: 1,000, here 1.7 % of target train",
    augmentation=("translate2", "noise0.1"),
    splits_stated=_torchvision.SPLITS_STATED,
    published_sizes={"source": 7_291, "target_train": 60_000, "target_test": 10_000},
)


def load(root: Path) -> Domains:
    """Read ``root/usps`` and ``root/mnist``."""
    return _torchvision.domains(_torchvision.usps(root), _torchvision.mnist(root))


def archives() -> list[Archive]:
    """The files that ``prepare`` downloads."""
    return _torchvision.archives("usps", "mnist")


def files(root: Path) -> list[Path]:
    """The files that ``load`` reads."""
    return _torchvision.files(root, "usps", "mnist")
