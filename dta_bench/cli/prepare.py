"""``dta-bench prepare``: fetch a benchmark's data and verify them."""

from __future__ import annotations

from typing import Annotated

import typer

from dta_bench.cli.arguments import refuse_unused
from dta_bench.cli.options import DEFAULT_ROOT, Json, Root
from dta_bench.cli.terminal import chatter_on_stderr, print_json, stderr_console


def prepare(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A benchmark.")],
    root: Root = DEFAULT_ROOT,
    check: Annotated[bool, typer.Option("--check", help="Only verify the data; download nothing.")] = False,
    mirror: Annotated[
        str | None, typer.Option(help="Download from this URL instead, a folder that holds the owners' files.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Download and verify a benchmark's data.

    Downloads what its owners allow; says which other files are missing, and where to put them.
    Verifies sizes and labels, and names unreadable files and duplicates. The status is 2 if anything is wrong.
    After an interruption the same command goes on with the download.
    """
    from dta_bench.data.benchmark_plugin import benchmark_plugin
    from dta_bench.data.prepare import prepare as fetch_and_verify
    from dta_bench.domains import typed_paths

    if check:
        refuse_unused(context, ["--mirror"], "with --check, which downloads nothing")
    with chatter_on_stderr() as stdout:
        if not benchmark_plugin(name).archives():
            refuse_unused(context, ["--mirror"], f"on {name}, of which nothing is downloaded")
        found = fetch_and_verify(name, typed_paths.absolute(root), check, mirror, stderr_console())
    if as_json:
        print_json(found, stdout)
    else:
        from dta_bench.data.verify import as_text

        text = as_text(found).encode(errors="backslashreplace").decode()  # names of files may be no UTF-8
        print(text, file=stdout)
    if found["problems"]:
        raise typer.Exit(2)
