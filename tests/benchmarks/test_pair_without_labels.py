"""A target without labels: how a pair states it, which labels are there all the same, and what is refused in words."""

from pathlib import Path
from typing import Any

import fake_datasets
import numpy as np
import pytest
import yaml

from dta_bench.benchmarks import _pair, _pair_file
from dta_bench.data import splits
from dta_bench.data.verify import as_text, inspect
from dta_bench.domains.images import Domains, LabelledImages, UnlabelledImages
from dta_bench.errors import UserError
from dta_bench.spec.run_spec import LabelSubset

PETS = {"source": "studio", "target": "street", "classes": ["cat", "dog"], "image_size": 8}
SCENES = {
    "task": "segmentation", "source": "game", "target": "road", "classes": ["ground", "car"], "image_size": 8,
}  # fmt: skip
MASK = np.array([[0, 1], [1, 0]], dtype=np.uint8)


def draw(root: Path, *paths: str) -> None:
    """An image of its own at each path."""
    for path in paths:
        pixels = np.random.default_rng([*path.encode()]).integers(0, 256, (6, 6, 3)).astype(np.uint8)
        fake_datasets.save(root / path, pixels)


def draw_classes(root: Path, domain: str, classes: tuple[str, ...] = ("cat", "dog"), count: int = 4) -> None:
    draw(root, *[f"{domain}/{name}/{i}.png" for name in classes for i in range(count)])


def pets(root: Path, target: Any, **keys: Any) -> _pair_file.PairFile:
    """A pair with a drawn source and, in ``street``, ten images without labels."""
    draw_classes(root, "studio")
    draw(root, *[f"street/{i}.png" for i in range(10)])
    return stated(root, PETS | {"target": target} | keys)


def stated(root: Path, content: dict[str, Any]) -> _pair_file.PairFile:
    path = root / "pair.yaml"
    path.write_text(yaml.safe_dump(content))
    return _pair_file.read(path)


def result(file: _pair_file.PairFile, root: Path) -> dict[str, Any]:
    return inspect(_pair_file.benchmark("pets", file), _pair.load(file, root))


@pytest.mark.parametrize("target", ["street", {"folder": "street"}, {"images": "street"}])
def test_a_folder_of_images_is_a_target_without_labels(target: Any, tmp_path: Path) -> None:
    domains = _pair.load(pets(tmp_path, target), tmp_path)
    assert type(domains.target_train) is UnlabelledImages
    assert sorted(domains.target_train.ids) == [f"street/{i}.png" for i in range(10)]
    assert domains.target_test is None


def test_a_list_of_paths_is_a_target_without_labels(tmp_path: Path) -> None:
    file = pets(tmp_path, {"images": "street/some.txt"})
    (tmp_path / "street/some.txt").write_text("3.png\n1.png\n")
    assert _pair.load(file, tmp_path).target_train.ids == ["street/3.png", "street/1.png"]


def test_folders_of_classes_under_images_lend_no_labels(tmp_path: Path) -> None:
    draw_classes(tmp_path, "street")
    assert type(_pair.load(pets(tmp_path, {"images": "street"}), tmp_path).target_train) is UnlabelledImages


def test_loose_images_beside_folders_of_classes_leave_the_target_labelled(tmp_path: Path) -> None:
    draw_classes(tmp_path, "street")
    assert isinstance(_pair.load(pets(tmp_path, "street", labels=2), tmp_path).target_train, LabelledImages)


def test_a_labelled_target_must_say_how_many_labels_may_choose(tmp_path: Path) -> None:
    draw_classes(tmp_path, "street")
    with pytest.raises(UserError, match="say labels: 100, or labels: 0 for none"):
        _pair.load(pets(tmp_path, "street"), tmp_path)


def labelled_file(root: Path, *rows: str) -> str:
    (root / "few.csv").write_text("\n".join(["path,class", *rows]) + "\n")
    return "few.csv"


