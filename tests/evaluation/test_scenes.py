"""Pictures of label maps: Cityscapes' colours, the same scenes for every run, the worst image of each class."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_scenes import SCENES, scenes
from PIL import Image
from small_runs import spec_of
from torch import nn

from dta_bench.benchmarks import gta5_cityscapes
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.evaluation import metrics
from dta_bench.evaluation import scenes as drawn
from dta_bench.evaluation.evaluator import Evaluator
from dta_bench.nn.network import Network
from dta_bench.report.features.draw import draw_figures
from dta_bench.run.workspace import Workspace
from dta_bench.spec.run_spec import RunResult, RunSpec


@pytest.fixture
def evaluator() -> Evaluator:
    torch.manual_seed(0)
    return Evaluator(Network(nn.Identity(), nn.Identity(), nn.Conv2d(3, 4, 1)), SCENES, 3, 2, torch.device("cpu"))


@pytest.fixture
def collected(evaluator: Evaluator) -> drawn.Scenes:
    test = scenes(7, 3)
    return drawn.collect_scenes(evaluator, test, evaluator.evaluate(test).arrays["confusions"])


def test_every_class_of_cityscapes_has_its_published_colour() -> None:
    classes = gta5_cityscapes.BENCHMARK.classes
    colours = drawn.palette(classes)
    assert len(drawn.CITYSCAPES) == len(classes) == 19
    assert colours[0].tolist() == [128, 64, 128]
    assert colours[classes.index("bicycle")].tolist() == [119, 11, 32]
    assert colours[255].tolist() == [0, 0, 0]
    assert len(np.unique(colours[:19], axis=0)) == 19


def test_the_worst_image_of_a_class_is_where_its_iou_is_lowest_and_absent_classes_have_none() -> None:
    confusions = np.zeros((3, 3, 3), dtype=np.int32)
    confusions[0, 0] = [8, 2, 0]
    confusions[1, 0] = [5, 5, 0]
    confusions[2, 1] = [1, 9, 0]
    assert drawn.worst_images(confusions) == {0: 1, 1: 2}
    np.testing.assert_allclose(drawn.ious_of(confusions)[:, 0], [80, 50, np.nan])


def test_scenes_are_spread_over_the_set_and_worst_ones_follow(collected: drawn.Scenes) -> None:
    assert [collected.ids[row] for row in collected.shown] == ["3-0", "3-2", "3-4", "3-6"]
    assert collected.worst_of[4:] == ["ground", "sky", "thing"]
    assert all(0 <= value <= 100 for value in collected.ious[4:])
    assert collected.images.shape == (7, 64, 64, 3)
    assert collected.truths.shape == collected.predictions.shape == (7, 64, 64)


def test_what_is_kept_is_read_back(collected: drawn.Scenes) -> None:
    with drawn.temporary_files(collected, SCENES) as paths:
        assert [path.name for path in paths] == ["scenes.npz", "scenes.png", "worst.png"]
        with np.load(paths[0]) as stored:
            again = drawn.from_arrays(dict(stored))
        assert all(min(Image.open(path).size) > 200 for path in paths[1:])
    assert again.ids == collected.ids
    np.testing.assert_array_equal(again.predictions, collected.predictions)


def test_a_picture_shows_label_maps_in_the_colours_of_its_legend(collected: drawn.Scenes, tmp_path: Path) -> None:
    figure = drawn.draw_columns({"truth": collected.truths[:2]}, SCENES)
    figure.savefig(tmp_path / "drawn.png")
    pixels = np.asarray(Image.open(tmp_path / "drawn.png").convert("RGB")).reshape(-1, 3)
    shown = {tuple(colour) for colour in np.unique(pixels, axis=0).tolist()}
    colours = drawn.palette(SCENES.classes)
    assert {tuple(colours[k].tolist()) for k in (0, 1, 2)} <= shown
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [*SCENES.classes, "ignored"]


def finished(workspace: Workspace, method: str, kept: drawn.Scenes | None) -> RunSpec:
    """A run on drawn streets as a worker leaves it."""
    spec = dataclasses.replace(spec_of(method), benchmark="streets_mini", backbone="unet_mini")
    tracker, benchmark = workspace.tracker(), benchmark_of(spec.benchmark)
    tracker.check()
    tracker.experiment(benchmark)
    log = tracker.open_run(spec, None, "run", set(), {})
    if kept is not None:
        with drawn.temporary_files(kept, benchmark) as paths:
            for path in paths:
                log.add_file(path, drawn.FOLDER)
    confusion = np.eye(len(benchmark.classes), dtype=np.int64)
    scored = metrics.scores(confusion, benchmark.classes, True)
    result = RunResult(spec.id, scored, scored, scored, False, 2, 1.0, 0.5)
    log.finish(result, {"target_validation_ids": np.array(["a"])}, confusion, benchmark.classes)
    return spec


@pytest.fixture
def workspace(out: Path) -> Workspace:
    return Workspace(str(out / "data"), str(out), f"sqlite:///{out / 'mlflow.db'}")


def test_a_runs_figures_are_strips_of_label_maps_beside_source_only(
    workspace: Workspace, collected: drawn.Scenes
) -> None:
    finished(workspace, "source_only", collected)
    found = draw_figures(finished(workspace, "dta", collected).id, None, workspace)
    assert list(found.files) == ["scenes", "worst"]
    page = Path(found.page).read_text()
    assert "Target test: input, truth, source-only, dta (dta seed=0)." in page
    assert page.count('src="data:image/png;base64,') == 2


def test_a_run_without_label_maps_has_no_strips(workspace: Workspace) -> None:
    spec = finished(workspace, "dta", None)
    with pytest.raises(UserError, match=r"\(finished\) kept no label maps"):
        draw_figures(spec.id, None, workspace)
