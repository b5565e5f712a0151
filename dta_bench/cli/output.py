"""A report in the form that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from dta_bench.cli.terminal import console, print_json

if TYPE_CHECKING:
    from dta_bench.report.command import Form, Told


def tell(told: Told, wanted: Form, stdout: TextIO) -> None:
    if wanted == "json":
        print_json(told.found, stdout)
    elif wanted == "screen":
        told.show(console(stdout))
    else:
        print(told.text(wanted), end="", file=stdout)
