"""``runs ID``: one run in full, and the command that trains it again."""

import dataclasses
import json
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import refusal
from small_runs import spec_of
from stored_runs import finish
from typer.testing import CliRunner

from dta_bench import cli
from dta_bench.cli.runs import _by_identity
from dta_bench.errors import UserError
from dta_bench.report.predictions.choose_run import choose_run
from dta_bench.report.terminal.one_run import shown_epochs
from dta_bench.spec.run_spec import RunSpec
from dta_bench.tracking import Tracker, store_file
from dta_bench.tracking.class_record import ClassRow

Run = Callable[..., str]
EPOCHS = {"target_train/classes_in_use": (9, 4, 3), "loss/total": (2.0, 1.0, 0.5), "loss/vat": (0.1, 0.6, 0.4)}


@pytest.fixture
def out(finished_store: Path, tmp_path: Path) -> Path:
    """An --out with a finished run of dta, one of source_only, and a third, whose epochs are logged."""
    folder = shutil.copytree(finished_store, tmp_path / "results")
    tracker = Tracker(store_file.sqlite_uri(folder / "mlflow.db"), folder)
    log = tracker.open_run(third(), None, "dta seed=2", set(), {})
    for epoch in (1, 2, 3):
        log.log_epoch(epoch, {name: float(values[epoch - 1]) for name, values in EPOCHS.items()})
        log.log_classes([ClassRow(epoch, "7", 10, 90 if epoch == 1 else 10, "8", 90, 5.0)], "recall")
    log.flush()
    finish(tracker, third(), 0.3)
    return folder


