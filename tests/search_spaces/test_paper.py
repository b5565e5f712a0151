"""The paper typed a second time by hand: Table A-1, Appendix B, figures of every table, against what is shipped."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dta_bench import plugins
from dta_bench.spec import search_space_file

PUBLISHED = yaml.safe_load((Path(__file__).parents[2] / "reports" / "published.yaml").read_text())
ROWS: list[dict[str, Any]] = PUBLISHED["rows"]
PER_CLASS_VISDA = [row for row in ROWS if row["benchmark"] == "visda" and "per_class" in row]

# Table A-1: file, backbone, lambda_1, lambda_2, lambda_3, delta_e, delta_c, T_r, epsilon.
TABLE_A1 = [
    ("svhn_mnist", "conv9_fc1", 2, 0.01, 0.1, 0.1, 0.05, 80, 3.5),
    ("mnist_usps", "conv3_fc2", 2, 0.01, 0, 0.1, 0.05, 80, 0),
    ("usps_mnist", "conv3_fc2", 2, 0.01, 0.1, 0.1, 0.05, 80, 3.5),
    ("stl_cifar", "conv9_fc1", 2, 0.01, 0.1, 0, 0.05, 60, 3.5),
    ("cifar_stl", "conv9_fc1", 2, 0.01, 0, 0, 0.05, 80, 0),
    ("visda", "resnet50", 2, 0.02, 0.2, 0.1, 0.01, 20, 15),
    ("visda", "resnet101", 2, 0.02, 0.2, 0.1, 0.01, 30, 15),
    ("gta5_cityscapes", "fcn_resnet50", 2, 0.01, 0, 0, 0.02, 1, 0),
]
SMALL = ["svhn_mnist", "mnist_usps", "usps_mnist", "stl_cifar", "cifar_stl"]


@pytest.mark.parametrize("row", TABLE_A1, ids=lambda row: f"{row[0]}-{row[1]}")
def test_a_row_of_table_a1(row: tuple[Any, ...]) -> None:
    name, backbone, *values = row
    names = ["lambda_1", "lambda_2", "lambda_3", "delta_e", "delta_c", "ramp_up_epochs", "epsilon"]
    held = search_space_file.read(name).backbones[backbone]
    assert {key: held[key] for key in names} == dict(zip(names, values, strict=True))
    assert held.keys() - names <= {"start"}  # no column of the table


def test_the_files_hold_the_rows_of_table_a1_and_no_other() -> None:
    held = {
        (name, backbone) for name in {row[0] for row in TABLE_A1} for backbone in search_space_file.read(name).backbones
    }
    assert held == {(row[0], row[1]) for row in TABLE_A1}


@pytest.mark.parametrize("name", [*SMALL, "visda"])
def test_the_predefined_sets_of_appendix_b(name: str) -> None:
    file = search_space_file.read(name)
    assert file.sets == {
        "lambda_1": (2,), "lambda_2": (0, 0.01, 0.02), "lambda_3": (0, 0.1, 0.2),
        "delta_e": (0, 0.1), "delta_c": (0, 0.01, 0.02, 0.05), "epsilon": (0, 3.5, 15),
    }  # fmt: skip
    assert (file.method, file.points) == ("dta", None)


def test_an_fcn_has_no_fully_connected_layer_and_vat_is_turned_off() -> None:
    sets = search_space_file.read("gta5_cityscapes").sets
    assert (sets["delta_e"], sets["lambda_3"]) == ((0,), (0,))


@pytest.mark.parametrize(("name", "points"), [*((name, 120) for name in [*SMALL, "visda"]), ("gta5_cityscapes", 12)])
def test_the_sets_are_this_many_distinct_points(name: str, points: int) -> None:
    parameters = {field.name for field in dataclasses.fields(plugins.load("method", "dta").Params)}
    assert len(search_space_file.read(name).space(parameters).points()) == points


@pytest.mark.parametrize("name", SMALL)
def test_small_datasets_train_90_epochs_with_adam_decaying_every_30(name: str) -> None:
    training = search_space_file.read(name).training
    assert (training.epochs, training.optimizer, training.learning_rate) == (90, "adam", 0.001)
    assert (training.decay_every, training.decay_factor) == (30, 0.1)


def test_visda_trains_20_epochs_with_sgd_decaying_after_the_10th() -> None:
    training = search_space_file.read("visda").training
    assert (training.epochs, training.optimizer, training.learning_rate, training.momentum) == (20, "sgd", 0.001, 0.9)
    assert (training.decay_every, training.decay_factor) == (10, 0.1)


def test_segmentation_trains_5_epochs_with_sgd() -> None:
    training = search_space_file.read("gta5_cityscapes").training
    assert (training.epochs, training.optimizer, training.momentum) == (5, "sgd", 0.9)


# Averages as printed: table, row, then benchmark or backbone and the figure.
AVERAGES = [
    (1, "Source only (Ours)", "svhn_mnist", 76.5), (1, "Source only (Ours)", "mnist_usps", 96.3),
    (1, "Source only (Ours)", "usps_mnist", 76.9), (1, "Source only (Ours)", "stl_cifar", 60.1),
    (1, "Source only (Ours)", "cifar_stl", 78.2), (1, "SE*", "stl_cifar", 74.2), (1, "SE*", "mnist_usps", 98.1),
    (1, "VADA", "svhn_mnist", 94.5), (1, "VADA", "cifar_stl", 80.0), (1, "DIRT-T", "stl_cifar", 75.5),
    (1, "Co-DA", "cifar_stl", 81.1), (1, "Co-DA+DIRT-T", "svhn_mnist", 99.4),
    (1, "Ours", "svhn_mnist", 99.4), (1, "Ours", "mnist_usps", 99.5), (1, "Ours", "usps_mnist", 99.1),
    (1, "Ours", "stl_cifar", 72.8), (1, "Ours", "cifar_stl", 82.6),
    (1, "Target only (Ours)", "svhn_mnist", 99.6), (1, "Target only (Ours)", "mnist_usps", 97.8),
    (1, "Target only (Ours)", "usps_mnist", 99.6), (1, "Target only (Ours)", "stl_cifar", 90.4),
    (1, "Target only (Ours)", "cifar_stl", 70.0),
    (4, "Source Only (Ours)", "resnet50", 45.6), (4, "DAN", "resnet50", 53.0), (4, "RTN", "resnet50", 53.6),
    (4, "DANN", "resnet50", 55.0), (4, "JAN-A", "resnet50", 61.6), (4, "GTA", "resnet50", 69.5),
    (4, "SimNet", "resnet50", 69.6), (4, "CDAN-E", "resnet50", 70.0), (4, "Ours", "resnet50", 76.2),
    (4, "SE*", "resnet50", 82.8),
    (5, "VAT", "resnet50", 67.1), (5, "fDTA", "resnet50", 72.5), (5, "cDTA", "resnet50", 74.7),
    (5, "VAT", "resnet101", 73.2), (5, "fDTA", "resnet101", 76.4), (5, "cDTA", "resnet101", 77.0),
]  # fmt: skip
# Per-class figures as printed, the average last.
LINES = [
    (2, "Source Only", "resnet101", "46.2 27.6 31.4 78.1 71.8 1.3 71.7 14.3 63.5 31.0 93.7 3.2 50.8"),
    (2, "MCD", "resnet101", "87.0 60.9 83.7 64.0 88.9 79.6 84.7 76.9 88.6 40.3 83.0 25.8 71.9"),
    (2, "Ours", "resnet101", "93.7 82.2 85.6 83.8 93.0 81.0 90.7 82.1 95.1 78.1 86.4 32.1 81.5"),
    (3, "Ours", "fcn_resnet50",
     "88.8 36.9 76.9 20.9 15.4 19.6 21.8 7.9 82.9 26.7 76.1 51.7 9.4 76.1 22.4 28.9 1.7 15.2 0.0 35.8"),
    (5, "Source Only", "resnet50", "54.2 27.7 17.6 57.1 48.4 4.0 86.4 11.0 69.1 15.6 95.7 7.3 46.0"),
    (5, "Ours", "resnet50", "93.1 70.5 83.8 87.0 92.3 3.3 91.9 86.4 93.1 71.0 82.0 15.3 76.2"),
    (5, "Source Only", "resnet101", "46.2 27.6 31.4 78.1 71.8 1.4 71.6 14.3 63.5 31.0 93.7 3.2 50.8"),
    (5, "cDTA + VAT", "resnet101", "93.8 86.1 82.9 78.3 92.2 83.9 88.2 80.6 94.1 82.2 88.0 40.0 81.2"),
    (5, "Ours", "resnet101", "93.7 82.2 85.6 83.8 93.0 81.0 90.7 82.0 95.1 78.1 86.4 32.1 81.5"),
]  # fmt: skip


def only(**wanted: Any) -> dict[str, Any]:
    """The one published row with these fields."""
    (found,) = [row for row in ROWS if all(row[key] == value for key, value in wanted.items())]
    return found


@pytest.mark.parametrize(("table", "row", "where", "average"), AVERAGES)
def test_an_average_as_printed(table: int, row: str, where: str, average: float) -> None:
    key = "benchmark" if table == 1 else "backbone"
    assert only(table=table, row=row, **{key: where})["average"] == average


@pytest.mark.parametrize(("table", "row", "backbone", "line"), LINES)
def test_a_line_of_per_class_figures_as_printed(table: int, row: str, backbone: str, line: str) -> None:
    *figures, average = map(float, line.split())
    found = only(table=table, row=row, backbone=backbone)
    assert list(found["per_class"].values()) == figures
    assert found["average"] == average
    assert tuple(found["per_class"]) == plugins.load("benchmark", found["benchmark"]).BENCHMARK.classes


def test_at_least_a_fifth_of_all_figures_is_typed_twice() -> None:
    published = sum(1 + len(row.get("per_class", {})) for row in ROWS)
    typed_twice = len(AVERAGES) + sum(len(line.split()) for *_, line in LINES)
    assert published == 30 + 6 * 13 + 20 + 10 + 16 * 13  # Tables 1 to 5
    assert typed_twice >= published / 5


def test_no_figure_is_there_twice() -> None:
    keys = [(row["table"], row["row"], row["benchmark"], row["backbone"]) for row in ROWS]
    assert len(keys) == len(set(keys))


def counts() -> np.ndarray:
    """VisDA's validation images by class, aeroplane to truck."""
    return np.array([3646, 3475, 4690, 10401, 4691, 2075, 5796, 4000, 4549, 2281, 4236, 5548])


