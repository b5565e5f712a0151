"""CIFAR-10 to STL-10: photographs of nine shared classes, 32 px (Table 1)."""

from pathlib import Path

from dta_bench.benchmarks import _torchvision
from dta_bench.domains.download import Archive
from dta_bench.domains.images import Domains
from dta_bench.spec.benchmark import Benchmark

BENCHMARK = Benchmark(
    name="cifar_stl",
    task="classification",
    classes=_torchvision.NINE_CLASSES,
    source="CIFAR-10",
    target="STL-10",
    image_size=(32, 32),
    headline="accuracy",
    label_budget=225,
    label_budget_source="ours: 225 images, 5 % of target train, of which Shu et al.'s 1,000 would be 22 %",
    augmentation=("translate2", "hflip", "noise0.1"),
    splits_stated=_torchvision.SPLITS_STATED,
    published_sizes={"source": 45_000, "target_train": 4_500, "target_test": 7_200},
)


def load(root: Path) -> Domains:
    """Read ``root/cifar10`` and ``root/stl10``."""
    return _torchvision.domains(_torchvision.cifar(root), _torchvision.stl(root))


def archives() -> list[Archive]:
    """The files that ``prepare`` downloads."""
    return _torchvision.archives("cifar10", "stl10")


def files(root: Path) -> list[Path]:
    """The files that ``load`` reads."""
    return _torchvision.files(root, "cifar10", "stl10")
