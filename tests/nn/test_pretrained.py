"""Backbones by name: which cannot serve and why, hubs that are out of reach, and what is imported when."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from backbone_errors import error_of

from dta_bench.errors import UserError
from dta_bench.nn.pretrained import backbone


@pytest.mark.parametrize(("name", "says"), [
    ("timm/convnext_tny", "did you mean convnext_tiny"),
    ("timm/resnet50.nosuch", "tagged 'nosuch'; it has .*a1_in1k"),
    ("timm/a/b", "timm/<model>, open_clip/<model> or smp/<decoder>/<encoder>"),
    ("hub/resnet50", "timm/<model>, open_clip/<model> or smp/<decoder>/<encoder>"),
    ("timm/levit_128s", "no vector to mask; take a model with a single classifier"),
    ("timm/crossvit_tiny_240", "no feature map, but list"),
    ("smp/fnp/resnet18", "did you mean fpn"),
    ("smp/fpn/resnet19", "did you mean resnet18"),
    ("smp/fpn/convnext_tiny", "did you mean tu-convnext_tiny"),
    ("smp/fpn/tu-convnext_tny", "did you mean convnext_tiny"),
    ("smp/pspnet/resnet18", "never runs .*layer4.* where CAdD masks; smp/deeplabv3plus/resnet18 .* does"),
    ("smp/fpn/tu-vit_tiny_patch16_224", "plain vision transformer.*smp/dpt/tu-vit_tiny_patch16_224 takes"),
    ("smp/dpt/resnet18", "takes a timm transformer.*tu-vit_small_patch16_224 does"),
    ("smp/dpt/tu-test_resnet", "maps of 5 scales; smp/fpn/tu-test_resnet .* does"),
    ("smp/deeplabv3plus/tu-swin_tiny_patch4_window7_224", "dilated, .* smp/fpn/tu-swin.* does without"),
    ("smp/dpt/tu-vit_small_patch14_dinov2", "patches of 14.*take tu-vit_small_patch16_224"),
])  # fmt: skip
def test_a_backbone_that_cannot_serve_says_why_and_what_does(name: str, says: str) -> None:
    size = (70, 70) if "patch14" in name else (240, 240) if "crossvit" in name else (64, 64)
    assert re.search(says, error_of(name, size=size))


def test_an_image_size_that_a_decoder_cannot_take_is_refused() -> None:
    assert "multiples of 32" in error_of("smp/fpn/resnet18", size=(72, 64))


def test_a_name_without_a_slash_is_a_file() -> None:
    with pytest.raises(UserError, match="no backbone named 'conv3_fc'; did you mean conv3_fc2"):
        backbone("conv3_fc")


@pytest.mark.parametrize("name", ["conv3_fc2", "conv9_fc1"])
def test_a_network_without_pretrained_weights_refuses_them(name: str) -> None:
    assert "no pretrained weights" in error_of(name, "hub")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every request goes to a port where nobody listens, and nothing is cached."""
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path), raising=False)


@pytest.mark.timeout(30)
@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(("name", "file"), [
    ("timm/resnet18", "model.safetensors of https://huggingface.co/timm/resnet18.a1_in1k"),
    ("convnext_tiny", "model.safetensors of https://huggingface.co/timm/convnext_tiny"),
    ("segformer_mit_b0", "model.safetensors of https://huggingface.co/smp-hub/mit_b0.imagenet"),
])  # fmt: skip
def test_without_a_network_the_hub_fails_at_once_and_names_the_file_that_would_serve(name: str, file: str) -> None:
    said = error_of(name, "hub")
    assert file in said
    assert "--weights" in said


def test_offline_mode_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in error_of("timm/resnet26d", "hub")


def test_a_model_that_has_no_weights_on_the_hub_says_so() -> None:
    assert "timm has no weights of resnet50t on the hub" in error_of("timm/resnet50t", "hub")


def test_timm_smp_and_open_clip_are_imported_only_when_a_backbone_asks_for_them() -> None:
    code = (
        "import sys; from dta_bench.nn import pretrained; pretrained.backbone('conv3_fc2').build(10);"
        "print([m for m in ('timm', 'segmentation_models_pytorch', 'open_clip') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
