"""What changes numbers without stopping a run is told before it: orientation, depth, label-map values of no class."""

import os
from pathlib import Path

import fake_datasets
import numpy as np
import pytest
from PIL import Image

from dta_bench import cli
from dta_bench.benchmarks import gta5_cityscapes
from dta_bench.data import check_label_maps, load
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.data.notes_on_files import FILES_READ, evenly_spread, notes_on_files
from dta_bench.data.prepare import prepare
from dta_bench.errors import UserError

PAIR = "source: src\ntarget: tgt\nclasses: [cat, dog]\nimage_size: 32\nlabels: 4\n"
STREETS = "task: segmentation\nsource: src\ntarget: tgt\nclasses: [sky, road]\nimage_size: 32\nlabels: 2\n"


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8))


@pytest.fixture
def root(out: Path) -> Path:
    """The data root of a pair of folders, whose file is ``benchmarks/mine.yaml`` in the working directory."""
    load.domains.cache_clear()
    (out / "benchmarks").mkdir()
    (out / "benchmarks/mine.yaml").write_text(PAIR)
    for number, folder in enumerate(("src/cat", "src/dog", "tgt/cat", "tgt/dog")):
        (out / "data" / folder).mkdir(parents=True)
        for image in range(20):
            noise(1000 * number + image).save(out / "data" / folder / f"{image:02}.png")
    return out / "data"


