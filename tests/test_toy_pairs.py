"""On clouds of points, methods that read predictions: none harms there, and each helps where it must."""

from __future__ import annotations

import pytest
import toy

pytestmark = pytest.mark.slow

HARMLESS = [
    ("mcc", {}),
    ("bnm", {}),
    ("afn", {"weight": 0.01, "step": 0.3}),
    ("mdd", {}),
    ("shot", {}),
    ("fixmatch", {}),
    ("simnet", {}),
    ("sdat", {}),
    ("co_da", {}),
    ("gta", {"width": 4, "noise": 8}),
]


@pytest.mark.parametrize(("method", "params"), HARMLESS, ids=lambda of: of if isinstance(of, str) else "")
def test_a_method_is_no_worse_than_source_only_on_moved_clouds(method: str, params: dict[str, float]) -> None:
    assert toy.mean_accuracy(method, "blobs", **params) >= toy.mean_accuracy("source_only", "blobs")


HELPS = [
    ("mcc", {}, {"weight": 0.0}),
    ("bnm", {}, {"weight": 0.0}),
    ("mdd", {"gamma": 2.0}, {"gamma": 2.0, "reversal": 0.0}),
    ("fixmatch", {}, {"weight": 0.0}),
    ("simnet", {}, {"weight": 0.0}),
]


@pytest.mark.parametrize(("method", "params", "off"), HELPS, ids=lambda of: of if isinstance(of, str) else "")
def test_its_own_term_helps_where_clouds_moved_across_the_border(
    method: str, params: dict[str, float], off: dict[str, float]
) -> None:
    """Without BatchNorm, so that it is the term that helps and not the target's statistics."""
    without = toy.mean_accuracy(method, "far", normed=False, **off)
    assert toy.mean_accuracy(method, "far", normed=False, **params) > without + 2


def test_longer_features_are_what_afn_gives_the_target() -> None:
    pair = toy.blobs()
    long, short = (toy.trained("afn", pair, 0, weight=weight) for weight in (0.05, 0.0))
    lengths = [of.net.activations(pair.target.images)[0].norm(dim=1).mean() for of in (long, short)]
    assert lengths[0] > 2 * lengths[1]


def test_shot_mends_without_the_source_what_its_first_stage_gets_wrong() -> None:
    before = toy.mean_accuracy("source_smoothed", "far", normed=False)
    assert toy.mean_accuracy("shot", "far", normed=False) > before + 2


def test_features_from_which_a_judge_sees_source_like_images_help_where_clouds_moved_across_the_border() -> None:
    """GTA at ten times its weight for digits; three seeds, as its generator draws whole images of each point."""
    on, off = (
        toy.mean_accuracy("gta", "far", seeds=3, normed=False, width=4, noise=8, weight=weight) for weight in (1.0, 0.0)
    )
    assert on > off + 2
