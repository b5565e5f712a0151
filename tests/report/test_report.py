"""From runs to one honest table: who is chosen, by what, how sure it is, and what must not be overlooked."""

import dataclasses
import json
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
from small_runs import spec_of
from stored_runs import LABELS, Runs, classes_of, finish, logits_of, markdown_of, report_of, screen_of

from dta_bench.errors import UserError
from dta_bench.report.build import build_report
from dta_bench.report.configurations import StoredRun
from dta_bench.report.document.report import Report
from dta_bench.report.document.scores import Confirmation
from dta_bench.report.files import write_report
from dta_bench.report.headline_and_warnings import answer, warnings
from dta_bench.report.html import page
from dta_bench.report.html.report_page import report_page
from dta_bench.report.paper.published import rows_of_benchmark
from dta_bench.spec.benchmark import Benchmark
from dta_bench.tracking import Tracker


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def pair(digits_benchmark: Benchmark) -> Benchmark:
    return classes_of(digits_benchmark)


def disagreeing(runs: Runs) -> None:
    """Four configurations, each the best in another rule's eyes."""
    runs.sweep("dta", [0.6] * 2, subset=90, params={"lambda_2": 0.0})
    runs.sweep("dta", [0.7] * 2, source=99, params={"lambda_2": 0.01})
    runs.sweep("dta", [0.5] * 2, sharpness=30, params={"lambda_2": 0.02})
    runs.sweep("dta", [0.8] * 2, params={"lambda_2": 0.03})


@pytest.mark.parametrize(("rule", "lambda_2"), [("labels", 0.0), ("source", 0.01), ("entropy", 0.02), ("oracle", 0.03)])
def test_each_rule_chooses_by_its_own_lights(runs: Runs, pair: Benchmark, rule: str, lambda_2: float) -> None:
    disagreeing(runs)
    report = report_of(runs, pair, rule)
    assert report.selected.params["lambda_2"] == lambda_2
    assert report.leaderboard[0].params["lambda_2"] == lambda_2


def test_an_unknown_rule_is_refused_with_those_that_there_are(runs: Runs, pair: Benchmark) -> None:
    disagreeing(runs)
    with pytest.raises(UserError, match=r"(?s)labels: .*source: .*entropy: .*oracle: "):
        report_of(runs, pair, "luck")


def test_a_configuration_is_judged_by_the_mean_of_its_seeds_not_by_a_lucky_one(runs: Runs, pair: Benchmark) -> None:
    for seed, subset in enumerate((99, 20, 20)):
        runs.add(spec_of(seed=seed, lambda_2=0.01), 0.5, subset=subset)
    for seed, subset in enumerate((60, 60, 60)):
        runs.add(spec_of(seed=seed, lambda_2=0.02), 0.5, subset=subset)
    assert report_of(runs, pair).selected.params["lambda_2"] == 0.02


def test_seeds_of_one_configuration_stand_together_whether_a_value_was_typed_as_2_or_as_2_0(
    runs: Runs, pair: Benchmark
) -> None:
    """Their identity is the same: --set gives 2, and a search space may have 2.0."""
    runs.add(spec_of(lambda_2=2.0, seed=0), 0.6)
    runs.add(spec_of(lambda_2=2, seed=1), 0.6)
    runs.add(spec_of(lambda_2=0.5, seed=0), 0.3)
    report = report_of(runs, pair)
    assert report.test.seeds == 2
    assert '"lambda_2": 2,' in json.dumps(report.json_object())


def test_among_equals_the_first_started_is_chosen(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.5], params={"lambda_2": 0.02})
    runs.sweep("dta", [0.5], params={"lambda_2": 0.01})
    assert report_of(runs, pair).selected.params["lambda_2"] == 0.02


