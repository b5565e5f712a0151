"""A suite's report: methods by pairs, averages only over pairs that all have, missing cells named with a command."""

import dataclasses
import io
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from drawn_suites import write_domains, write_suite
from rich.console import Console
from small_runs import spec_of
from stored_runs import Runs
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.data.suite_plugin import suite_plugin
from dta_bench.errors import UserError
from dta_bench.report.document.suite_report import SuiteReport
from dta_bench.report.html.page import html, markdown
from dta_bench.report.suite.build import build_suite_report
from dta_bench.report.suite.page import show_suite, suite_page
from dta_bench.spec import search_space_file
from dta_bench.spec.run_spec import LabelSubset, RunSpec
from dta_bench.sweep.suite import SuitePlan


class Store(Runs):
    """Runs of several pairs, which a report reads like a tracking store; their sweeps' search spaces by parent run."""

    def __init__(self) -> None:
        super().__init__()
        self.spaces: dict[str, str] = {}

    def sweep_pair(self, pair: str, method: str, tests: list[float], first_seed: int = 0, **others: Any) -> None:
        for seed, test in enumerate(tests, start=first_seed):
            spec = dataclasses.replace(spec_of(method, seed=seed), benchmark=f"zoo.{pair}")
            self.add(spec, test, **others)

    def tracker(self) -> Any:
        def runs(name: str) -> list[Any]:
            return [run for run in self.tracked if run.spec.benchmark == name]

        def sweeps(name: str) -> dict[str, str]:
            return {parent: f"{space}_{name}" for parent, space in self.spaces.items()}

        return SimpleNamespace(runs=runs, predictions=self.predictions, uri="a store", sweeps=sweeps)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_suite(tmp_path)
    write_domains(tmp_path / "data/zoo", {"photo": ["cat", "dog"], "ink": ["cat", "dog"]})
    return tmp_path


def report_of(store: Store, root: Path, rule: str | None = None) -> SuiteReport:
    return build_suite_report(suite_plugin("zoo"), store.tracker(), rule, root / "data")


def planned_by(command: str, monkeypatch: pytest.MonkeyPatch) -> list[RunSpec]:
    """The runs that a sweep of a suite would make."""
    found: list[SuitePlan] = []
    monkeypatch.setitem(
        sys.modules["dta_bench.cli.sweep"].__dict__, "run_suite", lambda plan, *_, **__: found.append(plan)
    )
    result = CliRunner().invoke(cli.app, shlex.split(command)[1:])
    assert result.exit_code == 0, result.exception
    return [run for plan in found[0].plans.values() for run in plan.runs]


def both_ways(store: Store, method: str, forth: list[float], back: list[float]) -> None:
    store.sweep_pair("photo-to-ink", method, forth)
    store.sweep_pair("ink-to-photo", method, back)


def test_the_average_is_over_the_pairs_and_its_interval_is_narrower_than_those_of_its_cells(here: Path) -> None:
    store = Store()
    both_ways(store, "dta", [0.6, 0.62], [0.8, 0.82])
    both_ways(store, "source_only", [0.5, 0.5], [0.5, 0.52])
    found = report_of(store, here)
    assert list(found.pairs) == ["photo -> ink", "ink -> photo"]
    assert found.average_over == ["photo -> ink", "ink -> photo"]
    cells = [pair.methods["dta"] for pair in found.pairs.values()]
    assert found.average["dta"] == pytest.approx(np.mean([cell.score for cell in cells]))
    low, high = found.average_intervals["dta"] or (0, 0)
    assert low < found.average["dta"] < high
    assert high - low < max(cell.interval[1] - cell.interval[0] for cell in cells if cell.interval)
    assert found.average_seeds == {"dta": 2, "source_only": 2}


