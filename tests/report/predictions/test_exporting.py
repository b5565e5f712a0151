"""What is exported gives the network's logits on real images; what does not agree is refused."""

import dataclasses
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import timm
import torch
from kept_networks import SEGMENTATION, draw_images, saved, spread, untrained
from safetensors.torch import load_file
from small_runs import spec_of
from stored_runs import Runs

import dta_bench
from dta_bench.domains.images import Splits
from dta_bench.errors import UserError
from dta_bench.report.predictions import exporting
from dta_bench.report.predictions.export_run import export_run
from dta_bench.report.predictions.exporting import SUFFIX, Format, export
from dta_bench.report.predictions.model_card import how_chosen
from dta_bench.report.predictions.predictor import Predictor
from dta_bench.run import network_file
from dta_bench.run.network_card import card_of
from dta_bench.run.network_file import LoadedNetwork
from dta_bench.run.placement import Placement
from dta_bench.run.resolve import resolve_on
from dta_bench.run.train import Run
from dta_bench.run.workspace import Workspace
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import RunSpec


def images_of(loaded: LoadedNetwork, folder: Path, count: int = 3) -> list[np.ndarray]:
    predictor = Predictor(loaded)
    return [predictor.read(path)[0] for path in draw_images(folder, count)]


@pytest.mark.parametrize("kind", [
    pytest.param("onnx", marks=pytest.mark.slow),  # torch's exporter takes seconds for each network
    "torchscript", "safetensors",
])  # fmt: skip
@pytest.mark.parametrize("spec", [spec_of("source_only"), SEGMENTATION], ids=["images", "maps"])
def test_what_is_read_back_agrees(kind: Format, spec: RunSpec, tmp_path: Path) -> None:
    loaded = untrained(spec)
    path = tmp_path / f"net{SUFFIX[kind]}"
    written = export(loaded, kind, path, images_of(loaded, tmp_path / "images"))
    assert path.exists()
    assert written.images == 3
    assert written.largest_difference < 1e-3


def test_an_onnx_file_takes_batches_of_any_size(tmp_path: Path) -> None:
    import onnxruntime

    loaded = untrained(spec_of("source_only"))
    images = images_of(loaded, tmp_path / "images", 5)
    export(loaded, "onnx", tmp_path / "net.onnx", images[:2])
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    batch = torch.cat(list(Predictor(loaded).network_input(images)))
    (found,) = session.run(None, {"images": batch.numpy()})
    with torch.no_grad():
        assert found == pytest.approx(loaded.predicts(batch).numpy(), rel=1e-4, abs=1e-4)


def test_a_methods_own_classifier_is_exported(
    tmp_path: Path, digits_benchmark: Benchmark, small_splits: Splits
) -> None:
    run = Run(resolve_on(spec_of("mcd"), digits_benchmark, small_splits), Placement(torch.device("cpu")))
    spread(run.learner)
    card = card_of(run.spec, 1, run.learner.normalisation, 40, "method")
    loaded = LoadedNetwork(card, run.learner.eval(), run.learner.predictor)
    export(loaded, "torchscript", tmp_path / "net.pt", images_of(loaded, tmp_path / "images"))
    with pytest.raises(UserError, match="modules of its own, which timm does not have"):
        export(loaded, "timm", tmp_path / "net.safetensors", images_of(loaded, tmp_path / "images"))


@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224", "convnext_atto"])
def test_timm_reads_its_own_names_back(name: str, tmp_path: Path) -> None:
    spec = RunSpec.from_dict(spec_of("source_only").to_dict() | {"backbone": f"timm/{name}"})
    spec = RunSpec.from_dict(spec.to_dict() | {"training": spec.training.model_dump() | {"image_size": (64, 64)}})
    loaded = untrained(spec)
    images = images_of(loaded, tmp_path / "images")
    export(loaded, "timm", tmp_path / "net.safetensors", images)
    size: dict[str, Any] = {"img_size": 64} if name.startswith("vit") else {}
    model = timm.create_model(name, num_classes=10, **size).eval()
    model.load_state_dict(load_file(tmp_path / "net.safetensors"))
    batch = torch.cat(list(Predictor(loaded).network_input(images)))
    with torch.no_grad():
        assert torch.allclose(model(batch), loaded.predicts(batch), rtol=1e-4, atol=1e-4)


