"""A suite from its file alone: domains, ordered pairs, splits that do not depend on the role, and clear refusals."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from drawn_suites import EVERYWHERE, write_domains, write_suite
from small_runs import spec_of

from dta_bench import plugins
from dta_bench.benchmarks import _suite, _suite_file
from dta_bench.data import suite_prepare
from dta_bench.data.benchmark_plugin import benchmark_of, benchmark_plugin
from dta_bench.data.suite_plugin import suite_plugin
from dta_bench.domains.images import Domains
from dta_bench.errors import UserError
from dta_bench.run.code_fingerprint import plugin_files
from dta_bench.sweep.choose_runs import for_benchmark


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user's commands, with three domains of twenty images each in data/zoo."""
    monkeypatch.chdir(tmp_path)
    write_domains(tmp_path / "data/zoo")
    return tmp_path


def load(pair: str, root: Path) -> Domains:
    return benchmark_plugin(f"zoo.{pair}").load(root)


def ids(images: object) -> set[str]:
    return set(images.ids)  # type: ignore[attr-defined]


def test_a_tree_of_domains_and_classes_is_a_suite_by_a_file_of_four_lines(here: Path) -> None:
    write_suite(here)
    suite = suite_plugin("zoo")
    keys = [pair.key for pair in suite.pairs()]
    assert keys == ["photo -> ink", "photo -> clay", "ink -> photo", "ink -> clay", "clay -> photo", "clay -> ink"]
    benchmark = benchmark_of("zoo.photo-to-ink")
    assert (benchmark.source, benchmark.target, benchmark.image_size) == ("photo", "ink", (24, 24))
    assert for_benchmark("zoo.photo-to-ink", None)[1].benchmark == "zoo.photo-to-ink"


def test_a_domain_is_split_once_whatever_its_role_and_gives_its_train_part_alone_as_a_source(here: Path) -> None:
    write_suite(here)
    forth, back, other = (load(pair, here / "data") for pair in ("photo-to-ink", "ink-to-photo", "clay-to-ink"))
    assert ids(forth.target_test) == ids(other.target_test)
    assert ids(forth.target_train) == ids(other.target_train)
    assert ids(back.source_train) | ids(back.source_validation) == ids(forth.target_train)
    assert not ids(forth.target_train) & ids(forth.target_test)
    assert not (ids(back.source_train) | ids(back.source_validation)) & ids(forth.target_test)
    assert len(forth.target_test or ()) == 6


def test_domains_may_lie_in_a_folder_of_the_suites_name_or_in_the_root_and_are_the_same_data(here: Path) -> None:
    write_suite(here)
    assert load("photo-to-ink", here / "data").fingerprint == load("photo-to-ink", here / "data/zoo").fingerprint


def test_all_other_domains_joined_are_the_source_of_a_multi_source_pair(here: Path) -> None:
    write_suite(here, pairs="multi_source")
    suite = suite_plugin("zoo")
    assert [pair.key for pair in suite.pairs()] == ["others -> photo", "others -> ink", "others -> clay"]
    joined, single = load("others-to-clay", here / "data"), load("photo-to-clay", here / "data")
    assert benchmark_of("zoo.others-to-clay").source == "photo + ink"
    assert ids(single.source_train) < ids(joined.source_train)
    assert {name.split("/")[0] for name in joined.source_train.ids} == {"photo", "ink"}
    for index, name in enumerate(joined.source_train.ids):
        assert name.split("/")[1] == ("cat", "dog")[joined.source_train.labels[index]]
        expected = next(
            images.images[images.ids.index(name)]
            for one in ("photo-to-clay", "ink-to-clay")
            if name in ids(images := load(one, here / "data").source_train)
        )
        assert np.array_equal(joined.source_train.images[index], expected)


def test_pairs_may_be_named_with_a_star_for_any_domain(here: Path) -> None:
    write_suite(here, pairs=["photo -> *", "ink -> clay"])
    assert [pair.key for pair in suite_plugin("zoo").pairs()] == ["photo -> ink", "photo -> clay", "ink -> clay"]
    assert [pair.key for pair in suite_plugin("zoo").pairs(["*->ink"])] == ["photo -> ink", "clay -> ink"]


def test_a_transductive_suite_measures_on_the_images_that_it_trains_on(here: Path) -> None:
    write_suite(here, protocol="transductive")
    domains = load("photo-to-ink", here / "data")
    assert ids(domains.target_train) == ids(domains.target_test)
    assert len(domains.target_train) == 20
    assert len(domains.source_train) + len(domains.source_validation) == 20
    assert "transductive" in benchmark_of("zoo.photo-to-ink").splits_stated


def test_lists_state_the_parts_of_each_domain_and_may_not_share_an_image(here: Path) -> None:
    lists = {"list": "train.txt", "test_list": "test.txt"}
    write_suite(here, protocol="lists", domains={name: {"folder": name} | lists for name in EVERYWHERE})
    for name in EVERYWHERE:
        lines = [f"{one}/{i}.png {label}\n" for label, one in enumerate(("cat", "dog")) for i in range(10)]
        (here / f"data/zoo/{name}/train.txt").write_text("".join(line for line in lines if not line.count("/0.")))
        (here / f"data/zoo/{name}/test.txt").write_text("".join(line for line in lines if line.count("/0.")))
    assert ids(load("photo-to-ink", here / "data").target_test) == {"ink/cat/0.png", "ink/dog/0.png"}
    with (here / "data/zoo/ink/test.txt").open("a") as file:
        file.write("cat/1.png 0\n")
    with pytest.raises(UserError, match=r"train.txt and test.txt of the domain ink share 1 images, such as ink/cat/1"):
        load("photo-to-ink", here / "data")


