"""``dta-bench report``: read runs back and print their table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dta_bench.cli.arguments import page_workspace_of, refuse_identity, refuse_unused
from dta_bench.cli.completion import complete
from dta_bench.cli.options import DEFAULT_OUT, DEFAULT_ROOT, Json, OpenPage, Out, Root, To, TrackingUri
from dta_bench.cli.output import print_paths, print_report
from dta_bench.cli.terminal import chatter_on_stderr, same_places
from dta_bench.errors import UserError
from dta_bench.report.selection.explained import check_rule, in_one_line

if TYPE_CHECKING:
    from dta_bench.report.command import FinishedReport
    from dta_bench.run.workspace import Workspace


def report(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            autocompletion=complete("benchmark", "search_space", "suite"),
            help="A benchmark, a search space, a suite, or a sweep of the store.",
        ),
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            help="The selection rule, by which a configuration is chosen; all compares all of them. Default: labels;"
            " without labelled target images, the rule that lost the fewest points on pairs where the truth is known."
            f" The rules choose by: {in_one_line()}. More: dta-bench list rules."
        ),
    ] = None,
    paper: Annotated[
        str | None, typer.Option(help="Rebuild a table of the paper instead of a report: table1 to table5.")
    ] = None,
    recipes: Annotated[
        bool, typer.Option("--recipes", help="Instead of a report: what published recipes print, and what ours give.")
    ] = False,
    as_html: Annotated[bool, typer.Option("--html", help="Print the HTML page on stdout.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the Markdown on stdout.")] = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also write ranking.csv, classes.csv and runs.csv there.")
    ] = None,
    latex: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write both tables as LaTeX (booktabs), a .tex file.")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write all runs, one row per run, as a .parquet file.")
    ] = None,
    pdf: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the figures: a .pdf file, or x.svg for the files x-FIGURE.svg."),
    ] = None,
    images: Annotated[
        bool,
        typer.Option("--images", help="Also write worst_images.html: the most confident mistakes of each class."),
    ] = False,
    root: Root = DEFAULT_ROOT,
    out: Out = DEFAULT_OUT,
    to: To = None,
    open_page: OpenPage = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only the paths of the page and of what else was written.")
    ] = False,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Print what the runs of a benchmark show.

    The chosen configuration with its test score, the leaderboard, each class, and source-only for comparison.
    The same is kept as files in reports/NAME/ of --out, or where --to says; with --to nothing is written into --out.
    Of a suite: methods by pairs with their averages, what is missing, and a page of each pair.
    """
    if [name is not None, paper is not None, recipes].count(True) != 1:
        raise UserError(
            "report takes a name that dta-bench list shows, or --paper table1 to table5 or --recipes instead of it"
        )
    refuse_identity(name or "", "report")
    check_rule(select)
    of_runs = ["--select", "--csv", "--latex", "--parquet", "--pdf", "--images"]
    if paper is not None:
        refuse_unused(context, of_runs, "with --paper")
    if recipes:
        refuse_unused(context, of_runs, "with --recipes")
    with chatter_on_stderr() as stdout:
        from dta_bench import plugins
        from dta_bench.report import command
        from dta_bench.report.exports.write import Exports

        form = command.requested_form(json=as_json, html=as_html, markdown=as_markdown)
        if quiet and form != "screen":
            raise UserError(f"--quiet prints only paths, and --{form} the {form} itself; give one of them")
        workspace = page_workspace_of(root, out, tracking_uri, to)
        in_places = same_places(root=root, out=out, tracking_uri=tracking_uri)
        if paper is not None:
            finished = command.report_paper(paper, workspace, in_places)
        elif recipes:
            finished = command.report_recipes(workspace, in_places)
        elif plugins.is_suite(name or ""):
            finished = _report_suite(context, name, select, workspace, in_places)
        else:
            exports = Exports(csv, latex, parquet, pdf)
            exports.check()
            finished = command.report_runs(name or "", select, workspace, exports=exports, images=images)
        if quiet:
            print_paths(finished, stdout, open_page)
            return
        places = same_places(out=out, tracking_uri=tracking_uri)
        print_report(finished, form, stdout, _next_commands(name, finished, select, places), open_page)


def _next_commands(name: str | None, finished: FinishedReport, select: str | None, places: str) -> list[str]:
    """What a reader of a benchmark's report may want next."""
    if name is None:
        return [f"dta-bench ui{places}  # the runs in MLflow"]
    from dta_bench import plugins

    compare = [] if select == "all" or plugins.is_suite(name) else [
        f"dta-bench report {name} --select all{places}  # every selection rule on the same runs"
    ]  # fmt: skip
    known = plugins.is_suite(name) or plugins.is_benchmark(name) or name in plugins.names("search_space")
    listed = name if known else finished.json_object()["benchmark"]  # a sweep is no name that runs takes
    return [*compare, f"dta-bench runs {listed}{places}  # the runs and their scores",
            f"dta-bench ui{places}  # the same in MLflow"]  # fmt: skip


def _report_suite(
    context: typer.Context, name: str | None, select: str | None, workspace: Workspace, places: str
) -> FinishedReport:
    from dta_bench.report.suite.command import report_suite

    refuse_unused(context, ["--csv", "--latex", "--parquet", "--pdf", "--images"], "on a suite; name one of its pairs")
    if select == "all":
        raise UserError("--select all compares rules on one benchmark; name a pair of the suite")
    return report_suite(name or "", select, workspace, places=places)
