"""VisDA-2017's challenge: 152,397 renderings to 72,372 test photographs, tuned on labels of the validation domain."""

from pathlib import Path

from dta_bench.benchmarks import _visda
from dta_bench.benchmarks._splits import hold_out_share
from dta_bench.domains.download import Archive
from dta_bench.domains.file_tree import DataFolder
from dta_bench.domains.images import Domains

BENCHMARK = _visda.benchmark(
    "visda_test",
    "test",
    "photographs from videos",
    "whose labels only measure; the labelled subset is of the validation domain",
)


def load(root: Path) -> Domains:
    """List the images of ``train``, ``validation`` and ``test`` in ``root/visda``."""
    source, tuned_on, target = _visda.domains(root, "train", "validation", "test")
    fingerprint = _visda.fingerprint(root, source, tuned_on, target)
    return Domains(*hold_out_share(source, 0.1, seed=0), target, target, fingerprint, subset_of=tuned_on)


def archives() -> list[Archive]:
    """The files that ``prepare`` downloads."""
    return _visda.archives("train", "validation", "test")


def folders(root: Path) -> list[DataFolder]:
    """The folders whose files ``prepare`` counts."""
    return _visda.folders(root, "train", "validation", "test")
