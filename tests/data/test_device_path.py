"""Images that go to the device as bytes become the same network input there as on the host."""

import dataclasses

import numpy as np
import pytest
import torch

from dta_bench.data.batches import MOST_READERS_OF_MEMORY, Batches, evaluation_batches
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.data.device_path.byte_maker import ByteMaker
from dta_bench.data.device_path.choice import data_path
from dta_bench.data.device_path.copied_ahead import copied_ahead
from dta_bench.data.device_path.device_part import DevicePart
from dta_bench.data.device_path.division import divide
from dta_bench.data.device_path.moves import Flip, Shift
from dta_bench.data.input_maker import InputMaker
from dta_bench.data.prefetch import PartBuffer
from dta_bench.domains.images import LabelledImages, UnlabelledImages
from dta_bench.nn.network import IMAGENET, Normalisation
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.training import Training

CPU = torch.device("cpu")
BOUND = 1e-5
DRAWN = Benchmark("drawn", "classification", tuple("abc"), "s", "t", (12, 10), "accuracy", 1, "ours")
HALVES = Normalisation((0.5,) * 3, (0.25,) * 3)


def benchmark(*names: str, standardisation: str = "imagenet", **fields: object) -> Benchmark:
    return dataclasses.replace(DRAWN, augmentation=names, standardisation=standardisation, **fields)  # type: ignore[arg-type]


def noisy(count: int, channels: int = 3, size: tuple[int, int] = (12, 10)) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, *size, channels), dtype=np.uint8))


def batches(of: Benchmark, device: torch.device | None, **options: object) -> Batches:
    images, maps = noisy(11), np.random.default_rng(1).integers(0, 3, (11, 12, 10), dtype=np.uint8)
    labels = list(maps) if of.task == "segmentation" else np.arange(11) % 3
    ids = [str(i) for i in range(11)]
    source = LabelledImages(images, labels, ids)
    given = {"channels": 3} | options
    return Batches(source, UnlabelledImages(images, ids), of, 4, 0, device=device, **given)  # type: ignore[arg-type]


def assert_same(of: Benchmark, **options: object) -> None:
    pairs = zip(batches(of, None, **options).epoch(3), batches(of, CPU, **options).epoch(3), strict=True)
    for (source, target), (ours, our_target) in pairs:
        torch.testing.assert_close(ours.images, source.images, rtol=0, atol=BOUND)
        torch.testing.assert_close(our_target.images, target.images, rtol=0, atol=BOUND)
        assert torch.equal(ours.labels, source.labels)
        assert torch.equal(our_target.index, target.index)
        assert (our_target.again is None) == (target.again is None)
        if target.again is not None:
            torch.testing.assert_close(our_target.again, target.again, rtol=0, atol=BOUND)


MOVES = [(), ("hflip",), ("translate2",), ("translate2", "hflip", "noise0.1"), ("hflip", "translate3", "translate1")]


