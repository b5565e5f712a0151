"""A network written for other programs, and held to the original on real images."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dta_bench.domains.images import Image
from dta_bench.errors import UserError
from dta_bench.report.predictions.predictor import Predictor
from dta_bench.run import network_file
from dta_bench.run.network_file import LoadedNetwork

Format = Literal["onnx", "torchscript", "safetensors", "timm", "mlflow"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIX: dict[Format, str] = {
    "onnx": ".onnx", "torchscript": ".pt", "safetensors": ".safetensors", "timm": "-timm.safetensors",
    "mlflow": "-mlflow",
}  # fmt: skip
TOLERANCE = 1e-4
Logits = NDArray[np.float32]
Again = Callable[[Tensor], Logits]
"""What was written, read back: network input (B, C, H, W) → logits."""


@dataclass(frozen=True)
class Exported:
    """A written network.

    Attributes:
        images: real images on which it was held to the original.
        largest_difference: of their logits.
    """

    path: Path
    images: int
    largest_difference: float


def export(loaded: LoadedNetwork, kind: Format, path: Path, images: Sequence[Image]) -> Exported:
    """Write a network, read it back, and hold its logits of real images to those of the original.

    Args:
        images: two or more, at the network's size.

    Raises:
        UserError: it cannot be written, or what was written does not agree.
    """
    if path.exists():
        raise UserError(f"{path} is there already; name another file with --file")
    predictor = Predictor(loaded)
    batch = torch.cat(list(predictor.network_input(images))).cpu()
    network = loaded.predicts.cpu().eval()
    window = loaded.card.run_spec.training.window
    if window is not None:
        batch = batch[:, :, : window[0], : window[1]]
    with torch.no_grad():
        expected = network(batch).float().numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    again = _write(loaded, kind, path, network, batch)
    found = again(batch)
    difference = float(np.abs(found - expected).max())
    if not np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE):
        raise UserError(
            f"{path} was written, but its logits differ from the network's by up to {difference:.1e} on"
            f" {len(images)} images, and {TOLERANCE:g} is allowed; do not use it"
        )
    return Exported(path, len(images), difference)


def _write(loaded: LoadedNetwork, kind: Format, path: Path, network: nn.Module, batch: Tensor) -> Again:
    if kind == "onnx":
        return _onnx(path, network, batch)
    if kind == "torchscript":
        return _torchscript(path, network, batch)
    if kind == "timm":
        return _timm(loaded, path)
    if kind == "safetensors":
        return _safetensors(loaded, path)
    return _mlflow(loaded, path)


def _onnx(path: Path, network: nn.Module, batch: Tensor) -> Again:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError as error:
        raise UserError(f"ONNX needs {error.name}, which is not installed; pip install 'dta-bench[onnx]'") from error
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    shapes = {"images": {0: torch.export.Dim("batch", min=1)}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                OnlyLogits(network), (batch,), str(path), input_names=["images"], output_names=["logits"],
                dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False,
            )  # fmt: skip
        except Exception as error:  # any architecture may have something that ONNX has not
            raise UserError(f"this network cannot be written as ONNX: {_first_line(error)}; try torchscript") from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run(["logits"], {"images": images.numpy()})[0])


def _torchscript(path: Path, network: nn.Module, batch: Tensor) -> Again:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            torch.jit.save(torch.jit.trace(OnlyLogits(network), batch[:2], check_trace=False), str(path))  # type: ignore[no-untyped-call]
            read = torch.jit.load(str(path))  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            raise UserError(f"this network cannot be traced: {_first_line(error)}; try onnx or safetensors") from error
    return partial(_logits, read)


def _timm(loaded: LoadedNetwork, path: Path) -> Again:
    from safetensors.torch import load_file, save_file

    from dta_bench.nn.pretrained.timm_names import timm_weights

    card = loaded.card
    if card.built_by == "method":
        raise UserError(
            f"{card.run_spec.method} predicts by modules of its own, which timm does not have; export to onnx,"
            " torchscript or safetensors"
        )
    name, model, weights = timm_weights(loaded.network, len(card.benchmark.classes), card.benchmark.train_size)
    about = {"format": "pt", "architecture": name, "num_classes": str(len(card.benchmark.classes))}
    save_file(weights, path, metadata=about | {network_file.CARD: card.to_json()})
    model.load_state_dict(load_file(path))
    return partial(_logits, model.eval())


def _safetensors(loaded: LoadedNetwork, path: Path) -> Again:
    with network_file.temporary_file(loaded.predicts, loaded.card) as file:
        path.write_bytes(file.read_bytes())
    return partial(_logits, network_file.load(path).predicts)


def _mlflow(loaded: LoadedNetwork, path: Path) -> Again:
    from dta_bench.tracking import served_model

    if loaded.card.benchmark.task == "segmentation":
        raise UserError("an MLflow model answers with rows, and label maps are pictures; export to onnx or torchscript")
    with network_file.temporary_file(loaded.predicts, loaded.card) as file:
        served_model.save(file, path, loaded.card.benchmark.classes)
    return partial(_logits, network_file.load(next(path.rglob(network_file.NAME))).predicts)


class OnlyLogits(nn.Module):
    """A network as a plain function of its images, for exporters that read the forward pass."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images (B, C, H, W)."""
        logits: Tensor = self.network(images)
        return logits


def _logits(network: Any, images: Tensor) -> Logits:
    with torch.no_grad():
        return np.asarray(network(images).float().numpy())


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
