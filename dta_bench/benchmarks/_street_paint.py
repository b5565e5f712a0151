"""Paint a drawn street in two ways: in flat colours, as in a simple game, or textured, noisy and relit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dta_bench.benchmarks import _street_scenes as street
from dta_bench.benchmarks._street_scenes import Scene
from dta_bench.domains.images import Image

Floats = NDArray[np.float32]
Colour = tuple[int, int, int]

# For each class of street.CLASSES: the mean colour (R, G, B) and the deviation between objects.
FLAT: tuple[tuple[Colour, int], ...] = (
    ((95, 95, 100), 4), ((170, 160, 150), 6), ((180, 130, 100), 30), ((120, 120, 120), 10), ((230, 190, 40), 30),
    ((60, 150, 50), 15), ((150, 180, 90), 8), ((110, 170, 240), 8), ((200, 80, 90), 45), ((170, 50, 60), 60),
    ((230, 120, 40), 25),
)  # fmt: skip
TEXTURED: tuple[tuple[Colour, int], ...] = (
    ((92, 90, 88), 8), ((138, 132, 126), 10), ((140, 126, 116), 24), ((88, 88, 90), 16), ((190, 160, 80), 45),
    ((70, 92, 58), 14), ((126, 128, 86), 12), ((196, 204, 214), 16), ((96, 84, 88), 40), ((112, 106, 112), 50),
    ((176, 124, 84), 35),
)  # fmt: skip
# The strength of each class's texture, as a share of its brightness.
ROUGHNESS = np.array([0.10, 0.12, 0.12, 0.08, 0.10, 0.38, 0.28, 0.03, 0.22, 0.12, 0.10], dtype=np.float32)


def flat(scene: Scene, rng: np.random.Generator) -> Image:
    """Paint each object in one colour, with darker and brighter parts, without texture or noise; (height, width, 3)."""
    return _bytes(_coloured(scene, FLAT, rng) * scene.brightness[..., None])


def textured(scene: Scene, rng: np.random.Generator) -> Image:
    """Paint other colours, textures, windows and lane marks, then light, shadow, haze, blur, camera tone and noise.

    Returns:
        (height, width, 3).
    """
    import cv2

    painted = _coloured(scene, TEXTURED, rng) * (0.35 + 0.65 * scene.brightness[..., None])
    painted *= 1 + _texture(scene, rng)[..., None]
    painted *= _windows(scene, rng)[..., None]
    painted += 60 * _lane_marks(scene)[..., None]
    painted *= _light(scene, rng)[..., None]
    hazy = _haze(painted, scene, rng)
    blurred = cv2.GaussianBlur(hazy, (0, 0), float(rng.uniform(0.4, 0.9)))
    return _bytes(_camera(blurred, rng))


def _coloured(scene: Scene, palette: tuple[tuple[Colour, int], ...], rng: np.random.Generator) -> Floats:
    """Give each object a colour of its class, which differs mostly in brightness and a little in hue."""
    means = np.array([palette[kind][0] for kind in scene.kinds], dtype=np.float32)
    spread = np.array([palette[kind][1] for kind in scene.kinds], dtype=np.float32)[:, None]
    shift = 0.8 * rng.standard_normal((len(means), 1)) + 0.6 * rng.standard_normal(means.shape)
    colours = means + spread * shift.astype(np.float32)
    return colours.clip(10, 245)[scene.things]


def _noise(rng: np.random.Generator, cell: int) -> Floats:
    """Smooth noise with deviation 1, whose spots are about ``cell`` pixels wide."""
    import cv2

    height, width = street.SIZE
    coarse = rng.standard_normal((height // cell + 2, width // cell + 2)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth / smooth.std(), dtype=np.float32)


def _texture(scene: Scene, rng: np.random.Generator) -> Floats:
    octaves = 0.5 * _noise(rng, 2) + 0.6 * _noise(rng, 6) + 0.5 * _noise(rng, 24)
    strength = np.append(ROUGHNESS, np.zeros(256 - len(ROUGHNESS), dtype=np.float32))[scene.labels]
    return np.asarray(octaves * strength, dtype=np.float32)


def _windows(scene: Scene, rng: np.random.Generator) -> Floats:
    """Factors that darken rows of windows on buildings; each building has its own distances between windows."""
    pitch = rng.uniform(7, 16, (len(scene.kinds), 2)).astype(np.float32)[scene.things]
    rows, columns = np.mgrid[: street.SIZE[0], : street.SIZE[1]].astype(np.float32)
    glass = (np.mod(rows / pitch[..., 0], 1) > 0.45) & (np.mod(columns / pitch[..., 1], 1) > 0.5)
    shown = glass & (scene.labels == street.BUILDING)
    return np.where(shown, np.float32(0.62), np.float32(1))


def _lane_marks(scene: Scene) -> Floats:
    """1 on the dashes along the road's middle, else 0."""
    import cv2

    marks: Any = np.zeros(street.SIZE, dtype=np.float32)
    for depth in np.arange(3.0, 40.0, 4.0):
        ends = (depth, depth + 2.0)
        corners = [
            scene.project(dx, 0, z) for z, dx in ((ends[0], -0.08), (ends[0], 0.08), (ends[1], 0.08), (ends[1], -0.08))
        ]
        cv2.fillPoly(marks, [np.array(corners).round().astype(np.int32)], (1.0,))
    return np.asarray(marks * (scene.labels == street.ROAD), dtype=np.float32)


def _light(scene: Scene, rng: np.random.Generator) -> Floats:
    """Factors of a brightness that varies over the image, and of soft shadows."""
    import cv2

    height, width = street.SIZE
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    slant = 1 + rng.uniform(-0.25, 0.25) * (columns / width - 0.5) + rng.uniform(-0.15, 0.15) * (rows / height - 0.5)
    shadow = (_noise(rng, 64) > rng.uniform(0.3, 1.2)) & (rows > scene.horizon)
    soft = cv2.GaussianBlur(shadow.astype(np.float32), (0, 0), 2.5)
    return np.asarray(slant * (1 - rng.uniform(0.2, 0.5) * soft), dtype=np.float32)


def _haze(image: Floats, scene: Scene, rng: np.random.Generator) -> Floats:
    """Mix in grey light, more of it near the horizon."""
    rows = np.arange(street.SIZE[0], dtype=np.float32)
    thick = rng.uniform(0.05, 0.35) * np.exp(-np.abs(rows - scene.horizon) / 28)[:, None, None]
    return np.asarray(image * (1 - thick) + 205 * thick, dtype=np.float32)


def _camera(image: Floats, rng: np.random.Generator) -> Floats:
    """Change white balance, exposure and contrast, drawn once an image, and add pixel noise."""
    balance = np.array([1.0, rng.uniform(0.95, 1.06), rng.uniform(0.86, 1.08)], dtype=np.float32)
    toned = 255 * (image * balance / 255).clip(0, 1) ** rng.uniform(0.8, 1.3)
    exposed = (toned - 110) * rng.uniform(0.65, 1.0) + 110 * rng.uniform(0.8, 1.15)
    noise = rng.uniform(3, 9) * rng.standard_normal(image.shape).astype(np.float32)
    return np.asarray(exposed + noise, dtype=np.float32)


def _bytes(image: Floats) -> Image:
    return image.round().clip(0, 255).astype(np.uint8)
