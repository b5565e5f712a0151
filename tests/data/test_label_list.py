"""Which target images a user is asked to label, and the list read back."""

import csv
from pathlib import Path
from typing import Any

import fake_datasets
import numpy as np
import pytest
import yaml

from dta_bench.data import label_list
from dta_bench.errors import UserError

CLASSES = ["cat", "dog"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root, and a folder benchmarks, with thirty images of a target without labels."""
    monkeypatch.chdir(tmp_path)
    for path in [*(f"street/{i:02}.png" for i in range(30)), *(f"studio/{c}/{i}.png" for c in CLASSES for i in (0, 1))]:
        pixels = np.random.default_rng([*path.encode()]).integers(0, 256, (6, 8, 3)).astype(np.uint8)
        fake_datasets.save(tmp_path / path, pixels)
    state_pair(tmp_path, "street")
    return tmp_path


def state_pair(root: Path, target: Any, **keys: Any) -> None:
    (root / "benchmarks").mkdir(exist_ok=True)
    content = {"source": "studio", "target": target, "classes": CLASSES, "image_size": 8} | keys
    (root / "benchmarks/pets.yaml").write_text(yaml.safe_dump(content))


def drawn(root: Path, budget: int = 10, seed: int = 0, predicted: dict[str, int] | None = None) -> tuple[str, ...]:
    return label_list.draw(label_list.label_task("pets", root), budget, seed, predicted, None).paths


def fill(root: Path, *rows: tuple[str, str]) -> Path:
    path = root / "pets.labels.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "class"), *rows])
    return path


def test_the_draw_is_the_seeds_and_of_the_budget(root: Path) -> None:
    assert drawn(root) == drawn(root)
    assert drawn(root, seed=1) != drawn(root)
    assert len(set(drawn(root))) == 10


def test_predicted_classes_have_their_share_of_the_draw(root: Path) -> None:
    predicted = {f"street/{i:02}.png": int(i >= 20) for i in range(30)}  # two thirds of one class
    for seed in range(5):
        numbers = [int(Path(path).stem) for path in drawn(root, 12, seed, predicted)]
        assert sum(number < 20 for number in numbers) == 8


def test_images_of_the_test_and_of_the_own_subset_are_not_drawn(root: Path) -> None:
    for name in CLASSES:
        for i in range(2):
            fake_datasets.save(root / f"street/held/{name}/{i}.png", np.full((6, 8, 3), i, np.uint8))
    fill(root, ("03.png", "cat"), ("04.png", "dog"))
    state_pair(root, {"images": "street", "test": "street/held", "labelled": "pets.labels.csv"})
    task = label_list.without_labelled(label_list.label_task("pets", root))
    assert len(task.images) == 30 - 2


def test_the_list_has_an_empty_column_and_a_record_of_the_draw(root: Path) -> None:
    found = label_list.draw(label_list.label_task("pets", root), 5, 7, None, None)
    label_list.write(found, "class", root / "new/few.csv")
    rows = list(csv.reader((root / "new/few.csv").open()))
    assert rows == [["path", "class"], *[[path, ""] for path in found.paths]]
    record = label_list.read_record(root / "new/few.csv")
    assert record is not None
    assert (record["seed"], record["budget"], record["drawn"], record["of"]) == (7, 5, "random", 30)


def test_a_list_that_is_there_is_never_written_over(root: Path) -> None:
    found = label_list.draw(label_list.label_task("pets", root), 5, 0, None, None)
    path = fill(root, ("00.png", "cat"))
    with pytest.raises(UserError, match="cannot be written: File exists"):
        label_list.write(found, "class", path)
    assert "00.png,cat" in path.read_text()


def test_a_filled_list_is_counted_and_what_differs_from_the_draw_is_told(root: Path) -> None:
    found = label_list.draw(label_list.label_task("pets", root), 3, 0, None, None)
    path = root / "pets.labels.csv"
    label_list.write(found, "class", path)
    other = next(f"{i:02}.png" for i in range(30) if f"{i:02}.png" not in found.paths)
    fill(root, (found.paths[0], "cat"), (found.paths[1], ""), (other, "cat"))
    back = label_list.read_back(label_list.label_task("pets", root), path)
    assert back.counts == {"cat": 2, "dog": 0}
    assert back.empty == 1
    assert "no labelled image of dog" in back.notes
    assert f"1 rows were not drawn but added, such as street/{other}" in back.notes


def test_a_wrong_class_is_refused_with_its_line(root: Path) -> None:
    path = fill(root, ("00.png", "cat"), ("01.png", "dgo"))
    with pytest.raises(UserError, match="line 3 has the class 'dgo', did you mean dog"):
        label_list.read_back(label_list.label_task("pets", root), path)


def test_a_target_with_labels_is_refused(root: Path) -> None:
    state_pair(root, "studio", labels=2)
    with pytest.raises(UserError, match="has labels already"):
        label_list.label_task("pets", root)


def test_a_budget_above_the_number_of_images_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="--budget is 31, but 30 images"):
        drawn(root, 31)


def test_predictions_of_other_images_are_refused(root: Path) -> None:
    with pytest.raises(UserError, match="29 of today's are not among them"):
        drawn(root, 3, predicted={"street/00.png": 0})
