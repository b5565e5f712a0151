"""A benchmark by its name: what it says of itself, its data, and the five sets of a run."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from dta_bench import plugins
from dta_bench.data import check_label_maps, image_cache, manifest, splits, unreadable
from dta_bench.domains.benchmark import Benchmark
from dta_bench.domains.images import Domains, Splits
from dta_bench.spec.run_spec import RunSpec


@functools.lru_cache(maxsize=2)
def domains(benchmark: str, root: str, skip_unreadable: bool = False) -> Domains:
    """A benchmark's data, loaded once a process."""
    loaded: Domains = plugins.load("benchmark", benchmark).load(Path(root))
    if not skip_unreadable:
        return loaded
    known = manifest.unreadable(benchmark, Path(root), loaded.fingerprint)
    return unreadable.left_out(loaded, known if known is not None else list(unreadable.find(loaded)))


def benchmark_of(name: str) -> Benchmark:
    """The definition of a benchmark; needs no data."""
    found: Benchmark = plugins.load("benchmark", name).BENCHMARK
    return found


def splits_of(spec: RunSpec, root: str, skip_unreadable: bool = False) -> Splits:
    """The five sets of a run; ``target_only`` is given the labelled target train as its source."""
    method: Any = plugins.load("method", spec.method)
    loaded = domains(spec.benchmark, root, skip_unreadable)
    split = splits.split_supervised if getattr(method, "uses_target_labels", False) else splits.split
    return image_cache.kept(split(loaded, spec.label_subset), benchmark_of(spec.benchmark).under(spec.training))


def check_labels(benchmark: str, root: str, skip_unreadable: bool = False) -> None:
    """Look at a benchmark's label maps, which are too many to read, before a run does.

    Raises:
        UserError: some do not fit their images, or hold what is no label.
    """
    check_label_maps.check(benchmark_of(benchmark), domains(benchmark, root, skip_unreadable))
