"""``dta-bench new``: a starting file for a plug-in."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dta_bench.cli import endings
from dta_bench.cli.options import Json
from dta_bench.cli.terminal import print_ending, print_json

KINDS = ("method", "backbone", "benchmark", "search-space", "suite")


def new(
    kind: Annotated[
        str, typer.Argument(autocompletion=lambda: list(KINDS), help=f"What to write: {', '.join(KINDS)}.")
    ],
    name: Annotated[str, typer.Argument(help="Its name on the command line, and its file's name.")],
    as_json: Json = False,
) -> None:
    """Write a commented starting file for a plug-in of yours.

    It goes into methods/, backbones/, benchmarks/, search_spaces/ or suites/ where you call this, works as it stands,
    and is never written over a file that is there.
    """
    from dta_bench.check.new_file import write_starting_file

    written = write_starting_file(kind, name)
    if as_json:
        print_json({"file": str(written.path), "check": written.check, "try": written.trial})
    else:
        first = f"{written.trial}  # a first run{endings.SHORT}"
        following = [f"{written.check}  # which parts of its contract hold", first]
        print_ending(f"{written.path}: edit it; it works as it stands", following, sys.stdout)