def test_baselines_never_compete(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("target_only", [0.99], subset=99)
    runs.sweep("source_only", [0.9], subset=98)
    runs.sweep("dta", [0.5], subset=10)
    report = report_of(runs, pair)
    assert report.selected.method == "dta"
    assert [row.method for row in report.leaderboard if not row.competes] == ["target_only", "source_only"]
    assert report.compared == 1


def test_only_configurations_with_all_seeds_compete_and_the_others_are_counted(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.5, 0.5], subset=40, params={"lambda_2": 0.01})
    runs.sweep("dta", [0.9], subset=95, params={"lambda_2": 0.02})
    report = report_of(runs, pair)
    assert report.selected.params["lambda_2"] == 0.01
    assert (report.compared, report.too_few_seeds) == (1, 1)
    assert any("1 configuration has fewer finished seeds than others" in said for said in warnings(report))


def test_the_scores_are_means_over_seeds_of_what_was_measured(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.5, 0.7, 0.6])
    test = report_of(runs, pair).test
    right = np.stack(
        [logits_of(rate, spec_of(seed=s)).argmax(axis=1) == LABELS for s, rate in enumerate((0.5, 0.7, 0.6))]
    )
    assert test.accuracy == pytest.approx(100 * right.mean())
    assert test.per_class["3"] == pytest.approx(100 * right[:, LABELS == 3].mean())
    assert test.mean_class_accuracy == pytest.approx(np.mean(list(test.per_class.values())))
    assert test.ci95[0] < test.accuracy < test.ci95[1]
    assert test.seeds == 3


def test_the_object_has_what_programs_are_promised_and_is_plain_json(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.8] * 2, subset=77)
    runs.sweep("source_only", [0.5] * 2)
    report = report_of(runs, pair)
    assert Report.model_validate(json.loads(json.dumps(report.json_object(), allow_nan=False))) == report
    assert (report.benchmark, report.rule, report.runs) == ("fonts_digits", "labels", 4)
    assert {"params", "method", "backbone"} <= report.json_object()["selected"].keys()
    assert report.validation.accuracy == 77
    assert {"accuracy", "mean_class_accuracy", "per_class", "ci95", "seeds"} <= report.json_object()["test"].keys()
    assert report.json_object()["source_only"].keys() == report.json_object()["test"].keys()


def test_a_clear_gain_is_said_to_be_one(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.80, 0.82, 0.81])
    runs.sweep("source_only", [0.5, 0.52, 0.51])
    report = report_of(runs, pair)
    gain = report.test.accuracy - report.source_only.accuracy
    assert report.difference.points == pytest.approx(gain)
    assert report.difference.differs
    assert f"{gain:+.1f} points" in answer(report)
    assert "It is better than source-only (p" in answer(report)
    assert "NO" not in answer(report)


@pytest.mark.parametrize("tests", [[0.9, 0.2, 0.6], [0.505, 0.525, 0.505]])
def test_what_chance_may_explain_is_said_to_be_no_gain(runs: Runs, pair: Benchmark, tests: list[float]) -> None:
    runs.sweep("dta", tests)
    runs.sweep("source_only", [0.5, 0.52, 0.51])
    report = report_of(runs, pair)
    assert not report.difference.differs
    assert "NO difference from source-only is shown" in answer(report)


def test_a_clear_loss_is_said_to_be_one(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.3, 0.31, 0.3])
    runs.sweep("source_only", [0.5, 0.52, 0.51])
    report = report_of(runs, pair)
    assert report.difference.differs
    assert "It is WORSE than source-only" in answer(report)


def test_methods_are_compared_on_all_seeds_that_each_has(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.8, 0.8, 0.8])
    runs.add(spec_of("source_only", seed=2), 0.5)
    runs.add(spec_of("source_only", seed=7), 0.9)
    report = report_of(runs, pair)
    assert report.difference.seeds == report.source_only.seeds == 2
    assert report.difference.points == pytest.approx(report.test.accuracy - report.source_only.accuracy)


