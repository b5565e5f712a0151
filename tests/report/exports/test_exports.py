"""The files that a report gives away: typed tables, LaTeX with booktabs, figures; each says what made it."""

import re
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet
from small_runs import spec_of
from stored_runs import IMAGES, Runs, classes_of, finish, report_of
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.configurations import StoredRun
from dta_bench.report.document.report import Report
from dta_bench.report.exports.figures import write_figures
from dta_bench.report.exports.frames import class_frame, ranked_frame, runs_frame
from dta_bench.report.exports.latex import escape, latex
from dta_bench.report.exports.made_by import MadeBy
from dta_bench.report.exports.write import Exports
from dta_bench.run.workspace import Workspace

MADE_BY = MadeBy("abc123", "dta-bench report fonts_digits --csv x")


@pytest.fixture
def runs() -> Runs:
    made = Runs()
    made.sweep("dta", [0.5, 0.6], subset=40, params={"lambda_2": 0.01})
    made.sweep("dta", [0.7, 0.8], subset=70, params={"lambda_2": 0.02})
    made.sweep("source_only", [0.4, 0.4], subset=90)
    return made


@pytest.fixture
def report(runs: Runs) -> Report:
    return report_of(runs, classes_of(benchmark_of("fonts_digits")))


def test_the_ranking_has_typed_columns_and_the_reports_figures(report: Report) -> None:
    frame = ranked_frame(report)
    assert list(frame["method"]) == ["dta", "dta", "source_only"]
    assert frame["rank"].tolist()[:2] == [1, 2]
    assert frame["rank"].isna().tolist() == [False, False, True]
    kinds = {name: str(frame[name].dtype) for name in ("rank", "test", "seeds", "method", "param_lambda_2")}
    assert kinds == {
        "rank": "Int64", "test": "Float64", "seeds": "Int64", "method": "string", "param_lambda_2": "Float64",
    }  # fmt: skip
    assert frame["test"].tolist() == pytest.approx([row.test for row in report.leaderboard])


def test_the_classes_end_with_averages_and_calibration(report: Report) -> None:
    frame = class_frame(report).set_index("name")
    assert report.test is not None
    assert frame.loc["3", "selected"] == pytest.approx(report.test.per_class["3"])
    assert frame.loc["accuracy", "source_only"] == pytest.approx(40, abs=3)
    assert frame.loc["calibration_error", "selected"] == pytest.approx(report.test.calibration_error)
    assert frame["kind"].tolist()[-4:] == ["average"] * 4


def test_every_run_has_a_row_also_one_that_failed(runs: Runs, report: Report) -> None:
    runs.add(spec_of("dta", seed=5), 0.1, status="FAILED", reason="a.png cannot be read")
    stored = [StoredRun(run, lambda names, run=run: runs.predictions(run, names)) for run in runs.tracked]
    reported = {run for row in report.leaderboard for run in row.mlflow_run_ids}
    frame = runs_frame(stored, reported)
    assert len(frame) == 7
    assert frame["in_report"].tolist() == [True] * 6 + [False]
    failed = frame.iloc[-1]
    assert (failed["status"], failed["reason"]) == ("FAILED", "a.png cannot be read")
    assert pd.isna(failed["test_brier"])
    assert frame["test_accuracy"].iloc[0] == pytest.approx(100 * round(0.5 * IMAGES) / IMAGES, abs=3)
    assert frame["training_batch_size"].dtype == "Int64"


def test_latex_has_booktabs_bold_and_escaped_names(report: Report) -> None:
    text = latex(report, MADE_BY)
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 2
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    assert report.leaderboard[0].test is not None
    assert rf"\textbf{{{report.leaderboard[0].test:.1f}}}" in text
    assert r"lambda\_2=0.02" in text
    assert "% dta-bench at commit abc123" in text
    assert "% made by: dta-bench report fonts_digits --csv x" in text
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert not re.search(r"(?<!\\)[%#_]", re.sub(r"\\label\{[^}]*\}", "", body))


def test_every_export_says_what_an_interval_is_over_and_which_seeds_are_fresh(runs: Runs, tmp_path: Path) -> None:
    for seed in (1000, 1001, 1002):
        runs.add(spec_of(seed=seed, lambda_2=0.02), 0.7)
    report = report_of(runs, classes_of(benchmark_of("fonts_digits")))
    assert ranked_frame(report)["interval_over"].tolist() == [
        "fresh seeds and images", *["seeds of the search and images"] * 2,
    ]  # fmt: skip
    text = latex(report, MADE_BY)
    assert "& 3 fresh" in text
    assert "Intervals are over training seeds and test images. Fresh seeds had no part in choosing." in text
    drawn, *_ = write_figures(report, tmp_path / "f.svg", MADE_BY)
    assert drawn.name == "f-ranking.svg"


def test_every_special_character_is_escaped() -> None:
    assert escape(r"a_b & c% \d {e} ~^ $#<>") == (
        r"a\_b \& c\% \textbackslash{}d \{e\} \textasciitilde{}\textasciicircum{} \$\#\textless{}\textgreater{}"
    )


def test_figures_are_one_pdf_or_an_svg_each_and_say_what_made_them(report: Report, tmp_path: Path) -> None:
    (pdf,) = write_figures(report, tmp_path / "f.pdf", MADE_BY)
    assert pdf.read_bytes().startswith(b"%PDF")
    files = write_figures(report, tmp_path / "f.svg", MADE_BY)
    assert [file.name for file in files] == ["f-ranking.svg", "f-classes.svg"]
    assert all("dta-bench at commit abc123" in file.read_text() for file in files)


@pytest.mark.parametrize(("exports", "said"), [
    (Exports(latex=Path("a.txt")), "--latex a.txt"), (Exports(parquet=Path("a.csv")), "--parquet a.csv"),
    (Exports(pdf=Path("a.png")), "--pdf a.png"), (Exports(csv=Path(__file__)), "it takes a folder"),
])  # fmt: skip
def test_a_name_that_fits_no_file_is_refused(exports: Exports, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        exports.check()


def test_the_command_writes_them_all_and_names_them_where_it_ends(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tracker = Workspace(str(out / "data"), str(out), f"sqlite:///{out / 'mlflow.db'}").tracker()
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    finish(tracker, spec_of("dta"), 0.8)
    finish(tracker, spec_of("source_only"), 0.5)
    words = "report fonts_digits --csv tables --latex paper/t.tex --parquet runs.parquet --pdf f.pdf"
    result = CliRunner().invoke(cli.app, words.split())
    assert result.exit_code == 0, result.exception
    *_, ending = (result.stdout + capfd.readouterr().out).partition("Page: ")
    assert all(
        f"Also written: {name}" in ending for name in ("tables/runs.csv", "paper/t.tex", "runs.parquet", "f.pdf")
    )
    assert sorted(path.name for path in (out / "tables").iterdir()) == ["classes.csv", "ranking.csv", "runs.csv"]
    runs = pd.read_csv(out / "tables/runs.csv")
    assert sorted(runs["method"]) == ["dta", "source_only"]
    assert runs["report_command"].notna().all()
    assert runs["report_commit"].notna().all()
    table = parquet.read_table(out / "runs.parquet")
    assert table.num_rows == 2
    assert str(table.schema.field("test_accuracy").type) == "double"
    assert (out / "paper/t.tex").exists()
    assert (out / "f.pdf").exists()
