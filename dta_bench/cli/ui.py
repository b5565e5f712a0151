"""``dta-bench ui``: MLflow's own pages on the runs of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dta_bench.cli.arguments import refuse_unused, workspace_of
from dta_bench.cli.options import DEFAULT_OUT, DEFAULT_ROOT, Out, TrackingUri


def ui(
    context: typer.Context,
    out: Out = DEFAULT_OUT,
    tracking_uri: TrackingUri = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on. The default is this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1024, max=65535, help="The port to listen on.")] = 5000,
) -> None:
    """Open the MLflow UI on the runs in --out.

    If --tracking-uri is a server, this prints the links to the server's own UI instead.
    """
    from dta_bench.tracking import serve_ui
    from dta_bench.tracking.connection import is_server

    workspace = workspace_of(DEFAULT_ROOT, out, tracking_uri, reads_only=True)
    if is_server(workspace.tracking_uri):
        refuse_unused(context, ["--host", "--port"], f"on the server at {workspace.tracking_uri}")
    serve_ui(workspace.tracking_uri, Path(workspace.out), host, port)