def test_headline_and_table_of_pairs_are_one_test(runs: Runs, pair: Benchmark) -> None:
    for method, tests in (("dta", [0.7, 0.72]), ("dann", [0.68, 0.6]), ("source_only", [0.55, 0.6])):
        runs.sweep(method, tests)
    report = report_of(runs, pair)
    same = next(c for c in report.comparisons if (c.first, c.second) == ("dta", "source_only"))
    assert (report.difference.p_holm, report.difference.differs) == (same.p_holm, same.differs)
    assert report.difference.ci95 == pytest.approx(same.ci95)
    assert report.difference.seeds_needed == same.seeds_needed
    assert f"p {same.p_holm:.3f}" in answer(report)


def test_where_no_difference_is_shown_the_command_with_enough_seeds_is_named(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.62, 0.56])
    runs.sweep("source_only", [0.5, 0.55])
    report = report_of(runs, pair).with_parts(commands=["dta-bench sweep fonts_digits"])
    needed = report.difference.seeds_needed
    assert f"at least {needed.at_least} seeds of each are needed" in answer(report)
    assert f"dta-bench sweep fonts_digits --confirm {needed.as_seen}" in answer(report)


def test_a_choice_that_sweeps_do_not_confirm_gets_more_seeds_of_the_search(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.62, 0.56])
    runs.sweep("source_only", [0.5, 0.55])
    confirmed = Confirmation(seeds=[1000, 1001], requested=4, done=4)  # of what another rule chose
    report = report_of(runs, pair).with_parts(confirmation=confirmed, commands=["dta-bench sweep fonts_digits"])
    assert "dta-bench sweep fonts_digits --seeds " in answer(report)


@pytest.mark.parametrize(
    ("ran", "named"),
    [
        (["dta-bench sweep compare_fonts_digits --methods all --confirm 2"], "compare_fonts_digits --methods all"),
        (["dta-bench sweep one --confirm 2", "dta-bench sweep one --confirm 4"], "one"),
    ],
)
def test_that_command_is_the_one_sweep_that_made_the_runs(
    runs: Runs, pair: Benchmark, ran: list[str], named: str
) -> None:
    runs.sweep("dta", [0.62, 0.56])
    runs.sweep("source_only", [0.5, 0.55])
    report = report_of(runs, pair).model_copy(update={"commands": ran})
    assert re.search(rf"dta-bench sweep {named} --confirm \d+$", answer(report))


@pytest.mark.parametrize("ran", [[], ["dta-bench train fonts_digits --seed 3"]])
def test_runs_without_a_sweep_get_no_command_that_would_plan_others(
    runs: Runs, pair: Benchmark, ran: list[str]
) -> None:
    runs.sweep("dta", [0.62, 0.56])
    runs.sweep("source_only", [0.5, 0.55])
    said = answer(report_of(runs, pair).with_parts(commands=ran))
    assert "dta-bench sweep" not in said
    assert "a sweep of these methods, on this backbone and with this training, with --confirm " in said


def test_rows_near_guessing_are_named(runs: Runs, pair: Benchmark) -> None:
    classes = len(pair.classes)
    runs.sweep("dta", [1.1 / classes, 1.2 / classes])
    runs.sweep("source_only", [0.5, 0.55])
    (said,) = [line for line in warnings(report_of(runs, pair)) if line.startswith("Near guessing")]
    assert f"which has {100 / classes:.1f} % with {classes} classes: dta " in said
    assert "source_only" not in said


def test_rows_without_scores_by_class_are_not_said_to_be_near_guessing(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.05, 0.05])
    runs.sweep("source_only", [0.5, 0.55])
    report = report_of(runs, pair)
    sides = {name: None if side is None else side.model_copy(update={"per_class": {}}) for name, side in
             (("test", report.test), ("source_only", report.source_only))}  # fmt: skip
    assert not [line for line in warnings(report.model_copy(update=sides)) if line.startswith("Near guessing")]


def test_no_command_is_named_where_several_sweeps_made_the_runs(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.62, 0.56])
    runs.sweep("source_only", [0.5, 0.55])
    said = answer(report_of(runs, pair).with_parts(commands=["dta-bench sweep one", "dta-bench sweep another"]))
    assert "dta-bench sweep" not in said
    assert "(2 sweeps made this table)" in said


