"""Get a benchmark's data ready: download what may be downloaded, say what the user has to get, and verify all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn

from dta_bench.data import inventory, manifest
from dta_bench.data.benchmark_plugin import BenchmarkPlugin, benchmark_plugin
from dta_bench.data.verify import inspect
from dta_bench.domains import download
from dta_bench.domains.download import Archive
from dta_bench.domains.images import Domains
from dta_bench.errors import Interrupted, UserError
from dta_bench.spec.benchmark import Benchmark

__all__ = ["inspect", "prepare"]


def prepare(
    name: str, root: Path, check: bool = False, mirror: str | None = None, console: Console | None = None
) -> dict[str, Any]:
    """Download what is missing of a benchmark's data, and verify all of it.

    Args:
        name: the benchmark.
        root: the folder of all data.
        check: verify only, and download nothing.
        mirror: a URL that holds the files by their names, instead of their owners' servers.
        console: where progress is shown; None: nowhere.

    Returns:
        The result of :func:`dta_bench.data.verify.inspect`, which is also written to ``<root>/<name>.prepared.json``.

    Raises:
        UserError: data are missing and cannot be downloaded; says which file belongs where.
        Interrupted: Ctrl-C; what was downloaded so far stays.
    """
    plugin = benchmark_plugin(name)
    archives = plugin.archives()
    console = console or Console(stderr=True, quiet=True)
    try:
        if not check:
            fetch_missing(archives, root, mirror, console)
        domains = _load(plugin, root)
        result = _inspect(plugin.benchmark, domains, console)
    except KeyboardInterrupt as stopped:
        raise Interrupted from stopped
    folder = plugin.data_folder(root)
    result["files"] = inventory.count_files(plugin.folders(root), domains, result["unreadable"], folder)
    result["problems"] += wrong_files(archives, root) + _wrong_sizes(plugin.benchmark, domains)
    if not manifest.write(result, root):
        result["notes"].append(f"{root} cannot be written, so this is not kept beside the data")
    return result


def fetch_missing(archives: list[Archive], root: Path, mirror: str | None, console: Console) -> None:
    """Download those of some archives that are not there.

    Raises:
        UserError: one cannot be downloaded; says which file belongs where.
    """
    missing = [one for one in archives if not one.is_present(root)]
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), SpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, Any] = {}

        def on_progress(file: str, size: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = progress.add_task(file, total=total or None)
            progress.update(tasks[file], completed=size)

        for archive in missing:
            try:
                download.fetch(archive, root, mirror, on_progress)
            except UserError as error:
                missing_files = ", ".join(archive.gives or [archive.file])
                raise UserError(
                    f"{error}; go online, or put {missing_files} into {root} by hand, then run it again"
                ) from error


def _load(plugin: BenchmarkPlugin, root: Path) -> Domains:
    """The benchmark's sets; where its data are missing, with what its file says of how to get them."""
    try:
        return plugin.load(root)
    except UserError as error:
        raise UserError(f"{error}\n{plugin.by_hand.format(root=root)}" if plugin.by_hand else str(error)) from error


def _inspect(benchmark: Benchmark, domains: Domains, console: Console) -> dict[str, Any]:
    total = len({name for images in domains.sets().values() for name in images.ids})
    with Progress(TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), console=console) as progress:
        task = progress.add_task("", total=total)
        return inspect(benchmark, domains, lambda: progress.advance(task))


def wrong_files(archives: list[Archive], root: Path) -> list[str]:
    """A sentence on each file whose owner publishes another MD5."""
    published = {path: md5 for one in archives for path, md5 in one.gives.items() if md5}
    actual = {path: download.md5(root / path) for path in published}
    return [
        f"{root / path} has MD5 {md5}, its owner's has {published[path]}: it is damaged or another version"
        for path, md5 in actual.items()
        if md5 != published[path]
    ]


def _wrong_sizes(benchmark: Benchmark, domains: Domains) -> list[str]:
    """A sentence on each set that holds fewer images than the labelled subset needs, or not as many as published."""
    sizes = {name: len(images) for name, images in domains.sets().items()}
    sizes["source"] = sizes["source_train"] + sizes["source_validation"]
    pool = len(domains.draws_from or ())
    too_small = f"the label budget is {benchmark.label_budget}, but {pool} images are there to draw it from"
    return [too_small] * (benchmark.label_budget > pool) + [
        f"{name} holds {sizes[name]:,} images, its owner counts {published:,}"
        for name, published in benchmark.published_sizes.items()
        if sizes[name] != published
    ]
