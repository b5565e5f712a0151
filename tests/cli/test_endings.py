"""How commands end: with what they made, and the command that goes on from there."""

import json
import shlex
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import command_tree
from small_runs import spec_of
from stored_runs import finish
from typer.testing import CliRunner

from dta_bench.cli import app
from dta_bench.cli.terminal import same_places
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.report.build import build_report
from dta_bench.report.in_the_table import why_not_in_table
from dta_bench.run.workspace import Workspace
from dta_bench.sweep import train_one as trainings
from dta_bench.tracking import Tracker, run_link, ui, ui_link


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one finished run, which is the working folder too."""
    monkeypatch.chdir(tmp_path)
    store(tmp_path)
    return tmp_path


def store(out: Path) -> Tracker:
    tracker = Workspace(str(out / "data"), str(out), f"sqlite:///{out / 'mlflow.db'}").tracker()
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    finish(tracker, spec_of("dta"), 0.6)
    return tracker


Run = Callable[..., tuple[str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Calls a command; gives what it wrote to stdout and to stderr."""

    def called(*words: str) -> tuple[str, str]:
        capfd.readouterr()
        done = CliRunner().invoke(app, list(words))
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        said = capfd.readouterr()
        return done.stdout + said.out, done.stderr + said.err

    return called


def test_a_report_ends_with_its_page_and_commands_that_can_be_typed(out: Path, run: Run) -> None:
    *_, page, first, second, third = run("report", "fonts_digits")[0].rstrip().splitlines()
    assert page == "Page: reports/fonts_digits/report.html"
    assert (out / page.removeprefix("Page: ")).is_file()
    assert first.startswith("Next: dta-bench report fonts_digits --select all")
    assert "dta-bench runs fonts_digits" in second
    assert "dta-bench ui" in third
    assert "1 run" in run(*shlex.split(second, comments=True)[1:])[0]


def test_a_quiet_report_prints_the_path_of_its_page_alone(out: Path, run: Run) -> None:
    assert run("report", "fonts_digits", "--quiet")[0] == "reports/fonts_digits/report.html\n"
    assert (out / "reports/fonts_digits/report.html").is_file()


def next_commands(said: str) -> list[list[str]]:
    """The words of each command that an ending names."""
    lines = said.rstrip().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("Next: "))
    return [shlex.split(line.removeprefix("Next: "), comments=True) for line in lines[first:]]


@pytest.mark.usefixtures("out")
@pytest.mark.parametrize(
    ("words", "following"),
    [
        ("list benchmarks", "prepare"), ("list methods", "check"), ("list recipes", "report"), ("list", "prepare"),
        ("runs", "report"), ("check search-space digits", "sweep"), ("prepare fonts_digits --check", "sweep"),
    ],
)  # fmt: skip
def test_a_command_ends_with_the_next_one(words: str, following: str, run: Run) -> None:
    found = next_commands(run(*words.split())[0])
    assert found[0][:2] == ["dta-bench", following]
    known = command_tree().commands
    assert all(command[0] == "dta-bench" and command[1] in known for command in found)


def test_an_archive_is_handed_on_by_the_commands_that_publish_merge_and_site_name(out: Path, run: Run) -> None:
    published = run("publish", "fonts_digits", "--by", "lab A", "--to", "archive")[0]
    assert published.startswith("archive: 1 run of 1 benchmark, CC-BY-4.0\n")
    merge, site = next_commands(published)
    merged = run(*[word.replace("OTHER", "elsewhere") for word in merge[1:]])[0]
    assert "added: 1 run of lab A" in merged
    assert next_commands(merged)[0] == ["dta-bench", "report", "fonts_digits", "--out", "elsewhere"]
    made = run(*[word.replace("SITE", "page") for word in site[1:]])[0]
    assert "1 row of 1 archive" in made
    assert (out / "page" / "index.html").is_file()
    assert next_commands(made)[0][:3] == ["dta-bench", "site", "page"]


