"""A dry run says where a network for large images would train on small ones, and where weights are random."""

from __future__ import annotations

from typing import Any

import pytest

from dta_bench.spec import search_space_file
from dta_bench.spec.plan import Options, Plan
from dta_bench.sweep.choose_runs import make_plan
from dta_bench.sweep.network_notes import note_on_random_weights, note_on_small_images


def plan(name: str, **options: Any) -> Plan:
    return make_plan(name, search_space_file.read(name), Options(points=1, seeds=1, **options))


def test_a_large_network_on_small_images_is_told_with_a_smaller_one() -> None:
    small = ("image_size=[32, 32]", "augmentation=[]")
    (note,) = note_on_small_images(plan("visda", methods=("dann",), training=small))
    assert note.startswith("images of 32 x 32 px: resnet50 is made for 224 px; --backbone conv3_tiny ")
    assert "conv9_fc1 in colour" in note
    (of_dta,) = note_on_small_images(plan("visda", training=small))
    assert "conv9_fc1" not in of_dta  # it has no dropout, which the masks of dta start from


@pytest.mark.parametrize("name", ["visda", "stl_cifar", "streets_mini"])
def test_networks_for_the_size_of_the_images_are_not_told(name: str) -> None:
    assert note_on_small_images(plan(name)) == []


def test_random_weights_are_told_where_pretrained_ones_would_do() -> None:
    (note,) = note_on_random_weights(plan("visda"))
    assert note.startswith("resnet50 starts from random weights; --weights hub takes pretrained ones")
    assert note_on_random_weights(plan("digits")) == []
