"""A drawn street, seen through a pinhole camera: which class, and which thing, every pixel shows. No colours yet."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLASSES = (
    "road", "sidewalk", "building", "pole", "traffic sign", "vegetation", "terrain", "sky", "person", "car", "bus",
)  # fmt: skip
ROAD, SIDEWALK, BUILDING, POLE, SIGN, VEGETATION, TERRAIN, SKY, PERSON, CAR, BUS = range(len(CLASSES))
IGNORED = 255
SIZE = (256, 512)
FOCAL, CAMERA = 260.0, 1.6  # pixels; metres above the road
KERB, WALL = 5.0, 8.5  # metres from the road's middle
Points = list[tuple[float, float]]


@dataclass
class Scene:
    """Maps of ``SIZE``: the class of each pixel, the number of the thing it belongs to, and how bright its part is.

    ``kinds`` is the class of each thing, ``horizon`` the horizon's row, ``centre`` the vanishing point's column.
    """

    horizon: float
    centre: float
    labels: NDArray[np.uint8] = field(default_factory=lambda: np.full(SIZE, SKY, dtype=np.uint8))
    things: NDArray[np.int16] = field(default_factory=lambda: np.zeros(SIZE, dtype=np.int16))
    parts: NDArray[np.float32] = field(default_factory=lambda: np.ones(SIZE, dtype=np.float32))
    kinds: list[int] = field(default_factory=lambda: [SKY])

    def thing(self, kind: int) -> None:
        """Begin a new thing; what is filled next belongs to it."""
        self.kinds.append(kind)

    def fill(self, points: Points, part: float = 1.0) -> None:
        """A polygon of (column, row) corners."""
        import cv2

        corners = np.array(points).round().astype(np.int32)
        for canvas, value in self._canvases(part):
            cv2.fillPoly(canvas, [corners], (value,))

    def disc(self, column: float, row: float, radius: float, part: float = 1.0) -> None:
        """A filled circle, at least one pixel wide."""
        import cv2

        for canvas, value in self._canvases(part):
            cv2.circle(canvas, (round(column), round(row)), max(1, round(radius)), (value,), -1)

    def at(self, x: float, height: float, depth: float) -> tuple[float, float]:
        """Where a point ``x`` metres right of the middle, ``height`` above the road and ``depth`` ahead is seen."""
        return self.centre + FOCAL * x / depth, self.horizon + FOCAL * (CAMERA - height) / depth

    def upright(self, x: float, depth: float, width: float, bottom: float, top: float, part: float = 1.0) -> None:
        """A rectangle that faces the camera, in metres; at least two pixels wide."""
        (left, low), (right, high) = self.at(x - width / 2, bottom, depth), self.at(x + width / 2, top, depth)
        if right - left < 2:
            left, right = (left + right) / 2 - 1, (left + right) / 2 + 1
        self.fill([(left, low), (right, low), (right, high), (left, high)], part)

    def _canvases(self, part: float) -> list[tuple[Any, float]]:
        return [(self.labels, self.kinds[-1]), (self.things, len(self.kinds) - 1), (self.parts, part)]


def draw(rng: np.random.Generator) -> Scene:
    """One street: sky, far skyline, ground, facades, then everything that stands on it, far things first."""
    scene = Scene(horizon=rng.uniform(95, 125), centre=256 + rng.normal(0, 30))
    _skyline(scene, rng)
    _ground(scene)
    for side in (-1.0, 1.0):
        _facades(scene, side, rng)
    for depth in np.sort(rng.uniform(5, 55, rng.integers(14, 24)))[::-1]:
        standing = (_tree, _pole, _person, _car, _bus)[rng.choice(5, p=[0.22, 0.2, 0.2, 0.33, 0.05])]
        standing(scene, float(depth), rng)
    return _with_bonnet(scene)


def _skyline(scene: Scene, rng: np.random.Generator) -> None:
    left = 0.0
    while left < SIZE[1]:
        width, height = rng.uniform(20, 70), rng.uniform(2, 26)
        scene.thing(BUILDING if rng.random() < 0.5 else VEGETATION)
        top, low = scene.horizon - height, scene.horizon + 1
        scene.fill([(left, low), (left + width, low), (left + width, top), (left, top)])
        left += width


def _ground(scene: Scene) -> None:
    bottom = SIZE[0]
    scene.thing(TERRAIN)
    scene.fill([(0, scene.horizon), (SIZE[1], scene.horizon), (SIZE[1], bottom), (0, bottom)])
    for kind, half in ((SIDEWALK, WALL), (ROAD, KERB)):
        scene.thing(kind)
        far, near = 200.0, 2.0
        scene.fill([scene.at(-half, 0, far), scene.at(half, 0, far), scene.at(half, 0, near), scene.at(-half, 0, near)])


def _facades(scene: Scene, side: float, rng: np.random.Generator) -> None:
    """House fronts along one side, from the far end towards the camera, with gaps where the ground shows."""
    ends = np.sort(rng.uniform(6, 90, rng.integers(4, 8)))[::-1]
    for far, near in itertools.pairwise(ends):
        if rng.random() < 0.25:
            continue
        height, x = rng.uniform(4, 16), side * (WALL + rng.uniform(0, 1.5))
        scene.thing(BUILDING)
        scene.fill([scene.at(x, 0, far), scene.at(x, 0, near), scene.at(x, height, near), scene.at(x, height, far)])


def _tree(scene: Scene, depth: float, rng: np.random.Generator) -> None:
    x, height = _beside(rng, KERB + 0.5, WALL + 3), rng.uniform(2.5, 6)
    scene.thing(VEGETATION)
    scene.upright(x, depth, 0.35, 0, height, part=0.6)
    for _ in range(rng.integers(5, 10)):
        column, row = scene.at(x + rng.normal(0, 0.8), height + rng.normal(0, 0.7), depth)
        scene.disc(column, row, FOCAL * rng.uniform(0.5, 1.1) / depth, part=rng.uniform(0.8, 1.1))


def _pole(scene: Scene, depth: float, rng: np.random.Generator) -> None:
    x, height = _beside(rng, KERB + 0.2, KERB + 1), rng.uniform(2.5, 5.5)
    scene.thing(POLE)
    scene.upright(x, depth, 0.18, 0, height)
    if rng.random() < 0.65:
        scene.thing(SIGN)
        if rng.random() < 0.5:
            scene.disc(*scene.at(x, height, depth), FOCAL * 0.45 / depth)
        else:
            scene.upright(x, depth, 1.0, height - 0.4, height + 0.5)


def _person(scene: Scene, depth: float, rng: np.random.Generator) -> None:
    x, height = _beside(rng, 1.5 if rng.random() < 0.2 else KERB + 0.4, WALL - 0.5), rng.uniform(1.5, 1.9)
    scene.thing(PERSON)
    for leg in (-0.13, 0.13):
        scene.upright(x + leg, depth, 0.2, 0, height * 0.5, part=0.7)
    scene.upright(x, depth, 0.55, height * 0.45, height * 0.84)
    scene.disc(*scene.at(x, height * 0.92, depth), FOCAL * 0.14 / depth, part=1.2)


def _car(scene: Scene, depth: float, rng: np.random.Generator) -> None:
    x = float(rng.choice([-4.0, -1.9, 1.9, 4.0])) + rng.normal(0, 0.2)
    scene.thing(CAR)
    _box(scene, x, depth, 1.8, 0.25, 0.85)
    roof = [scene.at(x + dx, h, depth) for dx, h in ((-0.85, 0.85), (0.85, 0.85), (0.6, 1.45), (-0.6, 1.45))]
    scene.fill(roof, part=0.45)
    _wheels(scene, x, depth, 0.75, 0.25)


def _bus(scene: Scene, depth: float, rng: np.random.Generator) -> None:
    x, depth = float(rng.choice([-2.2, 2.2])), max(depth, 9.0)
    scene.thing(BUS)
    _box(scene, x, depth, 2.5, 0.35, 3.0)
    scene.upright(x, depth, 2.2, 1.3, 2.4, part=0.45)
    _wheels(scene, x, depth, 1.0, 0.35)


def _box(scene: Scene, x: float, depth: float, width: float, bottom: float, top: float) -> None:
    """The back of a vehicle, and the side that faces the road's middle."""
    inner = x - np.sign(x) * width / 2
    corners = [(inner, bottom, depth), (inner, top, depth), (inner, top, depth + 3.5), (inner, bottom, depth + 3.5)]
    scene.fill([scene.at(*corner) for corner in corners], part=0.8)
    scene.upright(x, depth, width, bottom, top)


def _wheels(scene: Scene, x: float, depth: float, out: float, radius: float) -> None:
    for side in (-out, out):
        scene.disc(*scene.at(x + side, radius, depth), FOCAL * radius / depth, part=0.25)


def _beside(rng: np.random.Generator, near: float, far: float) -> float:
    """Metres from the middle, on either side."""
    return float(rng.choice([-1, 1]) * rng.uniform(near, far))


def _with_bonnet(scene: Scene) -> Scene:
    """The camera's own car at the lower edge, which is labelled as ignored, as in Cityscapes."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    inside = ((columns - 256) / 280) ** 2 + ((rows - 275) / 38) ** 2 < 1
    scene.labels[inside] = IGNORED
    scene.things[inside], scene.parts[inside] = len(scene.kinds), 0.2
    scene.kinds.append(CAR)
    return scene
