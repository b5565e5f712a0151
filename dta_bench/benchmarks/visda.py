"""VisDA-2017 classification: 152,397 renderings of 12 classes to 55,388 photographs (Tables 2, 4, 5)."""

from pathlib import Path

from dta_bench.benchmarks import _files, _image_lists
from dta_bench.benchmarks._splits import hold_out_share
from dta_bench.domains import Benchmark, Domains

CLASSES = (
    "aeroplane", "bicycle", "bus", "car", "horse", "knife",
    "motorcycle", "person", "plant", "skateboard", "train", "truck",
)  # fmt: skip
BENCHMARK = Benchmark(
    name="visda",
    task="classification",
    classes=CLASSES,
    source="VisDA-2017 train (synthetic renderings)",
    target="VisDA-2017 validation (photographs)",
    image_size=(224, 224),
    headline="mean_class_accuracy",
    label_budget=1000,
    label_budget_source="Shu et al. (2018), whom the paper follows: 1,000, here 1.8 % of the target",
    standardisation="imagenet",
    augmentation=("source:random_resized_crop", "target:resize", "hflip"),
    splits_stated="source validation = a tenth of train, drawn by seed 0; target train and target test are both the "
    "validation domain, so target test leaves the labelled subset out",
)
WHAT = "put train/ and validation/ of VisDA-2017's classification track, each with its image_list.txt, into {folder}"


def load(root: Path) -> Domains:
    """Read the two lists under ``root/visda``; images are decoded when asked for."""
    what = WHAT.format(folder=root / "visda")
    source, target = (
        _image_lists.read(root, f"visda/{part}", len(BENCHMARK.classes), what) for part in ("train", "validation")
    )
    entries = [
        (name, str(label)) for part in (source, target) for name, label in zip(part.ids, part.labels, strict=True)
    ]
    return Domains(*hold_out_share(source, 0.1, seed=0), target, target, _files.fingerprint(root, entries))
