"""Averages over pairs: their intervals against closed forms, and their coverage in simulated suites."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.report.statistics.crossed_model import crossed_model, evidence
from dta_bench.report.statistics.outcomes import Outcomes, influences, scores_by_seed
from dta_bench.report.suite.averages import evidence_of_parts

LABELS = np.zeros(300, dtype=np.int64)


def drawn(seed: int, seeds: int = 3, images: int = 300) -> Outcomes:
    rng = np.random.default_rng(seed)
    rates = rng.uniform(0.2, 0.9, images)
    return Outcomes((rng.random((seeds, images)) < rates).astype(np.int8), np.zeros(images, dtype=np.int64))


def parts(outcomes: list[Outcomes], share: float) -> list[np.ndarray]:
    return [share * influences(one, "accuracy") / one.images for one in outcomes]


@given(st.integers(0, 50))
def test_of_a_single_pair_it_is_the_evidence_of_that_pair(seed: int) -> None:
    one = drawn(seed)
    alone, expected = evidence_of_parts(scores_by_seed(one, "accuracy"), parts([one], 1)), evidence(one, "accuracy")
    assert alone.by_seed == pytest.approx(expected.by_seed)
    assert alone.averaged == pytest.approx(expected.averaged)
    assert alone.residual == pytest.approx(expected.residual)


def image_variance(part_list: list[np.ndarray]) -> float:
    model = crossed_model([evidence_of_parts(np.zeros(len(part_list[0])), part_list)])
    return float(model.image_variances[0])


def test_images_of_two_targets_are_independent_and_their_variances_add_up() -> None:
    one, other = drawn(1), drawn(2)
    alone = [image_variance(parts([each], 1)) for each in (one, other)]
    assert image_variance(parts([one, other], 0.5)) == pytest.approx(sum(alone) / 4, rel=0.01)


def test_pairs_with_the_same_target_share_their_images_and_gain_nothing_by_being_two() -> None:
    one = drawn(1)
    twice = parts([one], 0.5)[0] + parts([one], 0.5)[0]
    assert image_variance([twice]) == pytest.approx(image_variance(parts([one], 1)))


def simulated_suite(
    rng: np.random.Generator, domains: int, seeds: int, images: int, truth: float
) -> tuple[float, float]:
    """Mean and half width of one method's average; seeds move all pairs of a source alike, targets share images."""
    pairs = list(permutations(range(domains), 2))
    moved = {}
    by_seed = np.zeros(seeds)
    of_source = rng.normal(0, 2, (domains, seeds))
    hardness = rng.normal(0, 1, (domains, images))
    share = 1 / len(pairs)
    for source, target in pairs:
        own = rng.normal(0, 1, seeds)
        level = truth + of_source[source][:, None] + own[:, None] + 15 * hardness[target][None, :]
        right = rng.random((seeds, images)) * 100 < level
        scores = 100 * right.mean(axis=1)
        by_seed += share * scores
        values = share * (100 * right - scores[:, None]) / images
        moved[target] = moved.get(target, 0) + values
    model = crossed_model([evidence_of_parts(by_seed, list(moved.values()))])
    return float(model.means[0]), float(model.half_widths()[0])


def coverage(worlds: int, seeds: int, domains: int, images: int) -> float:
    """How often the interval covers the expected score, which is 60 by symmetry (levels stay within 0 and 100)."""
    rng = np.random.default_rng(0)
    found = [simulated_suite(rng, domains, seeds, images, 60.0) for _ in range(worlds)]
    return float(np.mean([abs(mean - 60.0) <= half for mean, half in found]))


def test_the_interval_of_an_average_covers_in_a_suite_with_shared_sources_and_targets() -> None:
    assert coverage(300, seeds=3, domains=3, images=200) >= 0.90


@pytest.mark.slow  # 4,000 suites of up to 12 pairs
@pytest.mark.parametrize(("seeds", "domains", "images"), [(2, 3, 200), (3, 3, 500), (3, 4, 500), (5, 4, 1000)])
def test_the_interval_of_an_average_covers_at_93_percent_or_more(seeds: int, domains: int, images: int) -> None:
    assert coverage(1000, seeds, domains, images) >= 0.93