def third() -> RunSpec:
    return spec_of(seed=2)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, which must succeed; returns what it prints on stdout."""

    def printed(*words: str) -> str:
        capfd.readouterr()
        result = CliRunner().invoke(cli.app, list(words))
        assert result.exit_code == 0, (result.output, result.exception)
        return capfd.readouterr().out

    return printed


def test_one_run_is_told_in_full(run: Run, out: Path) -> None:
    said = " ".join(run("runs", third().id[:7], "--out", str(out)).split())
    for told in (
        f"Run {third().id}: dta seed=2, finished",
        "dta on fonts_digits, conv3_tiny, seed 2; a training by itself, in no sweep",
        "epochs=2 (fonts_digits: 20)",
        "From epoch 2 on, fewer than half of the classes are predicted on target train",
        "loss: vat 0.100 0.600 0.400",
        "classes predicted 9 4 3",
        "Recall by class on target test, %, worst first: ",
        "Other seeds of this configuration, accuracy on target test: 0: ",
        f" % ({spec_of().id})",
        "#/experiments/1/runs/",
    ):
        assert told in said


def test_it_says_which_class_fell_when_and_where_the_rest_stands(run: Run, out: Path) -> None:
    said = run("runs", third().id, "--out", str(out))
    assert f"dta-bench runs {third().id} --class 7 --out {out}" in said
    assert "Class 7 fell in epoch 2: recall on the labelled subset 90.0 % after epoch 1, 10.0 % after 2" in said
    found = json.loads(run("runs", third().id, "--out", str(out), "--json"))
    assert [(fall["name"], fall["since"], fall["test_taken_for"]) for fall in found["falls"]] == [("7", 2, "8")]
    for name, path in found["files"].items():
        assert Path(path).is_file()
        assert name in said


def test_a_class_is_shown_after_each_measured_epoch(run: Run, out: Path) -> None:
    said = run("runs", third().id, "--class", "7", "--out", str(out))
    assert "Class 7, 10 images of the labelled subset" in said
    rows = [line.split() for line in said.splitlines()[-3:]]
    assert rows == [
        [epoch, score, "5.0", "8", "(90", "%)"] for epoch, score in (("1", "90.0"), ("2", "10.0"), ("3", "10.0"))
    ]
    found = json.loads(run("runs", third().id, "--class", "7", "--out", str(out), "--json"))
    assert [(row["epoch"], row["score"]) for row in found["classes"]["7"]] == [(1, 90.0), (2, 10.0), (3, 10.0)]


def test_a_class_without_labels_is_shown_by_its_share_of_the_predictions(run: Run, out: Path) -> None:
    tracker = Tracker(store_file.sqlite_uri(out / "mlflow.db"), out)
    log = tracker.open_run(spec_of(seed=6), None, "dta seed=6", set(), {})
    log.log_classes([ClassRow(1, "cat, black", None, None, "", None, 12.5)], "recall")
    said = run("runs", spec_of(seed=6).id, "--class", "cat, black", "--out", str(out))
    assert "Class cat, black; the run has no labelled subset" in said
    assert said.splitlines()[-1].split() == ["1", "12.5"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((spec_of(seed=2).id, "--class", ","), "--class names no class; run"),
        ((spec_of(seed=2).id, "--class", "seven"), "has no class 'seven'; it has 7"),
        ((spec_of().id, "--class", "7"), "has no curves/classes.csv"),
        (("--class", "7"), "--class would have no effect without the identity of one run; leave it out"),
        ((spec_of().id, spec_of(seed=2).id, "--class", "7"), "--class would have no effect without the identity of"),
    ],
)
def test_a_class_that_cannot_be_shown_is_refused_in_a_sentence(out: Path, words: tuple[str, ...], told: str) -> None:
    assert told in refusal(shlex.join(["runs", *words, "--out", str(out)]))


def test_it_names_the_run_that_trained_the_same_and_was_measured_otherwise(run: Run, out: Path) -> None:
    rarely = dataclasses.replace(third(), training=third().training.model_copy(update={"measure_every": 2}))
    finish(Tracker(store_file.sqlite_uri(out / "mlflow.db"), out), rarely, 0.3)
    said = run("runs", third().id, "--out", str(out))
    assert f"Trained as this one and measured otherwise: {rarely.id} (measure_every=2)" in said
    assert f"measured otherwise: {third().id} (measure_every=1)" in run("runs", rarely.id, "--out", str(out))
    assert "measured otherwise" not in run("runs", spec_of().id, "--out", str(out))


def test_a_run_without_a_record_of_its_classes_is_told_as_ever(run: Run, out: Path) -> None:
    assert "It has no curves/classes.csv" in run("runs", spec_of().id, "--out", str(out))
    assert json.loads(run("runs", spec_of().id, "--out", str(out), "--json"))["falls"] is None


def test_the_command_that_is_named_trains_a_run_of_the_same_identity(
    run: Run, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dta_bench.sweep import train_one

    found = json.loads(run("runs", third().id, "--out", str(out), "--json"))
    trained = []

    def note(plan: Any, settings: list[str], seed: int, workspace: Any, *_: Any) -> dict[str, Any]:
        trained.append((train_one._spec_with_settings(plan, settings, seed).id, workspace.out))
        return {"name": "x", "run_id": "x", "link": "y", "test": {}}

    monkeypatch.setattr("dta_bench.sweep.train_one.train_one", note)
    run(*shlex.split(found["command"])[1:], "--json")
    assert trained == [(third().id, str(out))]
    assert "--epochs 2" in found["command"]
    assert "--root data" in found["command"]


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        ([range(1, 21), (5, 10, 15, 20)], [1, 5, 10, 15, 20]),
        ([range(1, 4), range(1, 4)], [1, 2, 3]),
        ([range(1, 5), ()], [1, 2, 3, 4]),
        ([range(1, 14), range(1, 14)], [1, 3, 5, 7, 9, 11, 13]),
    ],
)
def test_its_curve_shows_the_epochs_that_were_measured(known: list[Sequence[int]], shown: list[int]) -> None:
    assert shown_epochs(known) == shown


def test_the_command_takes_as_many_threads_as_the_run_had(run: Run, out: Path) -> None:
    tracker = Tracker(store_file.sqlite_uri(out / "mlflow.db"), out)
    (stored,) = [one for one in tracker.runs("fonts_digits") if one.run_id == third().id]
    tracker.tag(stored, "threads", "1")
    assert "\n  OMP_NUM_THREADS=1 dta-bench train fonts_digits " in run("runs", third().id, "--out", str(out))


def test_several_identities_are_listed(run: Run, out: Path) -> None:
    words = ["runs", third().id, spec_of("source_only").id, "--out", str(out), "--json"]
    assert [row["method"] for row in json.loads(run(*words))["runs"]] == ["dta", "source_only"]


def test_what_is_the_name_of_a_benchmark_stays_one() -> None:
    tracker: Any = SimpleNamespace(exists=lambda: True, experiments=lambda: {"facade": "1"})
    assert _by_identity(tracker, ["facade"]) == []


@pytest.mark.parametrize("command", ["train", "sweep", "report"])
def test_a_command_that_takes_a_benchmark_leads_an_identity_to_runs(command: str) -> None:
    assert f"dta-bench runs {third().id} shows that run" in refusal(f"{command} {third().id}")


def test_a_run_that_failed_says_why_and_has_no_scores(run: Run, out: Path) -> None:
    tracker = Tracker(store_file.sqlite_uri(out / "mlflow.db"), out)
    spec = dataclasses.replace(third(), seed=5)
    tracker.open_run(spec, None, "dta seed=5", set(), {}).fail("loss/vat stopped being finite")
    said = run("runs", spec.id, "--out", str(out))
    assert "Reason: loss/vat stopped being finite" in said
    assert "scores, %" not in said


def test_with_baselines_alone_the_best_is_none_and_their_identities_are_named(out: Path) -> None:
    tracker = Tracker(store_file.sqlite_uri(out / "mlflow.db"), out)
    for one in tracker.runs("fonts_digits"):
        if one.spec.method != "source_only":
            tracker.supersede(one.mlflow_run_id)
    with pytest.raises(UserError, match=rf"name a run in place of --best fonts_digits: {spec_of('source_only').id} \("):
        choose_run(tracker, "fonts_digits", None)
    for seed in (0, 1):
        finish(tracker, spec_of("source_only", seed=seed), 0.5)
    finish(tracker, spec_of("mcd", epochs=3), 0.5)
    with pytest.raises(UserError, match="1 configuration trained otherwise had no part"):
        choose_run(tracker, "fonts_digits", None)