def test_there_is_no_average_over_a_pair_that_not_every_method_has(here: Path) -> None:
    store = Store()
    both_ways(store, "dta", [0.6, 0.6], [0.8, 0.8])
    store.sweep_pair("photo-to-ink", "source_only", [0.5, 0.5])
    found = report_of(store, here)
    assert found.average_over == ["photo -> ink"]
    assert found.average["dta"] == found.pairs["photo -> ink"].methods["dta"].score
    gap = next(cell for cell in found.missing if cell.method)
    assert (gap.pair, gap.method) == ("ink -> photo", "source_only")
    start = "dta-bench sweep zoo --pairs 'ink->photo' --method source_only --backbone conv3_tiny"
    assert gap.command.startswith(start)


@pytest.mark.parametrize("space", ["", "compare_frozen"])
def test_the_command_of_a_missing_cell_plans_runs_like_those_that_are_there(
    here: Path, monkeypatch: pytest.MonkeyPatch, space: str
) -> None:
    store = Store()
    file = search_space_file.read(space or "any_pair")
    training = file.training.model_copy(update={"epochs": 3, "image_size": (28, 28)})
    store.spaces = {"parent": space} if space else {}
    for pair, method in [("photo-to-ink", "dann"), ("photo-to-ink", "source_only"), ("ink-to-photo", "source_only")]:
        spec = dataclasses.replace(
            spec_of(method), benchmark=f"zoo.{pair}", training=training, label_subset=LabelSubset(size=4)
        )
        store.add(spec, 0.5)
    of_sweep = {"mlflow.parentRunId": "parent"}
    store.tracked = [dataclasses.replace(run, tags=run.tags | of_sweep) for run in store.tracked]
    gap = next(cell for cell in report_of(store, here).missing if cell.method)
    runs = planned_by(gap.command, monkeypatch)
    assert {run.method for run in runs} == {"dann", "source_only"}
    assert {(run.benchmark, run.label_subset.size) for run in runs} == {("zoo.ink-to-photo", 4)}
    assert all(run.training == training for run in runs)


