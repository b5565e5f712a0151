"""``dta-bench train gta5_cityscapes`` on drawn scenes at full size, for two steps of every segmentation backbone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import fake_datasets
import pytest

from dta_bench import plugins

BACKBONES = [name for name in plugins.names("backbone") if plugins.load("backbone", name).task == "segmentation"]
BATCH = {"deeplabv3plus_resnet50": 2, "upernet_convnext_tiny": 2}  # they have a BatchNorm of one value an image


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("backbone", [name for name in BACKBONES if name != "unet_mini"])
def test_two_steps_at_the_published_size_end_in_a_mean_iou_at_the_labels_size(backbone: str, tmp_path: Path) -> None:
    batch = BATCH.get(backbone, 1)
    fake_datasets.full_size_road_scenes(tmp_path / "data", source=2 * batch + 1, target=2)
    command = [
        sys.executable, "-m", "dta_bench", "train", "gta5_cityscapes", "--backbone", backbone, "--epochs", "1",
        "--labels", "1", "--training", f"batch_size={batch}", "--root", "data", "--out", ".", "--json",
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads(ended.stdout)
    assert 0 <= found["test"]["miou"] <= 100
    present = [name for name, value in found["test"]["per_class"].items() if value is not None]
    assert {"road", "sky", "building"} <= set(present)
