"""After a real sweep: the chosen network predicts its own target test as its run did, also on another machine."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import fake_datasets
import numpy as np
import pytest
import yaml
from command_line import dta_bench
from drawn_scenes import SCENES, scenes
from PIL import Image

from dta_bench.data import load
from dta_bench.evaluation.metrics import confusion_matrix
from dta_bench.run.workspace import Workspace
from dta_bench.tracking import TrackedRun, Tracker

SMALL = ("--points", "1", "--seeds", "1", "--confirm", "2", "--epochs", "1", "--parallel", "1")


def state_pair(folder: Path, **keys: Any) -> None:
    (folder / "benchmarks").mkdir(parents=True)
    target = {"images": "street", "labelled": "few.csv", "test": "street_test"}
    (folder / "benchmarks/mine.yaml").write_text(yaml.safe_dump({"source": "studio", "target": target} | keys))


def run_command(*arguments: str, cwd: Path) -> tuple[str, str]:
    """Stdout and stderr of a command that succeeds."""
    done = dta_bench(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def move_to_another_machine(out: Path, images: Path) -> Path:
    """Copy the store, the pair's file and some images to another place, and take everything else away."""
    elsewhere = out / "elsewhere"
    shutil.copytree(out / "results", elsewhere / "copied")
    shutil.copytree(out / "benchmarks", elsewhere / "benchmarks")
    shutil.copytree(images, elsewhere / "pictures")
    for name in ("results", "data", "benchmarks"):
        shutil.move(out / name, out / f"not_there_{name}")
    return elsewhere


def confirmation_run(store: Path) -> tuple[Tracker, TrackedRun]:
    """The run that stands for the choice: of those of the method with fresh seeds the lowest."""
    tracker = Workspace(str(store), str(store), f"sqlite:///{store}/mlflow.db").tracker()
    (run,) = [r for r in tracker.runs("mine") if r.spec.seed == 1000 and r.spec.method != "source_only"]
    return tracker, run


def draw_pets(root: Path) -> None:
    def pixels(label: int, number: int) -> np.ndarray:
        drawn = np.random.default_rng([label, number]).integers(0, 150, (20, 20, 3)).astype(np.uint8)
        drawn[..., label] += 60
        return drawn

    for label, name in enumerate(("cat", "dog")):
        for i in range(14):
            fake_datasets.save(root / f"studio/{name}/{i}.png", pixels(label, i))
            fake_datasets.save(root / f"street/{name}_{i}.png", pixels(label, 100 + i))
            fake_datasets.save(root / f"street_test/{name}/{i}.png", pixels(label, 200 + i))
    (root / "few.csv").write_text("path,class\ncat_0.png,cat\ncat_1.png,cat\ndog_0.png,dog\n")


@pytest.mark.slow  # a sweep with a Ray of its own
def test_rows_are_those_that_the_confirmed_run_stored_image_by_image(out: Path) -> None:
    draw_pets(out / "data")
    state_pair(out, classes=["cat", "dog"], image_size=32)
    chosen = ("--backbone", "conv3_tiny", "--method", "mcc", "--training", "batch_size=8")
    found = json.loads(run_command("sweep", "mine", *chosen, *SMALL, "--out", "results", "--json", cwd=out)[0])
    assert (found["target_labels"], found["rule"]) == ("both", "labels")
    run_command("report", "mine", "--out", "results", cwd=out)
    confirmed = confirmation_run(out / "results")[1].run_id
    run_command("export", confirmed, "--to", "torchscript", "--out", "results", cwd=out)
    (card,) = out.glob("*.pt.md")
    assert "chosen by rule labels" in card.read_text()
    ids = load.domains("mine", str(out / "data")).target_test.ids  # type: ignore[union-attr]
    elsewhere = move_to_another_machine(out, out / "data/street_test")
    (elsewhere / "pictures/cat/broken.png").write_bytes(b"no image")

    stdout, stderr = run_command("predict", "--best", "mine", "pictures", "--out", "copied", cwd=elsewhere)
    tracker, run = confirmation_run(elsewhere / "copied")
    assert f"run {run.run_id}" in stderr
    assert "the lowest seed of its confirmation runs" in stderr
    assert "1 could not be read" in stderr
    rows = {row["path"]: row["class"] for row in csv.DictReader(io.StringIO(stdout))}
    stored = tracker.predictions(run)["target_test_logits"].argmax(axis=1)
    assert rows == {one.removeprefix("street_test/"): ("cat", "dog")[k] for one, k in zip(ids, stored, strict=True)}

    shutil.rmtree(elsewhere / "benchmarks")  # a named run needs nothing but the store
    again, _ = run_command("predict", run.run_id, "pictures", "--out", "copied", cwd=elsewhere)
    assert again == stdout


@pytest.mark.slow  # a sweep with a Ray of its own
def test_label_maps_are_those_that_the_confirmed_run_was_measured_by(out: Path) -> None:
    drawn = {name: scenes(12, seed, (32, 48)) for name, seed in (("studio", 0), ("street", 1), ("street_test", 2))}
    for name, images in drawn.items():
        folder = out / "data" / name
        for i, (image, label) in enumerate(zip(images.images, images.labels, strict=True)):
            fake_datasets.save(folder / ("images" if name != "street" else "") / f"{i:02}.png", image)
            fake_datasets.save((folder if name != "street" else out / "data/few") / f"masks/{i:02}.png", label)
    (out / "data/few.csv").write_text("path,mask\n00.png,few/masks/00.png\n01.png,few/masks/01.png\n")
    state_pair(out, task="segmentation", classes=list(SCENES.classes), image_size=[32, 48])
    chosen = ("--backbone", "unet_mini", "--method", "minent", "--training", "batch_size=2")
    run_command("sweep", "mine", *chosen, *SMALL, "--out", "results", cwd=out)
    ids = load.domains("mine", str(out / "data")).target_test.ids  # type: ignore[union-attr]
    elsewhere = move_to_another_machine(out, out / "data/street_test/images")

    words = ("predict", "--best", "mine", "pictures", "--to", "maps", "--out", "copied", "--json")
    said = json.loads(run_command(*words, cwd=elsewhere)[0])
    tracker, run = confirmation_run(elsewhere / "copied")
    assert (said["run_id"], said["images"]) == (run.run_id, 12)
    stored = tracker.predictions(run)["target_test_confusions"]
    for one, confusion in zip(ids, stored, strict=True):
        name = Path(one).name
        label = drawn["street_test"].labels[int(Path(name).stem)]
        with Image.open(elsewhere / "maps" / name) as picture:
            assert np.array_equal(confusion_matrix(label, np.array(picture), len(SCENES.classes)), confusion)
