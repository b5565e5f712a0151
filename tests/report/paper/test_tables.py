"""Tables 1 to 5 rebuilt: what is printed, ours in the same metric, and what would fill an empty cell."""

import io
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from dta_bench.cli import app
from dta_bench.cost import sweep_estimate
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.evaluation import metrics
from dta_bench.report.document.paper_table import PaperCell, PaperTable
from dta_bench.report.html.page import markdown
from dta_bench.report.paper.published import rows_of_table
from dta_bench.report.paper.render import paper_page, show_paper
from dta_bench.report.paper.tables import TITLES, fill_command, paper_table, write_paper
from dta_bench.spec.run_spec import LabelSubset, RunResult, RunSpec, Training
from dta_bench.tracking import Tracker

EVERY_ROW = [row for number in range(1, 6) for row in rows_of_table(number)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    """A store with VisDA's experiment, and runs of two of Table 5's rows on ResNet-50."""
    out = tmp_path_factory.mktemp("store")
    tracker = Tracker(f"sqlite:///{out / 'mlflow.db'}", out)
    tracker.check()
    tracker.experiment(benchmark_of("visda"))
    add(tracker, {"delta_c": 0.01, "delta_e": 0.0, "lambda_3": 0.0}, 0.4)  # fDTA
    add(tracker, {"delta_c": 0.01, "delta_e": 0.1, "lambda_3": 0.2}, 0.7)  # all three
    return tracker


def add(tracker: Tracker, params: dict[str, float], rate: float) -> None:
    """A finished run on ResNet-50 that is right on a share ``rate`` of each class but the last, where it never is."""
    classes = benchmark_of("visda").classes
    spec = RunSpec(
        "visda", "resnet50", "none", "dta", params | {"lambda_2": 0.02, "lambda_1": 2.0},
        Training(epochs=3, optimizer="sgd", learning_rate=1e-3, batch_size=8), LabelSubset(size=9), 0,
    )  # fmt: skip
    labels = np.repeat(np.arange(12), [*[20] * 11, 80])
    right = np.concatenate([np.arange(20) / 20 < rate] * 11 + [np.zeros(80, bool)])
    guess = np.where(right, labels, (labels + 1) % 12)
    confusion = metrics.confusion_matrix(labels, guess, 12)
    scored = metrics.scores(confusion, classes)
    arrays = {
        "target_test_logits": np.eye(12, dtype=np.float32)[guess], "target_test_labels": labels,
        "target_train_logits": np.eye(12, dtype=np.float32)[guess], "target_validation_ids": np.array(["a"]),
    }  # fmt: skip
    log = tracker.open_run(spec, None, "run", set(), {"data_fingerprint": "d"})
    log.finish(RunResult(spec.id, scored, scored, scored, False, 3, 1.0, 0.5), arrays, confusion, classes)


def cell(table: PaperTable, row: str, backbone: str) -> PaperCell:
    (one,) = [c for c in table.cells if (c.row, c.backbone) == (row, backbone)]
    return one


def test_a_row_of_table_5_takes_only_runs_with_just_its_terms(store: Tracker) -> None:
    found = paper_table(store, "table5")
    assert cell(found, "fDTA", "resnet50").ours.params["delta_e"] == 0
    assert cell(found, "Ours", "resnet50").ours.params["lambda_3"] == 0.2
    for row in ("VAT", "cDTA", "fDTA + VAT", "cDTA + fDTA", "Source Only"):
        assert cell(found, row, "resnet50").ours is None
    assert found.run == 2


def test_ours_stands_beside_in_the_metric_that_is_printed(store: Tracker) -> None:
    one = cell(paper_table(store, "table5"), "fDTA", "resnet50")
    assert one.metric == "accuracy"
    assert one.ours.accuracy == pytest.approx(100 * 0.4 * 220 / 300)
    assert one.ours.mean_class_accuracy == pytest.approx(100 * 0.4 * 11 / 12)
    text = markdown(paper_page(paper_table(store, "table5")))
    assert "| 72.5 | [29.3](" in text
    assert "3 epochs, none weights, best of 1, on the seeds of the search" in text


def test_where_the_metric_is_not_known_ours_is_told_in_both(store: Tracker) -> None:
    found = paper_table(store, "table4")
    unknown = next(c for c in found.cells if c.metric == "unknown")
    filled = unknown.model_copy(update={"ours": cell(paper_table(store, "table5"), "fDTA", "resnet50").ours})
    page = paper_page(found.model_copy(update={"cells": [filled]}))
    assert "accuracy 29.3, mean class accuracy 36.7" in markdown(page)


def test_an_empty_cell_has_the_command_that_would_fill_it(store: Tracker) -> None:
    found = paper_table(store, "table5")
    empty = cell(found, "VAT", "resnet101")
    assert empty.ours is None
    assert empty.command == "dta-bench sweep ablation_visda --backbone resnet101 --weights hub"
    assert empty.command in markdown(paper_page(found))


def test_the_commands_lead_to_the_same_data_and_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["report", "--paper", "table2", "--root", "pictures", "--out", "mine", "--json"]
    assert CliRunner().invoke(app, asked).exit_code == 0
    cells = json.loads(capfd.readouterr().out)["cells"]
    assert {one["command"].partition(" --root ")[2] for one in cells if one["command"]} == {"pictures --out mine"}


def commands_of_all_tables() -> list[str]:
    """Each command that any cell may show, once, without what asks for a download."""
    found = [fill_command(row, row.backbone or "conv9_fc1") for row in EVERY_ROW]
    return list(dict.fromkeys(one.replace(" --weights hub", "") for one in found if one))


@pytest.mark.parametrize("line", commands_of_all_tables())
def test_each_of_these_commands_is_one_that_runs(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_estimate, "flops_ratio", lambda *_: 1.0)  # counted in tests/cost; here it takes seconds
    program, *arguments = shlex.split(line)
    assert program == "dta-bench"
    result = CliRunner().invoke(app, [*arguments, "--dry-run", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.exception


def test_a_command_for_table_5_runs_all_of_its_rows() -> None:
    from dta_bench.spec import search_space_file

    file = search_space_file.read("ablation_visda")
    points = file.space(set(file.sets)).points()
    wanted = {tuple(term not in row.without for term in ("delta_c", "delta_e", "lambda_3"))
              for row in rows_of_table(5) if row.without is not None}  # fmt: skip
    assert wanted <= {tuple(bool(p.get(t)) for t in ("delta_c", "delta_e", "lambda_3")) for p in points}


@pytest.mark.parametrize("name", TITLES)
def test_a_table_without_any_run_is_as_printed(name: str, tmp_path: Path) -> None:
    found = paper_table(Tracker(f"sqlite:///{tmp_path / 'none.db'}", tmp_path), name)
    assert [c.printed for c in found.cells] == [row.average for row in rows_of_table(int(name[-1]))]
    assert all(c.ours is None for c in found.cells)
    console = Console(file=io.StringIO(), width=80)
    show_paper(found, console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(len(line) for line in lines if not line.startswith("  dta-bench")) <= 80
    assert not (tmp_path / "none.db").exists()  # looking must not create a store


def test_a_table_is_kept_in_three_forms(store: Tracker, tmp_path: Path) -> None:
    write_paper(paper_table(store, "table2"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table2.html", "table2.json", "table2.md"]
    assert "Source Only" in (tmp_path / "table2.html").read_text()


def test_per_class_figures_stand_printed_above_ours(store: Tracker) -> None:
    text = markdown(paper_page(paper_table(store, "table5")))
    lines = [line for line in text.splitlines() if line.startswith("| fDTA | resnet50 |")]
    printed, ours = (next(line for line in lines if whose in line) for whose in ("| printed |", "| ours |"))
    assert "| 88.8 | 58.2 |" in printed
    assert "| 40.0 | 40.0 |" in ours


def test_an_unknown_table_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="table1, table2, table3, table4, table5"):
        paper_table(Tracker(f"sqlite:///{tmp_path / 'none.db'}", tmp_path), "table6")