@pytest.mark.parametrize(("has_subset", "has_test", "situation"), [
    (False, False, "none"), (True, False, "subset"), (False, True, "test"), (True, True, "both"),
])  # fmt: skip
def test_prepare_tells_which_labels_of_the_target_are_there(
    has_subset: bool, has_test: bool, situation: str, tmp_path: Path
) -> None:
    draw_classes(tmp_path, "street_test")
    target = {"images": "street"}
    target |= {"labelled": labelled_file(tmp_path, "0.png,cat", "1.png,dog")} if has_subset else {}
    target |= {"test": "street_test"} if has_test else {}
    found = result(pets(tmp_path, target), tmp_path)
    assert found["target_labels"] == situation
    assert found["problems"] == []
    assert f"target labels    {situation}: " in as_text(found)


def test_a_subset_of_a_file_is_given_to_each_run_and_stays_in_target_train(tmp_path: Path) -> None:
    file = pets(tmp_path, {"images": "street", "labelled": labelled_file(tmp_path, "7.png,dog", "street/2.png,0")})
    made = splits.split(_pair.load(file, tmp_path), LabelSubset(size=0, given=True))
    assert made.target_validation is not None
    assert dict(zip(made.target_validation.ids, made.target_validation.labels, strict=True)) == {
        "street/7.png": 1, "street/2.png": 0,
    }  # fmt: skip
    assert len(made.target_train) == 10
    assert made.target_test is None
    assert "2 images, given by the user" in made.notes["label_subset"]


def test_other_labels_in_the_file_are_other_data(tmp_path: Path) -> None:
    draw_classes(tmp_path, "street")  # every image of the subset stands with its label in target train, too
    marks = []
    for rows in (["cat/0.png,cat"], ["cat/0.png,cat", "dog/1.png,dog"]):
        file = pets(tmp_path, {"folder": "street", "labelled": labelled_file(tmp_path, *rows)})
        marks.append(_pair.load(file, tmp_path).fingerprint)
    assert marks[0] != marks[1]


def test_a_folder_of_classes_may_be_the_subset(tmp_path: Path) -> None:
    draw_classes(tmp_path, "few", ("cat",), 3)
    domains = _pair.load(pets(tmp_path, {"images": "street", "labelled": "few"}), tmp_path)
    assert domains.labelled is not None
    assert len(domains.labelled) == 3
    assert any("has no image of dog" in note and "partial adaptation" in note for note in domains.notes)


@pytest.mark.parametrize(("rows", "message"), [
    (["0.png,cow"], "few.csv line 2 has the class 'cow'.*allowed: cat, dog.*open-set"),
    (["0.png,cat", "0.png,dog"], "names street/0.png more than once"),
    (["missing.png,cat"], "line 2 names missing.png, which is no file"),
    (["0.png,", "1.png,"], "few.csv has no row with a class"),
    (["0.png,cat,dog"], "line 2 is '0.png,cat,dog'; expected two cells"),
])  # fmt: skip
def test_a_wrong_row_of_the_subset_is_refused_with_its_line(rows: list[str], message: str, tmp_path: Path) -> None:
    file = pets(tmp_path, {"images": "street", "labelled": labelled_file(tmp_path, *rows)})
    with pytest.raises(UserError, match=message):
        _pair.load(file, tmp_path)


def test_rows_without_a_class_are_left_out_and_counted(tmp_path: Path) -> None:
    file = pets(tmp_path, {"images": "street", "labelled": labelled_file(tmp_path, "0.png,cat", "1.png,dog", "2.png,")})
    domains = _pair.load(file, tmp_path)
    assert domains.labelled is not None
    assert len(domains.labelled) == 2
    assert "few.csv: 1 of 3 rows have no class yet and are left out" in domains.notes


def test_rows_of_a_class_in_leave_out_are_told_as_open_set(tmp_path: Path) -> None:
    target = {"images": "street", "labelled": labelled_file(tmp_path, "0.png,cat", "1.png,dog", "2.png,cow")}
    notes = _pair.load(pets(tmp_path, target, leave_out=["cow"]), tmp_path).notes
    assert any("cow 1" in note and "open-set adaptation, which is not handled" in note for note in notes)


def test_a_file_with_semicolons_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = pets(tmp_path, {"images": "street", "labelled": "few.csv"})
    (tmp_path / "few.csv").write_bytes("\ufeffpath;class\r\n0.png;cat\r\n1.png;dog\r\n".encode())
    domains: Domains = _pair.load(file, tmp_path)
    assert domains.labelled is not None
    assert list(domains.labelled.labels) == [0, 1]


