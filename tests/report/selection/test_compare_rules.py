"""All selection rules on one set of runs: what each chooses, its regret, and what it cannot be told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stored_runs import CLASSES, LABELS, Runs, classes_of, report_of, screen_of

from dta_bench.errors import UserError
from dta_bench.report.configurations import Configuration, group_runs
from dta_bench.report.document.scores import RuleRow
from dta_bench.report.how_it_was_chosen import disagreement_sentences
from dta_bench.report.selection.compare_rules import all_rules
from dta_bench.report.selection.rules import RULES, scores
from dta_bench.report.summary import uncertainty_of
from dta_bench.spec.benchmark import Benchmark

HEADLINE = "accuracy"


@pytest.fixture
def pair(digits_benchmark: Benchmark) -> Benchmark:
    return classes_of(digits_benchmark)


def disagreeing(probed: bool = True) -> Runs:
    """Four configurations with two seeds: labels prefers the second best, source the third, the oracle the best."""
    runs = Runs()
    for i, (test, subset, source) in enumerate([(0.6, 50, 90), (0.7, 60, 95), (0.8, 90, 80), (0.85, 85, 70)]):
        runs.sweep("dta", [test] * 2, subset=subset, source=source, params={"lambda_2": i / 100})
    if probed:
        for number, run in enumerate(runs.tracked):
            runs._arrays[run.run_id] |= probes_of(number // 2)
    return runs


def probes_of(quality: int) -> dict[str, Any]:
    """Features that cluster, mixes that keep their class, a source that is right: the more, the higher ``quality``."""
    rng = np.random.default_rng(quality)
    classes = np.arange(200) % CLASSES
    features = np.eye(CLASSES)[classes] * (1 + quality) + rng.normal(size=(200, CLASSES))
    kept = rng.random(200) < 0.4 + 0.15 * quality
    mixed = np.eye(CLASSES)[np.where(kept, classes, (classes + 1) % CLASSES)]
    wrong = rng.random(200) < 0.4 - 0.1 * quality
    source = 5 * np.eye(CLASSES)[np.where(wrong, (classes + 1) % CLASSES, classes)]
    return {
        "probe_target_train_rows": np.arange(200), "probe_target_train_features": features.astype(np.float16),
        "probe_source_train_rows": np.arange(200), "probe_source_train_features": features[::-1].astype(np.float16),
        "probe_source_validation_rows": np.arange(200), "probe_source_validation_features": features.astype(np.float16),
        "source_validation_logits": source.astype(np.float16), "source_validation_labels": classes,
        "probe_mixed_logits": mixed.astype(np.float16), "probe_mixed_labels": classes,
        "probe_mixed_intra": np.arange(200) % 2 == 0,
    }  # fmt: skip


def group(runs: Runs) -> list[Configuration]:
    return group_runs(runs, runs.tracked)  # type: ignore[arg-type]


def rules(runs: Runs) -> dict[str, RuleRow]:
    return {row.rule: row for row in rules_of(runs)}


def rules_of(runs: Runs) -> list[RuleRow]:
    configurations = group(runs)
    return all_rules(configurations, HEADLINE, uncertainty_of(configurations, "labels", HEADLINE))


def test_every_rule_has_a_row_and_the_oracle_is_last() -> None:
    rows = rules_of(disagreeing())
    assert [row.rule for row in rows] == list(RULES)
    assert rows[-1].rule == "oracle"
    assert {"rule", "selected", "test", "regret", "rank_correlation"} <= rows[0].model_dump().keys()
    assert not any(row.unavailable for row in rows)


def test_regret_is_what_a_choice_loses_on_target_test_against_the_oracle() -> None:
    rows = rules(disagreeing())
    assert rows["oracle"].regret == 0
    assert rows["oracle"].selected.params["lambda_2"] == 0.03
    for name, lambda_2 in (("labels", 0.02), ("source", 0.01), ("last", 0.0)):
        assert rows[name].selected.params["lambda_2"] == lambda_2
        assert rows[name].regret == pytest.approx(rows["oracle"].test - rows[name].test)
        low, high = rows[name].regret_ci95
        assert low < rows[name].regret < high


def test_rank_correlation_is_pearsons_of_the_ranks() -> None:
    rows = rules(disagreeing())
    assert rows["labels"].rank_correlation == pytest.approx(np.corrcoef([1, 2, 4, 3], [1, 2, 3, 4])[0, 1])
    assert rows["source"].rank_correlation == pytest.approx(np.corrcoef([3, 4, 2, 1], [1, 2, 3, 4])[0, 1])
    assert rows["last"].rank_correlation is None  # no choice has no order
    assert rows["oracle"].rank_correlation == pytest.approx(1)


@pytest.mark.parametrize("rule", ["class_ami", "mixval", "dev"])
def test_rules_of_features_and_mixes_prefer_the_better_probes(rule: str) -> None:
    values = scores(group(disagreeing()), rule, HEADLINE)
    assert values.index(max(values)) == 3
    assert values[0] < values[3]


def test_a_rule_that_the_runs_cannot_serve_is_named_unavailable() -> None:
    rows = rules(disagreeing(probed=False))
    for name in ("class_ami", "dev", "mixval"):
        assert rows[name].selected is None
        assert rows[name].test is None
        assert "has stored no" in rows[name].unavailable
    assert not rows["snd"].unavailable


def test_asked_for_alone_it_is_an_error_in_words() -> None:
    with pytest.raises(UserError, match="dta seed=0 has stored no probe_mixed_logits"):
        scores(group(disagreeing(probed=False)), "mixval", HEADLINE)


def test_a_logged_criterion_and_one_from_stored_logits_are_the_same() -> None:
    runs = disagreeing()
    before = scores(group(runs), "snd", HEADLINE)
    for run in runs.tracked:
        run.metrics["target_train/snd"] = 7.0
    assert scores(group(runs), "snd", HEADLINE) == [7.0] * 4 != before


def test_permuted_labels_change_no_rule_that_uses_none() -> None:
    """The label-permutation test: rules without labels must not read the target's."""
    runs, permuted = disagreeing(), disagreeing()
    shuffled = np.random.default_rng(0).permutation(LABELS)
    for run in permuted.tracked:
        permuted._arrays[run.run_id]["target_test_labels"] = shuffled
        run.metrics.update({key: 0.0 for key in run.metrics if key.startswith(("validation/", "test/"))})
    for name in set(RULES) - {"labels", "oracle"}:
        assert scores(group(permuted), name, HEADLINE) == scores(group(runs), name, HEADLINE), name


def test_the_report_says_how_often_the_subset_was_asked(pair: Benchmark) -> None:
    runs = disagreeing()
    for run in runs.tracked:
        run.metrics["validation/asked"] = 3.0
    report = report_of(runs, pair)
    assert report.subset.asked == 3 * 8
    assert "scored 24 times" in screen_of(report)


def test_the_report_says_what_the_subset_inflated_and_what_the_choice_lost(pair: Benchmark) -> None:
    report = report_of(disagreeing(), pair)
    assert report.inflation == pytest.approx(90 - report.test.accuracy)
    assert report.regret.points == pytest.approx(report.regret.oracle - report.test.accuracy)
    assert f"Regret: {report.regret.points:.1f} points" in screen_of(report)


def test_source_labels_and_oracle_disagree_in_the_reports_own_words(pair: Benchmark) -> None:
    runs = disagreeing()
    report = report_of(runs, pair).with_parts(rules=rules_of(runs))
    said = " ".join(disagreement_sentences(report))
    assert "labels chose dta 0.02, the oracle dta 0.03" in said.replace("lambda_2=", "")
    assert "source chose" in said
    assert "target labels instead of source labels is worth" in said
    assert said.split(".")[0] in " ".join(screen_of(report).split())
