"""Is a benchmark's data here and sound: fetch what may be fetched, say what the user has to get, verify all of it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn

from dta_bench import plugins
from dta_bench.data import manifest
from dta_bench.data.verify import SETS, inspect
from dta_bench.domains import download
from dta_bench.domains.benchmark import Benchmark
from dta_bench.domains.download import Archive
from dta_bench.domains.images import Domains
from dta_bench.errors import Interrupted, UserError

__all__ = ["inspect", "prepare"]


def prepare(
    name: str, root: Path, check: bool = False, mirror: str | None = None, console: Console | None = None
) -> dict[str, Any]:
    """Fetch what is missing of benchmark ``name`` (unless ``check``), read every image and label once, keep the result.

    Returns:
        As :func:`dta_bench.data.verify.inspect`; it is kept as ``<root>/<name>.prepared.json``, beside the data.

    Raises:
        UserError: data is missing and cannot be had; says which file is wanted where.
        Interrupted: Ctrl-C; what came is kept.
    """
    module = plugins.load("benchmark", name)
    archives: list[Archive] = module.archives() if hasattr(module, "archives") else []
    console = console or Console(stderr=True, quiet=True)
    try:
        if not check:
            _fetch([one for one in archives if not one.is_there(root)], root, mirror, console)
        domains = _loaded(module, root)
        found = _inspected(module.BENCHMARK, domains, console)
    except KeyboardInterrupt as stopped:
        raise Interrupted from stopped
    found["problems"] += _wrong_files(archives, root) + _wrong_sizes(module.BENCHMARK, domains)
    if not manifest.write(found, root):
        found["notes"].append(f"{root} cannot be written, so this is not kept beside the data")
    return found


def _fetch(missing: list[Archive], root: Path, mirror: str | None, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), SpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, Any] = {}

        def tell(file: str, there: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = progress.add_task(file, total=total or None)
            progress.update(tasks[file], completed=there)

        for archive in missing:
            try:
                download.fetch(archive, root, mirror, tell)
            except UserError as error:
                wanted = ", ".join(archive.gives or [archive.file])
                raise UserError(
                    f"{error}; go online, or put {wanted} into {root} by hand, then run it again"
                ) from error


def _loaded(module: ModuleType, root: Path) -> Domains:
    """The benchmark's sets; where its data are missing, with what its file says of how to get them."""
    try:
        domains: Domains = module.load(root)
    except UserError as error:
        by_hand = getattr(module, "BY_HAND", "")
        raise UserError(f"{error}\n{by_hand.format(root=root)}" if by_hand else str(error)) from error
    return domains


def _inspected(benchmark: Benchmark, domains: Domains, console: Console) -> dict[str, Any]:
    total = len({name for part in SETS for name in getattr(domains, part).ids})
    with Progress(TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), console=console) as progress:
        task = progress.add_task("", total=total)
        return inspect(benchmark, domains, lambda: progress.advance(task))


def _wrong_files(archives: list[Archive], root: Path) -> list[str]:
    """Files whose owner publishes another MD5."""
    wanted = {path: md5 for one in archives for path, md5 in one.gives.items() if md5}
    found = {path: download.md5(root / path) for path in wanted}
    return [
        f"{root / path} has MD5 {md5}, its owner's has {wanted[path]}: it is torn or another version"
        for path, md5 in found.items()
        if md5 != wanted[path]
    ]


def _wrong_sizes(benchmark: Benchmark, domains: Domains) -> list[str]:
    """Sets that do not hold as many images as their owner counts, or as the labelled subset takes."""
    found = {name: len(getattr(domains, name)) for name in SETS}
    found["source"] = found["source_train"] + found["source_validation"]
    pool = len(domains.subset_of or domains.target_train)
    short = f"the label budget is {benchmark.label_budget}, but {pool} images are there to draw it from"
    return [short] * (benchmark.label_budget > pool) + [
        f"{name} holds {found[name]:,} images, its owner counts {wanted:,}"
        for name, wanted in benchmark.published_sizes.items()
        if found[name] != wanted
    ]
