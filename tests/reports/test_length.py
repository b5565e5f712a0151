"""The study of the length of a comparison: which runs it has, and what its page reads from them."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "reports"))
import length
from length import LEFT_OUT, LENGTHS, SEEDS, agreement, jobs, scores_of, settled


def curves(of_lengths: list[list[float]]) -> length.Scores:
    """One method a row, with the same score for each seed."""
    return {f"m{i}": np.array([row] * SEEDS, dtype=float) for i, row in enumerate(of_lengths)}


def kendall(first: list[float], second: list[float]) -> float:
    """Of scores without ties: concordant minus discordant pairs, over all pairs."""
    pairs = list(itertools.combinations(range(len(first)), 2))
    return sum(np.sign((first[i] - first[j]) * (second[i] - second[j])) for i, j in pairs) / len(pairs)


def test_agreement_is_kendalls_tau_over_pairs_of_methods() -> None:
    rng = np.random.default_rng(0)
    scores = {f"m{i}": rng.random((SEEDS, len(LENGTHS))) for i in range(6)}
    of_means, across = agreement(scores, 1)
    rows = list(scores.values())
    assert of_means == pytest.approx(kendall([r[:, 1].mean() for r in rows], [r[:, -1].mean() for r in rows]))
    of_two = [
        kendall([r[a, 1] for r in rows], [r[b, -1] for r in rows]) for a, b in itertools.permutations(range(SEEDS), 2)
    ]
    assert across == pytest.approx(np.mean(of_two))


def test_a_ranking_is_settled_where_it_stays_as_at_the_end() -> None:
    turns_over_after_the_second = curves([[1, 2, 9, 9], [2, 3, 8, 8], [3, 4, 7, 7], [4, 5, 6, 6]])
    assert settled(turns_over_after_the_second) == LENGTHS[2]


def test_a_ranking_that_agrees_early_and_then_not_is_not_settled_early() -> None:
    right_wrong_right = curves([[4, 1, 4, 4], [3, 2, 3, 3], [2, 3, 2, 2], [1, 4, 1, 1]])
    assert settled(right_wrong_right) == LENGTHS[2]


def test_a_method_without_all_its_runs_is_not_ranked() -> None:
    rows = [
        {"method": name, "seed": seed, "steps": at, "accuracy": 50.0}
        for name in ("whole", "part")
        for seed in range(SEEDS)
        for at in LENGTHS
    ]
    without = [row for row in rows if (row["method"], row["seed"]) != ("part", 0)]
    assert list(scores_of(without)) == ["whole"]


def test_while_the_last_seed_is_trained_the_page_is_of_those_before() -> None:
    rows = [
        {"method": name, "seed": seed, "steps": at, "accuracy": 50.0}
        for name in ("one", "other")
        for seed in range(SEEDS)
        for at in LENGTHS
    ]
    assert length.whole_seeds(rows) == SEEDS
    assert length.whole_seeds(rows[:-1]) == SEEDS - 1
    assert scores_of(rows[:-1])["one"].shape == (SEEDS - 1, len(LENGTHS))


@pytest.mark.slow
def test_every_method_is_measured_at_every_length_with_every_seed() -> None:
    measured = {(spec.method, spec.seed, at) for spec, lengths in jobs() for at in lengths}
    methods = {spec.method for spec in length.plan_of(LENGTHS[-1]).runs} - set(LEFT_OUT)
    assert measured == set(itertools.product(methods, range(SEEDS), LENGTHS))


def test_the_page_counts_the_methods_that_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"method": name, "seed": seed, "steps": at, "accuracy": 10.0 * len(name) + seed, "run": name}
        for name in ("dta", "source_only")
        for seed in range(SEEDS)
        for at in LENGTHS
    ]
    monkeypatch.setattr(length, "kept_rows", lambda: rows)
    text = length.page()
    assert "| source_only | 111.0 (1.0) |" in text
    assert "`gta` is not run" in text
    assert "Not finished: adabn, " in text
