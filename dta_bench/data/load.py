"""A benchmark by its name: what its file says, its data, and the five sets of a run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from dta_bench import plugins
from dta_bench.benchmarks import _pair, _pair_file
from dta_bench.data import check_label_maps, image_cache, manifest, splits, unreadable
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.domains.download import Archive
from dta_bench.domains.images import Domains, Splits
from dta_bench.errors import UserError
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.method_plugin import MethodPlugin
from dta_bench.spec.run_spec import RunSpec


@dataclass(frozen=True)
class BenchmarkPlugin:
    """What a benchmark's file says, be it Python or YAML.

    Attributes:
        load: data root → the four labelled sets.
        archives: what may be downloaded, for files that define ``archives()``.
        by_hand: how to get the data where that needs a login (``BY_HAND``); ``{root}`` stands for the data root.
    """

    name: str
    file: Path
    docstring: str
    benchmark: Benchmark
    load: Callable[[Path], Domains]
    archives: Callable[[], list[Archive]] = list
    by_hand: str = ""


def benchmark_plugin(name: str) -> BenchmarkPlugin:
    """The benchmark of this name.

    Raises:
        UserError: no such benchmark, or its file does not run, lacks a part, or says what cannot be.
    """
    file = plugins.path("benchmark", name)
    if file.suffix == ".yaml":
        pair = _pair_file.read(file)
        load = functools.partial(_pair.load, pair)
        return BenchmarkPlugin(name, file, _pair_file.opening(file), _pair_file.benchmark(name, pair), load)
    return _read(name, file, plugins.load("benchmark", name))


def _read(name: str, file: Path, module: ModuleType) -> BenchmarkPlugin:
    archives, by_hand = getattr(module, "archives", list), getattr(module, "BY_HAND", "")
    if not callable(archives):
        raise UserError(f"{file}: archives is {archives!r}; allowed: a function that gives a list of Archive")
    if not isinstance(by_hand, str):
        raise UserError(f"{file}: BY_HAND is {by_hand!r}; allowed: text")
    return BenchmarkPlugin(name, file, module.__doc__ or "", module.BENCHMARK, module.load, archives, by_hand)


def benchmark_of(name: str) -> Benchmark:
    """The definition of a benchmark; needs no data."""
    return benchmark_plugin(name).benchmark


@functools.lru_cache(maxsize=2)
def domains(benchmark: str, root: str, skip_unreadable: bool = False) -> Domains:
    """A benchmark's data, loaded once a process.

    Args:
        skip_unreadable: leave images out that cannot be read, instead of failing at the first.
    """
    loaded = benchmark_plugin(benchmark).load(Path(root))
    if not skip_unreadable:
        return loaded
    known = manifest.unreadable(benchmark, Path(root), loaded.fingerprint)
    return unreadable.left_out(loaded, known if known is not None else list(unreadable.find(loaded)))


def splits_of(
    spec: RunSpec, benchmark: Benchmark, method: MethodPlugin, root: str, skip_unreadable: bool = False
) -> Splits:
    """The five sets of a run; ``target_only`` is given the labelled target train as its source.

    Args:
        benchmark: under the run's training, so that images are kept at the size that the run wants.
    """
    loaded = domains(spec.benchmark, root, skip_unreadable)
    split = splits.split_supervised if method.uses_target_labels else splits.split
    return image_cache.kept(split(loaded, spec.label_subset), benchmark)


def check_labels(benchmark: Benchmark, root: str, skip_unreadable: bool = False) -> None:
    """Look at a benchmark's label maps, which are too many to read, before a run does.

    Raises:
        UserError: some do not fit their images, or hold what is no label.
    """
    check_label_maps.check(benchmark, domains(benchmark.name, root, skip_unreadable))
