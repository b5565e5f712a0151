"""What every benchmark must keep to; the files are found by listing the folder."""

import importlib
import subprocess
import sys
from pathlib import Path

import fake_datasets
import numpy as np
import pytest

import dta_bench.benchmarks
from dta_bench.benchmarks import _fonts, _image_lists, _road_scenes, _torchvision
from dta_bench.data.augment import Augmentation
from dta_bench.errors import UserError

FOLDER = Path(dta_bench.benchmarks.__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
SHIPPED = ["digits", "fonts_digits"]
DRAWN = ["streets_mini"]
SMALL_PAIRS = {
    "svhn_mnist": ("svhn", "mnist"),
    "mnist_usps": ("mnist", "usps"),
    "usps_mnist": ("usps", "mnist"),
    "stl_cifar": ("stl10", "cifar10"),
    "cifar_stl": ("cifar10", "stl10"),
}


def module_of(name):
    return importlib.import_module(f"dta_bench.benchmarks.{name}")


@pytest.fixture(scope="module", params=SHIPPED)
def shipped(request):
    module = module_of(request.param)
    return module.BENCHMARK, module.load(Path("nowhere"))


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is(name):
    module = module_of(name)
    benchmark = module.BENCHMARK
    assert benchmark.name == name
    assert module.__doc__.splitlines()[0].endswith(".")
    assert all((benchmark.source, benchmark.target, benchmark.label_budget_source, benchmark.splits_stated))
    assert len(set(benchmark.classes)) == len(benchmark.classes) > 1
    assert benchmark.label_budget > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("domain", ["source", "target"])
def test_its_augmentation_exists(name, domain):
    benchmark = module_of(name).BENCHMARK
    Augmentation(benchmark.augmentation, domain, benchmark.image_size)


@pytest.mark.parametrize("name", NAMES)
def test_is_a_short_file(name):
    assert len((FOLDER / f"{name}.py").read_text().splitlines()) <= 40


def test_listing_them_all_imports_nothing_heavy():
    code = (
        f"import importlib, sys; [importlib.import_module('dta_bench.benchmarks.' + n) for n in {NAMES}];"
        "print([m for m in ('torch', 'torchvision', 'cv2', 'PIL', 'sklearn', 'mlxtend', 'matplotlib')"
        " if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SHIPPED + DRAWN])
def test_missing_data_is_one_sentence_that_names_the_folder(name, tmp_path):
    with pytest.raises(UserError, match=str(tmp_path)) as caught:
        module_of(name).load(tmp_path)
    assert "put " in str(caught.value)
    assert "\n" not in str(caught.value)


def sets_of(domains):
    return domains.source_train, domains.source_validation, domains.target_train, domains.target_test


def test_shipped_images_are_uint8_of_the_stated_size(shipped):
    benchmark, domains = shipped
    kinds = {(image.dtype, image.shape) for images in sets_of(domains) for image in images.images}
    assert kinds == {(np.dtype(np.uint8), (*benchmark.image_size, 1))}


def test_shipped_labels_are_the_classes_and_every_set_has_them_all(shipped):
    benchmark, domains = shipped
    for images in sets_of(domains):
        assert images.labels.dtype == np.int64
        assert set(images.labels.tolist()) == set(range(len(benchmark.classes)))
        assert len(images.labels) == len(images.ids) == len(images)


def test_no_shipped_image_is_in_two_sets(shipped):
    _, domains = shipped
    seen = [image.tobytes() for images in sets_of(domains) for image in images.images]
    ids = [name for images in sets_of(domains) for name in images.ids]
    assert len(set(seen)) == len(seen)
    assert len(set(ids)) == len(ids)


def test_shipped_target_is_split_as_stated(shipped):
    _, domains = shipped
    assert np.bincount(domains.target_test.labels).tolist() == [60] * 10
    assert len(domains.target_train) == 1797 - 600


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_data_is_the_same_in_every_process(name):
    code = (
        f"from pathlib import Path; from dta_bench.benchmarks import {name} as b; print(b.load(Path('.')).fingerprint)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == module_of(name).load(Path("nowhere")).fingerprint


def test_fonts_without_digits_are_left_out():
    names = {path.stem for path in _fonts.fonts_with_digits()}
    assert {"DejaVuSans", "DejaVuSerif-Bold", "STIXGeneral", "cmr10"} <= names
    assert not names & {"LastResortHE-Regular", "cmsy10", "cmex10", "STIXNonUni", "DejaVuSansDisplay"}


def test_visda_tree_loads_in_order_of_its_lists(tmp_path):
    benchmark = module_of("visda").BENCHMARK
    fake_datasets.visda(tmp_path, benchmark.classes, per_class=5)
    domains = module_of("visda").load(tmp_path)
    assert (len(domains.source_train), len(domains.source_validation)) == (54, 6)
    assert domains.target_train.ids == domains.target_test.ids
    assert domains.target_train.labels.tolist() == [label for label in range(12) for _ in range(5)]
    assert domains.source_train.images[0].shape == (20, 30, 3)


def test_visda_images_are_read_as_rgb(tmp_path):
    fake_datasets.visda(tmp_path, module_of("visda").BENCHMARK.classes)
    red = np.zeros((8, 8, 3), dtype=np.uint8)
    red[..., 0] = 255
    fake_datasets.save(tmp_path / "visda/train/bus/0.png", red)
    found = _image_lists.read(tmp_path, "visda/train", 12, "")
    assert (found.images[found.ids.index("visda/train/bus/0.png")] == red).all()


@pytest.mark.parametrize("line", ["../out.png 1", "/etc/passwd 1", "a.png", "a.png 12", "a.png -1", "a.png one"])
def test_malformed_line_of_a_list_is_named(line, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/image_list.txt").write_text(f"good.png 0\n{line}\n")
    with pytest.raises(UserError, match=r"image_list\.txt line 2"):
        _image_lists.read(tmp_path, "set", 12, "")


def test_an_unreadable_image_is_named(tmp_path):
    fake_datasets.visda(tmp_path, module_of("visda").BENCHMARK.classes)
    fake_datasets.unreadable(tmp_path / "visda/train/bus/0.png")
    found = _image_lists.read(tmp_path, "visda/train", 12, "")
    with pytest.raises(UserError, match=r"train/bus/0\.png"):
        found.images[found.ids.index("visda/train/bus/0.png")]


@pytest.mark.parametrize("kind", ["labelIds", "labelTrainIds"])
def test_road_scene_trees_load_with_19_classes_and_the_rest_ignored(kind, tmp_path):
    ids = np.append(np.arange(35, dtype=np.uint8), np.uint8(255)).reshape(4, 9)
    expected = np.full(36, 255)
    # Cityscapes' published table: these ids, in this order, are train ids 0..18.
    for train_id, label_id in enumerate([7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]):
        expected[label_id] = train_id
    fake_datasets.gta5(tmp_path, ids)
    fake_datasets.cityscapes(tmp_path, ids if kind == "labelIds" else expected.reshape(4, 9).astype(np.uint8), kind)
    domains = module_of("gta5_cityscapes").load(tmp_path)
    assert (len(domains.source_train), len(domains.target_train), len(domains.target_test)) == (2, 2, 2)
    for images in (domains.source_train, domains.target_train, domains.target_test):
        assert images.images[0].shape == (4, 9, 3)
        assert images.labels[1].ravel().tolist() == expected.tolist()


def test_an_image_without_its_label_map_is_named(tmp_path):
    fake_datasets.gta5(tmp_path, np.zeros((4, 9), dtype=np.uint8))
    (tmp_path / "gta5/labels/00002.png").unlink()
    with pytest.raises(UserError, match=r"labels/00002\.png is missing"):
        _road_scenes.gta5(tmp_path)


@pytest.mark.parametrize("name", SMALL_PAIRS)
def test_small_pair_loads_with_the_right_class_for_every_image(name, tmp_path, monkeypatch):
    for module in ("svhn", "stl10", "cifar"):  # drawn files cannot have the real files' checksums
        monkeypatch.setattr(f"torchvision.datasets.{module}.check_integrity", lambda *_: True)
    benchmark = module_of(name).BENCHMARK
    for part in SMALL_PAIRS[name]:
        (tmp_path / part).mkdir()
        getattr(fake_datasets, part)(tmp_path / part)
    domains = module_of(name).load(tmp_path)
    names = [(set_, SMALL_PAIRS[name][i > 1]) for i, set_ in enumerate(sets_of(domains))]
    for images, part in names:
        assert images.images[0].shape[:2] == benchmark.image_size
        order = {"stl10": _torchvision.STL_ORDER, "cifar10": _torchvision.CIFAR_ORDER}.get(part, benchmark.classes)
        for image, label in zip(images.images, images.labels, strict=True):
            assert abs(int(image[14, 14, 0]) - fake_datasets.shade(order.index(benchmark.classes[label]))) <= 1


@pytest.mark.parametrize("name", ["stl_cifar", "cifar_stl"])
def test_the_classes_that_only_one_set_has_are_gone(name, tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.stl10.check_integrity", lambda *_: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    for part in ("stl10", "cifar10"):
        (tmp_path / part).mkdir()
        getattr(fake_datasets, part)(tmp_path / part)
    domains = module_of(name).load(tmp_path)
    assert np.bincount(domains.target_test.labels).tolist() == [fake_datasets.A_CLASS] * 9


def test_damaged_files_are_refused_in_one_sentence(tmp_path):
    for file in _torchvision.FILES["svhn"]:
        (tmp_path / "svhn").mkdir(exist_ok=True)
        (tmp_path / "svhn" / file).write_bytes(b"damaged")
    with pytest.raises(UserError, match="svhn cannot be read"):
        _torchvision.svhn(tmp_path)
