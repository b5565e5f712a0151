"""Read VisDA-2017's classification track as its owners pack it: three domains of 12 classes with image lists."""

from __future__ import annotations

from pathlib import Path

from dta_bench.benchmarks import _image_lists
from dta_bench.domains import data_fingerprint
from dta_bench.domains.download import Archive
from dta_bench.domains.file_tree import DataFolder
from dta_bench.domains.images import LabelledImages
from dta_bench.domains.label_maps import fingerprint_entries
from dta_bench.spec.benchmark import Benchmark

CLASSES = (
    "aeroplane", "bicycle", "bus", "car", "horse", "knife",
    "motorcycle", "person", "plant", "skateboard", "train", "truck",
)  # fmt: skip
AUGMENTATION = ("source:random_resized_crop", "target:resize", "hflip")
SIZES = {"train": 152_397, "validation": 55_388, "test": 72_372}
LABEL_BUDGET_SOURCE = "Shu et al. (2018), whom the paper follows: 1,000, here 1.8 % of the validation domain"
INSTRUCTION = "put {parts} of VisDA-2017's classification track, each with its image_list.txt, into {folder}"
OWNER = "http://csr.bu.edu/ftp/visda17/clf"
TEST_LABELS = (
    "https://raw.githubusercontent.com/VisionLearningGroup/taskcv-2017-public/master/classification/data/image_list.txt"
)


def benchmark(name: str, part: str, photographs: str, subset: str) -> Benchmark:
    """Define the benchmark from the renderings of ``train`` to the photographs of another part.

    Args:
        name: the benchmark's name.
        part: the target, ``validation`` or ``test``.
        photographs: what the target's images are, for tables.
        subset: says how labels of the target are used; a clause for tables.
    """
    return Benchmark(
        name=name,
        task="classification",
        classes=CLASSES,
        source="VisDA-2017 train (synthetic renderings)",
        target=f"VisDA-2017 {part} ({photographs})",
        image_size=(224, 224),
        headline="mean_class_accuracy",
        label_budget=1000,
        label_budget_source=LABEL_BUDGET_SOURCE,
        standardisation="imagenet",
        augmentation=AUGMENTATION,
        splits_stated="source validation = a tenth of train, drawn by seed 0; target train and target test are both "
        f"the {part} domain, {subset}",
        published_sizes={"source": SIZES["train"], "target_train": SIZES[part], "target_test": SIZES[part]},
    )


def domains(root: Path, *parts: str) -> list[LabelledImages]:
    """List the images of some parts of ``root/visda``; an image is decoded when it is asked for.

    Raises:
        UserError: a list is missing or malformed.
    """
    instruction = INSTRUCTION.format(parts=", ".join(f"{part}/" for part in parts), folder=root / "visda")
    return [_image_lists.read(root, f"visda/{part}", len(CLASSES), instruction) for part in parts]


def fingerprint(root: Path, *parts: LabelledImages) -> str:
    """The fingerprint of the contents and the label of every image."""
    return data_fingerprint.fingerprint(root, [entry for part in parts for entry in fingerprint_entries(part)])


def folders(root: Path, *parts: str) -> list[DataFolder]:
    """The folders of some parts, for the count of their files."""
    return [DataFolder(root / "visda" / part, "not_listed") for part in parts]


def archives(*parts: str) -> list[Archive]:
    """The owners' archives. They publish no MD5s; ``prepare`` checks the numbers of images and reads every image."""
    tars = [
        Archive(f"{OWNER}/{part}.tar", f"visda/{part}.tar", "", "tar", "visda", {f"visda/{part}": ""}) for part in parts
    ]
    return tars + ([Archive(TEST_LABELS, "visda/test/image_list.txt")] if "test" in parts else [])
