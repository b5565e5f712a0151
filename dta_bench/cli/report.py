"""What runs left: ``report``, ``figures`` and ``ui``; ``replay`` of a kept grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dta_bench.cli.arguments import home_of, options_of, plan_of
from dta_bench.cli.options import DATA, HERE, Json, Out, Root, Space, Uri
from dta_bench.cli.output import print_report
from dta_bench.cli.terminal import chatter_on_stderr, console, print_json
from dta_bench.errors import UserError


def report(
    name: Annotated[str | None, typer.Argument(help="A benchmark or a search space.")] = None,
    select: Annotated[
        str, typer.Option(help="A selection rule (labels, source, entropy, oracle, ...), or all.")
    ] = "labels",
    paper: Annotated[str | None, typer.Option(help="Rebuild a table of the paper instead: table1 to table5.")] = None,
    as_html: Annotated[bool, typer.Option("--html", help="Print the HTML page on stdout.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the Markdown on stdout.")] = False,
    root: Root = DATA,
    out: Out = HERE,
    tracking_uri: Uri = None,
    as_json: Json = False,
) -> None:
    """Read runs back: the answer, leaderboard, classes, source-only beside it; kept in reports/<name>/."""
    if (name is None) == (paper is None):
        raise UserError("report takes a name that dta-bench list shows, or --paper table1 to table5 instead of it")
    with chatter_on_stderr() as stdout:
        from dta_bench.report import command

        wanted, home = (
            command.requested_form(json=as_json, html=as_html, markdown=as_markdown),
            home_of(root, out, tracking_uri),
        )
        finished = command.report_paper(paper, home) if paper else command.report_runs(name or "", select, home)
        print_report(finished, wanted, stdout)


def replay(
    name: Space,
    table: Annotated[Path | None, typer.Option(help="A kept grid. Default: the shipped one of this name.")] = None,
    keep: Annotated[
        Path | None,
        typer.Option(help="Write the table of the complete grid in --out to this file, and replay nothing."),
    ] = None,
    repetitions: Annotated[int, typer.Option(min=1, help="Of each search, each with its own seed.")] = 200,
    share: Annotated[float, typer.Option(min=0.01, max=1, help="Of the grid's epochs that a search may spend.")] = 0.4,
    root: Root = DATA,
    out: Out = HERE,
    tracking_uri: Uri = None,
    as_json: Json = False,
) -> None:
    """Replay searches and stop rules on a kept grid: regret against epochs spent. Trains nothing."""
    with chatter_on_stderr() as stdout:
        from dta_bench.replay.command import keep_grid, replay_searches
        from dta_bench.replay.outputs import show_replay

        home = home_of(root, out, tracking_uri)
        if keep is not None:
            plan = plan_of(name, options_of(None, None, None, None, None, None, "none"))
            print_json(keep_grid(plan, home, keep).model_dump(), stdout)
            return
        replayed = replay_searches(name, table, repetitions, share, Path(home.out) / "reports" / name)
        if as_json:
            print_json(replayed.json_object(), stdout)
        else:
            show_replay(replayed, console(stdout))


def figures(
    run: Annotated[str, typer.Argument(help="How a run's identity (its tag run_id) or its MLflow id begins.")],
    beside: Annotated[str | None, typer.Option(help="Another run. Default: source-only of the same seed.")] = None,
    root: Root = DATA,
    out: Out = HERE,
    tracking_uri: Uri = None,
    as_json: Json = False,
) -> None:
    """Draw what a run shows: t-SNE, Grad-CAM without and with adversarial dropout; of label maps, strips."""
    with chatter_on_stderr() as stdout:
        from dta_bench.report.features import draw

        found = draw(run, beside, home_of(root, out, tracking_uri))
        if as_json:
            print_json(found, stdout)
        else:
            print(*filter(None, [found["note"], *found["files"].values(), found["page"]]), sep="\n", file=stdout)


def ui(
    out: Out = HERE,
    tracking_uri: Uri = None,
    host: Annotated[str, typer.Option(help="Loopback unless asked otherwise.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1024, max=65535)] = 5000,
) -> None:
    """Open the MLflow UI on this folder's runs."""
    from dta_bench.tracking import serve_ui

    home = home_of(DATA, out, tracking_uri)
    serve_ui(home.tracking_uri, Path(home.out), host, port)
