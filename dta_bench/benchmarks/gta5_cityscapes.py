"""GTA5 to Cityscapes: semantic segmentation of road scenes, game to camera, 19 classes (Table 3)."""

from pathlib import Path

from dta_bench.benchmarks import _road_scenes
from dta_bench.benchmarks._splits import hold_out_share
from dta_bench.domains.data_fingerprint import fingerprint
from dta_bench.domains.images import Domains
from dta_bench.domains.label_maps import fingerprint_entries
from dta_bench.spec.benchmark import Benchmark

BENCHMARK = Benchmark(
    name="gta5_cityscapes",
    task="segmentation",
    classes=_road_scenes.CLASSES,
    source="GTA5 (24,966 frames of a game)",
    target="Cityscapes (2,975 train and 500 val photographs)",
    image_size=(512, 1024),
    headline="miou",
    label_budget=100,
    label_budget_source="ours: 100 photographs, 3.4 % of target train; Shu et al.'s 1,000 would be a third of it",
    standardisation="imagenet",
    augmentation=("resize",),
    splits_stated="source validation = 2 % of GTA5, drawn by seed 0; target train and test = Cityscapes train and val",
    ignore_index=_road_scenes.IGNORED,
    published_sizes={"source": 24_966, "target_train": 2_975, "target_test": 500},
)
BY_HAND = _road_scenes.BY_HAND
folders = _road_scenes.folders


def load(root: Path) -> Domains:
    """List ``root/gta5`` and ``root/cityscapes``; an image or label map is decoded when it is asked for."""
    source = _road_scenes.gta5(root)
    train, test = (_road_scenes.cityscapes(root, part) for part in ("train", "val"))
    entries = [entry for part in (source, train, test) for entry in fingerprint_entries(part)]
    return Domains(*hold_out_share(source, 0.02, seed=0), train, test, fingerprint(root, entries))