def test_methods_that_cannot_be_told_apart_share_a_letter(runs: Runs, pair: Benchmark) -> None:
    for method, tests in (("dta", [0.8, 0.81, 0.8]), ("dann", [0.8, 0.79, 0.81]), ("source_only", [0.4, 0.41, 0.4])):
        runs.sweep(method, tests)
    bands = {row.method: row.band for row in report_of(runs, pair).leaderboard}
    assert bands == {"dta": "a", "dann": "a", "source_only": "b"}


def test_one_seed_is_said_to_be_one(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.8])
    runs.sweep("source_only", [0.5])
    assert "One seed does not show how much training varies by chance" in answer(report_of(runs, pair))


def test_without_source_only_there_is_no_comparison_and_it_is_said(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.8])
    report = report_of(runs, pair)
    assert report.source_only is None
    assert report.difference is None
    assert "source-only has not been run" in answer(report)


def test_source_only_is_taken_from_the_same_backbone(runs: Runs, pair: Benchmark) -> None:
    runs.add(dataclasses.replace(spec_of("source_only"), backbone="conv9_fc1"), 0.9)
    runs.sweep("source_only", [0.4])
    runs.sweep("dta", [0.8])
    report = report_of(runs, pair)
    assert report.source_only.accuracy == pytest.approx(report.leaderboard[-1].test)
    assert report.source_only.accuracy < 50


def test_the_headline_metric_decides_where_it_is_the_class_mean(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.8])
    runs.sweep("source_only", [0.5])
    report = report_of(runs, dataclasses.replace(pair, headline="mean_class_accuracy"))
    assert report.difference.metric == "mean_class_accuracy"
    assert "mean class accuracy" in answer(report)
    assert "mean class" in screen_of(report)


def test_the_subsets_score_is_never_in_the_answer(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.6] * 2, subset=98.7)
    runs.sweep("source_only", [0.5] * 2, subset=43.2)
    said = answer(report_of(runs, pair))
    assert "98.7" not in said
    assert "43.2" not in said


def test_collapsed_failed_and_unfinished_runs_are_named(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.8])
    runs.add(spec_of(seed=1), 0.1, collapsed=True, name="the collapsed one")
    runs.add(spec_of(seed=2), 0, status="FAILED", reason="loss/vat stopped being finite", name="the failed one")
    runs.add(spec_of(seed=3), 0, status="KILLED", name="the killed one")
    report = report_of(runs, pair)
    assert report.collapsed == ["the collapsed one"]
    assert report.failed == {"the failed one": "loss/vat stopped being finite"}
    said = " ".join(screen_of(report).split())
    for expected in ("the collapsed one", "the failed one: loss/vat stopped being finite", "the killed one"):
        assert expected in said
        assert expected in markdown_of(report)


def test_a_run_that_nearly_lost_a_class_is_named_with_the_class(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.8])
    runs.add(spec_of(seed=1), 0.8, name="the one without twos")
    accuracies = {key: value for key, value in runs.tracked[-1].metrics.items() if key.startswith("test/class/")}
    lost, *others = sorted(accuracies)
    bound = sum(accuracies[key] for key in others) / (10 * len(accuracies) - 1)  # where it is a tenth of the mean
    for value, told in (
        (1.01 * bound, {}),
        (0.99 * bound, {"the one without twos": [lost.removeprefix("test/class/")]}),
    ):
        runs.tracked[-1] = dataclasses.replace(runs.tracked[-1], metrics=runs.tracked[-1].metrics | {lost: value})
        report = report_of(runs, pair)
        assert report.lost_classes == told
    assert "A class is nearly lost" in markdown_of(report)
    assert "the one without twos" in " ".join(screen_of(report).split())


def test_runs_of_another_budget_are_not_compared_but_counted(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.5, 0.5])
    runs.add(spec_of(epochs=99), 0.9, subset=99)
    report = report_of(runs, pair)
    assert (report.runs, report.left_out) == (2, 1)
    assert report.training.epochs == 2


