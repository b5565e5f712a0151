"""An image that cannot be read stops a run with its path, or is left out and counted if the user asks so."""

import dataclasses
from pathlib import Path

import fake_datasets
import numpy as np
import pytest
from small_runs import spec_of

from dta_bench.benchmarks import gta5_cityscapes, visda
from dta_bench.data import load, manifest, prepare, splits, unreadable
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.errors import UserError
from dta_bench.run import execute
from dta_bench.run.execute import RunLabel
from dta_bench.run.placement import StopRequest
from dta_bench.run.resolve import resolve
from dta_bench.run.workspace import Workspace
from dta_bench.spec.run_spec import LabelSubset, RunSpec

BROKEN = "visda/validation/bus/1.jpg"
SPEC = dataclasses.replace(
    spec_of("source_only", epochs=1), benchmark="visda", backbone="conv3_tiny", label_subset=LabelSubset(size=12)
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A drawn VisDA at 28 px whose one image is cut off."""
    small = dataclasses.replace(visda.BENCHMARK, image_size=(28, 28))
    monkeypatch.setattr(visda, "BENCHMARK", small)
    fake_datasets.visda(tmp_path, visda.BENCHMARK.classes, per_class=6, size=(40, 60))
    path = tmp_path / BROKEN
    path.write_bytes(path.read_bytes()[:-40])
    return tmp_path


def workspace(root: Path, skip: bool) -> Workspace:
    return Workspace(str(root), str(root / "out"), f"sqlite:///{root / 'out.db'}", skip)


def run(root: Path, skip: bool, spec: RunSpec = SPEC) -> execute.RunOutcome:
    where = workspace(root, skip)
    where.tracker().experiment(benchmark_of("visda"))
    return execute.execute(resolve(spec, str(root), skip), where, RunLabel(None, "run"), StopRequest(), lambda *_: None)


def test_a_run_stops_with_the_path_or_leaves_the_image_out(root: Path) -> None:
    stopped = run(root, skip=False)
    assert (stopped.status, f"{root / BROKEN} cannot be read as an image" in stopped.reason) == ("failed", True)
    done = run(root, skip=True)
    assert done.status == "done"
    (tracked,) = workspace(root, True).tracker().runs("visda")
    assert tracked.tags["note_unreadable"] == f"1: {BROKEN}"
    assert tracked.status == "FINISHED"
    from dta_bench.report.build import build_report
    from dta_bench.report.headline_and_warnings import warnings

    report = build_report(workspace(root, True).tracker(), "visda", "labels")
    assert f"Left out because they cannot be read: 1: {BROKEN}." in warnings(report)


def test_without_the_image_the_data_have_another_fingerprint(root: Path) -> None:
    whole, cut = (load.domains("visda", str(root), skip) for skip in (False, True))
    assert whole.fingerprint != cut.fingerprint
    assert set(whole.target_train.ids) - set(cut.target_train.ids) == {BROKEN}
    assert set(whole.target_test.ids) - set(cut.target_test.ids) == {BROKEN}
    assert BROKEN not in splits.split(cut, LabelSubset(size=71)).target_validation.ids


def test_images_that_prepare_found_unreadable_are_not_searched_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = prepare.inspect(visda.BENCHMARK, visda.load(root))
    assert found["unreadable"] == [BROKEN]
    assert manifest.write(found, root)
    monkeypatch.setattr(unreadable, "find", lambda _: pytest.fail("read again"))
    assert load.domains.__wrapped__("visda", str(root), True).unreadable == (BROKEN,)
    (root / "visda/validation/bus/2.jpg").write_bytes(b"other data")
    assert manifest.read("visda", root, visda.load(root).fingerprint) is None


def test_sound_data_are_returned_unchanged(tmp_path: Path) -> None:
    fake_datasets.visda(tmp_path, visda.BENCHMARK.classes, per_class=2)
    domains = visda.load(tmp_path)
    assert unreadable.find(domains) == {}
    assert unreadable.leave_out(domains, []) is domains


def test_an_image_whose_label_map_cannot_be_read_is_left_out_too(tmp_path: Path) -> None:
    ids = np.full((4, 6), 7, dtype=np.uint8)
    fake_datasets.gta5(tmp_path, ids)
    fake_datasets.cityscapes(tmp_path, ids)
    (tmp_path / "gta5/labels/00002.png").write_bytes(b"damaged")
    found = unreadable.find(gta5_cityscapes.load(tmp_path))
    assert list(found) == ["gta5/images/00002.png"]
    assert "gta5/labels/00002.png cannot be read as a label map" in found["gta5/images/00002.png"]


@pytest.mark.parametrize("count", [1, 20, 21, 500])
def test_of_many_ids_the_first_twenty_are_listed(count: int) -> None:
    description = unreadable.describe([f"{i}.jpg" for i in range(count)])
    assert description.startswith(f"{count}: 0.jpg")
    assert ("and" in description) == (count > 20)


def test_reading_the_image_raises_one_sentence(root: Path) -> None:
    domains = visda.load(root)
    with pytest.raises(UserError, match=r"bus/1\.jpg cannot be read as an image"):
        domains.target_train.images[domains.target_train.ids.index(BROKEN)]
