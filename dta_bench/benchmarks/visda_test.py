"""VisDA-2017's challenge: 152,397 renderings to 72,372 test photographs, tuned on labels of the validation domain."""

from pathlib import Path

from dta_bench.benchmarks import _visda
from dta_bench.benchmarks._splits import hold_out_share
from dta_bench.domains import Benchmark, Domains
from dta_bench.downloads import Archive

BENCHMARK = Benchmark(
    name="visda_test",
    task="classification",
    classes=_visda.CLASSES,
    source="VisDA-2017 train (synthetic renderings)",
    target="VisDA-2017 test (photographs from videos)",
    image_size=(224, 224),
    headline="mean_class_accuracy",
    label_budget=1000,
    label_budget_source=_visda.LABEL_BUDGET_SOURCE,
    standardisation="imagenet",
    augmentation=_visda.AUGMENTATION,
    splits_stated="source validation = a tenth of train, drawn by seed 0; target train and target test are both the "
    "test domain, whose labels only measure; the labelled subset is of the validation domain",
    published_sizes={"source": 152_397, "target_train": 72_372, "target_test": 72_372},
)


def load(root: Path) -> Domains:
    """Read the lists of ``root/visda``'s ``train``, ``validation`` and ``test``."""
    source, tuned_on, target = _visda.domains(root, "train", "validation", "test")
    found = _visda.fingerprint(root, source, tuned_on, target)
    return Domains(*hold_out_share(source, 0.1, seed=0), target, target, found, subset_of=tuned_on)


def archives() -> list[Archive]:
    """What ``prepare`` downloads."""
    return _visda.archives("train", "validation", "test")
