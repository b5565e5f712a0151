"""``dta-bench ui``: MLflow's own pages on the runs of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dta_bench.cli.arguments import refuse_unused, workspace_of
from dta_bench.cli.options import DEFAULT_OUT, DEFAULT_ROOT, OpenPage, Out, TrackingUri
from dta_bench.cli.terminal import open_in_browser

PORT_VARIABLE = "DTA_BENCH_UI_PORT"


def ui(
    context: typer.Context,
    out: Out = DEFAULT_OUT,
    tracking_uri: TrackingUri = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on. The default is this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1024,
            max=65535,
            envvar=PORT_VARIABLE,
            help="The port to listen on; the links of later reports follow. Default: the last one, at first 5000.",
        ),
    ] = None,
    open_page: OpenPage = False,
) -> None:
    """Serve MLflow's pages on the runs in --out until Ctrl-C.

    If --tracking-uri is a server, this prints the links to the server's own pages instead.
    """
    from dta_bench.tracking import serve_ui
    from dta_bench.tracking.connection import is_server

    workspace = workspace_of(DEFAULT_ROOT, out, tracking_uri, reads_only=True)
    if is_server(workspace.tracking_uri):
        refuse_unused(context, ["--host", "--port"], f"on the server at {workspace.tracking_uri}")
    serve_ui(workspace.tracking_uri, Path(workspace.out), host, port, open_in_browser if open_page else None)