def test_an_oracle_is_called_an_oracle(runs: Runs, pair: Benchmark) -> None:
    disagreeing(runs)
    report = report_of(runs, pair, "oracle")
    assert "ORACLE" in answer(report)
    assert "ORACLE" in screen_of(report)
    assert "ORACLE" in markdown_of(report)


def test_without_a_finished_run_there_is_no_report(runs: Runs, pair: Benchmark) -> None:
    runs.add(spec_of(), 0, status="FAILED")
    with pytest.raises(UserError, match="no finished run"):
        report_of(runs, pair)


def test_baselines_alone_are_shown_without_a_winner(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("source_only", [0.5])
    report = report_of(runs, pair)
    assert (report.selected, report.test, report.difference) == (None, None, None)
    assert "source_only" in screen_of(report)
    assert "source_only" in markdown_of(report)


def test_the_screen_fits_80_columns_without_a_terminal_and_has_no_colours(runs: Runs, pair: Benchmark) -> None:
    for lambda_2 in (0.0, 0.01, 0.02):
        for delta_c in (0.01, 0.05):
            for lambda_3 in (0.1, 0.2):
                params = {"lambda_2": lambda_2, "delta_c": delta_c, "lambda_3": lambda_3, "epsilon": 3.5}
                runs.sweep("dta", [0.8], params=params)
    runs.sweep("source_only", [0.5])
    said = screen_of(report_of(runs, pair))
    assert max(map(len, said.splitlines())) <= 80
    assert "\x1b" not in said
    assert "delta_c=0.05" in said


def test_published_rows_stand_beside_ours_of_the_same_metric_only(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.8])
    report = report_of(runs, pair)
    rows = rows_of_benchmark("visda")
    backbone = report.selected.backbone
    shown = [row.model_copy(update={"backbone": backbone}) for row in rows if row.metric in ("accuracy", "unknown")]
    said = screen_of(report.model_copy(update={"published": shown}))
    ours = f"{report.test.accuracy:.1f}"
    for line in said[said.index("Published") :].splitlines():
        if "unknown" in line:
            assert ours not in line
        elif "accuracy" in line and "Ours" in line:
            assert ours in line


def test_every_published_row_names_its_metric() -> None:
    rows = [row for name in ("visda", "svhn_mnist", "gta5_cityscapes") for row in rows_of_benchmark(name)]
    assert rows
    assert {row.metric for row in rows} <= {"accuracy", "mean_class_accuracy", "miou", "unknown"}


def test_a_report_of_a_real_store_is_kept_as_files(tmp_path: Path, digits_benchmark: Benchmark) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    tracker.check()
    tracker.experiment(digits_benchmark)
    for seed in range(2):
        finish(tracker, spec_of(seed=seed), 0.8)
        finish(tracker, spec_of("source_only", seed=seed), 0.5)
    report = build_report(tracker, "fonts_digits", "entropy")
    assert report.test.accuracy == pytest.approx(80, abs=2)
    assert report.link.endswith("/#/experiments/1/runs?viewStateShareKey=dta-bench&workflowType=machine_learning")
    assert build_report(tracker, "fonts_digits", "labels", only={spec_of().id}).source_only is None

    write_report(report, tmp_path / "reports" / "mine")
    kept = json.loads((tmp_path / "reports" / "mine" / "report.json").read_text())
    assert kept == report.json_object()
    text = (tmp_path / "reports" / "mine" / "report.md").read_text()
    assert answer(report) in text
    assert f"| {digits_benchmark.classes[0]} |" in text


def test_the_page_says_what_is_shaded_where_there_is_a_ramp(tmp_path: Path, digits_benchmark: Benchmark) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    tracker.check()
    tracker.experiment(digits_benchmark)
    finish(tracker, spec_of(), 0.8)
    assert "Shaded: the ramp, the epochs in which the perturbation of dta grows." in markdown_of(
        build_report(tracker, "fonts_digits", "entropy")
    )


