"""Which part of an augmentation stays on the host, and which the device takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dta_bench.data import augment
from dta_bench.data.device_path.moves import Flip, Move, Shape, Shift
from dta_bench.data.input_maker import SecondView, names_of_view
from dta_bench.spec.benchmark import Benchmark


@dataclass(frozen=True)
class Division:
    """An augmentation in two parts, one after the other.

    Attributes:
        host: names of the host's part.
        moves: of the device's part.
        noise: deviation of the noise, which comes last.
        obstacle: why the device can have no part; empty where it can.
    """

    host: tuple[str, ...]
    moves: tuple[Move, ...]
    noise: float
    obstacle: str = ""


def divide(benchmark: Benchmark, domain: str, second_view: SecondView | None = None) -> Division:
    """Divide the augmentation of a domain: the device takes the moves by whole pixels at its end, and the noise.

    Args:
        benchmark: at the image size, crop and augmentation of the run.
        domain: ``source`` or ``target``.
        second_view: ``strong`` adds the benchmark's strong view.
    """
    names = augment.names_for(names_of_view(benchmark, domain, second_view), domain)
    noises = [name for name in names if re.fullmatch(augment.NOISE, name)]
    host, moves = [name for name in names if name not in noises], list[Move]()
    while host and (move := _move(host[-1], benchmark.image_size)) is not None:
        moves.insert(0, move)
        host.pop()
    noise = sum(float(name.removeprefix("noise")) for name in noises)
    return Division(tuple(host), tuple(moves), noise, _obstacle(benchmark, domain, host))


def _move(name: str, size: Shape) -> Move | None:
    if name == "hflip":
        return Flip()
    return Shift(int(name.removeprefix("translate")), size) if re.fullmatch(r"translate\d+", name) else None


def _obstacle(benchmark: Benchmark, domain: str, host: Sequence[str]) -> str:
    """Why what the host's part gives cannot travel as bytes of one shape."""
    if host and benchmark.standardisation == "per_sample":
        return f"each image is standardised by its own mean and deviation before {host[0]}, which the host does"
    is_resized = augment.keeps_sizes(benchmark.augmentation, domain, benchmark.image_size)
    if not is_resized and not any(_gives_one_size(name) for name in host):
        return "nothing gives the images one size before they are moved"
    return ""


def _gives_one_size(name: str) -> bool:
    fixed = ("resize", "random_resized_crop", *augment.CUTS)
    return name in fixed or re.fullmatch(r"(resize|crop|translate)\d+(x\d+)?", name) is not None
