"""``dta-bench compare``: two sweeps or two stores on the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dta_bench.cli.arguments import page_workspace_of
from dta_bench.cli.completion import complete
from dta_bench.cli.options import DEFAULT_OUT, DEFAULT_ROOT, Json, Out, TrackingUri
from dta_bench.cli.terminal import chatter_on_stderr, console, print_ending, print_json, same_places

SIDE = "A sweep, a benchmark or a suite in --out, or the folder of another store (another sweep's --out)."


def compare(
    first: Annotated[str, typer.Argument(autocompletion=complete("search_space", "benchmark", "suite"), help=SIDE)],
    second: Annotated[
        str, typer.Argument(autocompletion=complete("search_space", "benchmark", "suite"), help="The other one.")
    ],
    select: Annotated[
        str | None,
        typer.Option(
            help="The selection rule that chooses of each method; dta-bench list rules has them. Default: as in report."
        ),
    ] = None,
    out: Out = DEFAULT_OUT,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Show two sweeps, or two stores, on the same rows.

    A row for each method: what the rule chose on each side, its score on target test, and the difference.
    """
    with chatter_on_stderr() as stdout:
        from dta_bench import plugins
        from dta_bench.report.compare import compare as compare_sides
        from dta_bench.report.terminal.compare import show_compared

        workspace = page_workspace_of(DEFAULT_ROOT, out, tracking_uri, out)
        compared = compare_sides(first, second, select, workspace)
        if as_json:
            print_json(compared.json_object(), stdout)
            return
        show_compared(compared, console(stdout))
        is_store = (Path(first) / "mlflow.db").is_file()  # as the sides are read
        places = same_places(out=Path(first) if is_store else out, tracking_uri=None if is_store else tracking_uri)
        name = first if plugins.is_suite(first) else compared.rows[0].benchmark
        print_ending("", [f"dta-bench report {name}{places} --open  # intervals, tests and curves"], stdout)
