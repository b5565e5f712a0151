"""A benchmark's file, Python or YAML, as one typed record: what it must define and may define, read in one place."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from dta_bench import plugins
from dta_bench.benchmarks import _pair, _pair_file, _pair_target, _suite, _suite_file
from dta_bench.domains.download import Archive
from dta_bench.domains.file_tree import DataFolder
from dta_bench.domains.images import Domains
from dta_bench.errors import UserError
from dta_bench.spec.benchmark import Benchmark


@dataclass(frozen=True)
class BenchmarkPlugin:
    """What a benchmark's file says, be it Python or YAML.

    Attributes:
        load: data root → the four labelled sets.
        archives: what may be downloaded, for files that define ``archives()``.
        by_hand: how to get the data where that needs a login (``BY_HAND``); ``{root}`` stands for the data root.
        folders: data root → the folders whose files ``prepare`` counts; for files in Python that define ``folders``.
        files: data root → the files that ``load`` reads, so that missing ones are told without reading any; for files
            in Python that define ``files``.
        has_test: data root → whether there is a labelled target test; None where only the missing data could say it.
        data_folder: data root → the folder that ids of images are paths in.
        bits: how many bits hold numbers in the target's images of 16 bits, where its file says it.
    """

    name: str
    file: Path
    docstring: str
    benchmark: Benchmark
    load: Callable[[Path], Domains]
    archives: Callable[[], list[Archive]] = list
    by_hand: str = ""
    folders: Callable[[Path], list[DataFolder]] = lambda _: []
    files: Callable[[Path], list[Path]] = lambda _: []
    has_test: Callable[[Path], bool | None] = lambda _: True
    data_folder: Callable[[Path], Path] = lambda root: root
    bits: int | None = None


def benchmark_plugin(name: str) -> BenchmarkPlugin:
    """The benchmark of this name.

    Raises:
        UserError: no such benchmark, or its file does not run, lacks a part, or says what cannot be.
    """
    file, name = plugins.path("benchmark", name), plugins.composed(name)
    if suite := plugins.suite_of(name):
        return _pair_of_suite(suite, name, file)
    if file.suffix == ".yaml":
        pair = _pair_file.read(file)
        load = functools.partial(_pair.load, pair)
        folders = functools.partial(_pair.folders, pair)
        has_test = functools.partial(_pair_target.has_test, pair)
        opening, definition = _pair_file.opening(file), _pair_file.benchmark(name, pair)
        bits = pair.target.bits
        return BenchmarkPlugin(name, file, opening, definition, load, folders=folders, has_test=has_test, bits=bits)
    return _read(name, file, plugins.load("benchmark", name))


def suite_file(path: Path) -> _suite_file.SuiteFile:
    """What a suite's file says; it is read again only when it has changed.

    Raises:
        UserError: lists everything that is wrong in it.
    """
    state = path.stat()
    return _read_suite(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=32)
def _read_suite(path: Path, *_: int) -> _suite_file.SuiteFile:
    return _suite_file.read(path)


def _pair_of_suite(suite: str, name: str, path: Path) -> BenchmarkPlugin:
    file = suite_file(path)
    by_name = {one.benchmark(suite): one for one in file.possible_pairs()}
    if name not in by_name:
        raise UserError(
            f"{name} is no pair of the suite {suite}; its domains are {', '.join(file.domains)}, and a pair is called "
            f"like {next(iter(by_name))}"
        )
    pair = by_name[name]
    domains = [*file.sources_of(pair), pair.target]
    return BenchmarkPlugin(
        name, path, f"{pair.key}, a pair of the suite {suite}.", _suite_file.benchmark(suite, file, pair),
        functools.partial(_suite.load, suite, file, pair),
        by_hand=file.by_hand, folders=functools.partial(_suite.folders, suite, file, domains),
        data_folder=functools.partial(_suite.folder_of, suite), bits=file.domains[pair.target].bits,
    )  # fmt: skip


def _read(name: str, file: Path, module: ModuleType) -> BenchmarkPlugin:
    archives, by_hand = getattr(module, "archives", list), getattr(module, "BY_HAND", "")
    folders: Callable[[Path], list[DataFolder]] = getattr(module, "folders", lambda _: [])
    files: Callable[[Path], list[Path]] = getattr(module, "files", lambda _: [])
    if not callable(archives):
        raise UserError(f"{file}: archives is {archives!r}; allowed: a function that gives a list of Archive")
    if not isinstance(by_hand, str):
        raise UserError(f"{file}: BY_HAND is {by_hand!r}; allowed: text")
    if not callable(folders):
        raise UserError(f"{file}: folders is {folders!r}; allowed: a function that gives a list of DataFolder")
    if not callable(files):
        raise UserError(f"{file}: files is {files!r}; allowed: a function that gives a list of paths")
    opening, definition = module.__doc__ or "", module.BENCHMARK
    return BenchmarkPlugin(name, file, opening, definition, module.load, archives, by_hand, folders, files)


def benchmark_of(name: str) -> Benchmark:
    """The definition of a benchmark; needs no data."""
    return benchmark_plugin(name).benchmark
