"""A report says which of its runs were made by several versions of the code or on data of an older fingerprint."""

import dataclasses

import pytest
from small_runs import spec_of
from stored_runs import Runs, report_of, screen_of

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.spec.budget import Budget

LISTING = "b" * 64
CONTENT = f"content-1:{'a' * 64}:{LISTING}"


def two_runs(key: str, *values: str) -> Runs:
    runs = Runs()
    for seed, value in enumerate(values):
        runs.add(spec_of(seed=seed, lambda_1=seed + 1), 0.5)
        runs.tracked[-1].tags[key] = value
    return runs


def test_mixed_code_is_told() -> None:
    mixed = report_of(two_runs("code_fingerprint", "ast1:1", "ast1:2"), benchmark_of("fonts_digits"))
    assert len(mixed.mixed_code or []) == 1
    assert "Mixed code: runs of" in " ".join(screen_of(mixed).split())
    same = report_of(two_runs("code_fingerprint", "ast1:1", "ast1:1"), benchmark_of("fonts_digits"))
    assert "Mixed code" not in screen_of(same)


def test_runs_of_an_older_data_fingerprint_stand_beside_those_of_the_same_listing() -> None:
    report = report_of(two_runs("data_fingerprint", LISTING, CONTENT), benchmark_of("fonts_digits"))
    assert (report.left_out, report.unverified_data) == (0, 1)
    assert "Contents not verified" in screen_of(report)


def test_runs_of_other_contents_are_not_compared() -> None:
    other = CONTENT.replace("a", "f")
    report = report_of(two_runs("data_fingerprint", other, CONTENT), benchmark_of("fonts_digits"))
    assert report.left_out == 1
    assert "because trained with other data: dta (" in " ".join(screen_of(report).split())


def test_a_run_that_is_left_out_is_named_with_what_differs_and_the_command_that_shows_it() -> None:
    runs, other = Runs(), spec_of("mcd", epochs=3)
    for seed in (0, 1):
        runs.add(spec_of(seed=seed), 0.5)
    runs.add(other, 0.5)
    report = report_of(runs, benchmark_of("fonts_digits"))
    assert (
        f"Not in this table, because trained with epochs 3 instead of 2: mcd ({other.id}); dta-bench runs {other.id}"
        " shows it."
    ) in " ".join(screen_of(report).split())
    assert [run["run_id"] for one in report.json_object()["left_out_runs"] for run in one["runs"]] == [other.id]


def test_many_runs_that_are_left_out_are_counted_and_listed_by_method() -> None:
    runs = Runs()
    for seed in range(6):
        runs.add(spec_of(seed=seed), 0.5)
    for seed in range(5):
        runs.add(spec_of("mcd", epochs=3, seed=seed), 0.5)
    said = " ".join(screen_of(report_of(runs, benchmark_of("fonts_digits"))).split())
    first = spec_of("mcd", epochs=3).id
    assert f"mcd (5 runs, such as {first}); dta-bench runs fonts_digits --methods mcd shows them." in said


@pytest.mark.parametrize(("first", "second"), [("steps=30", "flops=1e+12"), ("steps=30", ""), ("steps=30", "steps=60")])
def test_two_budgets_are_never_in_one_table_and_the_report_says_so(first: str, second: str) -> None:
    runs = Runs()
    for count, of in ((2, first), (1, second)):
        for point in range(count):
            budget = Budget(of=of, lengths=(30,)) if of else None
            runs.add(dataclasses.replace(spec_of(lambda_1=point + 1), budget=budget), 0.5)
    report = report_of(runs, benchmark_of("fonts_digits"))
    assert (report.budget, report.budgets_left_out, report.left_out) == (first, [second or None], 1)
    assert len(report.leaderboard) == 2
    said = " ".join(screen_of(report).split())
    assert f"Every run has the budget {first}; a first stage is a part of it." in said
    assert f"Not in this table, because trained with budget {second or 'none'} instead of {first}: dta (" in said


def test_methods_of_one_budget_are_in_one_table_whatever_their_stages() -> None:
    runs = Runs()
    for method, lengths in (("dta", (30,)), ("shot", (15, 15))):
        runs.add(dataclasses.replace(spec_of(method), budget=Budget(of="steps=30", lengths=lengths)), 0.5)
    report = report_of(runs, benchmark_of("fonts_digits"))
    assert {row.method for row in report.leaderboard} == {"dta", "shot"}
    assert (report.left_out, report.budgets_left_out) == (0, None)


def test_a_parameter_that_is_in_no_spec_at_its_default_tells_configurations_apart() -> None:
    runs = Runs()
    for share, params in ((0.5, {}), (0.6, {"source_only_epochs": 1}), (0.7, {"class_balance": 0.1})):
        runs.add(spec_of(**params), share)
    report = report_of(runs, benchmark_of("fonts_digits"))
    assert [row.params["source_only_epochs"] for row in report.leaderboard] == [0, 1, 0]
    screen = screen_of(report)
    assert "source_only_epochs=1" in screen
    assert screen.count("source_only_epochs=0") >= 2


def test_runs_without_a_budget_say_nothing_of_one() -> None:
    runs = Runs()
    runs.add(spec_of(), 0.5)
    assert "budget" not in report_of(runs, benchmark_of("fonts_digits")).json_object()


def test_the_other_reading_of_enlarged_label_maps_is_told() -> None:
    runs = Runs()
    runs.add(spec_of(), 0.5)
    runs.tracked[-1].metrics.update({"enlarged_labels/accuracy": 41.0, "enlarged_labels/mean_class_accuracy": 40.0})
    report = report_of(runs, benchmark_of("fonts_digits"))
    assert report.enlarged_labels is not None
    said = " ".join(screen_of(report).split())
    assert "With predicted labels enlarged instead: accuracy 41.0 %, mean class accuracy 40.0 %." in said
