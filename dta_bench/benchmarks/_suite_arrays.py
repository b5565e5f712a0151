"""Domains of a suite that are no folders of images: sets of digits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dta_bench.benchmarks import _digits, _torchvision
from dta_bench.benchmarks._splits import hold_out_per_class
from dta_bench.domains.download import Archive
from dta_bench.domains.images import LabelledImages

Parts = tuple[LabelledImages, LabelledImages]
"""The train part and the test part of a domain."""


def _fonts(_: Path) -> Parts:
    return hold_out_per_class(_digits.fonts(), 60, _digits.SPLIT_SEED)


def _optdigits(_: Path) -> Parts:
    return hold_out_per_class(_digits.optdigits(), 60, _digits.SPLIT_SEED)


READERS: dict[str, Callable[[Path], Parts]] = {
    "mnist": _torchvision.mnist, "usps": _torchvision.usps, "svhn": _torchvision.svhn,
    "fonts": _fonts, "optdigits": _optdigits,
}  # fmt: skip
"""Name → reads a set's parts from the data root."""


def missing_files(reader: str, root: Path) -> list[str]:
    """The files of a set that are not under the data root; none for sets that installed packages ship."""
    return [file for file in _torchvision.FILES.get(reader, ()) if not (root / reader / file).exists()]


def archives(reader: str) -> list[Archive]:
    """What may be downloaded of a set."""
    return _torchvision.archives(reader) if reader in _torchvision.FILES else []