def test_visda_has_this_many_images_of_each_class() -> None:
    assert list(PUBLISHED["visda_class_counts"].values()) == counts().tolist()
    assert tuple(PUBLISHED["visda_class_counts"]) == plugins.load("benchmark", "visda").BENCHMARK.classes
    assert counts().sum() == 55388


@pytest.mark.parametrize("row", PER_CLASS_VISDA, ids=lambda row: f"{row['table']}-{row['row']}-{row['backbone']}")
def test_both_means_of_a_visda_row_follow_from_its_classes(row: dict[str, Any]) -> None:
    figures = np.array(list(row["per_class"].values()))
    assert row["recomputed"]["accuracy"] == pytest.approx(np.average(figures, weights=counts()), abs=0.0051)
    assert row["recomputed"]["mean_class_accuracy"] == pytest.approx(figures.mean(), abs=0.0051)


@pytest.mark.parametrize("row", PER_CLASS_VISDA, ids=lambda row: f"{row['table']}-{row['row']}-{row['backbone']}")
def test_the_metric_of_a_visda_row_is_the_mean_that_gives_its_average(row: dict[str, Any]) -> None:
    means = row["recomputed"]
    # Twelve figures rounded to a tenth, and the average rounded once more.
    assert means[row["metric"]] == pytest.approx(row["average"], abs=0.1)
    if abs(means["accuracy"] - means["mean_class_accuracy"]) > 0.2:
        assert min(means, key=lambda metric: abs(means[metric] - row["average"])) == row["metric"]


