"""What every shipped suite must keep to; the files are found by listing the folder."""

from pathlib import Path

import pytest
from documentation import ROOT

from dta_bench.data.augment import Augmentation
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.data.suite_plugin import suite_plugin
from dta_bench.sweep.choose_runs import for_benchmark

NAMES = sorted(path.stem for path in (ROOT / "suites").glob("*.yaml"))
PUBLISHED = {
    "digits_suite": (20, 10, 183_384), "domainnet": (30, 345, 586_575), "domainnet126": (12, 126, 145_145),
    "image_clef": (6, 12, 1_800), "office31": (6, 31, 4_110), "office_home": (12, 65, 15_588), "pacs": (12, 7, 9_991),
    "vlcs": (12, 5, 10_729),
}  # fmt: skip
"""Pairs, classes and images in all, as papers or the owners' lists state them."""


@pytest.mark.parametrize("name", NAMES)
def test_it_has_as_many_pairs_classes_and_images_as_papers_say(name: str) -> None:
    file = suite_plugin(name).file
    images = sum(file.count_of(domain) or 0 for domain in file.domains)
    assert (len(file.all_pairs()), len(file.classes), images) == PUBLISHED[name]
    assert file.published_by


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_with_what_it_is_and_its_command_and_says_where_data_come_from(name: str) -> None:
    suite = suite_plugin(name)
    first, second = suite.path.read_text().splitlines()[:2]
    assert first.startswith("# ")
    assert first.endswith(".")
    assert second.startswith(f"#   dta-bench sweep {name} ")
    assert "{root}" in suite.file.by_hand or all(one.reader for one in suite.file.domains.values())


@pytest.mark.parametrize("name", NAMES)
def test_its_pairs_are_benchmarks_with_a_search_space_and_an_augmentation_that_exists(name: str) -> None:
    suite = suite_plugin(name)
    for pair in suite.pairs()[:2]:
        benchmark = benchmark_of(suite.benchmark(pair))
        for domain in ("source", "target"):
            Augmentation(benchmark.augmentation, domain, benchmark.image_size)
        assert for_benchmark(benchmark.name, None)[1].benchmark == benchmark.name
        assert suite.labels(pair, Path("nowhere")) > 0
