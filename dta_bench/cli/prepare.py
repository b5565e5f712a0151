"""A benchmark's data: ``prepare``."""

from __future__ import annotations

from typing import Annotated

import typer

from dta_bench.cli.options import DATA, Json, Root
from dta_bench.cli.terminal import chatter_on_stderr, print_json, stderr_console


def prepare(
    name: str,
    root: Root = DATA,
    check: Annotated[bool, typer.Option("--check", help="Only verify; fetch nothing.")] = False,
    mirror: Annotated[str | None, typer.Option(help="URL of a folder that holds the owners' files.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch a benchmark's data where that may be done, and verify it: sizes, labels, unreadable files, duplicates.

    Says what is missing and where it goes; status 2 if anything is wrong. An interrupted download goes on.
    """
    from dta_bench.data.prepare import prepare as verify

    with chatter_on_stderr() as stdout:
        found = verify(name, root.expanduser().resolve(), check, mirror, stderr_console())
    if as_json:
        print_json(found, stdout)
    else:
        from dta_bench.data.verify import told

        print(told(found), file=stdout)
    if found["problems"]:
        raise typer.Exit(2)