def test_flops_are_those_that_the_runs_noted_and_counted_anew_only_where_they_did_not(
    tmp_path: Path, digits_benchmark: Benchmark
) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    tracker.check()
    tracker.experiment(digits_benchmark)
    finish(tracker, spec_of("source_only"), 0.5)
    for lambda_2, noted in ((0.01, 7.0), (0.02, 8.0)):
        spec = spec_of(lambda_2=lambda_2)
        tracker.open_run(spec, None, "noted", set(), {}).log_epoch(2, {"flops_ratio": noted})
        finish(tracker, spec, 0.8)
    finish(tracker, dataclasses.replace(spec_of("dann"), params={}), 0.6)
    tracker.open_run(spec_of("shot"), None, "a step", set(), {}).log_epoch(2, {"flops_ratio": 1.0})
    finish(tracker, spec_of("shot"), 0.6)
    tracker.open_run(spec_of("mcd"), None, "a run", set(), {}).log_epoch(
        2, {"flops_ratio": 3.0, "run_flops_ratio": 4.0}
    )
    finish(tracker, spec_of("mcd"), 0.6)
    cost = build_report(tracker, "fonts_digits", "labels").cost
    ratios = {one.method: one.flops_ratio for one in cost.by_method}
    assert ratios["source_only"] == (1, 1)
    assert ratios["dta"] == (7, 8)
    assert 1.9 < ratios["dann"][0] == ratios["dann"][1] < 2.2  # one on the source, one on the target, and the judge's
    assert ratios["shot"] == (pytest.approx(2, rel=0.01),) * 2  # its first stage is a source-only run
    assert ratios["mcd"] == (4, 4)
    assert cost.flops_counted == 3


def test_what_choosing_cost_and_which_methods_differ_is_in_every_form(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.9, 0.9])
    runs.sweep("dann", [0.5, 0.5], params={})
    runs.sweep("source_only", [0.5, 0.5])
    report = report_of(runs, pair)
    for said in (
        page.html(report_page(report)),
        page.markdown(report_page(report)),
        " ".join(screen_of(report).split()),
    ):
        assert f"the subset was scored {report.subset.asked} times by the runs in this table" in said
        assert f"scored the chosen configuration {-report.inflation:.1f} points below its target test" in said
        assert f"{report.comparisons[0].points:+.1f}" in said
        assert "they differ" in said
        assert "no difference is shown" in said


def test_methods_are_compared_in_the_order_of_their_best(runs: Runs, pair: Benchmark) -> None:
    runs.sweep("dta", [0.9, 0.9], subset=90)
    runs.sweep("dann", [0.5, 0.5], subset=80)
    runs.add(spec_of("dta", lambda_2=0.05), 0.4, subset=10)
    first = report_of(runs, pair).comparisons[0]
    assert (first.first, first.second) == ("dta", "dann")
    assert first.points > 0


def test_a_warning_names_ten_runs_and_counts_the_rest(runs: Runs, pair: Benchmark) -> None:
    runs.add(spec_of(), 0.5)
    for seed in range(1, 14):
        runs.add(spec_of(seed=seed), 0, status="FAILED", reason="loss/total stopped being finite", name=f"run {seed}")
    runs.add(spec_of(seed=20), 0, status="FAILED", reason="another reason", name="the other")
    failed = [said for said in warnings(report_of(runs, pair)) if said.startswith("Failed")]
    assert failed[0].endswith("run 9, run 10 and 3 more: loss/total stopped being finite.")
    assert failed[1:] == ["Failed: the other: another reason."]


def test_a_record_fetches_only_what_is_asked_for(runs: Runs) -> None:
    runs.add(spec_of(), 0.5)
    asked: list[str] = []

    def fetch(names: Collection[str]) -> dict[str, np.ndarray]:
        asked.extend(names)
        return runs.predictions(runs.tracked[0], names)

    run = StoredRun(runs.tracked[0], fetch)
    assert (run.test_correct == run.test_correct).all()
    assert sorted(asked) == ["target_test_labels", "target_test_logits"]
