"""The report's statistics on simulated worlds: no error rate above what is claimed, by an exact binomial limit."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "reports"))
from calibration import Bar, any_difference, failures, grid, lower_limit, simulate, verdict
from calibration_headline import HeadlineCell, says_better, simulate_headline
from calibration_tables import document
from calibration_worlds import Cell, models, world_of

from dta_bench.report.statistics.pair_model import all_pairs
from dta_bench.report.statistics.paired_tests import comparisons

QUICK = [
    Cell("accuracy", "equal", 4.0, 2, 20_000, 25),
    Cell("accuracy", "equal", 2.0, 3, 20_000, 25),
    Cell("accuracy", "half", 2.0, 3, 20_000, 6),
    Cell("accuracy", "one", 2.0, 2, 20_000, 6),
    Cell("accuracy", "t3", 2.0, 3, 20_000, 6),
    Cell("accuracy", "collapse", 2.0, 5, 20_000, 6),
    Cell("mean_class_accuracy", "equal", 2.0, 5, 20_000, 2),
]
SLOW = [
    Cell("mean_class_accuracy", "equal", 2.0, 2, 600, 25),
    Cell("accuracy", "equal", 4.0, 2, 600, 2),
    Cell("accuracy", "half", 2.0, 2, 600, 25),
    Cell("accuracy", "one", 2.0, 3, 600, 25),
    Cell("accuracy", "one", 2.0, 5, 20_000, 25),
    Cell("accuracy", "half", 2.0, 3, 20_000, 2),
    Cell("miou", "equal", 2.0, 3, 60, 6),
    Cell("miou", "equal", 2.0, 2, 500, 2),
]


def check(cell: Cell, worlds: int) -> None:
    assert failures(cell, simulate(cell, worlds), worlds) == []


@pytest.mark.parametrize("cell", QUICK, ids=str)
def test_no_error_rate_is_above_what_is_claimed(cell: Cell) -> None:
    check(cell, 200)


@pytest.mark.slow
@pytest.mark.parametrize("cell", [*QUICK, *SLOW], ids=str)
def test_no_error_rate_is_above_what_is_claimed_in_more_worlds(cell: Cell) -> None:
    check(cell, 2_000)


def test_two_seeds_trusted_as_they_are_would_fail() -> None:
    """Variances that are not moderated, with normal quantiles: the rule of failure sees it."""
    cell = Cell("accuracy", "equal", 4.0, 2, 20_000, 6)
    model = next(models(cell, 400, np.random.default_rng(0)))
    errors = np.sqrt(model.own_variances / 2 + model.image_variances)
    misses = int((np.abs(model.means - cell.truth) > 1.96 * errors)[:, 0].sum())
    assert verdict(Bar("score interval misses", 0.07), misses, 400) == "FAILS"


def test_a_rate_is_judged_by_its_exact_lower_limit() -> None:
    assert lower_limit(0, 100) == 0
    assert lower_limit(60, 1000) < 0.05 < lower_limit(90, 1000)
    bar = Bar("x", 0.05)
    assert [verdict(bar, n, 1000) for n in (50, 60, 90)] == ["holds", "close", "FAILS"]


def test_any_difference_is_what_the_report_says_of_each_world() -> None:
    cell = Cell("accuracy", "half", 2.0, 2, 20_000, 6)
    model = next(models(cell, 60, np.random.default_rng(1)))
    moderated, own = all_pairs(model).p_values()
    assert moderated.shape == own.shape == (60, 15)
    claims = any_difference(model)
    for world in [*np.flatnonzero(claims)[:10], *np.flatnonzero(~claims)[:20]]:
        one = world_of(model, int(world))
        said = [pair.differs for pair in comparisons(list("abcdef"), one, "accuracy")]
        assert any(said) == claims[world]


@pytest.mark.parametrize("metric", ["accuracy", "mean_class_accuracy"])
def test_drawn_scores_have_the_covariances_of_drawn_predictions(metric: str) -> None:
    cell = Cell(metric, "equal", 2.0, 3, 898, 4)
    full, short = (
        list(models(cell, worlds, np.random.default_rng(2), in_full))
        for worlds, in_full in ((600, True), (4000, False))
    )
    for name in ("own_variances", "image_covariances"):
        means = [np.concatenate([getattr(m, name) for m in found]).mean(axis=0) for found in (full, short)]
        assert means[0] == pytest.approx(means[1], rel=0.12)
    spread = [np.concatenate([m.means for m in found]).std() for found in (full, short)]
    assert spread[0] == pytest.approx(spread[1], rel=0.08)
    assert np.concatenate([m.means for m in full]).mean() == pytest.approx(cell.truth, abs=0.2)


@pytest.mark.slow
def test_both_ways_of_drawing_have_the_same_error_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    import calibration

    cell = Cell("accuracy", "equal", 2.0, 3, 898, 6)
    rates = []
    for in_full in (True, False):
        monkeypatch.setattr(calibration, "models", lambda c, w, rng, how=in_full: models(c, w, rng, how))
        rates.append(simulate(cell, 3000)["counts"]["difference interval misses"] / 3000)
    assert rates[0] == pytest.approx(rates[1], abs=0.015)


def test_the_headline_of_fresh_seeds_is_as_seldom_wrong_as_it_says() -> None:
    counts = simulate_headline(HeadlineCell(6, 2.0, 3, 20_000), 400)
    assert verdict(Bar("better than source-only", 0.05), counts["on fresh seeds"], 400) != "FAILS"


def test_the_headline_is_what_the_report_says_of_each_world() -> None:
    model = next(models(Cell("accuracy", "equal", 4.0, 3, 20_000, 4), 200, np.random.default_rng(3)))
    model.means[:100, 2] += 25
    said = says_better(model, np.full(200, 2))
    for world in [*range(0, 100, 10), *range(100, 200, 10)]:
        pairs = comparisons(list("abcd"), world_of(model, world), "accuracy")
        pair = next(pair for pair in pairs if (pair.first, pair.second) == ("a", "c"))
        assert said[world] == (pair.differs and pair.points < 0)
    assert said[:100].mean() > 0.5 > said[100:].mean()


@pytest.mark.slow
@pytest.mark.parametrize("configurations", [1, 6, 150])
def test_the_headline_holds_its_rate_however_many_configurations_were_searched(configurations: int) -> None:
    counts = simulate_headline(HeadlineCell(configurations, 4.0, 2, 20_000), 2_000)
    assert verdict(Bar("better than source-only", 0.05), counts["on fresh seeds"], 2_000) != "FAILS"


def test_the_full_grid_holds_the_kept_one() -> None:
    assert set(grid(False)) <= set(grid(True))
    assert {cell.kind for cell in grid(False)} == {"equal", "half", "one", "t3", "collapse"}


def test_the_page_names_what_fails() -> None:
    cell = Cell("accuracy", "equal", 2.0, 3, 600, 2)
    row = {
        "metric": "accuracy", "kind": "equal", "spread": 2.0, "seeds": 3, "images": 600, "methods": 2, "worlds": 1000,
        "date": "2026-01-01", "code": "x", "width": 1.2, "power": 0.5,
        "counts": {"any false difference": 200, "score interval misses": 20, "difference interval misses": 20},
    }  # fmt: skip
    assert failures(cell, row, 1000) == ["any false difference: 0.200 where 0.05 is claimed"]
    assert "1 do not hold what is claimed" in document([row])
    assert "any false difference: 0.200 where 0.05 is claimed" in document([row])
