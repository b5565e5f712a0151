"""Decoded once: what is kept is what would be decoded, for all processes, within a bound, and never of other data."""

import dataclasses
import multiprocessing
import os
import signal
import time
from pathlib import Path

import fake_datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dta_bench.benchmarks import gta5_cityscapes, visda
from dta_bench.data import cache_folder, image_cache
from dta_bench.data.augment import Shrink
from dta_bench.data.image_cache import CachedImages, Store
from dta_bench.data.splits import split
from dta_bench.domains.images import LabelledImages
from dta_bench.errors import UserError
from dta_bench.spec.run_spec import LabelSubset


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DTA_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DTA_BENCH_CACHE_GB", raising=False)
    return tmp_path / "cache"


def store(name: str = "data") -> Store:
    found = image_cache.open_store(name)
    assert found is not None
    return found


class Counted(list[np.ndarray]):
    """Images that count how often they are read."""

    reads = 0

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        self.reads += 1
        return super().__getitem__(index)


def noise(count: int, shape: tuple[int, ...] = (40, 50, 3)) -> Counted:
    return Counted(np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8))


IDS = [f"{i}.jpg" for i in range(8)]
WHOLE = Shrink((16, 16), exact=True)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(2, 64), st.booleans())
def test_to_shrink_twice_is_to_shrink_once(height: int, width: int, side: int, exact: bool) -> None:
    shrink = Shrink((side, side), exact)
    once = shrink.stored_size((height, width, 3))
    assert shrink.stored_size((*once, 3)) == once
    assert once == (side, side) if exact else min(once) <= max(min(height, width, -(-8 * side // 7)), 1)


def test_an_image_is_read_once_and_is_the_same_ever_after() -> None:
    images = noise(3)
    for _ in range(3):
        kept = CachedImages(images, IDS[:3], WHOLE, store(), "whole")
        assert all((kept[i] == WHOLE(np.array(list(images)[i]))).all() for i in range(3))
    assert images.reads == 3


@given(
    st.tuples(st.integers(1, 20), st.integers(1, 20)) | st.tuples(*[st.integers(1, 20)] * 2, st.sampled_from([1, 3]))
)
def test_any_array_comes_back_as_it_was_put(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(shape).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(image_cache._unpack(image_cache._pack(array)), array)


def test_other_data_and_another_rule_find_nothing() -> None:
    store("old").put("x", noise(1)[0])
    assert store("old").get("x") is not None
    assert store("new").get("x") is None
    images = noise(1)
    one, other = (CachedImages(images, IDS[:1], Shrink((s, s), True), store(), str(s)) for s in (8, 9))
    assert (one[0].shape, other[0].shape) == ((8, 8, 3), (9, 9, 3))


def test_another_boot_of_the_machine_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store().put("x", noise(1)[0])
    monkeypatch.setattr(cache_folder, "_boot", lambda: "after a crash")
    assert store().get("x") is None


def test_it_stays_within_its_bound_and_what_does_not_fit_is_decoded_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DTA_BENCH_CACHE_GB", str(2 / 1024))
    images = noise(40, (256, 256, 3))  # 7.5 MiB of them
    kept = CachedImages(images, [str(i) for i in range(40)], image_cache._unchanged, store(), "")
    for _ in range(2):
        assert all((kept[i] == list(images)[i]).all() for i in range(40))
    assert cache_folder.used_bytes(folder / f"dta-bench-images-{os.geteuid()}") <= 2 * 2**20
    assert 40 < images.reads < 80


def test_the_store_unused_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DTA_BENCH_CACHE_GB", str(2 / 1024))
    for age, name in enumerate(("older", "newer")):
        used = store(name)
        for i in range(4):
            used.put(str(i), noise(1, (256, 256, 3))[0])
        os.utime(used.folder / "used", (1000 + age, 1000 + age))
    store("third")
    assert store("newer").get("0") is not None
    assert store("older").get("0") is None


@pytest.mark.parametrize("given_", ["off", "OFF"])
def test_it_can_be_turned_off(given_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DTA_BENCH_CACHE", given_)
    assert image_cache.open_store("data") is None


def test_a_bound_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DTA_BENCH_CACHE_GB", "much")
    with pytest.raises(UserError, match="DTA_BENCH_CACHE_GB is 'much'; allowed: a number of gibibytes"):
        store()


def test_a_folder_that_cannot_be_used_costs_a_warning_and_no_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DTA_BENCH_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="images are not kept"):
        assert image_cache.open_store("data") is None


FORK = multiprocessing.get_context("fork")


def write_and_read(turns: int) -> None:
    shared = store()
    for turn in range(turns):
        for i in range(200):
            array = np.full((32, 32, 3), i, dtype=np.uint8)
            found = shared.get(str(i))
            assert found is None or (found == array).all()
            shared.put(str(i), array)
        (shared.folder / f"turned{turn % 2}").touch()


def test_processes_write_at_once_and_one_that_is_killed_harms_nothing(folder: Path) -> None:
    writers = [FORK.Process(target=write_and_read, args=(20,)) for _ in range(3)]
    doomed = FORK.Process(target=write_and_read, args=(10**9,))
    for process in (doomed, *writers):
        process.start()
    while not list(folder.glob("*/*/turned1")):
        time.sleep(0.01)
    doomed.kill()
    for process in (doomed, *writers):
        process.join(120)
    assert [w.exitcode for w in writers] == [0, 0, 0]
    assert doomed.exitcode == -signal.SIGKILL
    assert all((store().get(str(i)) == i).all() for i in range(200))


def test_a_forked_process_reads_what_its_parent_wrote_and_the_parent_what_it_wrote() -> None:
    shared = store()
    shared.put("parent", noise(1)[0])

    def child() -> None:
        assert shared.get("parent") is not None
        shared.put("child", noise(1)[0])

    process = FORK.Process(target=child)
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert shared.get("child") is not None


def test_a_runs_lazy_sets_are_kept_as_their_domain_needs_them(tmp_path: Path) -> None:
    fake_datasets.visda(tmp_path, visda.BENCHMARK.classes, per_class=5, size=(60, 90))
    benchmark = dataclasses.replace(visda.BENCHMARK, image_size=(28, 28))
    splits = image_cache.with_cache(split(visda.load(tmp_path), LabelSubset(size=10)), benchmark)
    assert splits.source_train.images[0].shape == (32, 48, 3)  # the shorter side is 8/7 of 28
    assert splits.source_validation.images[0].shape == (32, 48, 3)
    assert splits.target_train.images[0].shape == splits.target_test.images[0].shape == (28, 28, 3)
    assert splits.target_train.ids == visda.load(tmp_path).target_train.ids


def test_training_label_maps_are_kept_beside_their_images_and_measured_ones_are_whole(tmp_path: Path) -> None:
    ids = (np.arange(48, dtype=np.uint8) % 34).reshape(6, 8)
    fake_datasets.gta5(tmp_path, ids, count=4)
    fake_datasets.cityscapes(tmp_path, ids)
    benchmark = dataclasses.replace(gta5_cityscapes.BENCHMARK, image_size=(3, 4))
    whole = split(gta5_cityscapes.load(tmp_path), LabelSubset(size=1))
    splits = image_cache.with_cache(whole, benchmark)
    assert splits.source_train.images[0].shape == (3, 4, 3)
    assert set(splits.source_train.labels[0].ravel()) <= set(whole.source_train.labels[0].ravel())
    assert splits.source_train.labels[0].shape == (3, 4)
    assert splits.target_test.labels[0].shape == (6, 8)


def test_images_in_memory_stay_as_they_are(small_splits) -> None:  # type: ignore[no-untyped-def]
    from dta_bench.data.benchmark_plugin import benchmark_of

    kept = image_cache.with_cache(small_splits, benchmark_of("fonts_digits"))
    assert kept.source_train is small_splits.source_train
    maps = [np.zeros((6, 8), dtype=np.uint8)] * 2
    scenes = LabelledImages([np.zeros((6, 8, 3), dtype=np.uint8)] * 2, maps, ["a", "b"])
    whole = dataclasses.replace(small_splits, source_train=scenes)
    assert image_cache.with_cache(whole, gta5_cityscapes.BENCHMARK).source_train.labels is maps


def fill_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open stores until older ones have to make room."""
    monkeypatch.setenv("DTA_BENCH_CACHE_GB", str(2 / 1024))
    for name in "abcd":
        used = store(name)
        for i in range(8):
            used.put(str(i), noise(1, (256, 256, 3))[0])
    store("last")


def test_a_folder_that_holds_other_things_is_used_without_touching_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {".ssh/id": "key", "lsun/data.mdb": "x" * 3 * 2**20, "images-0123456789abcdef/data.mdb": "y" * 3 * 2**20}
    for name, text in theirs.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    fill_beyond_the_limit(monkeypatch)
    assert {name: (folder / name).read_text() for name in theirs} == theirs
    assert store("last").get("0") is None
    store("last").put("0", noise(1)[0])
    assert store("last").get("0") is not None  # and other people's files do not count as ours


def test_what_lies_beside_the_stores_and_inside_them_is_not_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DTA_BENCH_CACHE_GB", str(2 / 1024))
    old = store("old")
    for i in range(8):
        old.put(str(i), noise(1, (256, 256, 3))[0])
    mine = [old.folder / "mine.txt", old.folder.parent / "images-00000000000000ff" / "data.mdb"]
    for file in mine:
        file.parent.mkdir(exist_ok=True)
        file.write_text("mine")
    store("new")
    assert not (old.folder / "data.mdb").exists()
    assert [file.read_text() for file in mine] == ["mine", "mine"]


def test_a_planted_link_in_place_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder.mkdir()
    (folder / f"dta-bench-images-{os.geteuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match="is a link, and another user may have planted it"):
        assert image_cache.open_store("data") is None
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_folder_of_stores_is_its_owners_alone(folder: Path) -> None:
    own = folder / f"dta-bench-images-{os.geteuid()}"
    own.mkdir(parents=True, mode=0o777)
    own.chmod(0o777)
    assert store().folder.stat().st_mode & 0o777 == 0o700
    assert own.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another user, which only root can")
def test_another_users_folder_is_refused(folder: Path) -> None:
    own = folder / f"dta-bench-images-{os.geteuid()}"
    own.mkdir(parents=True)
    os.chown(own, 65534, 65534)
    with pytest.warns(UserWarning, match="is another user's"):
        assert image_cache.open_store("data") is None
    assert list(own.iterdir()) == []
