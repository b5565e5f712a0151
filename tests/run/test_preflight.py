"""Sizes and batches that a network cannot take are told in a sentence before any run."""

from pathlib import Path

import pytest
from drawn_scenes import SCENES

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.nn.pretrained import backbone
from dta_bench.run import preflight
from dta_bench.spec.run_spec import Training


def run_preflight(name: str, **settings: object) -> None:
    training = Training(**{"epochs": 1, "optimizer": "sgd", "learning_rate": 1e-3, "batch_size": 2} | settings)
    benchmark = SCENES.for_training(training)
    preflight.check(backbone(name, benchmark.train_size), benchmark, training)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("smp/unet/tu-test_resnet", {"crop": 70}, "crop is 70 x 70, larger than drawn_scenes's images of 64 x 64"),
        ("smp/unet/tu-test_resnet", {"window": [64, 65]}, "window is 64 x 65, larger"),
        ("smp/fpn/tu-test_resnet", {"image_size": [72, 64]}, "multiples of 32"),
        ("smp/fpn/tu-test_resnet", {"window": [40, 64]}, r"cannot predict on 1 x 40 x 64.*multiples of 32"),
        ("smp/fpn/tu-test_resnet", {"crop": [40, 64]}, "multiples of 32"),
        ("smp/deeplabv3plus/tu-test_resnet", {"batch_size": 1}, "BatchNorm of it would see one value.*larger batch"),
        ("smp/deeplabv3plus/tu-test_resnet", {"accumulate": 2}, "BatchNorm of it would see one value"),
    ],
)
def test_what_does_not_fit_is_told(name: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        run_preflight(name, **settings)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("fcn_resnet50", {"batch_size": 1}),
        ("fcn_resnet50", {"image_size": [67, 99], "crop": [65, 70], "window": [66, 71]}),
        ("smp/unet/tu-test_resnet", {"crop": 32, "window": [32, 64]}),
        ("smp/deeplabv3plus/tu-test_resnet", {"batch_size": 4, "accumulate": 2}),
    ],
)
def test_what_fits_passes(name: str, settings: dict[str, object]) -> None:
    run_preflight(name, **settings)


def test_a_network_whose_constructor_reads_values_passes_too() -> None:
    run_preflight("smp/segformer/mit_b0")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"crop": 16}, "crop are for segmentation|crop .*classification"),
        ({"batch_size": 1}, "pieces of one image"),
        ({"batch_size": 4, "accumulate": 4}, "pieces of one image"),
        ({"batch_size": 4, "accumulate": 2, "devices": 2}, "4 in 4 pieces leaves pieces of one image"),
        ({"image_size": 8}, "^conv3_fc2 takes no 8 x 8 images, the size of fonts_digits: .*name another$"),
        ({"image_size": 32}, "^conv3_fc2 takes no 32 x 32 images"),
    ],
)
def test_what_images_of_one_class_cannot_have_is_told(settings: dict[str, object], said: str) -> None:
    training = Training(**{"epochs": 1, "optimizer": "sgd", "learning_rate": 1e-3, "batch_size": 8} | settings)
    benchmark = benchmark_of("fonts_digits").for_training(training)
    with pytest.raises(UserError, match=said):
        preflight.check(backbone("conv3_fc2"), benchmark, training)


READS_VALUES = '''"""A network whose forward pass compares values."""
import torch
from torch import nn
from dta_bench.api import Network

task = "classification"
channels = 1


class Compare(nn.Module):
    def forward(self, images):
        if torch.equal(images, images + 1):  # aten::equal does not exist on the meta device
            raise ValueError("never")
        return images


def build(num_classes, weights="none"):
    neck = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 8))
    return Network(nn.Sequential(Compare(), nn.Conv2d(1, 4, %d)), neck, nn.Linear(8, num_classes))
'''


def write_backbone(folder: Path, kernel: int) -> None:
    (folder / "backbones").mkdir()
    (folder / "backbones" / "compares.py").write_text(READS_VALUES % kernel)


def check_digits(name: str) -> None:
    benchmark = benchmark_of("digits")
    training = Training(epochs=1, optimizer="sgd", learning_rate=1e-3, batch_size=8)
    preflight.check(backbone(name, benchmark.train_size), benchmark, training)


def test_a_network_that_the_meta_device_cannot_run_is_tried_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_backbone(tmp_path, kernel=3)
    monkeypatch.chdir(tmp_path)
    check_digits("compares")
    assert preflight.dropout_units(benchmark_of("digits"), "compares") == {"delta_c": 4, "delta_e": 8}


def test_what_fails_on_the_cpu_too_is_refused_with_the_reason_of_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_backbone(tmp_path, kernel=99)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"compares takes no 28 x 28 images.*Kernel size can't be greater"):
        check_digits("compares")
