"""Preparing a benchmark: what it says of sound data, and that it names what is wrong."""

import dataclasses

import fake_datasets
import numpy as np
import pytest

from dta_bench.benchmarks import gta5_cityscapes, visda
from dta_bench.data import prepare
from dta_bench.errors import UserError


def test_shipped_data_is_sound(tmp_path):
    found = prepare.prepare("fonts_digits", tmp_path)
    assert found["problems"] == []
    assert found["sizes"] == {"source_train": 2500, "source_validation": 500, "target_train": 1197, "target_test": 600}
    assert found["class_counts"]["source_train"] == dict.fromkeys(found["class_counts"]["source_train"], 250)
    assert len(found["fingerprint"]) == 64


def test_missing_data_says_what_to_put_where(tmp_path):
    with pytest.raises(UserError, match=str(tmp_path / "visda")):
        prepare.prepare("visda", tmp_path, check=True)


def visda_domains(root, per_class=10):
    fake_datasets.visda(root, visda.BENCHMARK.classes, per_class)
    return visda.load(root)


def test_a_drawn_visda_tree_is_sound_though_it_trains_and_tests_on_one_domain(tmp_path):
    found = prepare.inspect(visda.BENCHMARK, dataclasses.replace(visda_domains(tmp_path)))
    assert [problem for problem in found["problems"] if "has no label of" not in problem] == []
    assert found["class_counts"]["target_test"] == dict.fromkeys(visda.BENCHMARK.classes, 10)


def test_an_image_in_both_domains_is_named(tmp_path):
    domains = visda_domains(tmp_path)
    name = domains.source_train.ids[0]
    (tmp_path / "visda/validation/bus/3.jpg").write_bytes((tmp_path / name).read_bytes())
    problems = prepare.inspect(visda.BENCHMARK, domains)["problems"]
    assert f"source_train and target_train share 1 image: {name} = visda/validation/bus/3.jpg" in problems


def test_an_unreadable_image_is_named(tmp_path):
    domains = visda_domains(tmp_path)
    fake_datasets.unreadable(tmp_path / "visda/validation/truck/4.jpg")
    problems = prepare.inspect(visda.BENCHMARK, domains)["problems"]
    assert any("visda/validation/truck/4.jpg cannot be read" in problem for problem in problems)


def test_a_class_without_images_is_named(tmp_path):
    domains = visda_domains(tmp_path)
    kept = np.flatnonzero(domains.target_train.labels != 5)
    found = prepare.inspect(
        visda.BENCHMARK, dataclasses.replace(domains, target_train=domains.target_train.select(kept))
    )
    assert "target_train has no label of knife" in found["problems"]


def test_a_label_that_is_no_class_is_named(tmp_path):
    domains = visda_domains(tmp_path)
    labels = domains.target_train.labels.copy()
    labels[0] = 12
    wrong = dataclasses.replace(domains.target_train, labels=labels)
    problems = prepare.inspect(visda.BENCHMARK, dataclasses.replace(domains, target_train=wrong))["problems"]
    assert "target_train has labels 12; allowed: 0..11" in problems


def test_pixels_of_label_maps_are_counted_by_class(tmp_path):
    ids = np.full((4, 6), 26, dtype=np.uint8)  # Cityscapes' car
    ids[0] = 0  # unlabelled
    fake_datasets.gta5(tmp_path, ids)
    fake_datasets.cityscapes(tmp_path, ids)
    counts = prepare.inspect(gta5_cityscapes.BENCHMARK, gta5_cityscapes.load(tmp_path))["class_counts"]
    assert counts["target_train"] == dict.fromkeys(gta5_cityscapes.BENCHMARK.classes, 0) | {"car": 2 * 18}
