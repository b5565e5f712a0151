"""The page of what becomes of the paper's tables, and the figures of the released code that it quotes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "reports"))
import reproduction
from reproduction import HERE as REPORTS
from reproduction import chosen_sentence, pair_section, rows_not_run, spell_row

ROW = {
    "method": "dta", "params": {"source_only_epochs": 0, "class_balance": 0, "lambda_3": 0.1}, "validation": 20.0,
    "test": 9.8, "ci95": [8.0, 11.6], "seeds": 1, "confirmed": False, "collapsed": 1,
}  # fmt: skip


REPORT = {
    "headline": "accuracy", "leaderboard": [ROW], "selected": ROW | {"params": ROW["params"] | {"class_balance": 0.1}},
    "test": {"accuracy": 97.17, "ci95": [95.4, 99.0], "seeds": 3},
    "difference": {"points": 14.13, "ci95": [11.1, 17.2], "differs": True, "p_holm": 0.0025, "pairs": 3},
    "training": {"epochs": 12, "iterations_per_epoch": 156},
    "cost": {"by_method": [{"method": "dta", "seconds_a_run": 187.2}]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("benchmark", "row", "test"),
    [
        ("usps_mnist", "as released: class balance 0.01, VAT", 83.5),
        ("usps_mnist", "class balance 0, no VAT, after 2 source-only epochs", 52.6),
        ("mnist_usps", "as released, no VAT", 95.1),
    ],
)
def test_figures_of_the_released_code_typed_again(benchmark: str, row: str, test: float) -> None:
    rows = yaml.safe_load((REPORTS / "released_code.yaml").read_text())["rows"]
    assert [r["test"] for r in rows if (r["benchmark"], r["row"]) == (benchmark, row)] == [test]


def test_a_row_says_what_the_study_varies() -> None:
    assert spell_row(ROW, "usps_mnist") == "dta, the printed terms alone"
    changed = {"source_only_epochs": 2, "class_balance": 0.1, "lambda_3": 0}
    assert spell_row(ROW | {"params": changed}, "usps_mnist") == "dta, source-only epochs 2, class balance 0.1, no VAT"
    assert spell_row(ROW | {"params": changed}, "mnist_usps") == "dta, source-only epochs 2, class balance 0.1"
    rising = ROW["params"] | {"lambda_1_ramp_epochs": 15}
    assert spell_row(ROW | {"params": rising}, "digits") == "dta, lambda_1 rises over epochs 15"


def test_a_direction_has_ours_beside_what_is_printed_and_what_the_released_code_gave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reproduction, "_json", lambda *_: {})
    text = pair_section("usps_mnist", "USPS to MNIST", REPORT)
    ours = "| dta, the printed terms alone | 20.0 | 9.8 | 8.0 to 11.6 (test images only) | 1 of the search | 1 | 99.1 |"
    assert ours in text.splitlines()
    assert "| class balance 0 | E12, ended after 4 | 17.8 |" in text.splitlines()
    assert (
        "The labelled subset chose: dta, class balance 0.1. It has 97.2 % (95.4 to 99.0, 3 fresh seeds), +14.1 points"
        " (+11.1 to +17.2) against source-only: better than source-only (p 0.003, corrected for 3 pairs)."
    ) in text.splitlines()
    assert "dta 0.100 s a step, 2.3 h." in text  # 2 x 0.1 s x 42,120 steps


def test_a_row_that_was_not_run_has_its_command_its_measured_step_and_its_hours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = [
        {"method": "source_only", "vat": False, "images_per_second": 640.0},
        {"method": "se", "vat": False, "images_per_second": 320.0},
    ]
    monkeypatch.setattr(reproduction, "_json", lambda *_: {"rows": measured})
    *_, row = rows_not_run("usps_mnist", set(reproduction.OTHERS) - {"se"})
    command = "dta-bench sweep reproduce_usps_mnist --method se --points 1 --seeds 3 --confirm 0"
    assert row == f"| se | 0.200 | 0.3 | `{command}` |"  # 3 x 1,872 x 0.2 s
    assert rows_not_run("usps_mnist", set(reproduction.OTHERS)) == []


def test_a_gain_that_is_not_shown_is_not_called_one() -> None:
    gain = REPORT["difference"] | {"differs": False}
    assert "not shown to be better than source-only" in chosen_sentence(REPORT | {"difference": gain}, "usps_mnist")


@pytest.mark.slow
def test_its_commands_are_ones_that_the_program_takes(tmp_path: Path) -> None:
    """They stop at the data, which are not there, and not before."""
    target = re.search(r"^reproduction:.*?\n\n", (REPORTS.parent / "Makefile").read_text(), re.MULTILINE | re.DOTALL)
    assert target
    lines = re.findall(r"dta-bench (\w+ reproduce_(?:\$\$pair|usps_mnist) [^>]*) --root", target[0])
    assert len(lines) == 4
    for line in lines:
        words = line.replace("$$pair", "usps_mnist").split()
        command = [sys.executable, "-m", "dta_bench", *words, "--root", str(tmp_path), "--out", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "usps.bz2 is missing: put usps.bz2, usps.t.bz2 into" in done.stderr