def test_labels_beside_a_given_subset_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"labels is 4, but target\.labelled gives the labelled subset"):
        pets(tmp_path, {"images": "street", "labelled": "few.csv"}, labels=4)


def test_labels_of_a_target_without_any_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"labels is 4, but the images in .*street have no labels"):
        _pair.load(pets(tmp_path, "street", labels=4), tmp_path)


def test_labels_are_drawn_from_the_labelled_test_where_target_train_has_none(tmp_path: Path) -> None:
    draw_classes(tmp_path, "street_test")
    domains = _pair.load(pets(tmp_path, {"images": "street", "test": "street_test"}, labels=3), tmp_path)
    made = splits.split(domains, LabelSubset(size=3))
    assert made.target_validation is not None
    assert made.target_test is not None
    assert len(made.target_validation) == 3
    assert len(made.target_test) == 8 - 3
    assert not set(made.target_validation.ids) & set(made.target_test.ids)
    assert any("drawn from target test and left out of it" in note for note in domains.notes)


def test_a_drawn_subset_of_a_target_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no image of the target has a label"):
        splits.split(_pair.load(pets(tmp_path, "street"), tmp_path), LabelSubset(size=3))


def test_the_upper_bound_is_refused_where_the_target_has_no_labels(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="target_only trains on the labels of target train, which has none"):
        splits.split_supervised(_pair.load(pets(tmp_path, "street"), tmp_path), LabelSubset(size=0))


def test_a_class_that_a_labelled_test_lacks_is_told_and_no_problem(tmp_path: Path) -> None:
    draw_classes(tmp_path, "street_test", ("cat",))
    found = result(pets(tmp_path, {"images": "street", "test": "street_test"}), tmp_path)
    assert found["problems"] == []
    assert any("target test has no image of dog" in note for note in found["notes"])


def test_test_images_that_are_trained_on_are_counted(tmp_path: Path) -> None:
    draw_classes(tmp_path, "street/held")
    notes = _pair.load(pets(tmp_path, {"images": "street", "test": "street/held"}), tmp_path).notes
    assert "8 images of target test are in target train too, which is trained on without labels" in notes


def scenes(root: Path, target: Any, **keys: Any) -> _pair_file.PairFile:
    """A pair of drawn scenes; ``road`` holds six images without masks."""
    for domain in ("game", "road_test"):
        for i in range(6):
            draw(root, f"{domain}/images/{i}.png")
            fake_datasets.save(root / f"{domain}/masks/{i}.png", np.kron(MASK, np.ones((3, 3), np.uint8)))
    draw(root, *[f"road/{i}.png" for i in range(6)])
    return stated(root, SCENES | {"target": target} | keys)


@pytest.mark.parametrize("target", ["road", {"images": "road"}])
def test_scenes_without_masks_are_a_target_without_labels(target: Any, tmp_path: Path) -> None:
    found = result(scenes(tmp_path, target), tmp_path)
    assert found["target_labels"] == "none"
    assert found["class_counts"]["target_train"] is None
    assert found["problems"] == []


def test_scenes_may_have_a_labelled_test(tmp_path: Path) -> None:
    domains = _pair.load(scenes(tmp_path, {"images": "road", "test": "road_test"}), tmp_path)
    assert domains.target_test is not None
    assert domains.target_test.labels[0].tolist() == np.kron(MASK, np.ones((3, 3), np.uint8)).tolist()


def test_the_subset_of_scenes_is_a_file_of_masks(tmp_path: Path) -> None:
    file = scenes(tmp_path, {"images": "road", "labelled": "drawn/few.csv"})
    fake_datasets.save(tmp_path / "drawn/4.png", np.ones((6, 6), np.uint8))
    (tmp_path / "drawn/few.csv").write_text("path,mask\n4.png,4.png\n5.png,\n")
    domains = _pair.load(file, tmp_path)
    assert domains.labelled is not None
    assert list(domains.labelled.ids) == ["road/4.png"]
    assert (domains.labelled.labels[0] == 1).all()
