"""From two folders of images, one without labels, to a report and a labelled subset: the whole way of a new user."""

import json
from pathlib import Path
from typing import Any

import fake_datasets
import numpy as np
import pytest
import yaml
from command_line import dta_bench, refused
from mlflow.tracking import MlflowClient

CLASSES = ("cat", "dog")
WHERE = ("--root", "data", "--out", "out", "--json")


def draw(root: Path, domain: str, folders: bool, shift: int) -> None:
    """Twelve images of each class, in folders of classes or loose; a class is a colour."""
    for label, name in enumerate(CLASSES):
        for i in range(12):
            rng = np.random.default_rng([label, i + shift])
            pixels = rng.integers(0, 120, (16, 16, 3)).astype(np.uint8)
            pixels[..., label] += 100
            fake_datasets.save(root / domain / (f"{name}/{i}.png" if folders else f"{name}_{i}.png"), pixels)


def json_of(*arguments: str) -> Any:
    """The JSON that a command prints on stdout."""
    done = dta_bench(*arguments, *WHERE, cwd=Path.cwd())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def state_pair(target: Any) -> None:
    Path("benchmarks").mkdir(exist_ok=True)
    content = {"source": "photo", "target": target, "classes": list(CLASSES), "image_size": 32}
    Path("benchmarks/pets.yaml").write_text(yaml.safe_dump(content))


def sweep() -> Any:
    chosen = ["--backbone", "conv3_tiny", "--method", "mcc", "--points", "1", "--confirm", "0"]
    return json_of("sweep", "pets", *chosen, "--epochs", "1", "--training", "batch_size=8", "--parallel", "1")


@pytest.mark.slow  # two sweeps, each with a Ray of its own
def test_without_labels_then_with_a_few(out: Path) -> None:
    draw(Path("data"), "photo", folders=True, shift=0)
    draw(Path("data"), "sketch", folders=False, shift=100)
    state_pair("sketch")

    found = sweep()
    assert (found["target_labels"], found["test"], found["regret"], found["comparisons"]) == ("none", None, None, None)
    client = MlflowClient(f"sqlite:///{out}/out/mlflow.db")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    stored = {name for run in runs for name in run.data.metrics}
    assert "source_validation/accuracy" in stored
    assert not any(name.startswith(("test/", "validation/", "whole/")) for name in stored)
    answer = refused(dta_bench("report", "pets", "--select", "labels", *WHERE, cwd=out))
    assert "the rule labels chooses by labelled target images, and there are none" in answer

    drawn = json_of("label", "pets", "--budget", "10", "--drawn", "predicted")
    rows = [f"{path},{path.partition('_')[0]}" for path in drawn["paths"]]
    Path(drawn["list"]).write_text("\n".join(["path,class", *rows]))
    assert sum(json_of("label", "pets")["counts"].values()) == 10

    state_pair({"images": "sketch", "labelled": "pets.labels.csv"})
    found = sweep()
    assert (found["target_labels"], found["rule"], found["test"]) == ("subset", "labels", None)
    assert found["subset"]["size"] == 10
