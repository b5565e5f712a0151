"""Get the data of a suite ready: download what may be, verify each domain once, and say what is missing and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dta_bench.benchmarks import _suite, _suite_arrays
from dta_bench.data import manifest, verify
from dta_bench.data.prepare import fetch_missing, wrong_files
from dta_bench.data.suite_plugin import DomainParts, Suite, suite_plugin
from dta_bench.domains.images import LabelledImages
from dta_bench.errors import Interrupted, UserError


def has_downloads(suite: Suite) -> bool:
    """Whether any domain of a suite may be downloaded."""
    return any(_suite_arrays.archives(one.reader) for one in suite.file.domains.values() if one.reader)


def prepare_suite(
    name: str, root: Path, check: bool = False, mirror: str | None = None, console: Console | None = None
) -> dict[str, Any]:
    """Download what is missing of a suite's data and may be downloaded, and verify all that is there.

    Args:
        name: the suite.
        root: the folder of all data.
        check: verify only, and download nothing.
        mirror: a URL that holds the files by their names, instead of their owners' servers.
        console: where progress is shown; None: nowhere.

    Returns:
        ``domains`` (of each that is there: images, train, test, class_counts), ``missing`` (of each other: what), and
        ``pairs`` (key → what is missing of its data, empty for none); ``get`` (how to get what is missing),
        ``unreadable``, ``notes`` and ``problems`` (sentences). Also written to ``<root>/<name>.prepared.json``.

    Raises:
        UserError: no such suite, or a domain that is there cannot be understood.
        Interrupted: Ctrl-C; what was downloaded so far stays.
    """
    suite, console = suite_plugin(name), console or Console(stderr=True, quiet=True)
    folder = _suite.folder_of(suite.name, root)
    try:
        failed = {} if check else _fetch(suite, folder, mirror, console)
        missing = {one: absent for one in suite.file.domains if (absent := suite.missing_of(one, root))}
        parts = {one: suite.read_domain(one, root) for one in suite.file.domains if one not in missing}
        result = _verify(suite, parts, console)
    except KeyboardInterrupt as stopped:
        raise Interrupted from stopped
    result["missing"] = {one: f"{absent} ({failed[one]})" if one in failed else absent
                         for one, absent in missing.items()}  # fmt: skip
    result["pairs"] = {pair.key: suite.missing(pair, root) for pair in suite.pairs()}
    result["get"] = suite.file.by_hand.format(root=folder).strip() if missing else ""
    for one in parts:
        if reader := suite.file.domains[one].reader:
            result["problems"] += wrong_files(_suite_arrays.archives(reader), folder)
    if not manifest.write(result, root):
        result["notes"].append(f"{root} cannot be written, so this is not kept beside the data")
    return result


def _fetch(suite: Suite, folder: Path, mirror: str | None, console: Console) -> dict[str, str]:
    """Download what may be; domain → why it could not be."""
    failed = {}
    for name, domain in suite.file.domains.items():
        if not domain.reader:
            continue
        try:
            fetch_missing(_suite_arrays.archives(domain.reader), folder, mirror, console)
        except UserError as error:
            failed[name] = str(error)
    return failed


def _verify(suite: Suite, parts: dict[str, DomainParts], console: Console) -> dict[str, Any]:
    """Read every image of every domain once; count, compare with the owners' counts, and look for copies."""
    file = suite.file
    domains: dict[str, verify.Images] = {name: one.all for name, one in parts.items()}
    total = sum(len(images) for images in domains.values())
    with Progress(TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), console=console) as progress:
        task = progress.add_task("", total=total)
        read = verify.read_images(domains, lambda: progress.advance(task))
    facts = {name: _facts(suite, name, one, read) for name, one in parts.items()}
    signatures = {name: verify.signatures_of(images, read) for name, images in domains.items()}
    copies, notes = verify.find_copies(signatures, lambda *_: True)
    problems = [image.problem for image in read.values() if image.problem]
    for name, one in facts.items():
        problems += _wrong_counts(name, one)
    return {
        "benchmark": suite.name,
        "suite": suite.name,
        "splits": _suite_splits(suite),
        "classes": list(file.classes),
        "domains": facts,
        "unreadable": [image.id for image in read.values() if image.problem],
        "notes": notes,
        "problems": problems + copies,
    }


def _suite_splits(suite: Suite) -> str:
    from dta_bench.benchmarks._suite_file import benchmark

    return benchmark(suite.name, suite.file, suite.pairs()[0]).splits_stated


def _facts(suite: Suite, name: str, parts: DomainParts, read: dict[str, verify.ReadImage]) -> dict[str, Any]:
    images: LabelledImages = parts.all
    counts = verify.count_labels(images, read)
    of_class = dict(zip(suite.file.classes, map(int, counts), strict=False))
    stated = suite.file.published.get(name)
    return {
        "images": len(images), "train": len(parts.train), "test": len(parts.test), "class_counts": of_class,
        "published": stated, "unlabelled_pixels": int(np.sum(counts[len(of_class):]))
        if suite.file.task == "segmentation" else None,
    }  # fmt: skip


def _wrong_counts(name: str, facts: dict[str, Any]) -> list[str]:
    """A sentence on each count that is not that of the owners."""
    stated = facts["published"]
    if stated is None:
        return []
    if isinstance(stated, int):
        return [_differs(name, facts["images"], stated)] if facts["images"] != stated else []
    found = facts["class_counts"]
    wrong = {one: count for one, count in stated.items() if found[one] != count}
    return [_differs(f"{name}, class {one},", found[one], count) for one, count in wrong.items()]


def _differs(what: str, found: int, stated: int) -> str:
    return f"{what} holds {found:,} images, published are {stated:,}"


def as_text(result: dict[str, Any]) -> str:
    """The result of :func:`prepare_suite` as text: a table of domains, then what is missing, notes and problems."""
    domains = result["domains"]
    lines = [f"suite            {result['suite']}", f"splits           {result['splits']}", ""]
    if domains:
        lines.append(f"{'':<24} " + " ".join(f"{name:>14}" for name in domains))
        for fact in ("images", "train", "test"):
            lines.append(f"{fact:<24} " + " ".join(f"{one[fact]:>14,}" for one in domains.values()))
        for label in result["classes"]:
            counts = " ".join(f"{one['class_counts'].get(label, 0):>14,}" for one in domains.values())
            lines.append(f"{label:<24} {counts}")
        lines.append("")
    complete = [key for key, absent in result["pairs"].items() if not absent]
    lines.append(f"{len(complete)} of {len(result['pairs'])} pairs are complete: {', '.join(complete) or 'none'}")
    lines += [f"missing: {name}: {absent}" for name, absent in result["missing"].items()]
    lines += [result["get"]] if result["get"] else []
    lines += [f"note: {note}" for note in result["notes"]] + [f"wrong: {one}" for one in result["problems"]]
    count = len(result["problems"])
    return "\n".join(
        [*lines, f"{count} problem{'s' if count > 1 else ''}" if count else "no fault was found in what is there"]
    )
