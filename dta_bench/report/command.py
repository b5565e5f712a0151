"""What ``dta-bench report`` does: make a report, keep it as files, and hold it ready in the form that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from dta_bench import plugins
from dta_bench.errors import UserError
from dta_bench.report import kept_report
from dta_bench.report.document import frozen_record
from dta_bench.report.document.frozen_record import Document
from dta_bench.report.document.replay import Replay
from dta_bench.report.document.report import Report
from dta_bench.report.exports.write import Exports, write_exports
from dta_bench.report.files import write_report
from dta_bench.report.html.page import Page, html, markdown
from dta_bench.report.html.report_page import report_page
from dta_bench.report.terminal.show import show_report
from dta_bench.run.workspace import Workspace
from dta_bench.spec import search_space_file
from dta_bench.tracking import Tracker, ui_link

Form = Literal["screen", "json", "html", "markdown"]


@dataclass(frozen=True)
class FinishedReport:
    """A report, or a table of the paper, in all its forms."""

    document: Document
    make_page: Callable[[], Page]
    show: Callable[[Console], None]
    file: Path
    """Where the HTML page is kept."""
    beside: Sequence[Path] = ()
    """Further files that were asked for, such as tables for LaTeX."""

    @cached_property
    def page(self) -> Page:
        """The page, made when it is first asked for: a terminal shows none of it."""
        return self.make_page()

    def json_object(self) -> dict[str, Any]:
        """The document as plain dicts and lists."""
        return self.document.json_object()

    def text(self, form: Form) -> str:
        """The HTML page or its Markdown twin."""
        return html(self.page) if form == "html" else markdown(self.page)


def requested_form(*, json: bool, html: bool, markdown: bool) -> Form:
    """The one form that was asked for; the screen if none was.

    Raises:
        UserError: more than one was.
    """
    asked: dict[Form, bool] = {"json": json, "html": html, "markdown": markdown}
    requested = [form for form, wanted in asked.items() if wanted]
    if len(requested) > 1:
        raise UserError(f"stdout takes one form at a time, but {' and '.join(f'--{n}' for n in requested)} were given")
    return requested[0] if requested else "screen"


def report_runs(
    name: str, rule: str | None, workspace: Workspace, only: Collection[str] | None = None, confirm: int | None = None,
    exports: Exports | None = None, benchmark: str | None = None, images: bool = False,
) -> FinishedReport:  # fmt: skip
    """The report of a benchmark's runs, or of a search space's benchmark's, kept as files.

    Args:
        name: a benchmark, a search space, or a sweep of the store; with ``benchmark``, what the folder of the files is
            called.
        rule: a selection rule, or ``all``; None takes the default.
        only: identities of the runs to report; None reports all.
        confirm: how many confirmation runs of each configuration were asked for; None asks the store.
        exports: further files to write; None writes none.
        benchmark: whose runs they are; None: the one of ``name``.
        images: also write a page of the images that the selected configuration gets most wrong.

    Raises:
        UserError: no such name, no finished run, or an unknown rule.
    """
    name = plugins.composed(name)
    tracker = workspace.tracker()
    if benchmark is None:
        is_space = name in plugins.names("search_space")
        benchmark = search_space_file.benchmark_of(name) if is_space else name
        if not is_space and not plugins.is_benchmark(name) and (of_sweep := runs_of_sweep(tracker, name)):
            benchmark, only = of_sweep
    plugins.path("benchmark", benchmark)
    tracker.check_address()  # a server that is away is waited for only by runs that would lose something
    folder = workspace.make_page_folder(name)
    kept = Path(workspace.out) / "reports"
    replays = [folder / "replay.json", kept / name / "replay.json", kept / f"grid_{benchmark}" / "replay.json"]
    state = ""
    if only is None and rule != "all" and not images and (exports is None or exports == Exports()):
        link = ui_link(tracker.uri, "0")  # its port may have changed
        about = name, rule, confirm, link, [path.read_text() if path.exists() else "" for path in replays]
        state = kept_report.digest_of_state(tracker, benchmark, about)
        if (unchanged := kept_report.read_unchanged(folder, state)) is not None:
            return _finished(unchanged, folder, partial(report_page, unchanged))
    from dta_bench.report import build  # with scipy, which an unchanged report needs none of

    report = build.build_report(tracker, benchmark, rule, only, workspace.root, confirm)
    report = _add_replay(report, replays)
    if report.headline == "miou":
        from dta_bench.report.features import label_strips  # with torch, which takes as much memory as all of the rest

        report = label_strips.add_pictures(report, tracker, folder)
    page = report_page(report)
    write_report(report, folder, page)
    beside = write_exports(report, workspace, exports or Exports())
    if images:
        from dta_bench.report.features import worst_images  # reads images, for which other reports need no torch

        beside.append(worst_images.write_worst_images(report, tracker, workspace, folder))
    if state:
        kept_report.note_state(folder, state)
    return _finished(report, folder, lambda: page, beside)


def runs_of_sweep(tracker: Tracker, name: str) -> tuple[str, set[str]] | None:
    """The benchmark of a sweep of this name, and the identities of its runs; None where the store has no such sweep.

    A search space on another benchmark than its own is such a sweep: ``frozen_pair_fonts_digits``.
    """
    for benchmark in tracker.experiments() if tracker.exists() else ():
        parents = {parent for parent, called in tracker.sweeps(benchmark).items() if called == name}
        if parents:
            return benchmark, {run.run_id for run in tracker.runs(benchmark) if run.parent in parents}
    return None


def _finished(
    report: Report, folder: Path, make_page: Callable[[], Page], beside: Sequence[Path] = ()
) -> FinishedReport:
    return FinishedReport(report, make_page, partial(show_report, report), folder / "report.html", beside)


def _add_replay(report: Report, files: list[Path]) -> Report:
    """Add regret against budget, where ``dta-bench replay`` left it: beside the report, or beside its grid's."""
    for path in files:
        if path.exists():
            return report.with_parts(replay=frozen_record.read(Replay, path).replay)
    return report


def report_recipes(workspace: Workspace, places: str = "") -> FinishedReport:
    """The table of published recipes, kept as files; ``places`` as for :func:`report_paper`."""
    from dta_bench.report.recipes.render import recipe_page, show_recipes
    from dta_bench.report.recipes.table import recipe_table, write_recipes  # with torch, as label_strips

    table = recipe_table(workspace.tracker(), workspace.root, places)
    folder = workspace.make_page_folder("recipes")
    write_recipes(table, folder)
    return FinishedReport(table, partial(recipe_page, table), partial(show_recipes, table), folder / "recipes.html")


def report_paper(name: str, workspace: Workspace, places: str = "") -> FinishedReport:
    """A table of the paper rebuilt, kept as files.

    Args:
        places: the options that lead its commands to the same data and store, with a space before each.
    """
    from dta_bench.report.paper import tables
    from dta_bench.report.paper.render import paper_page, show_paper

    table = tables.paper_table(workspace.tracker(), name, places)
    folder = workspace.make_page_folder("paper")
    tables.write_paper(table, folder)
    return FinishedReport(table, partial(paper_page, table), partial(show_paper, table), folder / f"{table.paper}.html")
