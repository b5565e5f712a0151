"""``dta-bench report --csv --latex --parquet --pdf``: write what was asked for, each file with commit and command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dta_bench.errors import UserError
from dta_bench.report.document.report import Report
from dta_bench.report.exports.made_by import MadeBy
from dta_bench.run import fingerprint
from dta_bench.run.workspace import Workspace
from dta_bench.tracking import standing_runs

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Exports:
    """The files that were asked for.

    Attributes:
        csv: a folder for ``ranking.csv``, ``classes.csv`` and ``runs.csv``.
        latex: a file for the tables of the ranking and of the classes.
        parquet: a file for all runs.
        pdf: a file for the figures; ``x.svg`` stands for the files ``x-<figure>.svg``.
    """

    csv: Path | None = None
    latex: Path | None = None
    parquet: Path | None = None
    pdf: Path | None = None

    def check(self) -> None:
        """Check the names before anything is read.

        Raises:
            UserError: a suffix that is not written, or a file where a folder is needed.
        """
        allowed = {"--latex": (self.latex, (".tex",)), "--parquet": (self.parquet, (".parquet",)),
                   "--pdf": (self.pdf, (".pdf", ".svg"))}  # fmt: skip
        for option, (path, suffixes) in allowed.items():
            if path is not None and path.suffix not in suffixes:
                raise UserError(f"{option} {path} is no name for that file; it ends in {' or '.join(suffixes)}")
        if self.csv is not None and self.csv.is_file():
            raise UserError(f"--csv {self.csv} is a file; it takes a folder, for three files")


def write_exports(report: Report, workspace: Workspace, exports: Exports) -> list[Path]:
    """Write the files that were asked for.

    Returns: the files.

    Raises:
        UserError: one cannot be written.
    """
    if exports == Exports():
        return []
    made_by = MadeBy(fingerprint.commit(), workspace.command)
    written: list[Path] = []
    if exports.csv is not None:
        folder = exports.csv.expanduser()
        for name, frame in _frames(report, workspace, made_by).items():
            written += _written(folder / f"{name}.csv", partial(frame.to_csv, index=False))
    if exports.parquet is not None:
        runs = _frames(report, workspace, made_by)["runs"]
        written += _written(exports.parquet.expanduser(), partial(runs.to_parquet, index=False))
    if exports.latex is not None:
        from dta_bench.report.exports.latex import latex

        text = latex(report, made_by)
        written += _written(exports.latex.expanduser(), lambda path: path.write_text(text, encoding="utf-8"))
    if exports.pdf is not None:
        from dta_bench.report.exports.figures import write_figures

        path = exports.pdf.expanduser()
        drawn: list[Path] = []
        _written(path, lambda path: drawn.extend(write_figures(report, path, made_by)))
        written += drawn
    return written


def _frames(report: Report, workspace: Workspace, made_by: MadeBy) -> dict[str, pd.DataFrame]:
    from dta_bench.report.configurations import StoredRun
    from dta_bench.report.exports.frames import class_frame, ranked_frame, runs_frame

    tracker = workspace.tracker()
    stored = standing_runs(run for run in tracker.runs(report.benchmark) if not run.unknown_fields)[0]
    runs = [StoredRun(run, partial(tracker.predictions, run)) for run in stored]
    reported = {run for row in report.leaderboard for run in row.mlflow_run_ids}
    frames = {"ranking": ranked_frame(report), "classes": class_frame(report), "runs": runs_frame(runs, reported)}
    return {
        name: frame.assign(report_commit=made_by.commit, report_command=made_by.command)
        for name, frame in frames.items()
    }


def _written(path: Path, write: Callable[[Path], object]) -> list[Path]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}); name another file") from error
    return [path]
