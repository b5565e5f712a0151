"""The page of PACS is the report's JSON in other words: every figure, and what is missing with its command."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "reports"))
from pacs import Runs, page

from dta_bench.spec import search_space_file
from dta_bench.spec.training import Training

TRAINING = Training(epochs=4, optimizer="sgd", learning_rate=1e-2, batch_size=16, tune="head", neck_width=64)


RUNS = Runs(64, TRAINING, {"dta": 2.0}, [30])


def cell(score: float) -> dict[str, Any]:
    return {"score": score, "interval": [score - 1, score + 1], "seeds": 3}


def report(**changes: Any) -> dict[str, Any]:
    return {
        "backbone": "net", "stated": 12, "average_over": ["photo -> art"], "across": None, "comparisons": [],
        "pairs": {"photo -> art": {"methods": {"dta": cell(61.25), "source_only": cell(70.5)}}},
        "average": {"dta": 61.25, "source_only": 70.5}, "average_intervals": {"dta": None, "source_only": [69.5, 71.5]},
        "notes": ["how the data are split"], "missing": [],
    } | changes  # fmt: skip


def test_methods_stand_in_the_order_of_their_averages_with_their_intervals() -> None:
    rows = [line for line in page(report(), RUNS).splitlines() if line.startswith("| ")]
    assert rows[0] == "| method | average of 1 | photo -> art | s a run |"
    assert rows[2:4] == [
        "| source_only | 70.5 (69.5 to 71.5) | 70.5 (69.5 to 71.5) | 0.0 |",
        "| dta | 61.2 | 61.2 (60.2 to 62.2) | 2.0 |",
    ]


def test_what_was_not_run_is_named_with_its_command_and_no_folder_of_the_machine() -> None:
    gap = {"pair": "art -> cartoon", "method": "dta", "why": "not run", "command": "dta-bench sweep --weights /w/a.pth"}
    text = page(report(missing=[gap]), RUNS)
    assert "* art -> cartoon of dta (not run): `dta-bench sweep --weights a.pth`" in text
    assert "/w/" not in text


def gains(test: dict[str, Any]) -> str:
    text = page(report(comparisons=[test]), RUNS)
    (row,) = [line for line in text.splitlines() if line.startswith(("| dta | -", "| dta | +"))]
    return row


@pytest.mark.parametrize(
    ("first", "second", "points", "ci95"),
    [("dta", "source_only", -9.25, [-12, -6.5]), ("source_only", "dta", 9.25, [6.5, 12])],
)  # fmt: skip
@pytest.mark.parametrize(("differs", "verdict"), [(True, "lower"), (False, "no difference shown")])
def test_a_gain_is_the_method_less_source_only_whichever_stands_first_and_a_loss_is_counted(
    first: str, second: str, points: float, ci95: list[float], differs: bool, verdict: str
) -> None:
    test = {"first": first, "second": second, "points": points, "ci95": ci95, "p_holm": 0.0121, "differs": differs}
    assert gains(test) == f"| dta | -9.2 (-12.0 to -6.5) | 0.012 | {verdict} | 1 of 1 | -9.2 to -9.2 |"
    assert f"Of 1 method: {verdict}: 1." in page(report(comparisons=[test]), RUNS)


def test_a_gain_without_a_test_is_said_to_have_none() -> None:
    assert "| dta |  |  | not tested | 1 of 1 |" in page(report(), RUNS)


def test_how_the_runs_were_trained_is_read_from_them() -> None:
    training = TRAINING.model_copy(update={"image_size": (96, 96), "epochs": 5})
    text = " ".join(page(report(), replace(RUNS, training=training)).split())
    assert "at 96x96 pixels" in text
    assert (
        "a bottleneck of 64 and a classifier train above it, 5 epochs over the source in batches of 16 and 16" in text
    )


def test_what_fine_tuning_would_take_is_steps_times_seconds_and_is_said_not_to_be_run() -> None:
    cost = {
        "command": "dta-bench profile", "threads": 1, "device": "cpu", "steps": {"a -> b": 100, "b -> a": 50},
        "seconds": {"dta": 2.0},
    }  # fmt: skip
    text = page(report(), RUNS, cost)
    epochs = search_space_file.read("any_pair").training.epochs
    assert f"| dta | 2.00 | {150 * 2.0 * epochs * 3 / 3600:.1f} |" in text
    assert "## What fine-tuning takes\n\nNot run on all pairs." in text
    assert "ine-tun" not in page(report(), RUNS).replace("fine-tuned networks", "")


def test_fine_tuned_runs_have_a_table_of_their_own_with_how_they_were_trained() -> None:
    runs = replace(RUNS, count=9, training=TRAINING.model_copy(update={"epochs": 3, "image_size": (96, 96)}))
    text = page(report(), RUNS, None, (report(), runs))
    shown = " ".join(text[text.index("## Fine-tuned") :].split())
    assert "9 runs in which the whole network trained, at 96x96 pixels, 3 epochs" in shown
    assert "nothing was chosen" in shown
    assert "| source_only |" in shown