def test_a_network_that_is_not_timms_is_refused(tmp_path: Path) -> None:
    loaded = untrained(spec_of("source_only"))
    with pytest.raises(UserError, match="no whole model of timm"):
        export(loaded, "timm", tmp_path / "net.safetensors", images_of(loaded, tmp_path / "images"))


def test_a_file_that_does_not_agree_is_named_as_unfit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = untrained(spec_of("source_only"))
    monkeypatch.setattr(exporting, "_write", lambda *_: lambda images: np.zeros((len(images), 10), np.float32))
    with pytest.raises(UserError, match="differ from the network's by up to"):
        export(loaded, "onnx", tmp_path / "net.onnx", images_of(loaded, tmp_path / "images"))


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_text("mine")
    loaded = untrained(spec_of("source_only"))
    with pytest.raises(UserError, match="is there already"):
        export(loaded, "onnx", tmp_path / "net.onnx", images_of(loaded, tmp_path / "images"))


def test_an_mlflow_model_holds_no_pickle_and_predicts_from_the_column_path(tmp_path: Path) -> None:
    loaded = untrained(spec_of("source_only"))
    paths = draw_images(tmp_path / "images", 4)
    (tmp_path / "images/x.png").write_bytes(b"no image")
    export(loaded, "mlflow", tmp_path / "model", images_of(loaded, tmp_path / "images"))
    files = [path.name for path in (tmp_path / "model").rglob("*") if path.is_file()]
    assert network_file.NAME in files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".pt", ".pth"))]
    asked = pd.DataFrame({"path": [*map(str, reversed(paths)), str(tmp_path / "images/x.png")]})
    found = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(asked)
    assert found["path"].tolist() == asked["path"].tolist()
    assert found["class"].isna().tolist() == [False] * 4 + [True]
    predictor = Predictor(loaded)
    expected = predictor.probabilities([predictor.read(path)[0] for path in reversed(paths)])
    assert found["probability"].to_numpy()[:4] == pytest.approx(expected.max(1), abs=1e-5)


def test_a_network_is_loaded_in_python_from_a_file(tmp_path: Path) -> None:
    path = saved(untrained(spec_of("source_only")), tmp_path / "network.safetensors")
    draw_images(tmp_path / "images", 3)
    (tmp_path / "images/x.png").write_bytes(b"no image")
    with pytest.warns(UserWarning, match="1 of 4 images"):
        found = dta_bench.load(path).predict(tmp_path / "images", probabilities=True)
    assert list(found.columns)[:4] == ["path", "class", "probability", "p_zero"]
    assert found["path"].tolist() == ["00000.png", "00001.png", "00002.png"]
    assert list(found.attrs["unreadable"]) == ["x.png"]


def test_a_card_stands_beside_the_export(out: Path) -> None:
    path = saved(untrained(spec_of("source_only")), out / "network.safetensors")
    draw_images(out / "images", 3)
    workspace = Workspace(str(out / "data"), str(out), "sqlite:///none.db")
    written = export_run(str(path), "torchscript", None, [str(out / "images")], workspace)
    card = Path(written.card).read_text()
    for said in (
        "source_only on conv3_tiny, fonts_digits",
        "zero, one, two",
        "28 x 28",
        "not to be used for",
        "licence",
    ):
        assert said in card
    with pytest.raises(UserError, match="it takes onnx"):
        export_run(str(path), "tflite", None, [], workspace)


def test_a_card_says_which_rules_chose_the_run() -> None:
    runs = Runs()
    runs.add(spec_of("dta"), 0.5)
    run = dataclasses.replace(runs.tracked[0], tags=runs.tracked[0].tags | {"chosen_by_labels": "yes"})
    assert how_chosen(run) == "chosen by rule labels, in the last report by it"
    assert how_chosen(runs.tracked[0]) == "no report has chosen it"
    assert "file" in how_chosen(None)