@pytest.mark.parametrize(("table", "row", "backbone", "printed", "class_mean"), [
    (2, "Ours", "resnet101", 81.5, 81.98), (2, "Source Only", "resnet101", 50.8, 44.48),
    (5, "Ours", "resnet50", 76.2, 72.47), (5, "cDTA + VAT", "resnet101", 81.2, 82.53),
])  # fmt: skip
def test_the_papers_own_averages_are_not_class_means(
    table: int, row: str, backbone: str, printed: float, class_mean: float
) -> None:
    found = only(table=table, row=row, backbone=backbone)
    assert (found["metric"], found["average"]) == ("accuracy", printed)
    assert found["recomputed"]["mean_class_accuracy"] == class_mean


def test_rows_quoted_in_table_2_are_class_means_and_those_of_table_4_are_not_known() -> None:
    quoted = {
        (row["table"], row["row"]): row["metric"]
        for row in ROWS
        if row["table"] in (2, 4) and row["method"] not in ("dta", "source_only")
    }
    assert {metric for (table, _), metric in quoted.items() if table == 2} == {"mean_class_accuracy"}
    assert {metric for (table, _), metric in quoted.items() if table == 4} == {"unknown"}
    assert [row for row in ROWS if row["metric"] == "unknown" and row["table"] != 4] == []


