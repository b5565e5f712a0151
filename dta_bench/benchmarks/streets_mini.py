"""Drawn streets, flat to textured: synthetic to synthetic, GTA5 to Cityscapes in miniature, 11 classes."""

from pathlib import Path

from dta_bench.benchmarks import _street_scenes, _streets
from dta_bench.benchmarks._splits import domains_in_memory
from dta_bench.domains.images import Domains
from dta_bench.spec.benchmark import Benchmark

BENCHMARK = Benchmark(
    name="streets_mini",
    task="segmentation",
    classes=_street_scenes.CLASSES,
    source="drawn streets in flat colours (synthetic)",
    target="other drawn streets, textured, noisy and relit (synthetic)",
    image_size=(96, 192),
    headline="miou",
    label_budget=20,
    label_budget_source="ours: 20 drawings, a sixth of target train",
    standardisation="imagenet",
    augmentation=("resize", "hflip"),
    splits_stated="120 + 20 streets of 256 x 512 in flat colours, 120 + 60 others textured, drawn by fixed seeds",
    ignore_index=_street_scenes.IGNORED,
)


def load(root: Path) -> Domains:
    """Read the four sets from ``root/streets_mini``, or draw them, which takes half a minute, and write them there."""
    return domains_in_memory(*_streets.load_or_draw_sets(root / "streets_mini"))
