"""STL-10 to CIFAR-10: photographs of nine shared classes, 32 px (Table 1)."""

from pathlib import Path

from dta_bench.benchmarks import _torchvision
from dta_bench.domains.download import Archive
from dta_bench.domains.images import Domains
from dta_bench.spec.benchmark import Benchmark

BENCHMARK = Benchmark(
    name="stl_cifar",
    task="classification",
    classes=_torchvision.NINE_CLASSES,
    source="STL-10",
    target="CIFAR-10",
    image_size=(32, 32),
    headline="accuracy",
    label_budget=1000,
    label_budget_source="Shu et al. (2018), whom the paper follows: 1,000, here 2.2 % of target train",
    augmentation=("translate2", "hflip", "noise0.1"),
    splits_stated=_torchvision.SPLITS_STATED,
    published_sizes={"source": 4_500, "target_train": 45_000, "target_test": 9_000},
)


def load(root: Path) -> Domains:
    """Read ``root/stl10`` and ``root/cifar10``."""
    return _torchvision.domains(_torchvision.stl(root), _torchvision.cifar(root))


def archives() -> list[Archive]:
    """The files that ``prepare`` downloads."""
    return _torchvision.archives("stl10", "cifar10")


def files(root: Path) -> list[Path]:
    """The files that ``load`` reads."""
    return _torchvision.files(root, "stl10", "cifar10")
