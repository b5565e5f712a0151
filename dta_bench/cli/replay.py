"""``dta-bench replay``: replay searches and stop rules on the table of a complete grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dta_bench.cli.arguments import options_of, page_workspace_of, plan_of, refuse_unused, workspace_of
from dta_bench.cli.options import DEFAULT_OUT, DEFAULT_ROOT, Json, Out, To, TrackingUri
from dta_bench.cli.terminal import chatter_on_stderr, console, print_json


def replay(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A search space; with --table any name. Files go to reports/NAME/.")],
    table: Annotated[
        Path | None, typer.Option(help="A grid's table, as --keep writes it. Default: the shipped one of this name.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(help="Write the table of the complete grid in --out to this file, and replay nothing."),
    ] = None,
    repetitions: Annotated[int, typer.Option(min=1, help="Replays of each search, each with its own seed.")] = 200,
    share: Annotated[
        float, typer.Option(min=0.01, max=1, help="The share of the grid's epochs that a search may spend.")
    ] = 0.4,
    out: Out = DEFAULT_OUT,
    to: To = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Replay searches and stop rules on a grid; trains nothing.

    Prints the regret of each search against the epochs that it spent.
    With --keep: make that table from the runs of a complete grid, and print a summary of it as JSON.
    """
    if keep is None:
        refuse_unused(context, ["--tracking-uri"], "without --keep: a replay reads a table, not a store")
    else:
        refuse_unused(context, ["--table", "--repetitions", "--share", "--to"], "with --keep, which replays nothing")
    with chatter_on_stderr() as stdout:
        from dta_bench.domains import typed_paths
        from dta_bench.replay.command import keep_grid, replay_searches
        from dta_bench.replay.outputs import show_replay

        if keep is not None:
            workspace = workspace_of(DEFAULT_ROOT, out, tracking_uri, reads_only=True)
            print_json(keep_grid(plan_of(name, options_of()), workspace, keep).model_dump(), stdout)
            return
        folder = page_workspace_of(DEFAULT_ROOT, out, tracking_uri, to).make_page_folder(name)
        replayed = replay_searches(name, table and typed_paths.absolute(table), repetitions, share, folder)
        if as_json:
            print_json(replayed.json_object(), stdout)
        else:
            show_replay(replayed, console(stdout))
