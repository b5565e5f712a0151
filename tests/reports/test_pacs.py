"""The page of PACS is the report's JSON in other words: every figure, and what is missing with its command."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "reports"))
from pacs import page

from dta_bench.spec.training import Training

TRAINING = Training(epochs=4, optimizer="sgd", learning_rate=1e-2, batch_size=16, tune="head", neck_width=64)


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
    rows = [line for line in page(report(), {"dta": 2.0}, 64, TRAINING).splitlines() if line.startswith("| ")]
    assert rows[0] == "| method | average of 1 | photo -> art | s a run |"
    assert rows[2:] == [
        "| source_only | 70.5 (69.5 to 71.5) | 70.5 (69.5 to 71.5) | 0.0 |",
        "| dta | 61.2 | 61.2 (60.2 to 62.2) | 2.0 |",
    ]


def test_what_was_not_run_is_named_with_its_command_and_no_folder_of_the_machine() -> None:
    gap = {"pair": "art -> cartoon", "method": "dta", "why": "not run", "command": "dta-bench sweep --weights /w/a.pth"}
    text = page(report(missing=[gap]), {}, 64, TRAINING)
    assert "* art -> cartoon of dta (not run): `dta-bench sweep --weights a.pth`" in text
    assert "/w/" not in text


def test_an_average_is_called_different_only_where_the_report_calls_it_so() -> None:
    pair = {"first": "dta", "second": "source_only", "points": -9.25}
    assert "-9.2 points" in page(report(comparisons=[pair | {"differs": True}]), {}, 64, TRAINING)
    assert "-9.2 points" not in page(report(comparisons=[pair | {"differs": False}]), {}, 64, TRAINING)


def test_how_the_runs_were_trained_is_read_from_them() -> None:
    text = page(report(), {}, 64, TRAINING.model_copy(update={"image_size": (96, 96), "epochs": 5}))
    assert "at 96x96 pixels" in text
    assert (
        "a bottleneck of 64 and a\nclassifier train above it, 5 epochs over the source in batches of 16 and 16" in text
    )