def test_table_3_prints_the_true_mean_of_19_classes() -> None:
    row = only(table=3)
    assert len(row["per_class"]) == 19
    assert row["recomputed"]["miou"] == pytest.approx(np.mean(list(row["per_class"].values())), abs=0.0051)
    assert (row["metric"], row["average"]) == ("miou", 35.8)


def test_the_ensemble_of_table_4_is_marked() -> None:
    assert "16-prediction ensemble" in only(table=4, row="SE*")["note"]


def test_figures_that_differ_between_tables_are_kept_as_each_prints_them() -> None:
    two, five = (only(table=t, row="Source Only", backbone="resnet101")["per_class"] for t in (2, 5))
    assert (two["knife"], two["motorcycle"]) == (1.3, 71.7)
    assert (five["knife"], five["motorcycle"]) == (1.4, 71.6)
    assert only(table=4, row="Source Only (Ours)")["average"] == 45.6
    assert only(table=5, row="Source Only", backbone="resnet50")["average"] == 46.0


def test_every_row_is_about_a_benchmark_a_backbone_and_a_method_of_ours() -> None:
    assert {row["benchmark"] for row in ROWS} <= set(plugins.names("benchmark"))
    assert {row["backbone"] for row in ROWS} - {None} <= set(plugins.names("backbone"))
    assert {row["row"] for row in ROWS if "method" not in row} == {"Co-DA+DIRT-T"}  # two methods, one after the other
    own = {row["method"] for row in ROWS if "Ours" in row["row"] or row["table"] == 5}
    assert own == {"source_only", "target_only", "dta"}


def test_the_rows_of_table_5_go_without_what_their_names_lack() -> None:
    for row in ROWS:
        if row["table"] == 5 and row["row"] not in ("Source Only", "Ours"):
            named = {"fDTA": "delta_c", "cDTA": "delta_e", "VAT": "lambda_3"}
            assert {term for name, term in named.items() if name not in row["row"].split(" + ")} == set(row["without"])


def test_figures_beyond_the_paper_stand_apart_each_with_its_source_and_metric() -> None:
    beyond = PUBLISHED["beyond_the_paper"]
    assert all(row["source"] for row in beyond)
    assert {row["metric"] for row in beyond} == {"accuracy", "mean_class_accuracy", "miou"}
    assert {row["benchmark"] for row in beyond} <= set(plugins.names("benchmark"))
    assert all("table" not in row for row in beyond)