@pytest.mark.parametrize(
    ("stated", "published", "expected"),
    [(None, {}, 3), (None, {"ink": 400}, 20), (7, {}, 7), (None, {"ink": 40}, 7)],
)
def test_labels_that_are_left_out_are_ten_a_class_and_at_most_a_quarter_of_target_train(
    here: Path, stated: int | None, published: dict[str, int], expected: int
) -> None:
    write_suite(here, labels=stated, published=published)
    suite = suite_plugin("zoo")
    assert suite.labels(suite.pair_of("zoo.photo-to-ink"), here / "data") == expected


@pytest.mark.parametrize("folder", ["benchmarks", "search_spaces"])
def test_a_suite_never_takes_a_name_that_something_else_has(here: Path, folder: str) -> None:
    path = write_suite(here)
    (here / folder).mkdir()
    (here / folder / "zoo.yaml").write_text(path.read_text())
    for use in (plugins.is_suite, suite_plugin):
        with pytest.raises(UserError, match=r"zoo.yaml has the name of the .*rename one of the two files") as refused:
            use("zoo")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"domains": ["photo"]}, "two domains or more"),
        ({"domains": ["photo", "art painting"]}, "art painting cannot be a domain's name"),
        ({"domains": {"photo": "photo", "others": "ink"}}, "others cannot be a domain's name"),
        ({"domains": {"photo": {"reader": "cifar"}, "ink": "ink"}}, "reader is 'cifar'; allowed: mnist"),
        ({"classes": ["cat"]}, "two classes or more"),
        ({"pairs": ["photo -> pencil"]}, "'photo -> pencil', which is no pair of photo, ink, clay"),
        ({"pairs": "most"}, "'most', which is no pair"),
        ({"protocol": "lists"}, "photo, ink, clay lacks list or test_list"),
        ({"protocol": "drawing"}, "protocol is 'drawing'"),
        ({"image_size": None}, "image_size is missing"),
        ({"test_share": 1.5}, "test_share is 1.5"),
        ({"labls": 3}, "labls is not a key here, did you mean labels?"),
        ({"published": {"pencil": 3}}, "published names pencil, which is no domain"),
        ({"published": {"ink": {"cow": 3}}}, "published names cow, which is no class"),
        ({"headline": "miou"}, "headline is 'miou'"),
        ({"epoch_length": "target train"}, "epoch_length"),
        ({"leave_out": ["cat"]}, "'cat' stands for two"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_what_is_allowed(here: Path, changes: dict[str, object], said: str) -> None:
    path = write_suite(here, **changes)
    with pytest.raises(UserError) as refused:
        _suite_file.read(path)
    assert said in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_pair_that_is_none_is_refused_with_the_domains(here: Path) -> None:
    write_suite(here)
    with pytest.raises(UserError, match=r"zoo.photo-to-pencil is no pair of the suite zoo; its domains are photo, ink"):
        benchmark_of("zoo.photo-to-pencil")
    with pytest.raises(UserError, match=r"--pairs 'pencil->\*' names no pair of zoo"):
        suite_plugin("zoo").pairs(["pencil->*"])


def test_the_code_of_a_run_counts_the_suites_file_and_its_readers(here: Path) -> None:
    path = write_suite(here)
    files = plugin_files(dataclasses.replace(spec_of(), benchmark="zoo.photo-to-ink"))
    assert path in files
    assert {"_suite.py", "_suite_file.py", "_pair_list.py"} <= {file.name for file in files}


def test_a_number_of_steps_is_that_of_the_training(here: Path) -> None:
    write_suite(here, epoch_length=7)
    assert for_benchmark("zoo.photo-to-ink", None)[1].training.iterations_per_epoch == 7


def test_prepare_reads_each_domain_once_and_says_what_is_missing_and_what_is_wrong(here: Path) -> None:
    write_suite(here, domains=[*EVERYWHERE, "oil"], published={"ink": {"cat": 10, "dog": 11}, "clay": 20},
                by_hand="Put them into {root}.")  # fmt: skip
    (here / "data/zoo/clay/cat/0.png").write_bytes((here / "data/zoo/photo/cat/0.png").read_bytes())
    found = suite_prepare.prepare_suite("zoo", here / "data")
    assert found["missing"] == {"oil": f"{here}/data/zoo/oil is missing"}
    assert found["get"] == f"Put them into {here}/data/zoo."
    assert [key for key, absent in found["pairs"].items() if not absent][:2] == ["photo -> ink", "photo -> clay"]
    assert found["domains"]["ink"]["class_counts"] == {"cat": 10, "dog": 10}
    assert found["problems"] == [
        "ink, class dog, holds 10 images, published are 11",
        "photo and clay share 1 image: photo/cat/0.png = clay/cat/0.png",
    ]


def test_a_domain_is_missing_only_where_its_folder_or_its_list_is_not_there(here: Path) -> None:
    write_suite(here, protocol="transductive", domains={"photo": {"folder": "photo", "list": "all.txt"}, "ink": "ink"})
    file = suite_plugin("zoo").file
    assert _suite.missing(file, "photo", here / "data/zoo") == f"{here}/data/zoo/photo lacks all.txt"
    assert _suite.missing(file, "ink", here / "data/zoo") == ""


def test_digits_that_packages_ship_are_a_pair_of_the_digits_suite(tmp_path: Path) -> None:
    domains = benchmark_plugin("digits_suite.fonts-to-optdigits").load(tmp_path)
    assert {name: len(images) for name, images in domains.sets().items()} == {
        "source_train": 2280, "source_validation": 120, "target_train": 1197, "target_test": 600,
    }  # fmt: skip
    assert suite_plugin("digits_suite").missing(suite_plugin("digits_suite").pairs(["mnist->usps"])[0], tmp_path)