def test_the_command_of_a_missing_pair_plans_every_method_that_other_pairs_have(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    training = search_space_file.read("any_pair").training.model_copy(update={"image_size": (28, 28)})
    for method in ("dann", "mcc", "source_only"):
        store.add(dataclasses.replace(spec_of(method), benchmark="zoo.photo-to-ink", training=training), 0.5)
    gap = next(cell for cell in report_of(store, here).missing if cell.pair == "ink -> photo")
    assert {run.method for run in planned_by(gap.command, monkeypatch)} == {"dann", "mcc", "source_only"}


def test_the_command_of_a_missing_pair_has_the_size_of_the_searches_and_the_places(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    for weight in (0.1, 0.3):
        for seed in (100, 101):
            spec = dataclasses.replace(spec_of("mcc", seed=seed, weight=weight), benchmark="zoo.photo-to-ink")
            store.add(
                dataclasses.replace(spec, training=spec.training.model_copy(update={"image_size": (28, 28)})), 0.5
            )
    tracker = store.tracker()
    found = build_suite_report(suite_plugin("zoo"), tracker, None, here / "data", places=" --out 'my runs'")
    gap = next(cell for cell in found.missing if cell.pair == "ink -> photo")
    assert " --points 2 --seeds 2 --first-seed 100 --confirm 0 --epochs " in gap.command
    assert gap.command.endswith(" --out 'my runs'")
    assert len([run for run in planned_by(gap.command, monkeypatch) if run.method == "mcc"]) == 4


def test_the_terminal_says_which_cells_have_collapsed_runs(here: Path) -> None:
    store = Store()
    store.sweep_pair("photo-to-ink", "dta", [0.6])
    store.sweep_pair("photo-to-ink", "dta", [0.1], first_seed=1, collapsed=True)
    console = Console(file=io.StringIO(), width=100)
    show_suite(report_of(store, here), console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"photo -> ink +│ +\d+\.\d\* │", said)
    assert "* has collapsed runs: dta on photo -> ink (1 of 2)" in said


def test_methods_without_a_pair_in_common_have_no_average(here: Path) -> None:
    store = Store()
    store.sweep_pair("photo-to-ink", "source_only", [0.5, 0.5])
    store.sweep_pair("ink-to-photo", "dta", [0.8, 0.8])
    found = report_of(store, here)
    assert (found.average_over, found.average, found.comparisons) == ([], {}, [])
    assert "No pair of zoo has every method" in suite_page(found).answer


def test_pairs_without_a_run_are_named_with_what_is_missing_and_their_command(here: Path) -> None:
    store = Store()
    store.sweep_pair("photo-to-ink", "dta", [0.6, 0.6])
    missing = {cell.pair: cell for cell in report_of(store, here).missing}
    assert missing["ink -> photo"].why == "not run"
    assert missing["photo -> clay"].why == f"{here}/data/zoo/clay is missing"
    assert missing["photo -> clay"].command.startswith("dta-bench sweep zoo --pairs 'photo->clay'")
    assert len(missing) == 5


def test_an_average_of_pairs_with_other_seeds_has_no_interval(here: Path) -> None:
    store = Store()
    store.sweep_pair("photo-to-ink", "dta", [0.6, 0.6])
    store.sweep_pair("ink-to-photo", "dta", [0.8, 0.8], first_seed=1)
    found = report_of(store, here)
    assert found.average_intervals == {"dta": None}
    assert "the averages of dta have no interval and no test: not all pairs have the same seeds" in found.notes
    assert suite_page(found).sections[0].tables[0].head[:3] == ["method", "average of 2", "photo → ink"]
    assert found.average_seeds == {"dta": 0}


def test_cells_are_of_the_fresh_seeds_where_there_are_some(here: Path) -> None:
    store = Store()
    store.sweep_pair("photo-to-ink", "dta", [0.9, 0.9])
    store.sweep_pair("photo-to-ink", "dta", [0.6, 0.6, 0.6], first_seed=1000)
    cell = report_of(store, here).pairs["photo -> ink"].methods["dta"]
    assert (cell.confirmed, cell.seeds) == (True, 3)
    assert cell.score == pytest.approx(60, abs=5)


def test_a_suite_without_a_finished_run_is_refused_with_its_command(here: Path) -> None:
    with pytest.raises(
        UserError, match="no finished run of the suite zoo in a store; start or resume dta-bench sweep zoo"
    ):
        report_of(Store(), here)


def test_the_json_has_pairs_by_name_and_the_page_says_the_same_in_both_forms(here: Path) -> None:
    store = Store()
    both_ways(store, "dta", [0.6, 0.62], [0.8, 0.82])
    found = report_of(store, here)
    stated = found.json_object()
    assert set(stated["pairs"]["photo -> ink"]["methods"]["dta"]) >= {"score", "interval", "seeds"}
    assert stated["average"] == {"dta": found.average["dta"]}
    page = suite_page(found, {"photo -> ink": "pairs/zoo.photo-to-ink/report.html"})
    (low, high), (first, *_) = found.average_intervals["dta"] or (0, 0), page.sections[0].tables[0].rows
    assert [cell.text for cell in first[:3]] == ["dta", f"{found.average['dta']:.1f}", f"{low:.1f} to {high:.1f}"]
    for text in (html(page), markdown(page)):
        assert "photo → ink" in text
        assert f"{found.average['dta']:.1f}" in text
        assert "pairs/zoo.photo-to-ink/report.html" in text


def test_an_interval_of_one_seed_is_said_to_be_over_test_images_only(here: Path) -> None:
    store = Store()
    both_ways(store, "dta", [0.6], [0.8])
    both_ways(store, "source_only", [0.5, 0.5], [0.7, 0.7])
    found = report_of(store, here)
    assert any(note.startswith("2 of 4 cells have one seed: their intervals") for note in found.notes)
    answer = suite_page(found).answer
    assert answer.count("over test images only") == 1
    assert answer.index("over test images only") < answer.index("Source-only")


def test_methods_with_one_highest_average_share_it(here: Path) -> None:
    store = Store()
    for method in ("dta", "mcc"):
        both_ways(store, method, [0.6, 0.6], [0.8, 0.8])
    assert suite_page(report_of(store, here)).answer.startswith("dta, mcc share the highest average, ")
