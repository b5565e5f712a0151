"""VisDA-2017 classification: 152,397 renderings of 12 classes to 55,388 photographs (Tables 2, 4, 5)."""

from pathlib import Path

from dta_bench.benchmarks import _visda
from dta_bench.benchmarks._splits import hold_out_share
from dta_bench.domains.download import Archive
from dta_bench.domains.file_tree import DataFolder
from dta_bench.domains.images import Domains

BENCHMARK = _visda.benchmark("visda", "validation", "photographs", "so target test leaves the labelled subset out")


def load(root: Path) -> Domains:
    """List the images of ``root/visda/train`` and ``root/visda/validation``."""
    source, target = _visda.domains(root, "train", "validation")
    fingerprint = _visda.fingerprint(root, source, target)
    return Domains(*hold_out_share(source, 0.1, seed=0), target, target, fingerprint)


def archives() -> list[Archive]:
    """The files that ``prepare`` downloads."""
    return _visda.archives("train", "validation")


def folders(root: Path) -> list[DataFolder]:
    """The folders whose files ``prepare`` counts."""
    return _visda.folders(root, "train", "validation")