def turn_all(root: Path) -> None:
    """Let all images of the target's cats be photographs that lie on their sides."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in sorted((root / "tgt/cat").iterdir()):
        noise(int(path.stem)).save(path.with_suffix(".jpg"), exif=exif)
        path.unlink()


def notes(root: Path) -> list[str]:
    load.domains.cache_clear()
    return notes_on_files("mine", load.domains("mine", str(root)), root)


def test_sound_files_are_worth_no_word(root: Path) -> None:
    assert notes(root) == []


def test_turned_images_are_told_from_some_files_of_each_set(root: Path) -> None:
    turn_all(root)
    found = notes(root)
    assert [sentence.partition(":")[0] for sentence in found] == ["target_train", "target_test"]
    assert "turned by the file's EXIF orientation" in found[0]
    assert found[0].endswith("(16 of 28 files were looked at; dta-bench prepare looks at all)")


def test_of_prepared_data_the_notes_are_those_of_all_files(root: Path) -> None:
    turn_all(root)
    prepared = prepare("mine", root)
    found = notes(root)
    assert found == prepared["file_notes"]
    assert found == [note for note in prepared["notes"] if "EXIF" in note]
    assert found[0].startswith("target_train: 14 images are turned")


def test_what_was_prepared_before_the_files_changed_does_not_count(root: Path) -> None:
    prepare("mine", root)
    turn_all(root)
    assert "EXIF" in notes(root)[0]


def test_images_of_16_bits_that_are_nearly_black_are_told(root: Path) -> None:
    for path in (root / "src/dog").iterdir():
        Image.fromarray(np.full((24, 32), int(path.stem) + 900, dtype=np.uint16)).save(path)
    assert "these images are nearly black" in notes(root)[0]


@pytest.mark.parametrize("count", [0, 1, 5, FILES_READ, FILES_READ + 1, 1000])
def test_files_are_looked_at_from_the_first_to_the_last(count: int) -> None:
    chosen = evenly_spread(count)
    assert len(set(chosen)) == len(chosen) == min(count, FILES_READ)
    assert not count or (chosen[0], chosen[-1]) == (0, count - 1)


def streets(root: Path, suffix: str = "png", shift: int = 0) -> None:
    """Make it a pair of label maps: 0 above, 1 below, plus ``shift``."""
    (root.parent / "benchmarks/mine.yaml").write_text(STREETS)
    labels = np.zeros((24, 32), dtype=np.uint8) + shift
    labels[12:, 5:] += 1
    for domain, first in (("src", 0), ("tgt", 50)):
        for part in ("images", "masks"):
            (root / domain / part).mkdir()
        for image in range(20):
            noise(first + image).save(root / domain / "images" / f"{image:02}.png")
            Image.fromarray(labels).save(root / domain / "masks" / f"{image:02}.{suffix}")


def test_label_maps_whose_values_stand_for_no_class_are_told(root: Path) -> None:
    streets(root, shift=7)
    (root.parent / "benchmarks/mine.yaml").write_text(STREETS + "values: {sky: 7, road: 9}\n")
    share = 100 * 12 * 27 / (24 * 32)
    (first, *_) = notes(root)
    assert first.startswith(f"source_train: {share:.1f} % of the pixels are ignored")
    assert f"8 ({16 * 12 * 27:,} pixels)" in first
    assert "(16 of 18 files were looked at; " in first


def test_a_run_says_of_how_many_label_maps_the_values_were_looked_at(root: Path) -> None:
    streets(root)
    sampled = "16 of 18 in source train, 2 of 2 in source validation, 14 of 14 in target train, 6 of 6 in target test"
    assert load.check_files(benchmark_of("mine"), str(root)) == [
        f"label maps whose values were looked at: {sampled}; dta-bench prepare looks at all"
    ]


@pytest.mark.parametrize(
    "line", ["train mine --method source_only", "sweep mine --methods source_only --seeds 1 --confirm 0 --parallel 1"]
)
def test_train_and_sweep_print_these_notes_once_and_on_stderr(
    line: str, root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def stop(_: object) -> None:
        raise UserError("far enough")

    for module in ("train_one", "sweep"):
        monkeypatch.setattr(f"dta_bench.sweep.{module}.lock_folder", stop)
    turn_all(root)
    with pytest.raises(UserError, match="far enough"):
        cli.app([*line.split(), "--backbone", "conv9_fc1", "--epochs", "1", "--root", str(root)], standalone_mode=False)
    printed = capfd.readouterr()
    assert printed.err.count("note: target_train: 8 images are turned by the file's EXIF orientation") == 1
    assert "EXIF" not in printed.out


def test_numbers_that_count_the_classes_from_one_are_named_as_such(root: Path) -> None:
    streets(root, shift=1)
    problem = prepare("mine", root)["problems"]
    hint = "The classes seem to be counted from 1 to 2 instead of from 0: state values in the pair's file"
    assert any(hint in sentence for sentence in problem)
    with pytest.raises(UserError, match="counted from 1 to 2"):
        check_label_maps.check(benchmark_of("mine"), load.domains("mine", str(root)))


@pytest.mark.parametrize("shift", [2, 40])
def test_other_unknown_numbers_get_no_such_advice(root: Path, shift: int) -> None:
    streets(root, shift=shift)
    assert not any("counted from" in sentence for sentence in prepare("mine", root)["problems"])


def test_the_road_scenes_say_which_files_they_pass_over(tmp_path: Path) -> None:
    ids = np.append(np.arange(34, dtype=np.uint8), np.array([7, 255], dtype=np.uint8)).reshape(4, 9)
    fake_datasets.gta5(tmp_path, ids, count=60)
    fake_datasets.cityscapes(tmp_path, ids)
    maps = tmp_path / "cityscapes/gtFine/val/frankfurt"
    Image.fromarray(ids).save(maps / "frankfurt_000000_000019_gtFine_instanceIds.png")
    (maps / "frankfurt_000000_000019_gtFine_polygons.json").write_text("{}")
    (tmp_path / "gta5/images/._00001.png").write_text("junk")
    by_folder = {os.path.relpath(one["folder"], tmp_path): one for one in _files(gta5_cityscapes, tmp_path)}
    assert by_folder["gta5/images"] | {"images": 60, "junk": 1, "on_disk": 61} == by_folder["gta5/images"]
    val = by_folder["cityscapes/gtFine"]
    assert (val["masks"], val["unused_masks"], val["other_suffixes"]) == (4, 1, {".json": 1})


def _files(benchmark: object, root: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = prepare(benchmark.BENCHMARK.name, root)["files"]  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("name", ["visda", "visda_test"])
def test_visda_says_which_files_its_lists_do_not_name(name: str, tmp_path: Path) -> None:
    classes = benchmark_of(name).classes
    fake_datasets.visda(tmp_path, classes, per_class=10)
    if name == "visda_test":
        (tmp_path / "visda/test").mkdir()
        noise(1).save(tmp_path / "visda/test/a.jpg")
        (tmp_path / "visda/test/image_list.txt").write_text("a.jpg 0\n")
    noise(2).save(tmp_path / "visda/train/extra.png")
    folders = prepare(name, tmp_path, check=True)["files"]
    assert (folders[0]["images"], folders[0]["not_listed"]) == (120, 1)
    assert folders[0]["other_suffixes"] == {".txt": 1}
    assert len(folders) == (2 if name == "visda" else 3)
