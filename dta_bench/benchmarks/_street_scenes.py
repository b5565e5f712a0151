"""Draw a street as a pinhole camera sees it: the class and the object of every pixel, without colours."""

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
FOCAL_LENGTH, CAMERA_HEIGHT = 260.0, 1.6  # pixels; metres above the road
KERB, WALL = 5.0, 8.5  # metres from the road's middle
Points = list[tuple[float, float]]


@dataclass
class Scene:
    """A street while it is drawn; its maps have the shape ``SIZE``.

    Args:
        horizon: row of the horizon.
        centre: column of the vanishing point.
        labels: the class of each pixel.
        things: the number of the object that each pixel belongs to.
        brightness: factor of each pixel's colour, by which the parts of an object differ.
        kinds: the class of each object.
    """

    horizon: float
    centre: float
    labels: NDArray[np.uint8] = field(default_factory=lambda: np.full(SIZE, SKY, dtype=np.uint8))
    things: NDArray[np.int16] = field(default_factory=lambda: np.zeros(SIZE, dtype=np.int16))
    brightness: NDArray[np.float32] = field(default_factory=lambda: np.ones(SIZE, dtype=np.float32))
    kinds: list[int] = field(default_factory=lambda: [SKY])

    def begin_thing(self, kind: int) -> None:
        """Begin an object of this class; everything that is drawn next belongs to it."""
        self.kinds.append(kind)

    def fill(self, points: Points, brightness: float = 1.0) -> None:
        """Fill a polygon with corners (column, row)."""
        import cv2

        corners = np.array(points).round().astype(np.int32)
        for canvas, value in self._canvases(brightness):
            cv2.fillPoly(canvas, [corners], (value,))

    def disc(self, column: float, row: float, radius: float, brightness: float = 1.0) -> None:
        """Fill a circle, at least one pixel in radius."""
        import cv2

        for canvas, value in self._canvases(brightness):
            cv2.circle(canvas, (round(column), round(row)), max(1, round(radius)), (value,), -1)

    def project(self, x: float, height: float, depth: float) -> tuple[float, float]:
        """The (column, row) of a point, given in metres right of the middle, above the road, and ahead."""
        return self.centre + FOCAL_LENGTH * x / depth, self.horizon + FOCAL_LENGTH * (CAMERA_HEIGHT - height) / depth

    def upright(self, x: float, depth: float, width: float, bottom: float, top: float, brightness: float = 1.0) -> None:
        """Fill a rectangle that faces the camera, given in metres; at least two pixels wide."""
        (left, low), (right, high) = self.project(x - width / 2, bottom, depth), self.project(x + width / 2, top, depth)
        if right - left < 2:
            left, right = (left + right) / 2 - 1, (left + right) / 2 + 1
        self.fill([(left, low), (right, low), (right, high), (left, high)], brightness)

    def _canvases(self, brightness: float) -> list[tuple[Any, float]]:
        """Each map with the value that is drawn into it."""
        return [(self.labels, self.kinds[-1]), (self.things, len(self.kinds) - 1), (self.brightness, brightness)]


def draw(rng: np.random.Generator) -> Scene:
    """Draw one street: sky, skyline, ground and facades, then the objects that stand on the ground, far ones first."""
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
        scene.begin_thing(BUILDING if rng.random() < 0.5 else VEGETATION)
        top, low = scene.horizon - height, scene.horizon + 1
        scene.fill([(left, low), (left + width, low), (left + width, top), (left, top)])
        left += width


def _ground(scene: Scene) -> None:
    bottom = SIZE[0]
    scene.begin_thing(TERRAIN)
    scene.fill([(0, scene.horizon), (SIZE[1], scene.horizon), (SIZE[1], bottom), (0, bottom)])
    for kind, half in ((SIDEWALK, WALL), (ROAD, KERB)):
        scene.begin_thing(kind)
        far, near = 200.0, 2.0
        scene.fill(
            [
                scene.project(-half, 0, far),
                scene.project(half, 0, far),
                scene.project(half, 0, near),
                scene.project(-half, 0, near),
            ]
        )


def _facades(scene: Scene, side: float, rng: np.random.Generator) -> None:
    """Draw house fronts along one side, from far to near, with gaps in which the ground shows."""
    ends = np.sort(rng.uniform(6, 90, rng.integers(4, 8)))[::-1]
    for far, near in itertools.pairwise(ends):
        if rng.random() < 0.25:
            continue
        height, x = rng.uniform(4, 16), side * (WALL + rng.uniform(0, 1.5))
        scene.begin_thing(BUILDING)
        scene.fill(
            [
                scene.project(x, 0, far),
                scene.project(x, 0, near),
                scene.project(x, height, near),
                scene.project(x, height, far),
            ]
        )


