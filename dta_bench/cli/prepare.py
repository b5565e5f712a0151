"""``dta-bench prepare``: fetch the data of a benchmark or of a suite, and verify them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dta_bench.cli import endings
from dta_bench.cli.arguments import refuse_unused
from dta_bench.cli.options import DEFAULT_ROOT, Json, Root
from dta_bench.cli.terminal import chatter_on_stderr, print_ending, print_json, same_places, stderr_console


def prepare(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A benchmark, or a suite.")],
    root: Root = DEFAULT_ROOT,
    check: Annotated[bool, typer.Option("--check", help="Only verify the data; download nothing.")] = False,
    mirror: Annotated[
        str | None, typer.Option(help="Download from this URL instead, a folder that holds the owners' files.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Download and verify the data of a benchmark, or of a suite.

    Downloads what its owners allow; says which other files are missing, and where to put them.
    Verifies sizes and labels, and names unreadable files and duplicates. The status is 2 if anything is wrong.
    After an interruption the same command goes on with the download.
    """
    from dta_bench import plugins
    from dta_bench.domains import typed_paths

    if check:
        refuse_unused(context, ["--mirror"], "with --check, which downloads nothing")
    with chatter_on_stderr() as stdout:
        prepare_one = _prepare_suite if plugins.is_suite(name) else _prepare_benchmark
        found, text = prepare_one(context, name, typed_paths.absolute(root), check, mirror)
    if as_json:
        print_json(found, stdout)
    else:
        print(text.encode(errors="backslashreplace").decode(), file=stdout)  # names of files may be no UTF-8
        print_ending("", endings.after_prepare(name, bool(found["problems"]), same_places(root=root)), stdout)
    if found["problems"]:
        raise typer.Exit(2)


def _prepare_benchmark(
    context: typer.Context, name: str, root: Path, check: bool, mirror: str | None
) -> tuple[dict[str, Any], str]:
    from dta_bench.data.benchmark_plugin import benchmark_plugin
    from dta_bench.data.prepare import prepare as fetch_and_verify
    from dta_bench.data.verify import as_text

    if not benchmark_plugin(name).archives():
        refuse_unused(context, ["--mirror"], f"on {name}, of which nothing is downloaded")
    found = fetch_and_verify(name, root, check, mirror, stderr_console())
    return found, as_text(found)


def _prepare_suite(
    context: typer.Context, name: str, root: Path, check: bool, mirror: str | None
) -> tuple[dict[str, Any], str]:
    from dta_bench.data import suite_prepare
    from dta_bench.data.suite_plugin import suite_plugin

    if not suite_prepare.has_downloads(suite_plugin(name)):
        refuse_unused(context, ["--mirror"], f"on {name}, of which nothing is downloaded")
    found = suite_prepare.prepare_suite(name, root, check, mirror, stderr_console())
    return found, suite_prepare.as_text(found)