def test_open_opens_the_page_in_a_browser(out: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    run("report", "fonts_digits", "--open")
    assert opened == [(out / "reports" / "fonts_digits" / "report.html").as_uri()]


@pytest.mark.usefixtures("out")
def test_json_is_the_only_thing_on_stdout_and_the_page_is_named_beside_it(run: Run) -> None:
    stdout, stderr = run("report", "fonts_digits", "--json")
    assert json.loads(stdout)["benchmark"] == "fonts_digits"
    assert "page: reports/fonts_digits/report.html" in stderr


def test_train_ends_with_method_identity_score_and_link(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of("dta")
    found = {
        "run_id": spec.id, "name": "dta lambda_2=0.01 seed=0", "spec": spec.to_dict(), "has_network": True,
        "test": {"accuracy": 61.25, "mean_class_accuracy": 60.0}, "source_validation": {}, "link": "http://x/#/runs/7",
        "not_in_report": [],
    }  # fmt: skip
    monkeypatch.setattr(trainings, "train_one", lambda *_: found)
    said, _ = run("train", "fonts_digits")
    assert "dta lambda_2=0.01 seed=0: target test accuracy 61.2 %" in said
    assert f"Run {spec.id}, with dta-bench ui at http://x/#/runs/7" in said
    assert f"dta-bench predict {spec.id}" in said
    assert "dta-bench report fonts_digits  # the table that it is in" in said
    monkeypatch.setattr(trainings, "train_one", lambda *_: found | {"not_in_report": ["epochs 1 instead of 20"]})
    said, _ = run("train", "fonts_digits")
    assert "dta-bench report fonts_digits  # without this run, which has epochs 1 instead of 20" in said


@pytest.mark.usefixtures("out")
def test_what_train_says_of_the_table_is_what_the_report_does(out: Path) -> None:
    tracker, alike, other = store(out), spec_of("mcd"), spec_of("mcd", epochs=3)
    for spec in (alike, other):
        finish(tracker, spec, 0.6)
    assert why_not_in_table(tracker, "fonts_digits", [alike.id]) == []
    assert why_not_in_table(tracker, "fonts_digits", [other.id]) == ["epochs 3 instead of 2"]


def test_a_confirmation_run_alone_is_in_no_table_and_its_end_says_so(tmp_path: Path) -> None:
    tracker = Workspace(str(tmp_path), str(tmp_path), f"sqlite:///{tmp_path / 'mlflow.db'}").tracker()
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    finish(tracker, spec_of("mcd", seed=1001), 0.6)
    alone = ["confirmation alone: no run of its search is there"]
    assert why_not_in_table(tracker, "fonts_digits", [spec_of("mcd", seed=1001).id]) == alone
    with pytest.raises(UserError, match="no finished run of a search yet, only of its confirmation"):
        build_report(tracker, "fonts_digits", "labels")


def test_links_follow_the_port_that_was_served_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    store(tmp_path)
    assert ":5000/" in ui_link(uri, "1")
    monkeypatch.setattr(ui, "_serve", lambda *_: None)
    ui.serve_ui(uri, tmp_path, "127.0.0.1", 5391)
    assert ui_link(uri, "1").startswith("http://127.0.0.1:5391/")
    assert run_link(uri, "1", "abc").startswith("http://127.0.0.1:5391/#/experiments/1/runs/abc?")
    monkeypatch.setenv("DTA_BENCH_UI_PORT", "5392")
    assert ui_link(uri, "1").startswith("http://127.0.0.1:5392/")


def test_a_server_keeps_its_own_port() -> None:
    link = run_link("http://lab.org:8080", "1", "abc")
    assert link == "http://lab.org:8080/#/experiments/1/runs/abc?workflowType=machine_learning"


def test_the_next_command_leads_to_the_same_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DTA_BENCH_OUT", raising=False)
    assert same_places(out=Path()) == ""
    assert same_places(out=Path("my runs"), tracking_uri="http://u:secret@h/x") == (
        " --out 'my runs' --tracking-uri http://***@h/x"
    ).replace("http://***@h/x", "'http://***@h/x'")
    monkeypatch.setenv("DTA_BENCH_OUT", "my runs")
    assert same_places(out=Path("my runs")) == ""