def _tree(scene: Scene, depth: float, rng: np.random.Generator) -> None:
    x, height = _beside(rng, KERB + 0.5, WALL + 3), rng.uniform(2.5, 6)
    scene.begin_thing(VEGETATION)
    scene.upright(x, depth, 0.35, 0, height, brightness=0.6)
    for _ in range(rng.integers(5, 10)):
        column, row = scene.project(x + rng.normal(0, 0.8), height + rng.normal(0, 0.7), depth)
        scene.disc(column, row, FOCAL_LENGTH * rng.uniform(0.5, 1.1) / depth, brightness=rng.uniform(0.8, 1.1))


def _pole(scene: Scene, depth: float, rng: np.random.Generator) -> None:
    x, height = _beside(rng, KERB + 0.2, KERB + 1), rng.uniform(2.5, 5.5)
    scene.begin_thing(POLE)
    scene.upright(x, depth, 0.18, 0, height)
    if rng.random() < 0.65:
        scene.begin_thing(SIGN)
        if rng.random() < 0.5:
            scene.disc(*scene.project(x, height, depth), FOCAL_LENGTH * 0.45 / depth)
        else:
            scene.upright(x, depth, 1.0, height - 0.4, height + 0.5)


def _person(scene: Scene, depth: float, rng: np.random.Generator) -> None:
    x, height = _beside(rng, 1.5 if rng.random() < 0.2 else KERB + 0.4, WALL - 0.5), rng.uniform(1.5, 1.9)
    scene.begin_thing(PERSON)
    for leg in (-0.13, 0.13):
        scene.upright(x + leg, depth, 0.2, 0, height * 0.5, brightness=0.7)
    scene.upright(x, depth, 0.55, height * 0.45, height * 0.84)
    scene.disc(*scene.project(x, height * 0.92, depth), FOCAL_LENGTH * 0.14 / depth, brightness=1.2)


def _car(scene: Scene, depth: float, rng: np.random.Generator) -> None:
    x = float(rng.choice([-4.0, -1.9, 1.9, 4.0])) + rng.normal(0, 0.2)
    scene.begin_thing(CAR)
    _box(scene, x, depth, 1.8, 0.25, 0.85)
    roof = [scene.project(x + dx, h, depth) for dx, h in ((-0.85, 0.85), (0.85, 0.85), (0.6, 1.45), (-0.6, 1.45))]
    scene.fill(roof, brightness=0.45)
    _wheels(scene, x, depth, 0.75, 0.25)


def _bus(scene: Scene, depth: float, rng: np.random.Generator) -> None:
    x, depth = float(rng.choice([-2.2, 2.2])), max(depth, 9.0)
    scene.begin_thing(BUS)
    _box(scene, x, depth, 2.5, 0.35, 3.0)
    scene.upright(x, depth, 2.2, 1.3, 2.4, brightness=0.45)
    _wheels(scene, x, depth, 1.0, 0.35)


def _box(scene: Scene, x: float, depth: float, width: float, bottom: float, top: float) -> None:
    """Draw the back of a vehicle and the side that faces the road's middle."""
    inner = x - np.sign(x) * width / 2
    corners = [(inner, bottom, depth), (inner, top, depth), (inner, top, depth + 3.5), (inner, bottom, depth + 3.5)]
    scene.fill([scene.project(*corner) for corner in corners], brightness=0.8)
    scene.upright(x, depth, width, bottom, top)


def _wheels(scene: Scene, x: float, depth: float, out: float, radius: float) -> None:
    for side in (-out, out):
        scene.disc(*scene.project(x + side, radius, depth), FOCAL_LENGTH * radius / depth, brightness=0.25)


def _beside(rng: np.random.Generator, near: float, far: float) -> float:
    """A random position between ``near`` and ``far`` metres from the middle, on either side."""
    return float(rng.choice([-1, 1]) * rng.uniform(near, far))


def _with_bonnet(scene: Scene) -> Scene:
    """Add the bonnet of the camera's own car at the lower edge; its pixels are ignored, as in Cityscapes."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    inside = ((columns - 256) / 280) ** 2 + ((rows - 275) / 38) ** 2 < 1
    scene.labels[inside] = IGNORED
    scene.things[inside], scene.brightness[inside] = len(scene.kinds), 0.2
    scene.kinds.append(CAR)
    return scene
