"""VisDA-2017 classification: 152,397 renderings of 12 classes to 55,388 photographs (Tables 2, 4, 5)."""

from pathlib import Path

from dta_bench.benchmarks import _visda
from dta_bench.benchmarks._splits import hold_out_share
from dta_bench.domains import Benchmark, Domains
from dta_bench.downloads import Archive

BENCHMARK = Benchmark(
    name="visda",
    task="classification",
    classes=_visda.CLASSES,
    source="VisDA-2017 train (synthetic renderings)",
    target="VisDA-2017 validation (photographs)",
    image_size=(224, 224),
    headline="mean_class_accuracy",
    label_budget=1000,
    label_budget_source=_visda.LABEL_BUDGET_SOURCE,
    standardisation="imagenet",
    augmentation=_visda.AUGMENTATION,
    splits_stated="source validation = a tenth of train, drawn by seed 0; target train and target test are both the "
    "validation domain, so target test leaves the labelled subset out",
    published_sizes={"source": 152_397, "target_train": 55_388, "target_test": 55_388},
)


def load(root: Path) -> Domains:
    """Read the lists of ``root/visda/train`` and ``root/visda/validation``."""
    source, target = _visda.domains(root, "train", "validation")
    found = _visda.fingerprint(root, source, target)
    return Domains(*hold_out_share(source, 0.1, seed=0), target, target, found)


def archives() -> list[Archive]:
    """What ``prepare`` downloads."""
    return _visda.archives("train", "validation")