@pytest.mark.parametrize("standardisation", ["imagenet", "per_sample"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("names", MOVES)
def test_moves_and_noise_on_the_device_give_the_hosts_batches(
    names: tuple[str, ...], channels: int, standardisation: str
) -> None:
    assert_same(benchmark(*names, standardisation=standardisation), channels=channels)


@pytest.mark.parametrize(
    "names",
    [
        ("source:random_resized_crop", "target:resize", "hflip"),
        ("resize14", "random_crop", "hflip"),
        ("resize", "photometric", "hflip", "noise2"),
        ("randaugment2", "strong", "translate2"),
    ],
)
def test_what_the_host_does_first_gives_the_same_draws_afterwards(names: tuple[str, ...]) -> None:
    assert_same(benchmark(*names), normalisation=HALVES)


@pytest.mark.parametrize("second_view", ["again", "strong"])
def test_a_second_view_is_the_hosts(second_view: str) -> None:
    assert_same(benchmark("translate2", "hflip"), second_view=second_view)


@pytest.mark.parametrize("names", [("hflip", "translate2"), ("resize", "hflip"), ()])
def test_label_maps_move_with_their_images(names: tuple[str, ...]) -> None:
    assert_same(benchmark(*names, task="segmentation"))


def test_a_crop_of_scenes_is_the_hosts() -> None:
    assert_same(benchmark("resize", "hflip", task="segmentation", crop=(8, 8)))


@pytest.mark.parametrize("name", ["digits", "visda", "gta5_cityscapes", "cifar_stl", "streets_mini"])
def test_shipped_benchmarks_go_the_devices_way(name: str) -> None:
    of = benchmark_of(name)
    assert not any(divide(of, domain).obstacle for domain in ("source", "target"))


@pytest.mark.parametrize("standardisation", ["imagenet", "per_sample"])
@pytest.mark.parametrize("channels", [1, 3])
def test_counted_noise_on_the_device_is_the_hosts(channels: int, standardisation: str) -> None:
    own = benchmark("translate2", "hflip", "source:noise0.1", "target:noise2", standardisation=standardisation)
    assert_same(own, channels=channels, second_view="again", noise="counted")


def test_counted_noise_is_other_noise_on_the_same_views() -> None:
    own, still = benchmark("resize", "hflip", "noise2"), benchmark("resize", "hflip")
    drawn, counted, quiet = (
        next(batches(of, None, noise=kind, second_view="again").epoch(2))[1]
        for of, kind in ((own, "drawn"), (own, "counted"), (still, "counted"))
    )
    for found in (drawn, counted):
        assert not torch.equal(found.images - quiet.images, found.again - quiet.again)  # type: ignore[operator]
        torch.testing.assert_close(
            (found.images - quiet.images).std() * 255 * 0.225, torch.tensor(2.0), rtol=0.1, atol=0
        )
    assert not torch.equal(drawn.images, counted.images)


@pytest.mark.parametrize("device", [None, CPU])
def test_an_epoch_that_goes_on_at_a_step_has_the_counted_noise_that_it_would_have_had(
    device: torch.device | None,
) -> None:
    own = benchmark("translate2", "noise0.1")
    whole, rest = (list(batches(own, device, noise="counted").epoch(3, start)) for start in (0, 1))
    for (source, target), (ours, our_target) in zip(whole[1:], rest, strict=True):
        assert torch.equal(source.images, ours.images)
        assert torch.equal(target.images, our_target.images)


def test_processes_that_read_ahead_make_the_same_counted_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dta_bench.data.batches.is_lazy", lambda _: True)
    own = benchmark("noise0.1")
    epochs = (batches(own, None, noise="counted", workers=workers).epoch(1) for workers in (0, 2))
    for (source, target), (ours, our_target) in zip(*epochs, strict=True):
        assert torch.equal(source.images, ours.images)
        assert torch.equal(target.images, our_target.images)


def test_counted_noise_travels_as_five_numbers_a_view() -> None:
    buffer, maker = PartBuffer(), ByteMaker(benchmark("noise0.1"), "source", 3, noise="counted")
    maker.write_view(noisy(1)[0], (0, 1, 0, 0, 0), None, 0, 1, buffer, "source")
    assert {name: (array.dtype.name, array.shape) for name, array in buffer.arrays.items()} == {
        "source": ("uint8", (1, 12, 10, 3)), "source streams": ("int64", (1, 5)),
    }  # fmt: skip


def test_the_device_takes_the_moves_at_the_end_and_the_noise() -> None:
    found = divide(benchmark("noise0.1", "resize", "hflip", "strong", "translate2", "hflip"), "source")
    assert found.host == ("resize", "hflip", "strong")
    assert found.moves == (Shift(2, (12, 10)), Flip())
    assert found.noise == 0.1


def test_an_image_that_is_standardised_before_the_host_changes_it_cannot_travel_as_bytes() -> None:
    own = benchmark("translate2", standardisation="per_sample")
    assert divide(own, "target").obstacle == ""
    assert divide(own, "target", "strong").obstacle == (
        "each image is standardised by its own mean and deviation before translate2, which the host does"
    )


def test_a_view_travels_as_bytes_and_few_numbers() -> None:
    buffer, maker = PartBuffer(), ByteMaker(benchmark("resize", "translate2", "hflip"), "source", 3)
    maker.write_view(noisy(1)[0], (0, 1), None, 0, 1, buffer, "source")
    assert {name: (array.dtype.name, array.shape) for name, array in buffer.arrays.items()} == {
        "source": ("uint8", (1, 12, 10, 3)), "source moves": ("int64", (1, 3)),
    }  # fmt: skip


def test_an_even_image_becomes_zeros_on_the_device_too() -> None:
    even = torch.full((2, 4, 4, 3), 7, dtype=torch.uint8)
    assert (DevicePart((), 0, None, 3, CPU).images({"x": even}, "x") == 0).all()


def test_every_shift_and_mirror_of_an_image_is_the_hosts() -> None:
    """Not only those that a few batches draw."""
    image, own = noisy(1)[0], benchmark("translate2", "hflip")
    host, bytes_of = InputMaker(own, "source", 3), ByteMaker(own, "source", 3)
    part, seen, many = DevicePart(bytes_of.division.moves, 0, IMAGENET, 3, CPU), set(), 300
    expected, buffer = PartBuffer(), PartBuffer()
    for row in range(many):
        host.write_view(image, (row,), None, row, many, expected, "x")
        bytes_of.write_view(image, (row,), None, row, many, buffer, "x")
        seen.add(tuple(buffer.arrays["x moves"][row]))
    found = part.images({name: torch.from_numpy(array) for name, array in buffer.arrays.items()}, "x")
    torch.testing.assert_close(found, torch.from_numpy(expected.arrays["x"]), rtol=0, atol=BOUND)
    assert len(seen) == 2 * 25


def test_batches_that_are_copied_ahead_come_whole_and_in_order() -> None:
    given = [{"a": torch.full((2,), number), "b": torch.full((1,), -number)} for number in range(4)]
    found = list(copied_ahead(given, CPU))
    assert [{k: v.tolist() for k, v in b.items()} for b in found] == [
        {k: v.tolist() for k, v in b.items()} for b in given
    ]


@pytest.mark.parametrize("standardisation", ["imagenet", "per_sample"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("names", [(), ("resize16", "random_crop", "hflip", "noise1")])
def test_images_that_are_measured_travel_as_bytes_too(
    names: tuple[str, ...], channels: int, standardisation: str
) -> None:
    own, images = benchmark(*names, standardisation=standardisation), noisy(7, size=(20, 18))
    host, there = (list(evaluation_batches(images, own, channels, 3, HALVES, device=one)) for one in (None, CPU))
    assert [len(batch) for batch in there] == [3, 3, 1]
    for found, expected in zip(there, host, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=BOUND)


def test_images_in_memory_have_few_readers_for_a_gpu_and_none_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dta_bench.data.batches.Receiver", lambda *_: None)  # there may be no GPU here
    assert batches(benchmark(), CPU, workers=16).workers == 0
    assert batches(benchmark(), torch.device("cuda"), workers=16).workers == MOST_READERS_OF_MEMORY
    assert batches(benchmark(), torch.device("cuda"), workers=2).workers == 2


def training(**fields: object) -> Training:
    return Training(epochs=1, optimizer="sgd", learning_rate=0.1, batch_size=4, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "device", "on_device"),
    [({}, "cpu", False), ({}, "cuda", True), ({"data_on_device": True}, "cpu", True),
     ({"data_on_device": False}, "cuda", False), ({"tune": "head"}, "cuda", False)],
)  # fmt: skip
def test_images_travel_as_bytes_to_a_gpu_unless_the_training_says_otherwise(
    fields: dict[str, object], device: str, on_device: bool
) -> None:
    found = data_path(benchmark("hflip"), None, training(**fields), torch.device(device))
    assert found.on_device == on_device
    assert (
        found.said
        == {
            True: "images travel as bytes, and are standardised and moved on the device",
            False: "images are made on the host" if "data_on_device" in fields else "",
        }[on_device]
    )


def test_counted_noise_is_said() -> None:
    found = data_path(benchmark("noise0.1"), None, training(noise="counted"), torch.device("cuda"))
    assert found.said == (
        "images travel as bytes, and are standardised and moved on the device, where their noise is counted"
    )


def test_a_run_whose_strong_view_needs_the_host_goes_the_hosts_way_and_says_so() -> None:
    own = benchmark("translate2", standardisation="per_sample")
    assert data_path(own, "again", training(), torch.device("cuda")).on_device
    found = data_path(own, "strong", training(), torch.device("cuda"))
    assert not found.on_device
    assert found.said.startswith("images are made on the host, since each image is standardised by its own mean")
