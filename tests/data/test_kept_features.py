"""Kept features: computed once for each image and view, found again by whoever needs them, never read half-written."""

from __future__ import annotations

import errno
import multiprocessing
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dta_bench.data import cache_folder
from dta_bench.data.batches import Batches
from dta_bench.data.kept_features.batches import EpochDraws, FeatureBatches, ViewsOf
from dta_bench.data.kept_features.compute import Frozen, complete
from dta_bench.data.kept_features.image_keys import digests
from dta_bench.data.kept_features.rows import FeatureRows, as_input
from dta_bench.data.kept_features.store import FeatureStore, open_store
from dta_bench.data.kept_features.view import View
from dta_bench.data.prefetch import PartBuffer
from dta_bench.domains.image_files import ImageFiles
from dta_bench.domains.images import LabelledImages, SelectedItems, UnlabelledImages
from dta_bench.errors import UserError
from dta_bench.nn.network import IMAGENET
from dta_bench.spec.benchmark import Benchmark

CPU = torch.device("cpu")
BENCHMARK = Benchmark(
    name="small", task="classification", classes=("a", "b"), source="s", target="t", image_size=(8, 8),
    headline="accuracy", label_budget=0, label_budget_source="", augmentation=("translate2",),
)  # fmt: skip


class Counting(nn.Module):
    """Gives the means over rows, times a factor; knows how many images it was given."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.seen, self.factor = 0, factor

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return self.factor * images.mean(2).flatten(1)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache_folder.FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "digests"))
    return tmp_path / "cache" / f"dta-bench-features-{os.geteuid()}"


def pictures(count: int = 40) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8))


def view(number: int = 0) -> View:
    return View(BENCHMARK, "source", 3, IMAGENET, number)


def features(
    store: FeatureStore, body: nn.Module, images: Sequence[np.ndarray], of: View | None = None, **how: object
) -> Tensor:
    ids = [str(number) for number in range(len(images))]
    keys = complete(store, Frozen(lambda: body, CPU, **how), of or view(), images, digests(images, ids, "f"), "a set")
    return as_input(FeatureRows(store, keys), range(len(images)))


def test_features_are_those_of_the_network_in_half_precision_with_its_error() -> None:
    images, body, store = pictures(), Counting(), open_store("a network")
    found = features(store, body, images)
    maker = view().maker()
    expected = []
    for image in images:
        buffer = PartBuffer()
        maker.write(maker.plain(image), 0, 1, buffer, "images")
        expected.append(body(torch.from_numpy(buffer.arrays["images"])))
    exact = torch.cat(expected)
    torch.testing.assert_close(found, exact, rtol=1e-3, atol=1e-3)
    error = ((found - exact).norm(dim=1) / exact.norm(dim=1)).max().item()
    assert store.error == pytest.approx(error, rel=1e-3)
    assert 0 < store.error < 1e-3


def test_what_is_kept_is_not_computed_again_whatever_the_order_and_the_set() -> None:
    images, body = pictures(), Counting()
    first = features(open_store("a network"), body, images)
    assert body.seen == len(images)
    order = [7, 3, 30]
    again = features(open_store("a network"), body, SelectedItems(images, order))
    assert body.seen == len(images)
    torch.testing.assert_close(again, first[order], rtol=0, atol=0)


def test_another_network_size_or_view_is_computed_anew() -> None:
    images, body = pictures(), Counting()
    features(open_store("a network"), body, images)
    features(open_store("another network"), body, images)
    features(open_store("a network"), body, images, view(1))
    features(open_store("a network"), body, images, view(2))
    assert body.seen == 4 * len(images)
    assert view(1).describe() != view(2).describe()


def test_only_an_image_that_has_changed_is_computed_anew(tmp_path: Path) -> None:
    for number, image in enumerate(pictures(5)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    files, body = ImageFiles(tmp_path, [f"{number}.png" for number in range(5)]), Counting()
    first = features(open_store("a network"), body, files)
    assert body.seen == 5
    (tmp_path / "3.png").write_bytes((tmp_path / "0.png").read_bytes())
    again = features(open_store("a network"), body, files)
    assert body.seen == 5  # its contents are those of another image that is kept
    torch.testing.assert_close(again[3], first[0], rtol=0, atol=0)
    cv2.imwrite(str(tmp_path / "3.png"), 255 - pictures(5)[3])
    features(open_store("a network"), body, files)
    assert body.seen == 6


def test_stored_views_of_an_image_differ_and_are_the_same_in_every_process() -> None:
    images, body = pictures(6), Counting()
    one, two = (features(open_store("a network"), body, images, view(number)) for number in (1, 2))
    assert not torch.equal(one, two)
    torch.testing.assert_close(features(FeatureStore(None), body, images, view(1)), one, rtol=0, atol=0)


@pytest.mark.parametrize("harm", ["cut", "changed", "empty"])
def test_a_damaged_file_counts_as_not_there(harm: str, folder: Path) -> None:
    images, body = pictures(), Counting()
    first = features(open_store("a network"), body, images)
    path = sorted(folder.rglob("*.features"))[0]
    content = bytearray(path.read_bytes())
    content[-1] ^= 255
    path.write_bytes({"cut": content[: len(content) // 2], "changed": content, "empty": b""}[harm])
    again = features(open_store("a network"), body, images)
    torch.testing.assert_close(again, first, rtol=0, atol=0)
    assert len(images) < body.seen < 2 * len(images)


@pytest.mark.usefixtures("folder")
def test_a_file_that_cannot_be_opened_now_stays_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    images, body = pictures(), Counting()
    first = features(open_store("a network"), body, images)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(np, "memmap", refuse)
        store = open_store("a network")
    again = features(store, body, images)
    torch.testing.assert_close(again, first, rtol=0, atol=0)
    assert body.seen == len(images)


def test_the_folder_is_its_owners_alone(folder: Path) -> None:
    features(open_store("a network"), Counting(), pictures(3))
    (store,) = folder.iterdir()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, store)} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in store.glob("*.features")} == {0}


def test_a_planted_folder_is_refused_and_the_features_are_the_same(folder: Path, tmp_path: Path) -> None:
    expected = features(FeatureStore(None), Counting(), pictures(3))
    folder.parent.mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match="kept in this process alone"):
        store = open_store("a network")
    torch.testing.assert_close(features(store, Counting(), pictures(3)), expected, rtol=0, atol=0)
    assert not (tmp_path / "elsewhere").exists()


def test_above_the_limit_features_stay_in_the_process(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv(cache_folder.LIMIT_VARIABLE, "1e-9")
    images = pictures()
    with pytest.warns(UserWarning, match="the limit of"):
        found = features(open_store("a network"), Counting(), images)
    torch.testing.assert_close(found, features(FeatureStore(None), Counting(), images), rtol=0, atol=0)
    assert not [*folder.rglob("*.features")]


def test_the_store_unused_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    features(open_store("first"), Counting(), pictures())
    os.utime(next(folder.glob("*/used")), (1, 1))
    monkeypatch.setenv(cache_folder.LIMIT_VARIABLE, "5e-5")
    open_store("second")
    assert len(cache_folder.stores(folder)) == 1


def test_numbers_that_half_precision_cannot_hold_are_told() -> None:
    with pytest.raises(UserError, match="kept=float32"):
        features(FeatureStore(None), Counting(1e6), pictures(3))
    assert features(FeatureStore(None), Counting(1e6), pictures(3), kept="float32").isfinite().all()
    with pytest.raises(UserError, match="not finite"):
        features(FeatureStore(None), Counting(float("nan")), pictures(3), kept="float32")


def _fill(count: multiprocessing.sharedctypes.Synchronized[int]) -> None:
    body = Counting()
    features(open_store("a network"), body, pictures(200))
    with count.get_lock():
        count.value += body.seen


def test_processes_that_need_the_same_features_share_the_work() -> None:
    context = multiprocessing.get_context("fork")
    count = context.Value("i", 0)
    processes = [context.Process(target=_fill, args=(count,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert count.value == 200


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 30), st.integers(3, 30), st.integers(2, 5), st.integers(0, 9), st.integers(1, 3), st.booleans())
def test_the_order_of_images_is_that_of_batches_of_images(
    sources: int, targets: int, size: int, seed: int, epoch: int, odds: bool
) -> None:
    images = [np.zeros((8, 8, 3), np.uint8)] * 30
    labels = np.arange(sources)
    likely = np.full(sources, 1 / sources) if odds else None
    names = [str(number) for number in range(30)]
    plain = Batches(
        LabelledImages(images[:sources], labels, names[:sources]), UnlabelledImages(images[:targets], names[:targets]),
        BENCHMARK, size, seed, 3, source_odds=likely,
    )  # fmt: skip
    rows = [list(np.zeros((count, 1), np.float32)) for count in (sources, targets)]
    kept = FeatureBatches(
        ViewsOf(rows[:1]), labels, ViewsOf(rows[1:]), None, steps=plain.steps, batch_size=size, seed=seed,
        source_odds=likely,
    )  # fmt: skip
    for (source, target), (own_source, own_target) in zip(plain.epoch(epoch), kept.epoch(epoch), strict=True):
        assert torch.equal(source.labels, own_source.labels)
        assert torch.equal(target.index, own_target.index)


def test_a_second_view_is_another_view_of_the_same_image() -> None:
    views = ViewsOf([list(np.full((6, 1), number, np.float32)) for number in range(3)])
    batches = FeatureBatches(views, np.zeros(6, np.int64), views, views, steps=3, batch_size=4, seed=0)
    draws = EpochDraws(batches, 1)
    assert (draws.second_views != draws.target_views).all()
    assert {*draws.second_views.tolist()} == {*draws.source_views.tolist()} == {0, 1, 2}
    for _, target in batches.epoch(1):
        assert (target.images != target.again).all()
